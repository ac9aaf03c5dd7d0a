use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
};

use decnet_decoy::LinkUnderlay;
use decnet_topology::{Name, Status, TopologyFilter, TopologyRow};

use super::{Check, Verdict};
use crate::{engine::Engine, host, runtime::MemberInfo};

const WHAT: &str = "links";

const HINT: &str = "if others may see or send packets on that network, put WireGuard below: on each host, `(umask 077; wg genkey \
                    >wg.key)`, `ip link add wg0 mtu 1420 type wireguard`, `ip address add 10.10.0.1/24 dev wg0`, `wg set wg0 listen-port \
                    51820 private-key wg.key peer KEY allowed-ips 10.10.0.2/32 endpoint HOST:51820`, `ip link set wg0 up`; then give the \
                    hosts these addresses (docs/hosts.md)";

/// Checks whether the packets of LANs that are stretched over several hosts are encrypted between them. Without such LANs, in the store or
/// on this machine, there is nothing to check.
pub async fn check_links(engine: Option<&Engine>) -> Vec<Check> {
    // If the kernel does not say what is below, it is treated as unknown.
    let here = host::link_underlays().unwrap_or_default();
    let mut underlays: Vec<Underlay> = here.iter().map(Underlay::of_link).collect();
    let mut mazes = Vec::new();
    if let Some(engine) = engine {
        let filter = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
        match engine.repo().list(&filter).await {
            Ok(page) => {
                mazes = stretched(&page.rows);
                if !mazes.is_empty() {
                    let members = engine.runtime().info().await.map(|info| info.members);
                    underlays.extend(of_hosts(&page.rows, &members.unwrap_or_default()));
                }
            }
            Err(error) => return vec![Check::error(Verdict::Fail, "database", "", error)],
        }
    }
    of_links(&mazes, &underlays).into_iter().collect()
}

/// What links of a host go through.
#[derive(Debug, Clone)]
struct Underlay {
    /// The host; none for this machine.
    host: Option<String>,
    /// The address from which they send, if it is known.
    address: Option<Ipv4Addr>,
    /// The interface with that address, if it is known.
    interface: Option<String>,
    is_wireguard: bool,
}

impl Underlay {
    fn of_link(link: &LinkUnderlay) -> Self {
        Self {
            host: None,
            address: Some(link.local),
            interface: link.interface.clone(),
            is_wireguard: link.is_wireguard,
        }
    }

    fn of_host(host: &Name, members: &BTreeMap<String, MemberInfo>) -> Self {
        let member = members.get(host.as_str());
        let address = member.map(|member| member.member.underlay);
        let info = member.and_then(|member| member.info.as_ref());
        let interface = info.and_then(|info| info.interfaces.get(&address?));
        Self {
            host: Some(host.to_string()),
            address,
            interface: interface.map(|interface| interface.name.clone()),
            is_wireguard: interface.is_some_and(|interface| interface.is_wireguard),
        }
    }

    /// Names it for people: `192.0.2.1 (eth0 of east)`.
    fn shown(&self) -> String {
        let interface = match (&self.interface, &self.host) {
            (Some(interface), Some(host)) => format!("{interface} of {host}"),
            (Some(interface), None) => interface.clone(),
            (None, Some(host)) => format!("an unknown interface of {host}"),
            (None, None) => "no interface of this host".into(),
        };
        match self.address {
            Some(address) => format!("{address} ({interface})"),
            None => interface,
        }
    }
}

/// Returns the names of the mazes with stretched LANs.
fn stretched(rows: &[TopologyRow]) -> Vec<String> {
    let rows = rows.iter().filter(|row| {
        let placement = row.placement.as_ref();
        placement.is_some_and(|placement| !placement.stretched.is_empty())
    });
    rows.map(|row| row.name.to_string()).collect()
}

/// Returns what the links of these mazes go through on each of their hosts.
fn of_hosts(rows: &[TopologyRow], members: &BTreeMap<String, MemberInfo>) -> Vec<Underlay> {
    let placements = rows.iter().filter_map(|row| row.placement.as_ref());
    let lans = placements.flat_map(|placement| placement.stretched.values());
    let hosts: BTreeSet<&Name> = lans.flat_map(|lan| &lan.members).collect();
    hosts.into_iter().map(|host| Underlay::of_host(host, members)).collect()
}

fn of_links(mazes: &[String], underlays: &[Underlay]) -> Option<Check> {
    let open = underlays.iter().find(|underlay| !underlay.is_wireguard);
    let whose = match mazes {
        [] if underlays.is_empty() => return None,
        [] => "LANs on this host are".to_owned(),
        mazes => format!("LANs of {} are", mazes.join(", ")),
    };
    if !underlays.is_empty() && open.is_none() {
        let interfaces = underlays.iter().filter_map(|underlay| underlay.interface.as_deref());
        let interfaces: BTreeSet<&str> = interfaces.collect();
        let interfaces = interfaces.into_iter().collect::<Vec<_>>().join(", ");
        return Some(Check::ok(
            WHAT,
            format!("{whose} stretched over hosts, through WireGuard ({interfaces})"),
        ));
    }
    let through = open.map(|open| format!(" through {}", open.shown()));
    let message = format!(
        "{whose} stretched over hosts by VXLAN{}, which neither encrypts nor authenticates; only packets from the addresses of the hosts are \
         accepted",
        through.unwrap_or_default(),
    );
    Some(Check::warn(WHAT, message, HINT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(interface: &str, is_wireguard: bool) -> Underlay {
        Underlay {
            host: None,
            address: Some([192, 0, 2, 1].into()),
            interface: Some(interface.into()),
            is_wireguard,
        }
    }

    #[test]
    fn links_of_a_host_that_does_not_answer_count_as_open() {
        let silent = Underlay::of_host(&"east".parse().expect("a name"), &BTreeMap::new());
        let check = of_links(&["corp".to_owned()], &[link("wg0", true), silent]).expect("a check");
        assert_eq!(check.verdict, Verdict::Warn);
        assert!(
            check.message.contains("through an unknown interface of east"),
            "{check:?}"
        );
    }

    #[test]
    fn without_stretched_lans_nothing_is_said() {
        assert!(of_links(&[], &[]).is_none());
    }

    #[test]
    fn links_without_wireguard_are_a_warning_with_the_first_commands() {
        let mazes = ["corp".to_owned()];
        let both = [link("wg0", true), link("eth0", false)];
        for (mazes, here) in [(&mazes[..], &both[..]), (&[], &both[1..]), (&mazes, &[])] {
            let check = of_links(mazes, here).expect("a check");
            assert_eq!(check.verdict, Verdict::Warn);
            assert!(
                check.message.contains("neither encrypts nor authenticates"),
                "{check:?}"
            );
            assert_eq!(
                check.message.contains("192.0.2.1 (eth0)"),
                !here.is_empty(),
                "{check:?}"
            );
            let hint = check.hint.expect("a hint");
            assert!(hint.contains("type wireguard"), "{hint}");
            assert!(
                hint.contains("umask 077; wg genkey"),
                "others must not read the key: {hint}"
            );
        }
    }

    #[test]
    fn links_through_wireguard_are_good() {
        let check = of_links(&["corp".to_owned()], &[link("wg0", true), link("wg0", true)]).expect("a check");
        assert_eq!(check.verdict, Verdict::Ok);
        assert_eq!(
            check.message,
            "LANs of corp are stretched over hosts, through WireGuard (wg0)"
        );
    }
}
