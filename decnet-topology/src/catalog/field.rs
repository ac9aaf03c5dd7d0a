use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of a field of configuration.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum FieldType {
    /// One line of text.
    String,
    /// A text that is not displayed.
    Password,
    /// A whole number.
    Int,
    /// True or false.
    Bool,
    /// Text of several lines.
    Text,
    /// One of [`ServiceField::options`].
    Enum,
    /// A list of some of [`ServiceField::options`].
    MultiEnum,
}

impl FieldType {
    /// The words for the types.
    pub(super) const WORDS: &[&str] = <Self as strum::VariantNames>::VARIANTS;
}

/// A field of a service's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceField {
    /// The key in `service_config`.
    pub key: String,
    /// The type of its value.
    #[serde(rename = "type")]
    pub kind: FieldType,
    /// The values that an enum may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<String>,
    /// The longest text in bytes, if it differs from the default: 4 096, and 16 384 for text of several lines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// The lowest whole number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minimum: Option<i64>,
    /// The highest whole number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
    /// The default value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
    /// The purpose of the field.
    pub help: String,
}

/// The reason why a value does not fit a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum FieldFault {
    /// The value is of another type.
    #[error("must be {expected}, not {found}")]
    #[strum(serialize = "wrong_type")]
    Type {
        /// What was expected.
        expected: &'static str,
        /// What was found.
        found: &'static str,
    },
    /// A line break in a text of one line.
    #[error("must be one line")]
    #[strum(serialize = "not_one_line")]
    Lines,
    /// A text that is too long for a container's environment or for a datagram.
    #[error("must have at most {limit} bytes, not {length}")]
    #[strum(serialize = "too_long")]
    Long {
        /// Its length in bytes.
        length: usize,
        /// The longest length in bytes.
        limit: usize,
    },
    /// A number that is too low or too high.
    #[error("must be {range}, not {value}")]
    #[strum(serialize = "out_of_range")]
    Range {
        /// The number.
        value: String,
        /// The allowed range.
        range: String,
    },
    /// The value is not one of the options.
    #[error("must be one of {options}, not `{value}`")]
    #[strum(serialize = "unknown_option")]
    Option {
        /// The value.
        value: String,
        /// The options, separated by commas.
        options: String,
    },
}

impl FieldFault {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

impl ServiceField {
    /// Checks that a value fits the field.
    ///
    /// JSON types are strict: `"22"` is not a number, `1.0` is not a whole number, and no field accepts `null`.
    ///
    /// ```
    /// use decnet_topology::Catalog;
    ///
    /// let catalog = Catalog::builtin();
    /// let banner = catalog.service("ssh").and_then(|ssh| ssh.field("banner")).expect("ssh has a banner");
    /// assert!(banner.check(&"SSH-2.0-dropbear".into()).is_ok());
    /// assert_eq!(banner.check(&5.into()).unwrap_err().to_string(), "must be a text, not a number");
    /// ```
    pub fn check(&self, value: &Value) -> Result<(), FieldFault> {
        let wrong = |expected| {
            let found = type_name(value);
            Err(FieldFault::Type { expected, found })
        };
        match (self.kind, value) {
            (FieldType::String | FieldType::Password, Value::String(text)) => {
                // A banner may end with a line break.
                if text.trim_end_matches(['\r', '\n']).contains('\n') {
                    Err(FieldFault::Lines)
                } else {
                    self.check_length(text)
                }
            }
            (FieldType::String | FieldType::Password | FieldType::Text, _) => match value {
                Value::String(text) => self.check_length(text),
                _ => wrong("a text"),
            },
            (FieldType::Int, Value::Number(number)) if number.is_i64() || number.is_u64() => self.check_range(number),
            (FieldType::Int, Value::Number(_)) => Err(FieldFault::Type {
                expected: "a whole number",
                found: "a number with a fraction",
            }),
            (FieldType::Int, _) => wrong("a whole number"),
            (FieldType::Bool, Value::Bool(_)) => Ok(()),
            (FieldType::Bool, _) => wrong("true or false"),
            (FieldType::Enum, Value::String(text)) => self.check_option(text),
            (FieldType::Enum, _) => wrong("one of its options, as a text"),
            (FieldType::MultiEnum, Value::Array(items)) => items.iter().try_for_each(|item| match item {
                Value::String(text) => self.check_option(text),
                other => Err(FieldFault::Type {
                    expected: "a list of texts",
                    found: type_name(other),
                }),
            }),
            (FieldType::MultiEnum, _) => wrong("a list of its options"),
        }
    }

    /// Returns the longest length of a text in bytes.
    pub fn text_limit(&self) -> usize {
        let usual = if self.kind == FieldType::Text {
            16 * 1024
        } else {
            4 * 1024
        };
        self.max_length.unwrap_or(usual)
    }

    fn check_length(&self, text: &str) -> Result<(), FieldFault> {
        let (length, limit) = (text.len(), self.text_limit());
        if length <= limit {
            return Ok(());
        }
        Err(FieldFault::Long { length, limit })
    }

    fn check_range(&self, number: &serde_json::Number) -> Result<(), FieldFault> {
        // A number that does not fit an i64 is above every maximum.
        let value = number.as_i64();
        let fits = self
            .minimum
            .is_none_or(|minimum| value.is_none_or(|value| value >= minimum))
            && self
                .maximum
                .is_none_or(|maximum| value.is_some_and(|value| value <= maximum));
        if fits {
            return Ok(());
        }
        let range = match (self.minimum, self.maximum) {
            (Some(minimum), Some(maximum)) => format!("from {minimum} to {maximum}"),
            (Some(minimum), None) => format!("at least {minimum}"),
            (None, maximum) => format!("at most {}", maximum.unwrap_or(i64::MAX)),
        };
        Err(FieldFault::Range {
            value: number.to_string(),
            range,
        })
    }

    fn check_option(&self, text: &str) -> Result<(), FieldFault> {
        if self.options.iter().any(|option| option == text) {
            return Ok(());
        }
        Err(FieldFault::Option {
            value: text.into(),
            options: self.options.join(", "),
        })
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
