use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize};

/// The log driver of a topology's containers. Their output shows who visited the services.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSettings {
    /// The log driver.
    pub driver: LogDriver,
    /// Its options. `json-file` has the limits of [`JSON_FILE_BOUNDS`](Self::JSON_FILE_BOUNDS) by default.
    pub options: BTreeMap<String, String>,
}

impl LogSettings {
    /// The default limits of `json-file` for a container: two files of 5 MB.
    pub const JSON_FILE_BOUNDS: [(&'static str, &'static str); 2] = [("max-size", "5m"), ("max-file", "2")];

    /// Returns the settings with another driver, more options, or both. Another driver starts without the previous options. An
    /// option without a value is removed.
    #[must_use]
    pub fn with(mut self, driver: Option<LogDriver>, options: impl IntoIterator<Item = LogOption>) -> Self {
        if let Some(driver) = driver.filter(|driver| *driver != self.driver) {
            self = Self {
                driver,
                options: BTreeMap::new(),
            };
        }
        for LogOption { key, value } in options {
            if value.is_empty() {
                self.options.remove(&key);
            } else {
                self.options.insert(key, value);
            }
        }
        self
    }

    /// Returns the options for Docker.
    pub fn resolved(&self) -> BTreeMap<String, String> {
        let mut options = self.options.clone();
        if self.driver.as_str() == LogDriver::JSON_FILE {
            for (key, value) in Self::JSON_FILE_BOUNDS {
                options.entry(key.into()).or_insert_with(|| value.into());
            }
        }
        options
    }

    /// Returns whether these are the default settings.
    pub fn is_usual(&self) -> bool {
        *self == Self::default()
    }
}

/// The name of a log driver of Docker, like `json-file`, `journald` or `syslog`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LogDriver(String);

impl LogDriver {
    /// The default driver.
    pub const JSON_FILE: &'static str = "json-file";

    /// Returns its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it keeps the log with the container, so that removing the container deletes the log.
    pub fn keeps_with_container(name: &str) -> bool {
        matches!(name, "json-file" | "local" | "none")
    }
}

impl Default for LogDriver {
    fn default() -> Self {
        Self(Self::JSON_FILE.into())
    }
}

impl fmt::Display for LogDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogDriver {
    type Err = LogSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // A plugin has the name of its image.
        let inner = |character: char| character.is_ascii_alphanumeric() || "_.-/:@".contains(character);
        if text.starts_with(|first: char| first.is_ascii_alphanumeric()) && text.len() <= 255 && text.chars().all(inner)
        {
            Ok(Self(text.into()))
        } else {
            Err(LogSettingError::Driver { text: text.into() })
        }
    }
}

impl<'de> Deserialize<'de> for LogDriver {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// An option of a log driver, as a person writes it: `max-size=50m`, or `max-size=` to remove it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOption {
    /// Its name.
    pub key: String,
    /// Its value; empty to remove it.
    pub value: String,
}

impl FromStr for LogOption {
    type Err = LogSettingError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('=') {
            Some((key, value)) if !key.is_empty() && !text.contains('\0') => Ok(Self {
                key: key.into(),
                value: value.into(),
            }),
            _ => Err(LogSettingError::Option { text: text.into() }),
        }
    }
}

/// The error for an invalid text about logs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum LogSettingError {
    /// It is not the name of a driver.
    #[error("`{text}` is not the name of a log driver, like json-file, local, journald or syslog")]
    #[strum(serialize = "unknown_log_driver")]
    Driver {
        /// The text.
        text: String,
    },
    /// It is not an option.
    #[error("`{text}` is not an option of a log driver; try KEY=VALUE, like max-size=50m, or KEY= to remove it")]
    #[strum(serialize = "malformed_log_option")]
    Option {
        /// The text.
        text: String,
    },
}

impl LogSettingError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_driver_starts_without_options_and_json_file_is_always_bounded() {
        let options = |texts: &[&str]| -> Vec<LogOption> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let driver = |text: &str| Some(text.parse::<LogDriver>().unwrap());
        let usual = LogSettings::default();
        assert_eq!(
            usual.resolved(),
            LogSettings::JSON_FILE_BOUNDS.map(|(k, v)| (k.into(), v.into())).into()
        );
        let larger = usual.with(driver("json-file"), options(&["max-size=50m"]));
        assert_eq!(
            (
                larger.resolved()["max-size"].as_str(),
                larger.resolved()["max-file"].as_str()
            ),
            ("50m", "2")
        );
        let journal = larger.clone().with(driver("journald"), options(&["tag={{.Name}}"]));
        assert_eq!(journal.resolved(), [("tag".into(), "{{.Name}}".into())].into());
        assert_eq!(larger.clone().with(None, []), larger);
        let json = serde_json::to_string(&journal).unwrap();
        assert_eq!(json, r#"{"driver":"journald","options":{"tag":"{{.Name}}"}}"#);
        assert_eq!(serde_json::from_str::<LogSettings>(&json).unwrap(), journal);
        for text in ["", "-x", "a b", "a\n"] {
            assert!(text.parse::<LogDriver>().is_err(), "{text}");
        }
        let removed = journal.with(None, options(&["tag=", "labels=", "mode=non-blocking"]));
        assert_eq!(removed.options, [("mode".into(), "non-blocking".into())].into());
        for text in ["", "max-size", "=5m", "="] {
            assert!(text.parse::<LogOption>().is_err(), "{text}");
        }
    }
}
