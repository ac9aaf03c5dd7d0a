//! The only randomness.
