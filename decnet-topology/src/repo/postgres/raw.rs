//! Texts as PostgreSQL stores them: it refuses the character U+0000, which the other stores keep.
//!
//! The character is stored as the noncharacter U+FDD0 and a `0`, and U+FDD0 itself as U+FDD0 and a `1`.

use std::borrow::Cow;

const ESCAPE: char = '\u{fdd0}';

/// Returns a text as it is stored.
pub(super) fn stored(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', ESCAPE]) {
        return text.into();
    }
    let mut stored = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => stored.extend([ESCAPE, '0']),
            ESCAPE => stored.extend([ESCAPE, '1']),
            other => stored.push(other),
        }
    }
    stored.into()
}

/// Returns a stored text as it was given; none if it is the same.
pub(super) fn restored(stored: &str) -> Option<String> {
    let (first, rest) = stored.split_once(ESCAPE)?;
    let mut text = first.to_owned();
    let mut rest = rest.chars();
    while let Some(character) = rest.next() {
        text.push(if character == '0' { '\0' } else { ESCAPE });
        text.extend(rest.by_ref().take_while(|character| *character != ESCAPE));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_restored_and_none_has_a_null_character() {
        for text in [
            "",
            "a",
            "\0",
            "a\0",
            "\0b\0\0",
            "\u{fdd0}",
            "\u{fdd0}0",
            "a\u{fdd0}\0\u{fdd0}b",
            "ä\0ö",
        ] {
            let kept = stored(text);
            assert!(!kept.contains('\0'), "{kept:?}");
            assert_eq!(restored(&kept).as_deref().unwrap_or(&kept), text);
        }
    }
}
