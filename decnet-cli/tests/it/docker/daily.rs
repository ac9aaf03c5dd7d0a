//! The daily verbs.

mod restart;
