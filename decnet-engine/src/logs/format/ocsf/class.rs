//! The class and the activity of an event.

use decnet_decoy::protocol::{Action, EndReason, Record};

use crate::logs::{LogContent, LogItem};

/// A class of the schema, and one of its activities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class {
    pub(crate) uid: u32,
    pub(crate) name: &'static str,
    pub(crate) activity: u32,
    pub(crate) activity_name: &'static str,
}

/// The activity of each class that is none of those that the schema lists.
const OTHER: u32 = 99;

const BASE: (u32, &str) = (0, "Base Event");
const HTTP: (u32, &str) = (4002, "HTTP Activity");

impl Class {
    const fn new((uid, name): (u32, &'static str), activity: u32, activity_name: &'static str) -> Self {
        Self {
            uid,
            name,
            activity,
            activity_name,
        }
    }

    /// Returns whether it is the class of events of no other class, whose device is an attribute of the profile `host`.
    pub(super) const fn is_base(self) -> bool {
        self.uid == BASE.0
    }

    pub(super) const fn is_http(self) -> bool {
        self.uid == HTTP.0
    }

    pub(crate) fn of(item: &LogItem) -> Self {
        const ERROR: (u32, &str) = (6008, "Application Error");
        match item {
            LogItem::Entry(entry) => match &entry.content {
                LogContent::Record(record) => Self::of_record(record),
                LogContent::Json { .. } | LogContent::Text { .. } => Self::new(BASE, OTHER, "Log"),
            },
            LogItem::Connected {} => Self::new(ERROR, OTHER, "Recovery"),
            _ => Self::new(ERROR, 1, "General Error"),
        }
    }

    fn of_record(record: &Record) -> Self {
        const NETWORK: (u32, &str) = (4001, "Network Activity");
        const FILE: (u32, &str) = (6006, "File Hosting Activity");
        match record.event.action {
            Action::SessionOpen => Self::new(NETWORK, 1, "Open"),
            Action::SessionClose if record.decnet.reason == Some(EndReason::Broken) => Self::new(NETWORK, 3, "Reset"),
            Action::SessionClose => Self::new(NETWORK, 2, "Close"),
            Action::AuthAttempt => Self::new((3002, "Authentication"), 1, "Logon"),
            Action::Command => Self::new((1007, "Process Activity"), 1, "Launch"),
            Action::Request => match &record.http {
                Some(http) => Self::of_method(&http.request.method),
                None => Self::new((6003, "API Activity"), OTHER, "Request"),
            },
            Action::File => match record.decnet.direction.as_deref() {
                Some("upload") => Self::new(FILE, 1, "Upload"),
                Some("download") => Self::new(FILE, 2, "Download"),
                _ => Self::new(FILE, OTHER, "Transfer"),
            },
            Action::ContainmentDrop => Self::new(NETWORK, 5, "Refuse"),
            Action::Probe => Self::new((2004, "Detection Finding"), 1, "Create"),
            _ => Self::new(NETWORK, 6, "Traffic"),
        }
    }

    fn of_method(method: &str) -> Self {
        let (activity, name) = match method {
            "CONNECT" => (1, "Connect"),
            "DELETE" => (2, "Delete"),
            "GET" => (3, "Get"),
            "HEAD" => (4, "Head"),
            "OPTIONS" => (5, "Options"),
            "POST" => (6, "Post"),
            "PUT" => (7, "Put"),
            "TRACE" => (8, "Trace"),
            _ => (OTHER, "Other method"),
        };
        Self::new(HTTP, activity, name)
    }
}
