//! The machine that runs the benches.

use std::{fs, process::Command};

/// Returns the processor's model and the number of processors.
pub fn processor() -> (String, usize) {
    let known = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = known.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    (model.into(), count)
}

/// Returns the load of the machine, from `/proc/loadavg`; empty if it does not exist.
pub fn load() -> String {
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split_whitespace().take(3).collect::<Vec<_>>().join(" ")
}

/// Returns the commit of the sources, and whether they were changed since.
pub fn commit() -> String {
    let commit = line_of("git", &["rev-parse", "--short", "HEAD"]).unwrap_or_else(|| "unknown".into());
    let changed = line_of("git", &["status", "--porcelain", "--untracked-files=no"]);
    match changed {
        Some(changed) if !changed.is_empty() => commit + " with changes",
        _ => commit,
    }
}

/// Returns the private memory of this process in bytes; none if the system does not report it.
pub fn resident() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1_024)
}

/// Returns the first line that a program prints; none if it cannot be run, or fails.
pub fn line_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout);
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}
