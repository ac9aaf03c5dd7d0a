//! How severe an item is.

use decnet_decoy::protocol::{Action, Outcome};

use crate::logs::{LogContent, LogItem};

/// The severity of an item, which each format has as a number of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    /// A contact.
    Info,
    /// A visitor looks around.
    Notice,
    /// A visitor tries to get in, or lines are missing.
    Warning,
    /// A visitor is in or tries to get out, or lines cannot be read.
    High,
}

impl Level {
    pub(super) fn of(item: &LogItem) -> Self {
        match item {
            LogItem::Entry(entry) => match &entry.content {
                LogContent::Record(record) => Self::of_action(record.event.action, record.event.outcome),
                LogContent::Json { .. } | LogContent::Text { .. } => Self::Info,
            },
            LogItem::Connected {} => Self::Info,
            LogItem::Dropped { .. } => Self::Warning,
            LogItem::Unreadable { .. } | LogItem::Disconnected { .. } => Self::High,
        }
    }

    pub(super) const fn of_action(action: Action, outcome: Option<Outcome>) -> Self {
        match action {
            Action::AuthAttempt if matches!(outcome, Some(Outcome::Success)) => Self::High,
            Action::AuthAttempt => Self::Warning,
            Action::Command | Action::File | Action::ContainmentDrop => Self::High,
            Action::Request | Action::Probe | Action::Summary => Self::Notice,
            _ => Self::Info,
        }
    }

    /// Returns the severity of RFC 5424: 6 is informational, and 3 an error.
    pub(super) const fn syslog(self) -> syslog_fmt::Severity {
        match self {
            Self::Info => syslog_fmt::Severity::Info,
            Self::Notice => syslog_fmt::Severity::Notice,
            Self::Warning => syslog_fmt::Severity::Warning,
            Self::High => syslog_fmt::Severity::Err,
        }
    }

    /// Returns the severity of CEF, from 0 to 10, which is also `event.severity`.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Info => 1,
            Self::Notice => 3,
            Self::Warning => 6,
            Self::High => 8,
        }
    }

    /// Returns the `severity_id` of OCSF: 1 is informational, and 4 high.
    pub(super) const fn ocsf(self) -> u8 {
        match self {
            Self::Info => 1,
            Self::Notice => 2,
            Self::Warning => 3,
            Self::High => 4,
        }
    }
}
