//! The text of an error with its causes.

use std::{error::Error, iter};

/// What precedes the link to the manual of a crate in the text of its error. People who run decnet do not need that.
const MANUAL: &str = ": https://docs.rs/";

/// Joins an error and its causes, without texts that end the one before.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = without_link(error.to_string());
    for cause in iter::successors(error.source(), |cause| (*cause).source()) {
        let cause = without_link(cause.to_string());
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Removes links. The punctuation after a link belongs to the text.
fn without_link(mut text: String) -> String {
    while let Some(start) = text.find(MANUAL) {
        let link = &text[start + MANUAL.len()..];
        let link = link.split(char::is_whitespace).next().unwrap_or_default();
        let length = link.trim_end_matches([':', ',', ';', ')']).len();
        text.replace_range(start..start + MANUAL.len() + length, "");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Outer {
        text: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_cause_that_is_in_the_text_already_is_not_repeated() {
        for (text, expected) in [
            ("no file", "no file: it is gone"),
            ("no file: it is gone", "no file: it is gone"),
        ] {
            let source = io::Error::other("it is gone");
            assert_eq!(with_causes(&Outer { text, source }), expected);
        }
    }

    #[test]
    fn the_link_to_a_manual_of_developers_is_left_out() {
        for (after, expected) in [
            ("", ""),
            (": the peer left", ": the peer left"),
            (" (twice)", " (twice)"),
        ] {
            let link = "https://docs.rs/rustls/latest/rustls/manual#eof";
            let source = io::Error::other(format!("it closed the connection: {link}{after}"));
            let text = "no answer";
            assert_eq!(
                with_causes(&Outer { text, source }),
                format!("no answer: it closed the connection{expected}")
            );
        }
    }
}
