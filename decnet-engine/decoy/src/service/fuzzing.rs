//! What arbitrary bytes do to the services: the targets of the fuzzer, which the tests use too.
//!
//! Each function accepts any bytes. It panics if the program would, and if a limit is exceeded.

mod conversation;
mod formats;
mod input;
#[cfg(test)]
mod tests;

use crate::protocol::Record;

#[cfg(test)]
pub(in crate::service) use self::tests::record;
pub use self::{
    conversation::converse,
    formats::{client_hello, formats},
};

/// Reads a line of a log and writes it again: it must be the same event, and one line.
///
/// # Panics
///
/// If it is not.
pub fn log_line(bytes: &[u8]) {
    let Ok(record) = serde_json::from_slice::<Record>(bytes) else {
        return;
    };
    let line = serde_json::to_vec(&record).expect("a record can be written");
    assert!(line.iter().all(|byte| *byte >= b' '), "a control character in {line:?}");
    let again: Record = serde_json::from_slice(&line).expect("a line can be read");
    assert_eq!(record, again);
}
