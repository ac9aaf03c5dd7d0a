//! Parses the output of `iptables-save` and evaluates packets against the rules.

use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;

/// The maximum depth of calls between chains. The kernel has a similar limit.
const DEEPEST: usize = 16;

/// The tables of one packet filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rules {
    tables: BTreeMap<String, Table>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Table {
    /// The policies of the base chains; none for other chains.
    chains: BTreeMap<String, Option<String>>,
    /// The rules of each chain, as printed.
    rules: BTreeMap<String, Vec<String>>,
}

/// The verdict for a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Accepted.
    Passes,
    /// Dropped by the policy of the chain.
    Policy,
    /// Dropped by this rule.
    Rule(String),
}

/// The first packet of a connection between two containers on one bridge, or to one of them from elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'a> {
    /// The input interface.
    pub(super) from: &'a str,
    /// The output interface.
    pub(super) to: &'a str,
    /// The source subnet; none for any.
    pub(super) source: Option<Ipv4Net>,
    /// The destination subnet.
    pub(super) destination: Ipv4Net,
}

impl Rules {
    /// Parses the output of `iptables-save` and skips what it does not understand.
    pub(super) fn parse(text: &str) -> Self {
        let mut rules = Self::default();
        let mut table = String::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                table = name.trim().into();
            } else if let Some(chain) = line.strip_prefix(':') {
                let mut words = chain.split_whitespace();
                let (Some(name), Some(policy)) = (words.next(), words.next()) else {
                    continue;
                };
                let policy = (policy != "-").then(|| policy.to_owned());
                rules
                    .tables
                    .entry(table.clone())
                    .or_default()
                    .chains
                    .insert(name.into(), policy);
            } else if let Some(rule) = line.strip_prefix("-A ")
                && let Some((chain, rest)) = rule.split_once(' ')
            {
                let table = rules.tables.entry(table.clone()).or_default();
                table.rules.entry(chain.into()).or_default().push(rest.into());
            }
        }
        rules
    }

    /// Returns whether a table has a chain.
    pub(super) fn has_chain(&self, table: &str, chain: &str) -> bool {
        self.tables
            .get(table)
            .is_some_and(|table| table.chains.contains_key(chain))
    }

    /// Evaluates a packet against the chain FORWARD.
    ///
    /// A rule counts only if all of its matches are known: interfaces, subnets, and states that a first packet does not have.
    pub(super) fn forward(&self, packet: Packet<'_>) -> Verdict {
        let Some(table) = self.tables.get("filter") else {
            return Verdict::Passes;
        };
        if let Some(verdict) = table.walk("FORWARD", packet, DEEPEST) {
            return verdict;
        }
        match table.chains.get("FORWARD").and_then(Option::as_deref) {
            Some("DROP") => Verdict::Policy,
            _ => Verdict::Passes,
        }
    }

    /// Returns whether a rule forwards a host port to an address.
    pub(super) fn forwards_port(&self, host_port: u16, to: Ipv4Addr, port: u16) -> bool {
        let Some(nat) = self.tables.get("nat") else {
            return false;
        };
        let (from, to) = (host_port.to_string(), format!("{to}:{port}"));
        let leads = |rule: &String| {
            let words: Vec<_> = rule.split_whitespace().collect();
            let has = |key: &str, value: &str| words.windows(2).any(|pair| pair == [key, value]);
            has("--dport", &from) && has("--to-destination", &to)
        };
        nat.reached_from("PREROUTING").any(leads)
    }

    /// Returns whether packets from this machine itself to a bridge are masqueraded. Docker does this without a userland proxy.
    /// Connections from elsewhere are not affected.
    pub(super) fn masquerades_own(&self) -> bool {
        let Some(nat) = self.tables.get("nat") else {
            return false;
        };
        nat.reached_from("POSTROUTING")
            .any(|rule| rule.contains("--src-type LOCAL ") && rule.ends_with("-j MASQUERADE"))
    }
}

impl Table {
    fn walk(&self, chain: &str, packet: Packet<'_>, depth: usize) -> Option<Verdict> {
        for rule in self.rules.get(chain).into_iter().flatten() {
            let (matches, target) = packet.meets(rule);
            if !matches {
                continue;
            }
            match target {
                Some("ACCEPT") => return Some(Verdict::Passes),
                Some("DROP" | "REJECT") => return Some(Verdict::Rule(format!("-A {chain} {rule}"))),
                Some("RETURN") => return None,
                Some(next) if depth > 0 && self.chains.contains_key(next) => {
                    if let Some(verdict) = self.walk(next, packet, depth - 1) {
                        return Some(verdict);
                    }
                }
                _ => {}
            }
        }
        None
    }

