use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The maximum length of a pattern in bytes.
const LONGEST: usize = 512;

/// A pattern of topics: words separated by dots. `*` matches any one word; `>`, at the end, matches one or more words.
///
/// ASCII letters are compared without case, like the names of deckies.
///
/// ```
/// use decnet_engine::Pattern;
/// let pattern: Pattern = "topology.*.mutation.>".parse()?;
/// assert!(pattern.matches("topology.7.mutation.applied"));
/// assert!(!pattern.matches("topology.7.mutation"));
/// assert!("topology..status".parse::<Pattern>().is_err());
/// # Ok::<(), decnet_engine::PatternError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(Box<str>);

/// Reports an invalid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum PatternError {
    /// The text is too long.
    #[error("a pattern has at most {LONGEST} bytes, but this one has {len}")]
    #[strum(serialize = "pattern_too_long")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A word is empty.
    #[error("word {position} of the pattern `{pattern}` is empty")]
    EmptyWord {
        /// The text.
        pattern: String,
        /// The position of the word, from 1.
        position: usize,
    },
    /// `>` is not the last word.
    #[error("`>` must be the last word of the pattern `{pattern}`")]
    RestNotLast {
        /// The text.
        pattern: String,
    },
    /// A word contains a space, a control character, or a `*` or `>` next to other characters.
    #[error("word {position} of the pattern `{pattern}` contains {character:?}")]
    #[strum(serialize = "pattern_character")]
    Character {
        /// The text.
        pattern: String,
        /// The position of the word, from 1.
        position: usize,
        /// The character.
        character: char,
    },
}

impl PatternError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

impl Pattern {
    /// Matches every topic.
    pub fn everything() -> Self {
        Self(">".into())
    }

    /// Parses a pattern.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > LONGEST {
            return Err(PatternError::TooLong { len: text.len() });
        }
        let pattern = || text.to_owned();
        let mut words = text.split('.').enumerate().peekable();
        while let Some((at, word)) = words.next() {
            let position = at + 1;
            match word {
                "" => {
                    return Err(PatternError::EmptyWord {
                        pattern: pattern(),
                        position,
                    });
                }
                ">" if words.peek().is_some() => return Err(PatternError::RestNotLast { pattern: pattern() }),
                "*" | ">" => {}
                word => {
                    let stray = |character: &char| {
                        matches!(character, '*' | '>') || character.is_whitespace() || character.is_control()
                    };
                    if let Some(character) = word.chars().find(stray) {
                        return Err(PatternError::Character {
                            pattern: pattern(),
                            position,
                            character,
                        });
                    }
                }
            }
        }
        Ok(Self(text.into()))
    }

    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether a topic matches.
    pub fn matches(&self, topic: &str) -> bool {
        let mut words = topic.split('.');
        for wanted in self.0.split('.') {
            match (wanted, words.next()) {
                (_, None | Some("")) => return false,
                (">", Some(_)) => return words.all(|word| !word.is_empty()),
                ("*", Some(_)) => {}
                (wanted, Some(word)) if wanted.eq_ignore_ascii_case(word) => {}
                _ => return false,
            }
        }
        words.next().is_none()
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::new(text)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::new(&text)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matched: &[&str], not: &[&str]) {
        let pattern = Pattern::new(pattern).expect("a pattern");
        for topic in matched {
            assert!(pattern.matches(topic), "{pattern} matches {topic}");
        }
        for topic in not {
            assert!(!pattern.matches(topic), "{pattern} does not match {topic}");
        }
    }

    #[test]
    fn a_star_matches_one_word_and_an_angle_bracket_the_rest() {
        check("a.b", &["a.b", "A.B"], &["a", "a.b.c", "a.c", "ab", "", "a.", ".a.b"]);
        check("a.*", &["a.b", "a.c"], &["a", "a.b.c", "a.", "b.b"]);
        check("*.b", &["a.b"], &["a.c", "b", ".b"]);
        check("a.>", &["a.b", "a.b.c"], &["a", "a.", "a..b", "b.a"]);
        check(">", &["a", "a.b"], &["", "a."]);
        check("*.*.>", &["a.b.c", "a.b.c.d"], &["a.b"]);
    }

    #[test]
    fn an_invalid_pattern_is_refused_with_the_position() {
        let error = |text: &str| Pattern::new(text).expect_err(text).to_string();
        assert_eq!(error(""), "word 1 of the pattern `` is empty");
        assert_eq!(error("a..b"), "word 2 of the pattern `a..b` is empty");
        assert_eq!(error("a.>.b"), "`>` must be the last word of the pattern `a.>.b`");
        assert_eq!(error("a.b*"), "word 2 of the pattern `a.b*` contains '*'");
        assert_eq!(error("a b"), "word 1 of the pattern `a b` contains ' '");
        assert_eq!(error("a.\n"), "word 2 of the pattern `a.\n` contains '\\n'");
        assert_eq!(
            error(&"x".repeat(513)),
            "a pattern has at most 512 bytes, but this one has 513"
        );
    }
}
