//! The canonical hash.
