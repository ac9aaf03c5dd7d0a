use std::{collections::BTreeMap, ffi::OsStr, path::Path};

use serde_json::Value as Json;

use crate::{
    config::{TopologyConfig, read::KEYS},
    decode::{self, At, Diagnostics, TextError, Value, line_and_column},
    finding::LineColumn,
};

/// The syntax of a config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum ConfigSyntax {
    /// JSON (RFC 8259).
    Json,
    /// YAML 1.2.
    Yaml,
    /// TOML 1.0.
    Toml,
    /// JSON if the text is JSON, else YAML.
    #[default]
    Auto,
}

impl ConfigSyntax {
    /// Returns the syntax for a file by its extension, ignoring case; [`Auto`](Self::Auto) for other extensions.
    pub fn of_file(path: &Path) -> Self {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "json" => Self::Json,
            "yaml" | "yml" => Self::Yaml,
            "toml" => Self::Toml,
            _ => Self::Auto,
        }
    }
}

/// The reason why a text is not a config: it has another syntax, or is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", .place.map(|(line, column)| format!("line {line}, column {column}: ")).unwrap_or_default())]
pub struct ConfigTextError {
    /// The expected form: JSON, YAML, TOML, or `a config` if it has no syntax.
    pub syntax: &'static str,
    /// The line and the column, from 1, where they are known.
    pub place: Option<(usize, usize)>,
    /// What is wrong.
    pub reason: String,
}

impl ConfigTextError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed"
    }
}

impl From<TextError> for ConfigTextError {
    fn from(error: TextError) -> Self {
        Self {
            syntax: error.syntax.unwrap_or("a config"),
            place: error.place,
            reason: error.reason,
        }
    }
}

impl TopologyConfig {
    /// Reads the text of a config as a JSON value. Flags or other sources may override its fields before
    /// [`from_value`](Self::from_value) checks it.
    ///
    /// ```
    /// use decnet_topology::{ConfigSyntax, TopologyConfig};
    ///
    /// let value = TopologyConfig::value_from_text("name = \"corp\"\ndepth = 2", ConfigSyntax::Toml)?;
    /// assert_eq!(value, serde_json::json!({"name": "corp", "depth": 2}));
    /// let refused = TopologyConfig::value_from_text("name = corp", ConfigSyntax::Toml).unwrap_err();
    /// assert_eq!((refused.syntax, refused.place), ("TOML", Some((1, 8))));
    /// # Ok::<(), decnet_topology::ConfigTextError>(())
    /// ```
    pub fn value_from_text(text: impl AsRef<[u8]>, syntax: ConfigSyntax) -> Result<Json, ConfigTextError> {
        let text = decode::utf8(text.as_ref())?;
        let tree = tree(text, syntax)?;
        let diagnostics = Diagnostics::new(text);
        let value = At::root(&diagnostics, &tree).json();
        match diagnostics.finish().0.into_iter().next() {
            Some(fault) => Err(ConfigTextError {
                syntax: "a config",
                place: fault.place,
                reason: crate::finding::Finding::from(fault).message,
            }),
            None => Ok(value.unwrap_or_default()),
        }
    }

    /// Returns the place of each field in the text of a config: that of its value if that is a text, or else that of its key. A text that cannot be read
    /// has none.
    ///
    /// ```
    /// use decnet_topology::{ConfigSyntax, TopologyConfig};
    ///
    /// let places = TopologyConfig::places_in_text("name: corp\ndepth: 99", ConfigSyntax::Yaml);
    /// assert_eq!((places["name"].line, places["name"].column), (1, 7));
    /// assert_eq!((places["depth"].line, places["depth"].column), (2, 1));
    /// ```
    pub fn places_in_text(text: impl AsRef<[u8]>, syntax: ConfigSyntax) -> BTreeMap<String, LineColumn> {
        let text = decode::utf8(text.as_ref()).unwrap_or_default();
        let Ok(Value::Map(entries)) = tree(text, syntax) else {
            return BTreeMap::new();
        };
        let diagnostics = Diagnostics::new(text);
        let mut places = BTreeMap::new();
        for (key, value) in &entries {
            let of_text = match value {
                Value::Text(value) if KEYS.contains(&&**key) => diagnostics.offset_of(value),
                _ => None,
            };
            // The first of a repeated key counts.
            if let Some(offset) = of_text.or_else(|| diagnostics.offset_of(key)) {
                let place = line_and_column(text, offset);
                places.entry(key.to_string()).or_insert_with(|| place.into());
            }
        }
        places
    }
}

fn tree(text: &str, syntax: ConfigSyntax) -> Result<Value<'_>, TextError> {
    match syntax {
        ConfigSyntax::Json => decode::json(text),
        ConfigSyntax::Toml => decode::toml(text),
        // JSON is YAML, and the JSON reader is stricter and faster.
        ConfigSyntax::Yaml | ConfigSyntax::Auto => decode::json(text).or_else(|_| decode::yaml(text)),
    }
}
