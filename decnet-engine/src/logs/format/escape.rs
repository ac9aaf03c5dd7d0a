//! Text of visitors in lines for programs.

use std::fmt::Write as _;

use decnet_topology::shown;
use serde::Serialize;

/// Returns a value as JSON on one line. All invisible characters are escapes, also those that JSON allows in texts, because some
/// programs take them for the end of a line, and terminals act on them.
pub(super) fn json(value: &impl Serialize) -> String {
    // The values have text keys, so this does not fail.
    let text = serde_json::to_string(value).unwrap_or_default();
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if shown::is_hidden(character) {
            // JSON has them only within texts, where any character can be an escape.
            for unit in character.encode_utf16(&mut [0; 2]) {
                // Writing to memory does not fail.
                let _ = write!(escaped, "\\u{unit:04x}");
            }
        } else {
            escaped.push(character);
        }
    }
    escaped
}
