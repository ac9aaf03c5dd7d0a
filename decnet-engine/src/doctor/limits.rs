//! Limits that mazes share with the host.

use decnet_topology::{SubnetClaim, net, shown::count};

use super::{Check, kernel::read};
use crate::{host, runtime::RuntimeInfo};

/// The files with the kernel's limit of tracked connections, and with the setting for packets between deckies of one LAN.
const CONNECTIONS: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const BRIDGED: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Checks the limits of the daemon.
pub(super) fn of_daemon(info: &RuntimeInfo) -> Vec<Check> {
    let seccomp = if info.seccomp {
        Some(Check::ok("seccomp", "deckies have their own profile"))
    } else {
        // Another check lists what Podman lacks.
        (!info.podman).then(|| {
            Check::warn(
                "seccomp",
                "the daemon accepts no profile per container: its default profile applies to deckies",
                "see docs/hardening.md",
            )
        })
    };
    let storage = if info.limits_roots {
        Check::ok("storage", format!("{}: writable roots are limited", info.storage))
    } else {
        Check::warn(
            "storage",
            format!(
                "{} does not limit roots: a service with `writable_root` can fill the disk",
                info.storage
            ),
            "keep Docker's data on btrfs, zfs or XFS with pquota; services without `writable_root` write only to memory",
        )
    };
    let mut checks: Vec<_> = seccomp.into_iter().chain([storage, cgroups(info)]).collect();
    if info.rootless {
        checks.push(Check::warn(
            "rootless",
            "a program of the daemon forwards published ports: unless it is slirp4netns, logs do not show the addresses of visitors",
            "set DOCKERD_ROOTLESS_ROOTLESSKIT_PORT_DRIVER=slirp4netns for the daemon, or publish from a rootful daemon",
        ));
    }
    checks
}

/// Checks whether the daemon can limit the resources of a decky.
fn cgroups(info: &RuntimeInfo) -> Check {
    const WHAT: &str = "cgroups";
    if info.unlimited.is_empty() {
        return Check::ok(WHAT, "memory, processes and processor time of deckies are limited");
    }
    let unlimited: Vec<_> = info.unlimited.iter().map(ToString::to_string).collect();
    Check::warn(
        WHAT,
        format!(
            "the daemon cannot limit {} of containers: an intruder in one decky can use up the host's",
            unlimited.join(", ")
        ),
        "give it the cgroup controllers for that; a rootless daemon needs cgroup v2, and delegation by systemd",
    )
}

/// Checks the limits of the kernel that all mazes share.
pub(super) fn of_kernel(claims: &[SubnetClaim]) -> Vec<Check> {
    let mut checks = vec![neighbours(claims, host::neighbours())];
    if let (Some(most), Some("1")) = (read(CONNECTIONS), read(BRIDGED).as_deref()) {
        let message = format!("{most} (nf_conntrack_max): connections between deckies of one LAN count too");
        checks.push(Check::ok("connections", message));
    }
    checks
}

/// Compares the LANs of the stored mazes with the kernel's neighbour table.
fn neighbours(claims: &[SubnetClaim], limit: Option<u64>) -> Check {
    const WHAT: &str = "neighbours";
    let known = limit.unwrap_or(host::DEFAULT_NEIGHBOURS);
    let room = match limit {
        Some(limit) => format!("{limit} neighbours"),
        None => format!("room for {known} by default (this network namespace does not show the limit)"),
    };
    let subnets = || claims.iter().map(|claim| claim.subnet);
    let all: u64 = subnets().map(net::usable).sum();
    let Some(widest) = claims.iter().max_by_key(|claim| net::usable(claim.subnet)) else {
        return Check::ok(WHAT, format!("{room}; no LAN is stored"));
    };
    let addresses = net::usable(widest.subnet);
    let lan = format!("LAN {} of {} ({})", widest.lan, widest.name, widest.subnet);
    let lans = count(claims.len(), "LAN", "LANs");
    if addresses > known {
        let message =
            format!("{room} for the whole host: a scan of {lan} with its {addresses} addresses fills the table");
        let wanted = net::neighbours_for(subnets());
        let hint = format!(
            "`sysctl -w net.ipv4.neigh.default.gc_thresh3={wanted}` on the host, and set it in /etc/sysctl.d; or use smaller subnets"
        );
        return Check::warn(WHAT, message, hint);
    }
    let message = format!("{room}; the widest is {lan} with {addresses} addresses; {lans} have {all} together");
    Check::ok(WHAT, message)
}

#[cfg(test)]
mod tests {
    use decnet_topology::TopologyId;

    use super::*;
    use crate::{
        api::ApiVersion,
        doctor::Verdict,
        runtime::{Resource, simulated::described},
    };

    fn claim(lan: &str, subnet: &str) -> SubnetClaim {
        SubnetClaim {
            subnet: subnet.parse().expect("a subnet"),
            topology: TopologyId::new_v4(),
            name: "corp".parse().expect("a name"),
            lan: lan.parse().expect("a name"),
        }
    }

    #[test]
    fn a_lan_larger_than_the_neighbour_table_is_a_warning_with_the_setting_to_change() {
        let claims = [claim("dmz", "10.0.0.0/24"), claim("office", "10.1.0.0/20")];
        let check = neighbours(&claims, Some(1_024));
        assert_eq!(check.verdict, Verdict::Warn);
        assert_eq!(
            check.message,
            "1024 neighbours for the whole host: a scan of LAN office of corp (10.1.0.0/20) with its 4093 addresses fills the table"
        );
        let hint = check.hint.expect("a hint");
        assert!(hint.contains("net.ipv4.neigh.default.gc_thresh3=16384"), "{hint}");
        assert_eq!(neighbours(&claims, Some(4_096)).verdict, Verdict::Ok);
        assert_eq!(neighbours(&claims[..1], None).verdict, Verdict::Ok);
        assert_eq!(neighbours(&claims, None).verdict, Verdict::Warn, "the kernel's default");
        assert_eq!(neighbours(&[], Some(1_024)).verdict, Verdict::Ok);
    }

    fn info(unlimited: &[Resource], rootless: bool) -> RuntimeInfo {
        RuntimeInfo {
            local: true,
            live_restore: true,
            rootless,
            unlimited: unlimited.to_vec(),
            ..described(ApiVersion::v1(51), "unix:///docker.sock")
        }
    }

    #[test]
    fn a_daemon_that_cannot_limit_or_hides_visitors_is_a_warning() {
        let warned = |info: &RuntimeInfo| -> Vec<String> {
            let checks = of_daemon(info).into_iter();
            let warned = checks.filter(|check| check.verdict == Verdict::Warn);
            warned
                .map(|check| format!("{}: {}", check.what, check.message))
                .collect()
        };
        assert_eq!(warned(&info(&[], false)), [""; 0]);
        assert_eq!(
            warned(&info(&[Resource::Memory, Resource::Processes], true)),
            [
                "cgroups: the daemon cannot limit memory, processes of containers: an intruder in one decky can use up the host's",
                "rootless: a program of the daemon forwards published ports: unless it is slirp4netns, logs do not show the addresses of visitors",
            ]
        );
    }
}
