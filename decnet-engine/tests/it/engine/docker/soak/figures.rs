//! Counts resources that may leak.

use std::{collections::BTreeMap, fmt, fs, time::Duration};

use decnet_engine::DecoyImage;

use super::super::docker;

/// How often, and with which pauses, the counts are repeated while resources disappear.
const COUNTS: usize = 50;
const PAUSE: Duration = Duration::from_millis(100);

/// The counts.
#[derive(Debug, Clone)]
pub(super) struct Figures {
    /// On the daemon, and in its network namespace, which is also that of this process.
    pub(super) docker: BTreeMap<&'static str, usize>,
    /// Open files of this process.
    pub(super) files: usize,
    /// The memory of this process.
    pub(super) memory_mib: u64,
}

impl Figures {
    /// Counts containers and networks by the prefix of their names, and all other resources in total.
    pub(super) fn take(prefix: &str) -> Self {
        let lines = |arguments: &[&str]| docker(arguments).lines().count();
        let named = format!("name={prefix}");
        let interfaces = fs::read_to_string("/proc/self/net/dev").expect("Linux");
        let count = |kind: &str| {
            interfaces
                .lines()
                .filter(|line| line.trim_start().starts_with(kind))
                .count()
        };
        let status = fs::read_to_string("/proc/self/status").expect("Linux");
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .expect("a size");
        let resident: u64 = resident.trim().trim_end_matches(" kB").parse().expect("a number");
        Self {
            docker: BTreeMap::from([
                ("containers", lines(&["ps", "--all", "--quiet", "--filter", &named])),
                ("networks", lines(&["network", "ls", "--quiet", "--filter", &named])),
                (
                    "images",
                    lines(&[
                        "images",
                        "--all",
                        "--quiet",
                        "--filter",
                        &format!("label={}", DecoyImage::LABEL),
                    ]),
                ),
                ("volumes", lines(&["volume", "ls", "--quiet"])),
                ("veths", count("veth")),
                ("bridges", count("br-")),
            ]),
            files: fs::read_dir("/proc/self/fd").expect("Linux").count(),
            memory_mib: resident / 1024,
        }
    }

    /// Counts until the values are as before, or until it is clear that they will not be: the kernel removes a link a moment
    /// after its container.
    pub(super) async fn settled(prefix: &str, before: &Self) -> Self {
        let mut now = Self::take(prefix);
        for _ in 0..COUNTS {
            if now.docker == before.docker {
                break;
            }
            tokio::time::sleep(PAUSE).await;
            now = Self::take(prefix);
        }
        now
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in &self.docker {
            write!(f, "{count} {what}, ")?;
        }
        write!(f, "{} open files, {} MiB in memory", self.files, self.memory_mib)
    }
}
