//! The forms in which log items are written.

mod cef;
mod ecs;
mod escape;
mod fields;
mod level;
mod ocsf;
#[cfg(any(test, feature = "testing"))]
mod oracle;
mod rfc5424;
mod text;

use jiff::Timestamp;

#[cfg(feature = "testing")]
pub use oracle::log_formats;

use super::LogItem;

/// A form of log items: one line each.
///
/// The forms for programs have the same values. `docs/logs.md` has an example of each, and where each value is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// [`LogItem`] as JSON.
    Json,
    /// A document of the Elastic Common Schema 8.17.
    Ecs,
    /// Syslog of RFC 5424 with the facility `local0`, and structured data in the element `decnet@32473`. 32473 is the number that
    /// RFC 5612 reserves for documentation.
    Rfc5424,
    /// The `ArcSight` Common Event Format, version 0.
    Cef,
    /// An event of the Open Cybersecurity Schema Framework 1.5.
    Ocsf,
}

impl LogFormat {
    /// Returns the line of an item without a line feed. No value of a visitor can break it, or add a field to it.
    ///
    /// An item that has no time, such as [`LogItem::Connected`], gets the present time in a form that needs one.
    pub fn line(self, item: &LogItem) -> String {
        self.line_at(item, Timestamp::now())
    }

    /// Returns the line of an item as a message of RFC 5424 with at most a number of bytes: the values are cut until it fits.
    pub(super) fn datagram(item: &LogItem, longest: usize) -> String {
        rfc5424::line(item, Timestamp::now(), Some(longest))
    }

    fn line_at(self, item: &LogItem, now: Timestamp) -> String {
        match self {
            Self::Text => text::line(item),
            Self::Json => escape::json(item),
            Self::Ecs => ecs::line(item, now),
            Self::Rfc5424 => rfc5424::line(item, now, None),
            Self::Cef => cef::line(item, now),
            Self::Ocsf => ocsf::line(item, now),
        }
    }
}

#[cfg(test)]
mod tests;
