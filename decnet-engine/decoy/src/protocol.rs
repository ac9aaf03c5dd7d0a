//! The types of the JSON between the engine and the program.

mod link;
mod mac;
mod persona;
mod record;
mod service;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::Ipv4Addr,
};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub use self::{
    link::{
        EXIT_FOREIGN, EXIT_UNSUPPORTED, FoundVxlan, LinkOutcome, MalformedVxlan, OWNER_PREFIX, OwnedDevice, VXLAN_PORT,
        Vxlan,
    },
    mac::{Mac, MalformedMac},
    persona::{Os, Persona},
    record::{
        Action, Decnet, EndReason, Endpoint, EventFields, FileFields, FileHash, Http, HttpBody, HttpRequest,
        HttpResponse, Named, Network, Original, Outcome, Process, Record, Related, Summary, Technique, Threat, Tls,
        TlsClient, User,
    },
    service::{BuiltinService, ListedService, Listen, ServiceList, ServiceState},
};

/// The environment variable with the first [`NetState`] of a base, as JSON. The name does not reveal this project.
pub const STATE_VARIABLE: &str = "NET_STATE";

/// The environment variable with the [`ServiceState`] of a service, as JSON. The name does not reveal this project.
pub const SERVICE_VARIABLE: &str = "SERVICE_STATE";

/// The folder that survives restarts of a base, whose root is read-only. Only [`KEEPER`] can write there.
pub const STATE_FOLDER: &str = "/var/lib";

/// The file with the last [`NetState`]. If it exists, it overrides [`STATE_VARIABLE`].
pub const STATE_PATH: &str = "/var/lib/state.json";

/// The folder of the socket for services. Only root in the base can write there.
pub const PORTS_FOLDER: &str = "/var/lib/ports";

/// The Unix socket over which a base passes sockets to its services.
pub const PORTS_SOCKET: &str = "/var/lib/ports/socket";

/// The user and group that own all files of a base except [`PORTS_FOLDER`]. In all containers only `state keep` runs as this
/// user, and root in a base has no capability to write the user's files or to become the user.
pub const KEEPER: u32 = 64_999;

/// The exit code of a successful command.
pub const EXIT_DONE: u8 = 0;

/// The exit code of a failed command. For `state set`, the previous state is unchanged.
pub const EXIT_FAILED: u8 = 1;

/// The exit code for invalid arguments or JSON.
pub const EXIT_USAGE: u8 = 2;

/// The exit code of `state set` and `state check` if the namespace differs from the state.
pub const EXIT_DEVIATES: u8 = 3;

/// The exit code of a base or of `state set` with a default route but without containment, for instance because the kernel has
/// no `nf_tables`. Without containment, deckies could reach the outside.
pub const EXIT_UNCONTAINED: u8 = 4;

/// The network state of a base.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetState {
    /// Whether packets are forwarded between the own interfaces.
    pub forward: bool,
    /// Whether Docker's default route stays. True only for gateways.
    pub default_route: bool,
    /// The decky's addresses, sorted. They identify the interfaces; names do not.
    pub interfaces: Vec<Ipv4Addr>,
    /// The hardware addresses of interfaces, by their addresses. Others keep the one that they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub macs: BTreeMap<Ipv4Addr, Mac>,
    /// The routes in addition to those to own subnets, sorted, one per destination.
    pub routes: Vec<Route>,
    /// The own subnets, sorted. Together with the destinations of the routes they are all permitted destinations.
    pub lans: Vec<Ipv4Net>,
    /// The host's addresses, sorted. The decky must not open connections to them, not even on own subnets.
    pub closed: Vec<Ipv4Addr>,
    /// The ports that the host publishes, sorted. They are reachable from outside the maze.
    #[serde(default)]
    pub published: Vec<Published>,
    /// The UDP ports to which broadcasts and multicasts may be sent, sorted.
    #[serde(default)]
    pub broadcast: Vec<u16>,
    /// The ports that visitors see under other numbers than the programs listen on, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<Redirect>,
    /// Other packets that may leave.
    pub egress: Egress,
}

