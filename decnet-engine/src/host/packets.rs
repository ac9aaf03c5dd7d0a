//! Settings of this machine that lose the packets of a maze though Docker has all of it.

use std::{fs, path::Path, process::Command};

use ipnet::Ipv4Net;
use serde::Serialize;

use super::rules::{Packet, Rules, Verdict};
use crate::{
    naming::{self, NetworkName},
    observe::ObservedNetwork,
};

/// Where programs of the system are. The environment is not asked.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"];

/// From which part of a bound on a table counts as full, in percent.
const FULL: u64 = 95;

/// Docker writes its rules again when it starts, and only then.
const RESTART_DOCKER: &str = "`systemctl restart docker` re-creates Docker's rules";

/// One reason why packets are lost on this machine, and what fixes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// A stable code, `FIREWALL_FORWARD` for instance.
    pub code: &'static str,
    /// What was found.
    pub message: String,
    /// What fixes it, or where to look.
    pub fix: String,
}

impl Cause {
    fn new(code: &'static str, message: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            fix: fix.into(),
        }
    }
}

/// The bridge of a LAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// The interface.
    pub name: String,
    /// The LAN, or the network where the LAN is not known.
    pub lan: String,
    /// The subnet.
    pub subnet: Ipv4Net,
}

impl Bridge {
    /// Returns the bridge of a network, if that has a subnet. Docker names it after the network's id.
    pub fn of(network: &ObservedNetwork) -> Option<Self> {
        let lan = network.labels.get(naming::LAN).cloned();
        Some(Self {
            name: format!("br-{}", network.id.get(..12)?),
            lan: lan.unwrap_or_else(|| NetworkName::to_string(&network.name)),
            subnet: network.subnet?,
        })
    }
}

