//! The named volumes of a service.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::tmpfs::folder_fault;

/// The longest name of a volume.
const LONGEST_NAME: usize = 63;

/// The reason why a text is not a named volume.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a volume like `data:/var/lib/pot`: {reason}")]
pub struct VolumeError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl VolumeError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed_volume"
    }
}

/// A named volume of a service, on the disk of the host. Each decky has its own.
///
/// In a catalogue file: `"data:/var/lib/pot"`, or `{ name = "data", path = "/var/lib/pot", keep = true }`.
///
/// ```
/// use decnet_topology::ServiceVolume;
///
/// let data: ServiceVolume = "data:/var/lib/pot".parse()?;
/// assert_eq!((data.name.as_str(), data.path.as_str(), data.keep), ("data", "/var/lib/pot", false));
/// let refused = "/srv/pot:/var/lib/pot".parse::<ServiceVolume>().unwrap_err();
/// assert!(refused.reason.contains("cannot mount a folder of the host"));
/// # Ok::<(), decnet_topology::VolumeError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceVolume {
    /// The name, which is unique in its service: letters, digits, `_` and `-`.
    pub name: String,
    /// Where it is in the container, as an absolute path.
    pub path: String,
    /// Whether it stays when its maze, decky or service is removed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub keep: bool,
}

impl ServiceVolume {
    /// Checks the name and the path.
    pub(super) fn check(&self) -> Result<(), VolumeError> {
        let refused = |reason: String| {
            let text = format!("{}:{}", self.name, self.path);
            Err(VolumeError { text, reason })
        };
        let name = &self.name;
        if name.is_empty() || name.contains('/') || name.starts_with(['.', '~', '$']) {
            return refused(
                "a decky cannot mount a folder of the host, and each volume needs a name; write `NAME:PATH` for a volume that Docker \
                 creates"
                    .into(),
            );
        }
        let inner = |character: char| character.is_ascii_alphanumeric() || "_-".contains(character);
        let fits = name.len() <= LONGEST_NAME && name.starts_with(|first: char| first.is_ascii_alphanumeric());
        if !fits || !name.chars().all(inner) {
            return refused(format!(
                "its name must be at most {LONGEST_NAME} letters, digits, `_` and `-`, and begin with a letter or digit"
            ));
        }
        folder_fault(&self.path).map_or(Ok(()), refused)
    }
}

impl FromStr for ServiceVolume {
    type Err = VolumeError;

    fn from_str(text: &str) -> Result<Self, VolumeError> {
        let refused = |reason: &str| VolumeError {
            text: text.into(),
            reason: reason.into(),
        };
        let (name, path) = text.split_once(':').unwrap_or(("", text));
        if let Some((_, options)) = path.split_once(':') {
            let reason = format!(
                "it has options (`{options}`); a volume is always writable, and only `keep` can be set, in a table"
            );
            return Err(refused(&reason));
        }
        let volume = Self {
            name: name.into(),
            path: path.into(),
            keep: false,
        };
        volume.check().map_err(|error| refused(&error.reason))?;
        Ok(volume)
    }
}

impl fmt::Display for ServiceVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.path)
    }
}
