//! Why a link was not set or removed.

use std::{fmt, io};

use rustix::io::Errno;

use crate::{
    failure::Failure,
    protocol::{EXIT_FAILED, EXIT_FOREIGN, EXIT_UNSUPPORTED},
};

/// The reason why a command failed.
#[derive(Debug)]
pub(super) enum LinkError {
    /// The device or its guard exists, with its kind and its owner.
    Foreign { what: String, owner: String },
    /// The kernel lacks a feature.
    Unsupported(&'static str),
    /// The kernel does not return the guard as it was set.
    Unguarded(String),
    /// There is no such bridge.
    NoBridge(String),
    /// Another device receives frames for this VNI on the same port.
    VniTaken(u32),
    /// Another command holds the lock.
    Busy,
    /// The kernel refused a step.
    Refused { step: String, source: io::Error },
    /// A step failed, and then removing what was created failed as well.
    NotUndone {
        cause: Box<LinkError>,
        undo: Box<LinkError>,
    },
}

impl LinkError {
    /// Returns a function that adds the step to the kernel's error.
    pub(super) fn at(step: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        |source| Self::Refused {
            step: step.into(),
            source,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Foreign { .. } => EXIT_FOREIGN,
            Self::Unsupported(_) | Self::Unguarded(_) => EXIT_UNSUPPORTED,
            Self::NotUndone { cause, .. } => cause.exit_code(),
            _ => EXIT_FAILED,
        }
    }

    /// Converts it to the failure of a command.
    pub(super) fn failure(self, context: &'static str) -> Failure {
        let code = self.exit_code();
        let context = match self {
            Self::Foreign { .. } => "exists and belongs to someone else",
            _ => context,
        };
        Failure::new(context, self).with_code(code)
    }
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { what, owner } if owner.is_empty() => {
                write!(f, "{what} exists and belongs to someone else: it has no owner")
            }
            Self::Foreign { what, owner } => write!(f, "{what} exists and belongs to someone else: `{owner}`"),
            Self::Unsupported(feature) => write!(
                f,
                "the kernel of this host has no {feature}: load the module or use a kernel that has it"
            ),
            Self::Unguarded(table) => write!(
                f,
                "the kernel does not keep the table `{table}` as it was set: links need Linux 5.10"
            ),
            Self::NoBridge(name) => write!(f, "this host has no bridge `{name}`"),
            Self::VniTaken(vni) => write!(
                f,
                "another device of this host has the VNI {vni} on the same port, or has just got this name"
            ),
            Self::Busy => f.write_str("another `link` command is running on this host: try again"),
            Self::Refused { step, source } => {
                write!(f, "{step}")?;
                if source.raw_os_error() == Some(Errno::PERM.raw_os_error()) {
                    f.write_str(" (this needs the capability NET_ADMIN)")?;
                }
                Ok(())
            }
            Self::NotUndone { cause, undo } => {
                write!(f, "{}, and what was created remains: {}", chain(cause), chain(undo))
            }
        }
    }
}

impl std::error::Error for LinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn chain(error: &LinkError) -> String {
    let source = std::error::Error::source(error);
    source.map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