/// Packets that may leave a namespace to destinations outside the maze.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Egress {
    /// Nothing.
    #[default]
    None,
    /// Queries to port 53.
    DnsOnly,
    /// A few packets a second.
    RateLimited,
    /// Everything.
    Open,
}

impl NetState {
    /// Parses a state from JSON and sorts it. Two routes to one destination are an error.
    pub fn parse(json: &str) -> Result<Self, MalformedState> {
        let mut state: Self = serde_json::from_str(json).map_err(MalformedState::Json)?;
        state.sort();
        let mut destinations = BTreeSet::new();
        match state.routes.iter().find(|route| !destinations.insert(route.to)) {
            Some(route) => Err(MalformedState::DestinationTwice(route.to)),
            None => Ok(state),
        }
    }

    /// Returns whether packets could leave the maze if there were no containment.
    pub fn has_way_out(&self) -> bool {
        self.default_route || self.routes.iter().any(|route| route.to.prefix_len() == 0)
    }

    /// Sorts all lists and removes duplicates, so that equal states print the same bytes.
    pub fn sort(&mut self) {
        self.interfaces.sort_unstable();
        self.interfaces.dedup();
        for route in &mut self.routes {
            route.to = route.to.trunc();
        }
        self.routes.sort_unstable();
        self.routes.dedup();
        for lan in &mut self.lans {
            *lan = lan.trunc();
        }
        self.lans.sort_unstable();
        self.lans.dedup();
        self.closed.sort_unstable();
        self.closed.dedup();
        self.published.sort_unstable();
        self.published.dedup();
        self.redirects.sort_unstable();
        self.redirects.dedup();
        self.broadcast.sort_unstable();
        self.broadcast.dedup();
    }
}

/// A route to a subnet via a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The subnet.
    pub to: Ipv4Net,
    /// The neighbour, which is in one of the own subnets.
    pub via: Ipv4Addr,
}

/// A port of a decky that the host publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The decky's address to which the host forwards.
    pub address: Ipv4Addr,
    /// The decky's port.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// Whether only the host may connect, because it publishes the port on a loopback address.
    pub host_only: bool,
}

/// A port of a decky, and the one on which its program listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// The port that visitors see.
    pub port: u16,
    /// The port on which the program listens. Visitors cannot connect to it, unless another redirect has it as `port`.
    pub to: u16,
    /// The transport.
    pub protocol: Protocol,
}

/// Reports an invalid [`NetState`].
#[derive(Debug)]
#[non_exhaustive]
pub enum MalformedState {
    /// The JSON is not a state.
    Json(serde_json::Error),
    /// Two routes have the same destination.
    DestinationTwice(Ipv4Net),
}

impl MalformedState {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Json(_) => "malformed_state",
            Self::DestinationTwice(_) => "destination_twice",
        }
    }
}

impl fmt::Display for MalformedState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("the JSON is not a network state"),
            Self::DestinationTwice(to) => write!(f, "two routes to {to}"),
        }
    }
}

impl std::error::Error for MalformedState {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Json(source) => Some(source),
            Self::DestinationTwice(_) => None,
        }
    }
}

/// The output of `state set` and `state check`: the differences between namespace and state.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateReport {
    /// The remaining differences; empty if there are none.
    pub deviations: Vec<Deviation>,
    /// The kernel's errors for refused changes, for people.
    pub refused: Vec<String>,
}

