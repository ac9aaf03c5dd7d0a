use crate::{name::Name, shown};

/// The distance of text from the edges of a box.
pub(super) const INNER: i64 = 10;

/// Escapes text for content and attributes of XML. Invisible characters, which may be invalid there, are shown as escapes.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in shown::one_line(text).chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no way to write them.
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

/// Returns the attribute with the member of a fleet; empty without one.
pub(super) fn host(host: Option<&Name>) -> String {
    host.map(|host| format!(" data-host=\"{}\"", escaped(host.as_str())))
        .unwrap_or_default()
}

/// Shortens text to a number of columns. Characters outside ASCII count as two columns, as wide as most of them can be.
pub(super) fn shortened(text: &str, columns: i64) -> String {
    let width = |character: char| -> i64 { if character.is_ascii() { 1 } else { 2 } };
    let text = shown::one_line(text);
    if text.chars().map(width).sum::<i64>() <= columns {
        return text.into_owned();
    }
    let mut left = columns - 1;
    let kept = text.chars().take_while(|&character| {
        left -= width(character);
        left >= 0
    });
    kept.chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_have_no_effect() {
        assert_eq!(
            escaped("</text><script a='1' b=\"&\">"),
            "&lt;/text&gt;&lt;script a=&#39;1&#39; b=&quot;&amp;&quot;&gt;"
        );
        assert_eq!(escaped("a\u{0}\u{1b}\n\u{202e}b"), "a\\u{0}\\u{1b}\\n\\u{202e}b");
        assert_eq!(escaped("\u{fffe}\u{ffff}"), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn long_text_ends_with_an_ellipsis_within_its_columns() {
        assert_eq!(shortened("web-01", 6), "web-01");
        assert_eq!(shortened("web-001", 6), "web-0…");
        assert_eq!(shortened("名名名", 5), "名名…");
        assert_eq!(shortened("web", 0), "…");
    }
}
