use std::{fs, path::Path};

use super::Check;
use crate::host;

/// Reads a setting from its file below `/proc/sys`; none if the kernel does not have it.
pub(super) fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim().to_owned())
}

/// Checks how this machine's kernel forwards packets.
pub(super) fn checks(podman: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    checks.push(match read("/proc/sys/net/ipv4/ip_forward").as_deref() {
        Some("1") => Check::ok("ip_forward", "1"),
        Some(other) if podman => Check::ok(
            "ip_forward",
            format!("{other}: Podman sets it to 1 with its first container"),
        ),
        Some(other) => {
            let hint = "Docker sets it to 1 when it starts; `sysctl net.ipv4.ip_forward=1`";
            Check::fail(
                "ip_forward",
                format!("{other}: published ports do not answer"),
                Some(hint.into()),
            )
        }
        None => Check::warn("ip_forward", "not known", "is /proc mounted?"),
    });
    let filtered = read("/proc/sys/net/bridge/bridge-nf-call-iptables");
    checks.push(match filtered.as_deref() {
        // The earlier check reports what Podman does in that case.
        Some("1") if podman => Check::ok("bridge-nf-call-iptables", "1"),
        Some("1") => Check::ok(
            "bridge-nf-call-iptables",
            "1: Docker's rules see bridged packets; mazes take this into account",
        ),
        Some(other) => Check::ok("bridge-nf-call-iptables", other),
        None => Check::ok("bridge-nf-call-iptables", "not loaded"),
    });
    checks.push(nf_tables());
    checks
}

/// Checks whether the kernel has `nf_tables`: it answers, or the module is loaded, built in, or can be loaded.
fn nf_tables() -> Check {
    const WHAT: &str = "nf_tables";
    let asked = host::has_nf_tables();
    if matches!(asked, Ok(true)) {
        return Check::ok(WHAT, "answers");
    }
    if Path::new("/sys/module/nf_tables").exists() {
        return Check::ok(WHAT, "loaded");
    }
    let release = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let folder = Path::new("/lib/modules").join(release);
    let listed = |file: &str| fs::read_to_string(folder.join(file)).is_ok_and(|list| list.contains("nf_tables.ko"));
    if listed("modules.builtin") {
        Check::ok(WHAT, "built in")
    } else if listed("modules.dep") {
        Check::ok(WHAT, "a module, loaded when it is needed")
    } else {
        let message = match asked {
            Err(error) => format!("not found, and the kernel did not answer: {error}"),
            Ok(_) => "the kernel does not have it".into(),
        };
        Check::warn(
            WHAT,
            message,
            "it contains the gateways: load it with `modprobe nf_tables`, or use a kernel that has it",
        )
    }
}