/// A difference between a namespace and its [`NetState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deviation {
    /// No interface has a declared address, for instance because its network was disconnected manually.
    InterfaceMissing(Ipv4Addr),
    /// An interface has an undeclared address. It does not forward.
    InterfaceUndeclared(Ipv4Addr),
    /// The interface with this address forwards but must not.
    ForwardingOn(Ipv4Addr),
    /// The interface with this address must forward but does not.
    ForwardingOff(Ipv4Addr),
    /// A setting of the interface with this address would let neighbours redirect packets.
    Unguarded {
        /// The address.
        address: Ipv4Addr,
        /// The setting.
        guard: Guard,
        /// The current value.
        value: u32,
    },
    /// The interface with this address has another hardware address.
    OtherMac {
        /// The address.
        address: Ipv4Addr,
        /// The current hardware address.
        mac: Mac,
    },
    /// A declared route is missing.
    RouteMissing(Route),
    /// A route to this subnet is undeclared.
    RouteUndeclared(Ipv4Net),
    /// The default route is missing.
    DefaultRouteMissing,
    /// Outgoing packets are not limited: the packet filter's table is missing or differs.
    Uncontained,
    /// The kernel cannot redirect ports: visitors see those on which the programs listen.
    NotRedirected,
}

/// A setting of an interface that prevents neighbours from redirecting packets, named as in `net.ipv4.conf.<interface>`.
///
/// It is set on each interface, because the kernel changes some of these settings when `net.ipv4.ip_forward` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Guard {
    /// Whether ICMP redirects change routes: 0.
    AcceptRedirects,
    /// Whether only redirects to known routers are accepted: 1.
    SecureRedirects,
    /// Whether redirects are sent: 0.
    SendRedirects,
    /// The check of source addresses: 2, an address must be routable.
    #[serde(rename = "rp_filter")]
    ReversePathFilter,
    /// Whether a packet may choose its route: 0.
    AcceptSourceRoute,
    /// Whether it answers ARP requests for other hosts: 0.
    ProxyArp,
    /// Whether packets with one of its own addresses as source are accepted: 0.
    AcceptLocal,
    /// Whether loopback addresses are reachable from outside: 0.
    RouteLocalnet,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Protocol {
    /// Connections.
    Tcp,
    /// Datagrams.
    Udp,
}

/// The input of `probe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The targets, tried in parallel.
    pub targets: Vec<Target>,
    /// The timeout of one attempt in milliseconds.
    pub timeout_ms: u64,
    /// The number of attempts for a target that does not answer.
    pub attempts: u16,
}

/// A target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Target {
    /// An address, by ICMP echo.
    Icmp {
        /// The address.
        address: Ipv4Addr,
    },
    /// A TCP port, by connecting.
    Tcp {
        /// The address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// A UDP port, by a datagram.
    Udp {
        /// The address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
    /// All hosts on a LAN, by a datagram to a UDP port. An answer from any address counts.
    Broadcast {
        /// The broadcast address.
        address: Ipv4Addr,
        /// The port.
        port: u16,
    },
}

/// The output of `probe`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeResult {
    /// One result per target, in the same order.
    pub targets: Vec<TargetResult>,
}

/// The result of one target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetResult {
    /// The target.
    pub target: Target,
    /// Whether it answered: an echo reply, or a connection. For a refused connection, see [`Answer::Refused`].
    pub reached: bool,
    /// The result of the last attempt.
    pub detail: Answer,
    /// The time until the answer in microseconds, if there was one.
    pub rtt_us: Option<u64>,
}

