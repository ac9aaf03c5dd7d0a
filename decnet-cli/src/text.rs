//! Text for terminals and logs.

use std::borrow::Cow;

/// Escapes control characters but line feeds and tabs, so that what a file or a daemon says cannot play tricks on a terminal.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    escape(text, |character| {
        plays_tricks(character) && !matches!(character, '\n' | '\t')
    })
}

/// Escapes every control character, so that one line stays one line.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    escape(text, plays_tricks)
}

/// Control characters, and those that show nothing but turn what follows around, break lines or hide in a name.
fn plays_tricks(character: char) -> bool {
    let is_unseen = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    );
    character.is_control() || is_unseen
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

/// Counts something: `1 LAN`, `2 LANs`, `3 deckies`.
pub(crate) fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_not_obeyed() {
        assert_eq!(visible("a\u{1b}[2Jb\nc"), "a\\u{1b}[2Jb\nc");
        assert_eq!(one_line("a\nstatus=fine\r"), "a\\nstatus=fine\\r");
        assert_eq!(one_line("täglich"), "täglich");
    }

    #[test]
    fn text_that_would_turn_around_or_hide_is_shown_as_what_it_is() {
        assert_eq!(visible("rtl\u{202e}gpj"), "rtl\\u{202e}gpj");
        assert_eq!(visible("corp\u{200b}"), "corp\\u{200b}");
        assert_eq!(visible("名 ü"), "名 ü");
    }
}
