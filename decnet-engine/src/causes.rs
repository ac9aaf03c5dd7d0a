//! The text of an error with its causes.

use std::{error::Error, iter};

/// Joins an error and its causes, without texts that end the one before.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    for cause in iter::successors(error.source(), |cause| (*cause).source()) {
        let cause = cause.to_string();
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
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
}
