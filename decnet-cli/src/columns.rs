//! Text in columns: cut or wrapped to a width in characters.

/// Returns the number of characters.
pub(crate) fn characters(text: &str) -> usize {
    text.chars().count()
}

/// Replaces the start of a text that is too long by an ellipsis.
pub(crate) fn cut_start(text: &str, width: usize) -> String {
    match characters(text).checked_sub(width) {
        None | Some(0) => text.into(),
        Some(more) => format!("…{}", text.chars().skip(more + 1).collect::<String>()),
    }
}

/// Replaces the end of a text that is too long by an ellipsis.
pub(crate) fn cut_end(text: &str, width: usize) -> String {
    if characters(text) <= width {
        return text.into();
    }
    format!("{}…", text.chars().take(width.saturating_sub(1)).collect::<String>())
}

/// Breaks a text into lines, between words if possible. There is at least one line.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_whitespace() {
        let length = characters(word);
        if used > 0 && used + 1 + length > width {
            lines.push(String::new());
            used = 0;
        }
        let last = lines.len() - 1;
        if used > 0 {
            lines[last].push(' ');
            used += 1;
        }
        for character in word.chars() {
            if used == width {
                lines.push(String::new());
                used = 0;
            }
            let last = lines.len() - 1;
            lines[last].push(character);
            used += 1;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_too_long_are_broken() {
        assert_eq!(wrap("a bc defghij k", 4), ["a bc", "defg", "hij", "k"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn a_text_that_is_too_long_is_cut() {
        assert_eq!(
            (cut_end("abcd", 4), cut_end("abcde", 4)),
            ("abcd".into(), "abc…".into())
        );
        assert_eq!(
            (cut_start("abcd", 4), cut_start("abcde", 4)),
            ("abcd".into(), "…cde".into())
        );
        assert_eq!((cut_end("ab", 0), cut_start("ab", 1)), ("…".into(), "…".into()));
    }
}