    /// Returns the rules of a chain and of all chains reachable from it.
    fn reached_from<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a String> {
        let mut reached = Vec::new();
        self.reach(chain, &mut reached);
        reached.into_iter().filter_map(|chain| self.rules.get(chain)).flatten()
    }

    fn reach<'a>(&'a self, chain: &'a str, reached: &mut Vec<&'a str>) {
        if reached.contains(&chain) {
            return;
        }
        reached.push(chain);
        for rule in self.rules.get(chain).into_iter().flatten() {
            let mut words = rule.split_whitespace();
            while let Some(word) = words.next() {
                if matches!(word, "-j" | "-g")
                    && let Some(next) = words.next()
                    && let Some((next, _)) = self.chains.get_key_value(next)
                {
                    self.reach(next, reached);
                }
            }
        }
    }
}

impl Packet<'_> {
    /// Returns whether a rule certainly matches this packet, and its target.
    fn meets<'r>(&self, rule: &'r str) -> (bool, Option<&'r str>) {
        let mut words = rule.split_whitespace().peekable();
        let (mut meets, mut target, mut inverted) = (true, None, false);
        while let Some(word) = words.next() {
            if word == "!" {
                inverted = true;
                continue;
            }
            let fits = match word {
                "-i" => words.next().map(|name| is_interface(name, self.from)),
                "-o" => words.next().map(|name| is_interface(name, self.to)),
                "-s" => words.next().and_then(|subnet| lies_in(self.source, subnet)),
                "-d" => words.next().and_then(|subnet| lies_in(Some(self.destination), subnet)),
                "-j" | "-g" => {
                    target = words.next();
                    // The rest are options of the target.
                    break;
                }
                "-m" => match words.next() {
                    Some("comment" | "conntrack" | "state") => continue,
                    // Other matches may or may not apply.
                    _ => None,
                },
                "--comment" => {
                    skip_comment(&mut words);
                    continue;
                }
                "--ctstate" | "--state" => words.next().map(|states| states.split(',').any(|state| state == "NEW")),
                "-c" => {
                    words.next();
                    words.next();
                    continue;
                }
                _ => None,
            };
            meets &= fits.is_some_and(|fits| fits != inverted);
            inverted = false;
        }
        (meets, target)
    }
}

/// Skips a comment. A comment with spaces is quoted.
fn skip_comment<'r>(words: &mut impl Iterator<Item = &'r str>) {
    let Some(first) = words.next() else { return };
    if first.starts_with('"') && (first.len() == 1 || !first.ends_with('"')) {
        for word in words.by_ref() {
            if word.ends_with('"') {
                break;
            }
        }
    }
}

