//! Settings of this machine that drop packets of a maze although Docker has all of its resources.

use std::{fs, path::Path};

use super::{
    cause::{Bridge, Cause, RESTART_DOCKER},
    filter::{Filter, native},
};
/// A table with this percentage of its limit in use counts as full.
const FULL: u64 = 95;

/// Finds the reasons why this machine loses packets of the bridges. Changes nothing. Reading the packet filter requires root.
pub fn causes(bridges: &[Bridge]) -> Vec<Cause> {
    let interfaces = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let here: Vec<_> = bridges
        .iter()
        .filter(|bridge| has_interface(&interfaces, &bridge.name))
        .collect();
    if here.is_empty() && !bridges.is_empty() {
        return vec![Cause::new(
            "HOST_ELSEWHERE",
            "the bridges of the maze are not in this network namespace, so the packet filter could not be checked",
            "run this on the host, as root and outside containers",
        )];
    }
    let mut causes = Vec::new();
    if is_filtered() {
        let filters = Filter::read_all();
        causes.extend(filters.iter().flat_map(|filter| filter.causes(&here)));
        causes.extend(native());
    }
    causes.extend(
        here.iter()
            .filter(|bridge| is_down(&bridge.name))
            .map(|bridge| down(bridge)),
    );
    causes.extend(full(
        "CONNTRACK_FULL",
        "tracked connections",
        "net.netfilter.nf_conntrack_max",
        number("/proc/sys/net/netfilter/nf_conntrack_count"),
        number("/proc/sys/net/netfilter/nf_conntrack_max"),
    ));
    causes.extend(full(
        "NEIGHBOURS_FULL",
        "neighbours (shared by all network namespaces)",
        "net.ipv4.neigh.default.gc_thresh3",
        fs::read_to_string("/proc/net/stat/arp_cache")
            .ok()
            .and_then(|table| entries(&table)),
        number("/proc/sys/net/ipv4/neigh/default/gc_thresh3"),
    ));
    causes
}

/// Reports that the daemon runs on another machine.
pub fn elsewhere() -> Cause {
    Cause::new(
        "HOST_ELSEWHERE",
        "the daemon runs on another machine, whose settings were not checked",
        "run this command on that machine",
    )
}

/// Reports that no reason was found.
pub fn unexplained() -> Cause {
    Cause::new(
        "HOST_UNKNOWN",
        "Docker has all resources of the maze, but this host loses its packets, and no checked setting explains it",
        format!(
            "{RESTART_DOCKER}; otherwise check `nft list ruleset`, `iptables-save`, `ebtables-legacy -L`, `tc qdisc show` and `ip -s link`"
        ),
    )
}

fn has_interface(table: &str, name: &str) -> bool {
    let mut names = table.lines().filter_map(|line| line.split_once(':'));
    names.any(|(found, _)| found.trim() == name)
}

/// Returns whether the packet filter sees packets within a bridge. Docker loads the module that does this, unless configured
/// not to.
fn is_filtered() -> bool {
    bridged_packets_are_filtered() != Some(false)
}

/// Returns whether the packet filter sees packets within a bridge. Returns none if the kernel has no such setting.
pub(super) fn bridged_packets_are_filtered() -> Option<bool> {
    number("/proc/sys/net/bridge/bridge-nf-call-iptables").map(|value| value != 0)
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Reads the number of neighbours from a table of statistics.
fn entries(table: &str) -> Option<u64> {
    u64::from_str_radix(table.lines().nth(1)?.split_whitespace().next()?, 16).ok()
}

fn full(code: &'static str, what: &str, setting: &str, used: Option<u64>, most: Option<u64>) -> Option<Cause> {
    let (used, most) = (used?, most?);
    (most > 0 && used.saturating_mul(100) >= most.saturating_mul(FULL)).then(|| {
        Cause::new(
            code,
            format!("the table of {what} is full: {used} of {most}"),
            format!("`sysctl {setting}={}`", most.saturating_mul(4)),
        )
    })
}

fn is_down(interface: &str) -> bool {
    let flags = fs::read_to_string(Path::new("/sys/class/net").join(interface).join("flags"));
    flags.is_ok_and(|flags| is_off(&flags))
}

/// Returns whether the flags of an interface say that it is down.
fn is_off(flags: &str) -> bool {
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16);
    flags.is_ok_and(|flags| flags & 1 == 0)
}

fn down(bridge: &Bridge) -> Cause {
    Cause::new(
        "BRIDGE_DOWN",
        format!("the bridge {} of LAN {} is down", bridge.name, bridge.lan),
        format!("`ip link set {} up`", bridge.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_table_is_reported() {
        let fix_of = |used, most| full("X", "things", "a.b", Some(used), Some(most)).map(|cause| cause.fix);
        assert_eq!(fix_of(94, 100), None);
        assert_eq!(fix_of(95, 100).as_deref(), Some("`sysctl a.b=400`"));
        assert_eq!(fix_of(0, 0), None);
        assert_eq!(entries("entries  allocs\n0000001f  00000002\n"), Some(31));
    }

    #[test]
    fn the_first_flag_of_an_interface_is_up() {
        assert!(is_off("0x1002\n") && !is_off("0x1003\n") && !is_off("?"));
        assert!(has_interface("Inter-|\n br-1: 0 0\n  lo: 0", "br-1") && !has_interface(" br-12: 0", "br-1"));
    }
}