/// Looks for what makes this machine lose the packets of some bridges. Changes nothing; reading the packet filter takes root.
pub fn causes(bridges: &[Bridge]) -> Vec<Cause> {
    let interfaces = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let here: Vec<_> = bridges
        .iter()
        .filter(|bridge| has_interface(&interfaces, &bridge.name))
        .collect();
    if here.is_empty() && !bridges.is_empty() {
        return vec![Cause::new(
            "HOST_ELSEWHERE",
            "the bridges of the maze are not in this network namespace, so its packet filter could not be looked at",
            "run this on the host itself, as root and outside of containers",
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
        "connections that the kernel tracks",
        "net.netfilter.nf_conntrack_max",
        number("/proc/sys/net/netfilter/nf_conntrack_count"),
        number("/proc/sys/net/netfilter/nf_conntrack_max"),
    ));
    causes.extend(full(
        "NEIGHBOURS_FULL",
        "neighbours, which all namespaces of the host share",
        "net.ipv4.neigh.default.gc_thresh3",
        fs::read_to_string("/proc/net/stat/arp_cache")
            .ok()
            .and_then(|table| entries(&table)),
        number("/proc/sys/net/ipv4/neigh/default/gc_thresh3"),
    ));
    causes
}

/// Says that the machine with the daemon is not this one.
pub fn elsewhere() -> Cause {
    Cause::new(
        "HOST_ELSEWHERE",
        "the daemon is on another machine, whose settings were not looked at",
        "run this there",
    )
}

/// Says where to look when nothing was found.
pub fn unexplained() -> Cause {
    Cause::new(
        "HOST_UNKNOWN",
        "Docker has all of the maze, but this host loses its packets, and none of its settings that were looked at explains it",
        format!(
            "{RESTART_DOCKER}; else look at `nft list ruleset`, `iptables-save`, `ebtables-legacy -L`, `tc qdisc show` and `ip -s link`"
        ),
    )
}

fn has_interface(table: &str, name: &str) -> bool {
    let mut names = table.lines().filter_map(|line| line.split_once(':'));
    names.any(|(found, _)| found.trim() == name)
}

/// Tells whether the packet filter sees what passes within a bridge: Docker loads the module that does that, unless told not to.
fn is_filtered() -> bool {
    number("/proc/sys/net/bridge/bridge-nf-call-iptables") != Some(0)
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Reads how many neighbours there are out of a table of statistics.
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

/// Reads the flags of an interface: whether it is switched off.
fn is_off(flags: &str) -> bool {
    let flags = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16);
    flags.is_ok_and(|flags| flags & 1 == 0)
}

fn down(bridge: &Bridge) -> Cause {
    Cause::new(
        "BRIDGE_DOWN",
        format!("the bridge {} of LAN {} is switched off", bridge.name, bridge.lan),
        format!("`ip link set {} up`", bridge.name),
    )
}

/// One of the packet filters that a kernel may have side by side.
struct Filter {
    program: &'static str,
    rules: Result<Rules, String>,
}

impl Filter {
    /// Reads each that may have rules. Asking for the old one would load its module where it is not there.
    fn read_all() -> Vec<Self> {
        let old = fs::read_to_string("/proc/net/ip_tables_names").is_ok_and(|names| !names.trim().is_empty());
        let mut filters = Vec::new();
        match read("iptables-nft-save", &[]) {
            Err(Unread::Missing) => {
                let rules = read("iptables-save", &[]);
                filters.push(Self::new("iptables-save", rules));
            }
            rules => filters.push(Self::new("iptables-save", rules)),
        }
        if old {
            match read("iptables-legacy-save", &[]) {
                Err(Unread::Missing) => {}
                rules => filters.push(Self::new("iptables-legacy-save", rules)),
            }
        }
        filters
    }

    fn new(program: &'static str, text: Result<String, Unread>) -> Self {
        let rules = text.map(|text| Rules::parse(&text));
        Self {
            program,
            rules: rules.map_err(|unread| unread.to_string()),
        }
    }

    fn causes(&self, bridges: &[&Bridge]) -> Vec<Cause> {
        let program = self.program;
        let rules = match &self.rules {
            Ok(rules) => rules,
            Err(reason) => {
                return vec![Cause::new(
                    "FIREWALL_UNREAD",
                    format!("the packet filter could not be read: {program} {reason}"),
                    format!(
                        "as root, look whether `{program}` has `:FORWARD DROP` and no rule that accepts the bridges of the maze; if so, {RESTART_DOCKER}"
                    ),
                )];
            }
        };
        let mut dropped: Vec<(&Bridge, Verdict)> = Vec::new();
        for bridge in bridges {
            let packet = Packet {
                from: &bridge.name,
                to: &bridge.name,
                source: Some(bridge.subnet),
                destination: bridge.subnet,
            };
            match rules.forward(packet) {
                Verdict::Passes => {}
                verdict => dropped.push((bridge, verdict)),
            }
        }
        let mut causes = Vec::new();
        let by_policy: Vec<_> = dropped
            .iter()
            .filter(|(_, verdict)| *verdict == Verdict::Policy)
            .collect();
        if let Some((first, _)) = by_policy.first() {
            let lans: Vec<_> = by_policy.iter().map(|(bridge, _)| bridge.lan.as_str()).collect();
            let name = &first.name;
            causes.push(Cause::new(
                "FIREWALL_FORWARD",
                format!(
                    "the policy of the chain FORWARD is DROP, and no rule lets the packets of LAN {} pass: Docker's rules are gone",
                    lans.join(", ")
                ),
                format!(
                    "{RESTART_DOCKER}; or `iptables -P FORWARD ACCEPT`; or, for each bridge, `iptables -I FORWARD -i {name} -o {name} -j ACCEPT`"
                ),
            ));
        }
        let mut named = Vec::new();
        for (bridge, verdict) in &dropped {
            if let Verdict::Rule(rule) = verdict
                && !named.contains(&rule)
            {
                named.push(rule);
                let undo = rule.replacen("-A ", "-D ", 1);
                causes.push(Cause::new(
                    "FIREWALL_RULE",
                    format!(
                        "a rule of the packet filter drops the packets of LAN {}: {rule}",
                        bridge.lan
                    ),
                    format!("`iptables {undo}` removes it"),
                ));
            }
        }
        causes
    }
}

/// Looks at the chains that other programs than iptables made.
fn native() -> Vec<Cause> {
    let Ok(text) = read("nft", &["list", "ruleset"]) else {
        return Vec::new();
    };
    dropping(&text)
        .into_iter()
        .map(|(table, chain, how)| {
            Cause::new(
                "FIREWALL_NFT",
                format!("chain {chain} of the nftables table {table} {how}"),
                format!("`nft list table {table}` shows it; let the bridges of Docker (`br-*`) pass there"),
            )
        })
        .collect()
}

/// Finds chains that drop what passes through the machine, in what `nft list ruleset` prints: table, chain, how.
///
/// The tables of iptables are left out, which are read as such, and those of Docker.
fn dropping(text: &str) -> Vec<(String, String, String)> {
    const PASSING: [&str; 4] = ["hook forward", "hook prerouting", "hook postrouting", "hook ingress"];
    let (mut table, mut chain, mut passing) = (String::new(), String::new(), false);
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("table ") {
            table = name.trim_end_matches('{').trim().into();
        } else if let Some(name) = line.strip_prefix("chain ") {
            chain = name.trim_end_matches('{').trim().into();
            passing = false;
        }
        let known = ["ip filter", "ip nat", "ip raw", "ip mangle", "ip security"].contains(&table.as_str())
            || table.ends_with("docker-bridges");
        if known {
            continue;
        }
        if line.starts_with("type ") {
            passing = PASSING.iter().any(|hook| line.contains(hook));
            if passing && line.contains("policy drop") {
                found.push((table.clone(), chain.clone(), "drops what no rule accepts".into()));
            }
        } else if passing && is_unconditional(line) {
            found.push((table.clone(), chain.clone(), format!("has the rule `{line}`")));
        }
    }
    found
}

