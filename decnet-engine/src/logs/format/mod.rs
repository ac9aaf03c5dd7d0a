//! The forms in which log items are written.

mod text;

use super::LogItem;

/// A form of log items: one line each.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// [`LogItem`] as JSON.
    Json,
}

impl LogFormat {
    /// Returns the line of an item without a line feed. No value of a visitor can break it.
    pub fn line(self, item: &LogItem) -> String {
        match self {
            Self::Text => text::line(item),
            // The items have text keys, so this does not fail.
            Self::Json => serde_json::to_string(item).unwrap_or_default(),
        }
    }
}
