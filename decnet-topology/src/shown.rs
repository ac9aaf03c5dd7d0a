//! Escapes untrusted text for people: text from a file, a daemon or an intruder must not control a terminal or falsify a log.
//!
//! Output for programs is not changed.

use std::{borrow::Cow, fmt::Display};

use jiff::Timestamp;

/// Formats a number with a noun, in the singular or the plural.
///
/// ```
/// use decnet_topology::shown::count;
///
/// assert_eq!(count(1_usize, "decky", "deckies"), "1 decky");
/// assert_eq!(count(0_u64, "decky", "deckies"), "0 deckies");
/// ```
pub fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    let noun = if number == N::from(1) { one } else { many };
    format!("{number} {noun}")
}

/// Formats a time in UTC, in whole seconds.
///
/// ```
/// use decnet_topology::shown::time;
///
/// assert_eq!(time("2030-01-31T12:00:00.25Z".parse()?), "2030-01-31 12:00:00Z");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// Returns whether a character is invisible: it moves the cursor, ends a line, reverses the following text, or hides.
///
/// These are the control characters, line and paragraph separators, and all characters that Unicode calls format characters or
/// ignorable by default (general categories Cc, Cf, Zl and Zp, property `Default_Ignorable_Code_Point`).
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{890}'..='\u{891}'
                | '\u{8e2}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{110bd}' | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Writes invisible characters as escapes, so that a line stays one line and shows its contents.
///
/// ```
/// use decnet_topology::shown::one_line;
///
/// assert_eq!(one_line("rtl\u{202e}gpj\nstatus=fine"), "rtl\\u{202e}gpj\\nstatus=fine");
/// ```
pub fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, is_hidden)
}

/// Writes invisible characters except line feeds and tabs as escapes, in a text of several lines.
pub fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |character| {
        is_hidden(character) && !matches!(character, '\n' | '\t')
    })
}

fn escape(text: &str, wanted: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&wanted) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if wanted(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_have_no_effect() {
        assert_eq!(lines("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
        assert_eq!(one_line("a\nstatus=fine\r"), "a\\nstatus=fine\\r");
        assert_eq!(one_line("täglich 名 ü"), "täglich 名 ü");
    }

    #[test]
    fn text_that_would_reverse_or_hide_is_escaped() {
        let bidi = ('\u{202a}'..='\u{202e}')
            .chain('\u{2066}'..='\u{2069}')
            .chain(['\u{200e}', '\u{200f}', '\u{61c}']);
        let others = [
            '\u{7f}',
            '\u{85}',
            '\u{9b}',
            '\u{2028}',
            '\u{2029}',
            '\u{200b}',
            '\u{feff}',
            '\u{e0041}',
            '\u{fff9}',
        ];
        for hidden in bidi.chain(others) {
            let text = format!("a{hidden}b");
            assert_eq!(one_line(&text), format!("a{}b", hidden.escape_default()));
        }
    }
}
