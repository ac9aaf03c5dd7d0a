//! Folders in memory, in the form of Compose files.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::text_form::text_form;

/// The longest path of a folder. Linux allows 4096 bytes, and Docker puts its own folders before it.
const LONGEST_PATH: usize = 1024;

/// The reason why a text is not a folder in memory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a folder in memory like `/run` or `/run:size=16m,uid=1000,gid=1000,mode=0700`: {reason}")]
pub struct TmpfsError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl TmpfsError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed_tmpfs"
    }
}

/// A folder in memory that a service may write to: a path, and options as in Compose files.
///
/// ```
/// use decnet_topology::Tmpfs;
///
/// let run: Tmpfs = "/run/pot:uid=1000,size=16m".parse()?;
/// assert_eq!((run.path.as_str(), run.size, run.uid, run.mode), ("/run/pot", Some(16 << 20), Some(1000), None));
/// assert_eq!(run.to_string(), "/run/pot:size=16m,uid=1000");
/// assert!("/proc/1".parse::<Tmpfs>().is_err() && "/run:exec".parse::<Tmpfs>().is_err());
/// # Ok::<(), decnet_topology::TmpfsError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tmpfs {
    /// The absolute path.
    pub path: String,
    /// Its size in bytes; half of the container's memory if none.
    pub size: Option<u64>,
    /// Its owner; root if none.
    pub uid: Option<u32>,
    /// Its group; root if none.
    pub gid: Option<u32>,
    /// Its permissions; `1777` if none: every user may write to it.
    pub mode: Option<u32>,
}

impl FromStr for Tmpfs {
    type Err = TmpfsError;

    fn from_str(text: &str) -> Result<Self, TmpfsError> {
        let refused = |reason: String| TmpfsError {
            text: text.into(),
            reason,
        };
        let (path, options) = text.split_once(':').unwrap_or((text, ""));
        folder_fault(path).map_or(Ok(()), |reason| Err(refused(reason)))?;
        let mut folder = Self {
            path: path.into(),
            size: None,
            uid: None,
            gid: None,
            mode: None,
        };
        for option in options.split(',').filter(|_| !options.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            let wrong = |expected: &str| refused(format!("`{key}` must be {expected}, not `{value}`"));
            let number = || value.parse::<u32>().map_err(|_| wrong("a number like 1000"));
            match key {
                "size" => folder.size = Some(size(value).ok_or_else(|| wrong("a size from 4k to 64g like 16m"))?),
                "uid" => folder.uid = Some(number()?),
                "gid" => folder.gid = Some(number()?),
                "mode" => {
                    let mode = u32::from_str_radix(value, 8).ok().filter(|mode| *mode <= 0o7777);
                    folder.mode = Some(mode.ok_or_else(|| wrong("octal permissions like 0700"))?);
                }
                // The engine sets them anyway.
                "rw" | "nosuid" | "nodev" | "noexec" if value.is_empty() => {}
                "exec" => return Err(refused("nothing in it can be executed".into())),
                _ => {
                    return Err(refused(format!(
                        "unknown option `{option}`; use size, uid, gid and mode"
                    )));
                }
            }
        }
        Ok(folder)
    }
}

impl fmt::Display for Tmpfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = [
            self.size.map(|size| format!("size={}", sized(size))),
            self.uid.map(|uid| format!("uid={uid}")),
            self.gid.map(|gid| format!("gid={gid}")),
            self.mode.map(|mode| format!("mode={mode:04o}")),
        ];
        let options: Vec<_> = options.into_iter().flatten().collect();
        f.write_str(&self.path)?;
        if options.is_empty() {
            return Ok(());
        }
        write!(f, ":{}", options.join(","))
    }
}

text_form!(Tmpfs: TmpfsError);

/// The units of sizes, as in `mount(8)`.
const UNITS: [(char, u32); 3] = [('g', 30), ('m', 20), ('k', 10)];

/// Reads a size: a number of bytes, or of a unit. A page is the smallest one.
fn size(text: &str) -> Option<u64> {
    let unit = UNITS
        .into_iter()
        .find(|(unit, _)| text.to_ascii_lowercase().ends_with(*unit));
    let (number, shift) = unit.map_or((text, 0), |(_, shift)| (&text[..text.len() - 1], shift));
    let number: u64 = number
        .parse()
        .ok()
        .filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))?;
    let bytes = number.checked_mul(1 << shift)?;
    (4_096..=64 << 30).contains(&bytes).then_some(bytes)
}

fn sized(bytes: u64) -> String {
    let unit = UNITS.into_iter().find(|(_, shift)| bytes.is_multiple_of(1 << shift));
    unit.map_or_else(
        || bytes.to_string(),
        |(unit, shift)| format!("{}{unit}", bytes >> shift),
    )
}

/// Returns why Docker cannot mount something at a path; none if it can. Other characters would end the path in Docker's options, and
/// the kernel's own folders hide what the engine masks in them.
pub(super) fn folder_fault(path: &str) -> Option<String> {
    let allowed = |part: &str| {
        let character = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
        !["", ".", ".."].contains(&part) && part.chars().all(character)
    };
    let is_folder = path.strip_prefix('/').is_some_and(|inner| {
        let first = inner.split('/').next().unwrap_or_default();
        path.len() <= LONGEST_PATH && inner.split('/').all(allowed) && !["proc", "sys", "dev"].contains(&first)
    });
    (!is_folder).then(|| {
        format!(
            "the folder must be an absolute path of letters, digits and `_.-/`, without `..`, at most {LONGEST_PATH} bytes long, and not in \
             /proc, /sys or /dev"
        )
    })
}
