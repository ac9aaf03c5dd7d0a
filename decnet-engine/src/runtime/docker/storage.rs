//! The storage driver of the daemon, and whether it can limit what containers write.

use std::{fmt, fs, path::Path};

/// The option that limits the size of a container's root.
pub(super) const SIZE_OPTION: &str = "size";

/// The mount options for quotas by project, which the limit requires on XFS (`xfs(5)`).
const PROJECT_QUOTA: [&str; 2] = ["prjquota", "pquota"];

/// A storage driver and its filesystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) driver: String,
    pub(super) filesystem: Option<String>,
}

impl Storage {
    /// Returns whether the driver is known to limit the root of a container. btrfs and zfs do, and overlay2 on XFS mounted with
    /// `pquota`. `data` is the daemon's data folder, if it is on this machine.
    pub(super) fn limits_roots(&self, data: Option<&Path>) -> bool {
        match (self.driver.as_str(), self.filesystem.as_deref(), data) {
            ("btrfs" | "zfs", _, _) => true,
            ("overlay2", Some("xfs"), Some(data)) => {
                fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| counts_by_project(&mounts, data))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.driver)?;
        match &self.filesystem {
            Some(filesystem) => write!(f, " on {filesystem}"),
            None => Ok(()),
        }
    }
}

/// Finds the filesystem in the driver's status.
pub(super) fn filesystem(status: Vec<Vec<String>>) -> Option<String> {
    let mut pairs = status.into_iter().filter_map(|pair| <[String; 2]>::try_from(pair).ok());
    pairs.find_map(|[key, value]| (key == "Backing Filesystem").then_some(value))
}

/// Returns whether the filesystem of a folder is mounted with quotas by project, from `/proc/self/mountinfo` (proc(5)).
fn counts_by_project(mounts: &str, folder: &Path) -> bool {
    let mount = |line: &str| {
        let (mount, filesystem) = line.split_once(" - ")?;
        let point = mount.split(' ').nth(4)?.replace("\\040", " ");
        let options = filesystem.split(' ').nth(2)?.to_owned();
        folder.starts_with(&point).then_some((point.len(), options))
    };
    let nearest = mounts.lines().filter_map(mount).max_by_key(|(length, _)| *length);
    nearest.is_some_and(|(_, options)| options.split(',').any(|option| PROJECT_QUOTA.contains(&option)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_mount_decides_about_quotas_by_project() {
        let mounts = "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
                      40 22 7:0 / /var/lib/docker rw,noatime shared:2 - xfs /dev/loop0 rw,attr2,inode64,prjquota\n\
                      41 40 7:1 / /var/lib/docker/a\\040b rw - xfs /dev/loop1 rw,noquota\n";
        let counts = |folder: &str| counts_by_project(mounts, Path::new(folder));
        assert!(counts("/var/lib/docker") && counts("/var/lib/docker/overlay2"));
        assert!(!counts("/var/lib/docker/a b/c") && !counts("/var/lib/dockers") && !counts("/srv"));
    }

    #[test]
    fn only_drivers_that_can_limit_a_root_are_accepted() {
        let limits = |driver: &str, filesystem: Option<&str>| {
            let storage = Storage {
                driver: driver.into(),
                filesystem: filesystem.map(Into::into),
            };
            storage.limits_roots(None)
        };
        assert!(limits("btrfs", Some("btrfs")) && limits("zfs", None));
        assert!(!limits("overlay2", Some("extfs")) && !limits("overlay2", Some("xfs")) && !limits("vfs", None));
    }

    #[test]
    fn the_filesystem_is_found_in_the_status_of_the_driver() {
        let pair = |key: &str, value: &str| vec![key.to_owned(), value.to_owned()];
        let status = vec![pair("Supports d_type", "true"), pair("Backing Filesystem", "xfs")];
        assert_eq!(filesystem(status).as_deref(), Some("xfs"));
        assert_eq!(filesystem(Vec::new()), None);
    }
}