/// Returns whether an interface matches a pattern, where `+` matches any ending.
fn is_interface(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('+') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// Returns whether a subnet lies fully inside another (true) or outside (false). Returns none if it overlaps in part or is not
/// known.
fn lies_in(subnet: Option<Ipv4Net>, text: &str) -> Option<bool> {
    let other: Ipv4Net = match text.parse() {
        Ok(other) => other,
        Err(_) => Ipv4Net::from(text.parse::<Ipv4Addr>().ok()?),
    };
    let subnet = subnet?;
    if other.contains(&subnet) {
        Some(true)
    } else if subnet.contains(&other) {
        None
    } else {
        Some(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rules of Docker 20.10 for one bridge with one published port.
    const DOCKER_20: &str = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\n:DOCKER - [0:0]\n\
        :DOCKER-ISOLATION-STAGE-1 - [0:0]\n:DOCKER-ISOLATION-STAGE-2 - [0:0]\n:DOCKER-USER - [0:0]\n\
        -A FORWARD -j DOCKER-USER\n-A FORWARD -j DOCKER-ISOLATION-STAGE-1\n\
        -A FORWARD -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -o br-1 -j DOCKER\n\
        -A FORWARD -i br-1 ! -o br-1 -j ACCEPT\n-A FORWARD -i br-1 -o br-1 -j ACCEPT\n\
        -A DOCKER -d 10.0.0.10/32 ! -i br-1 -o br-1 -p tcp -m tcp --dport 22 -j ACCEPT\n\
        -A DOCKER-ISOLATION-STAGE-1 -i br-1 ! -o br-1 -j DOCKER-ISOLATION-STAGE-2\n\
        -A DOCKER-ISOLATION-STAGE-1 -j RETURN\n-A DOCKER-ISOLATION-STAGE-2 -o br-1 -j DROP\n\
        -A DOCKER-ISOLATION-STAGE-2 -j RETURN\n-A DOCKER-USER -j RETURN\nCOMMIT\n\
        *nat\n:PREROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n\
        -A DOCKER ! -i br-1 -p tcp -m tcp --dport 42022 -j DNAT --to-destination 10.0.0.10:22\nCOMMIT\n";

    fn within() -> Packet<'static> {
        let subnet = "10.0.0.0/24".parse().expect("a subnet");
        Packet {
            from: "br-1",
            to: "br-1",
            source: Some(subnet),
            destination: subnet,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &Verdict) {
        assert_eq!(Rules::parse(text).forward(within()), *expected, "{text}");
    }

    #[test]
    fn docker_s_rules_accept_packets_between_containers_of_a_bridge() {
        check(DOCKER_20, &Verdict::Passes);
        // The rules of Docker 28.
        check(
            "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\n:DOCKER-BRIDGE - [0:0]\n:DOCKER-CT - [0:0]\n:DOCKER-FORWARD - [0:0]\n\
             -A FORWARD -j DOCKER-FORWARD\n-A DOCKER ! -i br-1 -o br-1 -j DROP\n-A DOCKER-BRIDGE -o br-1 -j DOCKER\n\
             -A DOCKER-CT -o br-1 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A DOCKER-FORWARD -j DOCKER-CT\n\
             -A DOCKER-FORWARD -j DOCKER-BRIDGE\n-A DOCKER-FORWARD -i br-1 -j ACCEPT\nCOMMIT\n",
            &Verdict::Passes,
        );
        check("", &Verdict::Passes);
    }

    #[test]
    fn a_dropping_policy_or_rule_is_named() {
        let rule = |text: &str| Verdict::Rule(text.into());
        check(
            "*filter\n:FORWARD DROP [0:0]\n:DOCKER - [0:0]\nCOMMIT\n",
            &Verdict::Policy,
        );
        check("*filter\n:FORWARD ACCEPT [0:0]\nCOMMIT\n", &Verdict::Passes);
        let blocked = DOCKER_20.replace(
            "-A DOCKER-USER -j RETURN",
            "-A DOCKER-USER -i br-+ -j REJECT --reject-with icmp-x",
        );
        check(&blocked, &rule("-A DOCKER-USER -i br-+ -j REJECT --reject-with icmp-x"));
        let others = DOCKER_20.replace("-A DOCKER-USER -j RETURN", "-A DOCKER-USER -s 10.9.0.0/16 -j DROP");
        check(&others, &Verdict::Passes);
        let ours = DOCKER_20.replace(
            "-A DOCKER-USER -j RETURN",
            "-A DOCKER-USER -m comment --comment \"no 10 net\" -s 10.0.0.0/8 -j DROP",
        );
        check(
            &ours,
            &rule("-A DOCKER-USER -m comment --comment \"no 10 net\" -s 10.0.0.0/8 -j DROP"),
        );
        let maybe = DOCKER_20.replace("-A DOCKER-USER -j RETURN", "-A DOCKER-USER -p udp -j DROP");
        check(&maybe, &Verdict::Passes);
    }

    #[test]
    fn masquerading_of_the_machine_is_distinguished_from_masquerading_of_everybody() {
        let masks = |rule: &str| {
            let text = format!("*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING {rule}\nCOMMIT\n");
            Rules::parse(&text).masquerades_own()
        };
        // The rules of Docker 20.10 and Docker 28 without a userland proxy.
        assert!(masks("-o br-1 -m addrtype --src-type LOCAL -j MASQUERADE"));
        assert!(!masks("-s 10.0.0.0/24 ! -o br-1 -j MASQUERADE"));
        assert!(!masks("-j MASQUERADE"));
        assert!(!Rules::parse(DOCKER_20).masquerades_own());
    }

    #[test]
    fn a_published_port_is_forwarded_only_if_its_rule_is_reachable() {
        let leads = |text: &str| Rules::parse(text).forwards_port(42022, Ipv4Addr::new(10, 0, 0, 10), 22);
        assert!(leads(DOCKER_20));
        assert!(!leads(&DOCKER_20.replace("--dport 42022", "--dport 42023")));
        assert!(!leads(
            &DOCKER_20.replace("-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER\n", "")
        ));
        assert!(!leads(""));
    }
}
