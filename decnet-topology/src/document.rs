//! The maze file: parse and print.