/// The result of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// It answered.
    Answered,
    /// The host exists, but nothing listens on the port.
    Refused,
    /// There is no route, or a router on the path reported it.
    Unreachable,
    /// There was no answer in time.
    TimedOut,
    /// The attempt failed, with the reason.
    Failed(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_state(json: &str, canonical: &str) {
        let state = NetState::parse(json).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), canonical);
        assert_eq!(NetState::parse(canonical).unwrap(), state);
    }

    #[test]
    fn a_state_is_printed_in_canonical_order() {
        check_state(
            r#"{"routes":[{"via":"10.0.0.9","to":"10.2.0.0/24"},{"via":"10.0.0.9","to":"10.1.0.7/24"}],
                "interfaces":["10.10.0.1","10.9.0.1","10.10.0.1"],"default_route":false,"forward":true,
                "egress":"dns-only","lans":["10.10.0.0/24","10.9.0.1/24"],"closed":[]}"#,
            concat!(
                r#"{"forward":true,"default_route":false,"interfaces":["10.9.0.1","10.10.0.1"],"#,
                r#""routes":[{"to":"10.1.0.0/24","via":"10.0.0.9"},{"to":"10.2.0.0/24","via":"10.0.0.9"}],"#,
                r#""lans":["10.9.0.0/24","10.10.0.0/24"],"closed":[],"published":[],"broadcast":[],"egress":"dns-only"}"#
            ),
        );
        check_state(
            r#"{"routes":[],"interfaces":[],"default_route":false,"forward":true,"egress":"none","lans":[],"closed":[],
                "published":[{"address":"10.9.0.1","port":80,"protocol":"udp","host_only":true},
                             {"address":"10.9.0.1","port":22,"protocol":"tcp","host_only":false}],
                "broadcast":[138,67,138]}"#,
            concat!(
                r#"{"forward":true,"default_route":false,"interfaces":[],"routes":[],"lans":[],"closed":[],"#,
                r#""published":[{"address":"10.9.0.1","port":22,"protocol":"tcp","host_only":false},"#,
                r#"{"address":"10.9.0.1","port":80,"protocol":"udp","host_only":true}],"#,
                r#""broadcast":[67,138],"egress":"none"}"#
            ),
        );
    }

    #[test]
    fn a_state_with_an_unknown_field_or_two_routes_to_one_subnet_is_refused() {
        let rest = r#""default_route":false,"interfaces":[],"lans":[],"closed":[],"egress":"none""#;
        let sound = format!(r#"{{"forward":true,"routes":[],{rest}}}"#);
        assert!(NetState::parse(&sound).is_ok());
        for fields in [
            r#""forward":true,"routes":[],"colour":1"#,
            r#""forward":"true","routes":[]"#,
            concat!(
                r#""forward":true,"routes":[{"to":"10.1.0.0/24","via":"10.0.0.2"},"#,
                r#"{"to":"10.1.0.0/24","via":"10.0.0.3"}]"#
            ),
        ] {
            let json = format!("{{{fields},{rest}}}");
            assert!(NetState::parse(&json).is_err(), "{json}");
        }
    }

    #[test]
    fn the_documented_json_is_parsed() {
        let service = concat!(
            r#"{"decky":"web","persona":{"hostname":"web-01","domain":"corp.local","os":"debian-12"},"secret":"00","#,
            r#""services":[{"name":"dns","listen":[{"port":53,"protocol":"udp"}],"fields":{"recursion":true}}]}"#
        );
        assert_eq!(
            serde_json::to_string(&serde_json::from_str::<ServiceState>(service).unwrap()).unwrap(),
            service
        );
        let hidden = format!(r#"{},"passwords":false}}"#, service.strip_suffix('}').unwrap());
        let state: ServiceState = serde_json::from_str(&hidden).unwrap();
        assert_eq!(serde_json::to_string(&state).unwrap(), hidden);
        let list = r#"{"services":[{"name":"dns","listen":[{"port":53,"protocol":"udp"}]}]}"#;
        let parsed: ServiceList = serde_json::from_str(list).unwrap();
        assert_eq!(serde_json::to_string(&parsed).unwrap(), list);
        let probe = concat!(
            r#"{"targets":[{"kind":"icmp","address":"10.0.0.1"},{"kind":"tcp","address":"10.0.0.1","port":22}],"#,
            r#""timeout_ms":500,"attempts":2}"#
        );
        assert_eq!(
            serde_json::to_string(&serde_json::from_str::<Probe>(probe).unwrap()).unwrap(),
            probe
        );
        let report = StateReport {
            deviations: vec![
                Deviation::InterfaceMissing(Ipv4Addr::new(10, 0, 0, 1)),
                Deviation::DefaultRouteMissing,
            ],
            refused: Vec::new(),
        };
        assert_eq!(
            serde_json::to_string(&report).unwrap(),
            r#"{"deviations":[{"interface_missing":"10.0.0.1"},"default_route_missing"],"refused":[]}"#
        );
    }
}
