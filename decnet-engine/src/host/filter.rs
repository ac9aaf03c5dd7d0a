//! The packet filters of this machine, and the rules in them that drop packets of a maze.

use std::{fmt, fs, path::Path, process::Command};

use super::{
    cause::{Bridge, Cause, RESTART_DOCKER},
    rules::{Packet, Rules, Verdict},
};

/// The folders of system programs. The environment is not read.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/usr/local/sbin"];

/// One of the packet filters that a kernel may have side by side.
pub(super) struct Filter {
    program: &'static str,
    pub(super) rules: Result<Rules, String>,
}

impl Filter {
    /// Reads each filter that may have rules. Reading the legacy filter would load its module if that is not loaded.
    pub(super) fn read_all() -> Vec<Self> {
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

    pub(super) fn new(program: &'static str, text: Result<String, Unread>) -> Self {
        let rules = text.map(|text| Rules::parse(&text));
        Self {
            program,
            rules: rules.map_err(|unread| unread.to_string()),
        }
    }

    /// Returns a cause if the filter could not be read.
    pub(super) fn unread(&self) -> Option<Cause> {
        let (program, reason) = (self.program, self.rules.as_ref().err()?);
        Some(Cause::new(
            "FIREWALL_UNREAD",
            format!("the packet filter could not be read: {program} {reason}"),
            format!(
                "run this as root, or search the output of `{program}` for `:FORWARD DROP`, and for missing rules for the bridges and published ports; {RESTART_DOCKER}"
            ),
        ))
    }

    pub(super) fn causes(&self, bridges: &[&Bridge]) -> Vec<Cause> {
        let Ok(rules) = &self.rules else {
            return self.unread().into_iter().collect();
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
                    "the policy of the chain FORWARD is DROP, and no rule accepts the packets of LAN {}: Docker's rules are missing",
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

/// Checks the chains of programs other than iptables.
pub(super) fn native() -> Vec<Cause> {
    let Ok(text) = read("nft", &["list", "ruleset"]) else {
        return Vec::new();
    };
    dropping(&text)
        .into_iter()
        .map(|(table, chain, how)| {
            Cause::new(
                "FIREWALL_NFT",
                format!("chain {chain} of the nftables table {table} {how}"),
                format!("`nft list table {table}` shows it; accept the bridges of Docker (`br-*`) there"),
            )
        })
        .collect()
}

/// Finds chains that drop forwarded packets in the output of `nft list ruleset`. Returns the table, the chain and the way it
/// drops.
///
/// Skips the tables of Docker and those of iptables, which are read separately.
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
                found.push((table.clone(), chain.clone(), "drops packets by default".into()));
            }
        } else if passing && is_unconditional(line) {
            found.push((table.clone(), chain.clone(), format!("has the rule `{line}`")));
        }
    }
    found
}

/// Returns whether a rule drops every packet.
fn is_unconditional(rule: &str) -> bool {
    let mut words = rule.split_whitespace();
    match words.next() {
        Some("drop" | "reject") => true,
        // The numbers of a counter: packets 0 bytes 0.
        Some("counter") => matches!(words.nth(4), Some("drop" | "reject")),
        _ => false,
    }
}

/// The reason why a filter could not be read.
pub(super) enum Unread {
    Missing,
    Failed(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("is not installed"),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Runs a system program that only prints.
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
            host: None,
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
    fn a_filter_that_drops_packets_is_reported_with_a_fix() {
        check("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", &[], "");
        let flushed = "*filter\n:FORWARD DROP [0:0]\n:DOCKER-USER - [0:0]\nCOMMIT\n";
        check(flushed, &["FIREWALL_FORWARD"], "systemctl restart docker");
        check(flushed, &["FIREWALL_FORWARD"], "LAN vault");
        let rule = "*filter\n:FORWARD ACCEPT [0:0]\n-A FORWARD -d 10.0.0.0/8 -j DROP\nCOMMIT\n";
        check(rule, &["FIREWALL_RULE"], "iptables -D FORWARD -d 10.0.0.0/8 -j DROP");
    }

    #[test]
    fn an_unreadable_filter_is_reported_with_the_command_to_run() {
        let filter = Filter::new("iptables-save", Err(Unread::Missing));
        let causes = filter.causes(&[&bridge()]);
        assert_eq!(causes[0].code, "FIREWALL_UNREAD");
        assert!(causes[0].message.contains("is not installed") && causes[0].fix.contains("iptables-save"));
    }

    #[test]
    fn dropping_chains_of_other_programs_are_found_and_those_of_iptables_are_skipped() {
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
                "inet firewalld filter_FORWARD drops packets by default",
                "bridge guard pass has the rule `counter packets 7 bytes 9 drop`"
            ]
        );
    }
}
