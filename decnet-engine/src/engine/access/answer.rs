use std::net::Ipv4Addr;

use decnet_decoy::protocol::Answer;
use decnet_topology::Name;
use ipnet::Ipv4Net;
use serde::Serialize;

/// The answer of a decky to a verb.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verb", rename_all = "snake_case")]
#[non_exhaustive]
pub enum DeckyAnswer {
    /// The result of a ping.
    Ping {
        /// The decky that has the address, if a decky was named.
        decky: Option<Name>,
        /// The address.
        address: Ipv4Addr,
        /// Whether it answered.
        reached: bool,
        /// The result in words.
        result: String,
        /// The time until the answer in microseconds.
        rtt_us: Option<u64>,
    },
    /// The result of a connection.
    Connect {
        /// The decky that has the address, if a decky was named.
        decky: Option<Name>,
        /// The address.
        address: Ipv4Addr,
        /// The TCP port.
        port: u16,
        /// Whether it was accepted.
        reached: bool,
        /// The result in words.
        result: String,
        /// The time until the answer in microseconds.
        rtt_us: Option<u64>,
    },
    /// The addresses of a decky.
    Resolve {
        /// The decky.
        decky: Name,
        /// Its addresses; those in a shared LAN first.
        addresses: Vec<LanAddress>,
    },
    /// The routes of the decky.
    Routes {
        /// Its interfaces.
        interfaces: Vec<LanAddress>,
        /// Its routes: the destination and the next hop.
        routes: Vec<(Ipv4Net, Ipv4Addr)>,
        /// Whether it also has a default route, over the host.
        default_route: bool,
        /// Whether it forwards packets.
        forwards: bool,
        /// How the kernel differs from this; none if it does not.
        differs: Option<String>,
    },
}

/// An address of a decky in a LAN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LanAddress {
    /// The LAN.
    pub lan: Name,
    /// The subnet of the LAN.
    pub subnet: Ipv4Net,
    /// The address.
    pub address: Ipv4Addr,
    /// Whether the decky that was asked is on this LAN.
    pub shared: bool,
}

impl DeckyAnswer {
    /// Returns whether what was asked for is so: the target answered, and the routes are those of the kernel.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Ping { reached, .. } | Self::Connect { reached, .. } => *reached,
            Self::Resolve { .. } => true,
            Self::Routes { differs, .. } => differs.is_none(),
        }
    }

    /// Describes the answer, a line for each fact.
    pub fn describe(&self) -> Vec<String> {
        match self {
            Self::Ping {
                decky,
                address,
                result,
                rtt_us,
                ..
            } => vec![format!("{}: {result}{}", end(decky.as_ref(), *address), time(*rtt_us))],
            Self::Connect {
                decky,
                address,
                port,
                result,
                rtt_us,
                ..
            } => {
                let end = end(decky.as_ref(), *address);
                vec![format!("{end} tcp/{port}: {result}{}", time(*rtt_us))]
            }
            Self::Resolve { addresses, .. } => {
                let place = |shared| if shared { "in LAN" } else { "in another LAN:" };
                let lines = addresses.iter();
                lines
                    .map(|at| format!("{} {} {}", at.address, place(at.shared), at.lan))
                    .collect()
            }
            Self::Routes {
                interfaces,
                routes,
                default_route,
                forwards,
                differs,
            } => {
                let own = interfaces
                    .iter()
                    .map(|at| format!("{} in LAN {}, address {}", at.subnet, at.lan, at.address));
                let others = routes.iter().map(|(to, via)| format!("{to} via {via}"));
                let default = default_route.then(|| "default via the host".to_owned());
                let forwarding = if *forwards { "forwarding on" } else { "forwarding off" };
                let differs = differs.as_ref().map(|how| format!("the kernel differs: {how}"));
                own.chain(others)
                    .chain(default)
                    .chain([forwarding.to_owned()])
                    .chain(differs)
                    .collect()
            }
        }
    }
}

fn end(decky: Option<&Name>, address: Ipv4Addr) -> String {
    match decky {
        Some(decky) => format!("{decky} ({address})"),
        None => address.to_string(),
    }
}

fn time(rtt_us: Option<u64>) -> String {
    let milliseconds = |us: u64| format!(" in {}.{:02} ms", us / 1000, us % 1000 / 10);
    rtt_us.map(milliseconds).unwrap_or_default()
}

/// Describes the result of a probe.
pub(super) fn result(answer: &Answer) -> String {
    match answer {
        Answer::Answered => "answered".into(),
        Answer::Refused => "refused".into(),
        Answer::Unreachable => "no route".into(),
        Answer::TimedOut => "no answer".into(),
        // The kernel answers so if a packet filter drops what a program sends.
        Answer::Failed(why) if why.starts_with("Operation not permitted") => {
            "blocked by the containment of the decky".into()
        }
        Answer::Failed(why) => why.clone(),
        _ => "unknown answer".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(lan: &str, address: [u8; 4], shared: bool) -> LanAddress {
        let address = Ipv4Addr::from(address);
        LanAddress {
            lan: lan.parse().expect("a name"),
            subnet: Ipv4Net::new(address, 24).expect("a subnet").trunc(),
            address,
            shared,
        }
    }

    #[test]
    fn answers_are_described_in_lines() {
        let connect = DeckyAnswer::Connect {
            decky: Some("db".parse().expect("a name")),
            address: [10, 0, 1, 9].into(),
            port: 22,
            reached: true,
            result: result(&Answer::Answered),
            rtt_us: Some(1_234),
        };
        assert_eq!(connect.describe(), ["db (10.0.1.9) tcp/22: answered in 1.23 ms"]);
        let blocked = Answer::Failed("Operation not permitted (os error 1)".into());
        assert_eq!(result(&blocked), "blocked by the containment of the decky");
        let resolve = DeckyAnswer::Resolve {
            decky: "db".parse().expect("a name"),
            addresses: vec![at("office", [10, 0, 1, 9], true), at("vault", [10, 0, 2, 9], false)],
        };
        assert_eq!(
            resolve.describe(),
            ["10.0.1.9 in LAN office", "10.0.2.9 in another LAN: vault"]
        );
        let routes = DeckyAnswer::Routes {
            interfaces: vec![at("office", [10, 0, 1, 9], true)],
            routes: vec![("10.0.0.0/24".parse().expect("a subnet"), [10, 0, 1, 2].into())],
            default_route: false,
            forwards: false,
            differs: Some("route missing".into()),
        };
        assert_eq!(
            routes.describe(),
            [
                "10.0.1.0/24 in LAN office, address 10.0.1.9",
                "10.0.0.0/24 via 10.0.1.2",
                "forwarding off",
                "the kernel differs: route missing",
            ]
        );
        assert!(!routes.is_success() && connect.is_success());
    }
}
