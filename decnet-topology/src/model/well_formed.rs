//! Faults of form: names that are invalid or occur twice, and attachments to LANs that do not exist or occur twice.

use std::error::Error as _;

use crate::{
    finding::{Code, Finding, Target},
    id::{DeckyId, LanId},
    name::{CaseInsensitive, NameError},
};

/// A fault of form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum TopologyError {
    /// The name of a LAN is not a DNS label.
    #[error("`{name}` is not a valid name of a LAN")]
    #[strum(serialize = "invalid_name")]
    LanName {
        /// The text.
        name: String,
        /// The rule that it breaks.
        source: NameError,
    },
    /// The name of a decky is not a DNS label.
    #[error("`{name}` is not a valid name of a decky")]
    #[strum(serialize = "invalid_name")]
    DeckyName {
        /// The text.
        name: String,
        /// The rule that it breaks.
        source: NameError,
    },
    /// Two LANs have the same name.
    #[error("more than one LAN is named `{name}` (case is ignored)")]
    LanNameDup {
        /// The name.
        name: String,
    },
    /// Two deckies have the same name.
    #[error("more than one decky is named `{name}` (case is ignored)")]
    DeckyNameDup {
        /// The name.
        name: String,
    },
    /// Two LANs have the same id.
    #[error("more than one LAN has the id {id}")]
    LanIdDup {
        /// The id.
        id: LanId,
    },
    /// Two deckies have the same id.
    #[error("more than one decky has the id {id}")]
    DeckyIdDup {
        /// The id.
        id: DeckyId,
    },
    /// A decky is attached to a LAN that does not exist.
    #[error("decky `{decky}` is attached to LAN `{lan}`, which does not exist")]
    UnknownLan {
        /// The decky.
        decky: String,
        /// The LAN: its name, its id, or its position in a draft, like `#3`.
        lan: String,
    },
    /// A decky is attached to the same LAN twice.
    #[error("decky `{decky}` is attached to LAN `{lan}` more than once")]
    AttachmentDup {
        /// The decky.
        decky: String,
        /// The LAN.
        lan: String,
    },
}

impl TopologyError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }

    /// Returns the finding for the fault. The hint for people, which may be empty, is appended to its text.
    pub(crate) fn finding(self, hint: &str) -> Finding {
        let text = self
            .source()
            .map_or_else(|| self.to_string(), |source| format!("{self}: {source}"));
        let (code, target, remedy) = match self {
            Self::LanName { name, .. } => (Code::NameInvalid, Target::Lan { lan: name }, "rename it"),
            Self::DeckyName { name, .. } => (Code::NameInvalid, Target::Decky { decky: name }, "rename it"),
            Self::LanNameDup { name } => (Code::LanNameDup, Target::Lan { lan: name }, "rename all but one"),
            Self::DeckyNameDup { name } => (Code::DeckyNameDup, Target::Decky { decky: name }, "rename all but one"),
            // Documents and drafts have no ids, so no report contains these.
            Self::LanIdDup { .. } | Self::DeckyIdDup { .. } => {
                (Code::DocType, Target::Topology, "give each its own id")
            }
            Self::UnknownLan { decky, lan } => {
                let remedy = "add the LAN or drop the attachment";
                (Code::IpUnknownLan, Target::Attachment { decky, lan }, remedy)
            }
            Self::AttachmentDup { decky, lan } => (
                Code::AttachmentDup,
                Target::Attachment { decky, lan },
                "remove one attachment",
            ),
        };
        Finding::new(code, target, format!("{text}{hint}; {remedy}"))
    }
}

/// Returns each name that occurs more than once, as its second occurrence is written.
pub(super) fn doubled<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<_> = names.map(CaseInsensitive).collect();
    names.sort();
    let groups = names.chunk_by(|one, other| one == other);
    groups.filter_map(|group| group.get(1)).map(|name| name.0).collect()
}
