//! Checks that a base has exactly the interfaces and addresses that the maze declares.

use std::net::Ipv4Addr;

use decnet_decoy::protocol::{Deviation, StateReport};
use decnet_topology::Name;

use super::report::{PathEnd, Reach, ReachDeviation};
use crate::{desired::BaseSpec, observe::ObservedContainer};

/// Compares the interfaces of a running base with the maze: as the runtime lists them, and as the program inside sees them if it
/// was asked.
pub(super) fn deviations(
    base: &BaseSpec,
    there: &ObservedContainer,
    inside: Option<&StateReport>,
) -> Vec<ReachDeviation> {
    let deviation = |to, address: Ipv4Addr, expected, found, how: String| ReachDeviation {
        from: PathEnd::Decky(base.decky.clone()),
        to,
        address: address.into(),
        expected,
        found,
        how,
    };
    let lost = |lan: &Name, address, how: String| {
        deviation(
            PathEnd::Lan(lan.clone()),
            address,
            Reach::Reachable,
            Reach::Unreachable,
            how,
        )
    };
    let foreign = |network: String, address, how: &str| {
        deviation(
            PathEnd::Network(network),
            address,
            Reach::Unreachable,
            Reach::Reachable,
            how.into(),
        )
    };
    let reported = inside.map(|report| report.deviations.as_slice()).unwrap_or_default();
    let mut found = Vec::new();
    for interface in &base.interfaces {
        let (lan, ip) = (&interface.lan, interface.ip);
        match there.networks.get(&interface.network) {
            None => found.push(lost(lan, ip, "no interface in this LAN".into())),
            Some(Some(other)) if *other != ip => found.push(lost(lan, ip, format!("its address there is {other}"))),
            Some(_) if reported.contains(&Deviation::InterfaceMissing(ip)) => {
                found.push(lost(
                    lan,
                    ip,
                    "no interface has this address, though Docker lists it".into(),
                ));
            }
            Some(_) => {}
        }
    }
    for (network, ip) in &there.networks {
        if base.interfaces.iter().all(|interface| interface.network != *network) {
            let address = ip.unwrap_or(Ipv4Addr::UNSPECIFIED);
            found.push(foreign(
                network.to_string(),
                address,
                "an interface on a foreign network",
            ));
        }
    }
    for deviation in reported {
        if let Deviation::InterfaceUndeclared(ip) = deviation
            && !there.networks.values().any(|listed| *listed == Some(*ip))
        {
            found.push(foreign(String::new(), *ip, "an interface that Docker does not list"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use decnet_decoy::protocol::{Mac, NetState};
    use decnet_topology::LogSettings;

    use super::*;
    use crate::{
        desired::{InterfaceSpec, Limits, LogSpec, Seccomp},
        naming::{ContainerName, Labels, NetworkName},
    };

    fn network(name: &str) -> NetworkName {
        NetworkName::from_docker(name)
    }

    fn base() -> BaseSpec {
        let interface = |name: &str, ip| InterfaceSpec {
            network: network(&format!("p_{name}")),
            lan: name.parse().expect("a name"),
            ip: Ipv4Addr::new(10, 0, ip, 2),
            mac: Mac([2, 0x42, 10, 0, ip, 2]),
            priority: 0,
        };
        BaseSpec {
            name: ContainerName::from_docker("p_web"),
            decky: "web".parse().expect("a name"),
            hostname: "web".into(),
            image: "i".into(),
            interfaces: vec![interface("a", 0), interface("b", 1)],
            publish: BTreeSet::new(),
            state: NetState::default(),
            sysctls: BTreeMap::new(),
            limits: Limits {
                pids: 1,
                memory: 1,
                nano_cpus: 1,
                open_files: 1,
            },
            seccomp: Seccomp::profile(),
            log: LogSpec::new(&LogSettings::default()),
            labels: Labels::new(),
        }
    }

    #[track_caller]
    fn check(listed: &[(&str, [u8; 4])], inside: &[Deviation], expected: &[&str]) {
        let name = ContainerName::from_docker("p_web");
        let mut there = ObservedContainer::running("1", name, Labels::new());
        let addresses = listed.iter();
        there.networks = addresses
            .map(|(name, ip)| (network(name), Some(Ipv4Addr::from(*ip))))
            .collect();
        let report = StateReport {
            deviations: inside.to_vec(),
            refused: Vec::new(),
        };
        let found: Vec<String> = deviations(&base(), &there, Some(&report))
            .iter()
            .map(|one| format!("{} {} {}: {}", one.to, one.address, one.found, one.how))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn lost_foreign_and_moved_interfaces_are_each_reported() {
        let (a, b) = (("p_a", [10, 0, 0, 2]), ("p_b", [10, 0, 1, 2]));
        check(&[a, b], &[], &[]);
        check(&[a], &[], &["LAN b 10.0.1.2 unreachable: no interface in this LAN"]);
        check(
            &[a, b, ("bridge", [172, 17, 0, 2])],
            &[Deviation::InterfaceUndeclared([172, 17, 0, 2].into())],
            &["network bridge 172.17.0.2 reachable: an interface on a foreign network"],
        );
        check(
            &[a, ("p_b", [10, 0, 1, 9])],
            &[Deviation::InterfaceMissing([10, 0, 1, 2].into())],
            &["LAN b 10.0.1.2 unreachable: its address there is 10.0.1.9"],
        );
    }

    #[test]
    fn interfaces_that_the_runtime_does_not_list_are_reported_by_the_program_inside() {
        check(
            &[("p_a", [10, 0, 0, 2]), ("p_b", [10, 0, 1, 2])],
            &[
                Deviation::InterfaceMissing([10, 0, 1, 2].into()),
                Deviation::InterfaceUndeclared([192, 0, 2, 1].into()),
            ],
            &[
                "LAN b 10.0.1.2 unreachable: no interface has this address, though Docker lists it",
                "an unknown network 192.0.2.1 reachable: an interface that Docker does not list",
            ],
        );
    }
}
