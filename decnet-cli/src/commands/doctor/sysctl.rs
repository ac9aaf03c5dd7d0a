//! Settings of the kernel.

use std::fs;

/// Reads a setting from its file below `/proc/sys`; none where the kernel does not have it.
pub(super) fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}