/// Tells whether a rule drops whatever comes.
fn is_unconditional(rule: &str) -> bool {
    let mut words = rule.split_whitespace();
    match words.next() {
        Some("drop" | "reject") => true,
        // Its numbers: packets 0 bytes 0.
        Some("counter") => matches!(words.nth(4), Some("drop" | "reject")),
        _ => false,
    }
}

/// Why a program said nothing.
enum Unread {
    Missing,
    Failed(String),
}

impl std::fmt::Display for Unread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("is not installed"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Runs a program of the system that only prints.
fn read(program: &str, arguments: &[&str]) -> Result<String, Unread> {
    let mut paths = FOLDERS.iter().map(|folder| Path::new(folder).join(program));
    let path = paths.find(|path| path.exists()).ok_or(Unread::Missing)?;
    let output = Command::new(path)
        .args(arguments)
        .env_clear()
        .output()
        .map_err(|error| Unread::Failed(error.to_string()))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let first = said.lines().next().unwrap_or_default().trim();
    Err(Unread::Failed(format!("says: {first}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> Bridge {
        Bridge {
            name: "br-0123456789ab".into(),
            lan: "vault".into(),
            subnet: "10.0.2.0/24".parse().expect("a subnet"),
        }
    }

    #[track_caller]
    fn check(rules: &str, codes: &[&str], words: &str) {
        let filter = Filter::new("iptables-save", Ok(rules.into()));
        let causes = filter.causes(&[&bridge()]);
        let found: Vec<_> = causes.iter().map(|cause| cause.code).collect();
        assert_eq!(found, codes);
        assert!(
            causes
                .iter()
                .all(|cause| format!("{} {}", cause.message, cause.fix).contains(words)),
            "{causes:?}"
        );
    }

    #[test]
    fn a_filter_that_drops_is_named_with_what_fixes_it() {
        check("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", &[], "");
        let flushed = "*filter\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\nCOMMIT\n";
        check(flushed, &["FIREWALL_FORWARD"], "systemctl restart docker");
        check(flushed, &["FIREWALL_FORWARD"], "LAN vault");
        let rule = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -d 10.0.0.0/8 -j DROP\nCOMMIT\n";
        check(rule, &["FIREWALL_RULE"], "iptables -D FORWARD -d 10.0.0.0/8 -j DROP");
    }

    #[test]
    fn a_filter_that_cannot_be_read_is_said_with_what_to_run() {
        let filter = Filter::new("iptables-save", Err(Unread::Missing));
        let causes = filter.causes(&[&bridge()]);
        assert_eq!(causes[0].code, "FIREWALL_UNREAD");
        assert!(causes[0].message.contains("is not installed") && causes[0].fix.contains("iptables-save"));
    }

    #[test]
    fn chains_of_other_programs_that_drop_are_found_and_those_of_iptables_are_left_out() {
        let text = "table ip filter {\n\tchain FORWARD {\n\t\ttype filter hook forward priority filter; policy drop;\n\t}\n}\n\
            table inet firewalld {\n\tchain filter_INPUT {\n\t\ttype filter hook input priority 10; policy drop;\n\t}\n\
            \tchain filter_FORWARD {\n\t\ttype filter hook forward priority 10; policy drop;\n\t}\n}\n\
            table bridge guard {\n\tchain pass {\n\t\ttype filter hook forward priority 0; policy accept;\n\
            \t\tether type arp accept\n\t\tcounter packets 7 bytes 9 drop\n\t}\n}\n";
        let found: Vec<_> = dropping(text)
            .into_iter()
            .map(|(table, chain, how)| format!("{table} {chain} {how}"))
            .collect();
        assert_eq!(
            found,
            [
                "inet firewalld filter_FORWARD drops what no rule accepts",
                "bridge guard pass has the rule `counter packets 7 bytes 9 drop`"
            ]
        );
    }

    #[test]
    fn a_full_table_is_told_and_one_with_room_is_not() {
        let told = |used, most| full("X", "things", "a.b", Some(used), Some(most)).map(|cause| cause.fix);
        assert_eq!(told(94, 100), None);
        assert_eq!(told(95, 100).as_deref(), Some("`sysctl a.b=400`"));
        assert_eq!(told(0, 0), None);
        assert_eq!(entries("entries  allocs\n0000001f  00000002\n"), Some(31));
    }

    #[test]
    fn the_first_flag_of_an_interface_says_that_it_is_on() {
        assert!(is_off("0x1002\n") && !is_off("0x1003\n") && !is_off("?"));
        assert!(has_interface("Inter-|\n br-1: 0 0\n  lo: 0", "br-1") && !has_interface(" br-12: 0", "br-1"));
    }
}
