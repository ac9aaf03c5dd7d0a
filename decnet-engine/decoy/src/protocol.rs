//! The JSON shapes that the engine and the program exchange.

mod contact;

use std::{collections::BTreeSet, fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

pub use self::contact::{Contact, ContactEvent, EndReason, Summary, SummaryEvent};

/// The environment variable from which a base takes its first [`NetState`], as JSON. Its name says nothing of this project.
pub const STATE_VARIABLE: &str = "NET_STATE";

/// The environment variable from which a service takes its [`ServiceState`], as JSON.
pub const SERVICE_VARIABLE: &str = "DECNET_SERVICE";

/// The folder that survives restarts of a base, whose root is read-only. Only [`KEEPER`] can write there.
pub const STATE_FOLDER: &str = "/var/lib";

/// Where a base keeps the [`NetState`] that was set last; once it exists, it wins over [`STATE_VARIABLE`].
pub const STATE_PATH: &str = "/var/lib/state.json";

/// The folder in which a base hands its services their sockets. Only root in the base can write there.
pub const PORTS_FOLDER: &str = "/var/lib/ports";

/// The Unix socket over which it does.
pub const PORTS_SOCKET: &str = "/var/lib/ports/socket";

/// The user, and the group, to whom all files of a base but [`PORTS_FOLDER`] belong. Nothing in any container runs as that user but `state keep`, and
/// root in a base has no capability with which it could write their files or become them.
pub const KEEPER: u32 = 64_999;

/// The exit code of a command that did what it was told.
pub const EXIT_DONE: u8 = 0;

/// The exit code of a command that failed; of `state set`, that the previous state is still in force.
pub const EXIT_FAILED: u8 = 1;

/// The exit code for arguments or JSON that cannot be understood.
pub const EXIT_USAGE: u8 = 2;

/// The exit code of `state set` and `state check` when the namespace is not what the state declares.
pub const EXIT_DEVIATES: u8 = 3;

/// The exit code of a base, or of `state set`, that has a default route and cannot be contained: the kernel has no `nf_tables`,
/// say. Without containment whatever runs there would reach the outside.
pub const EXIT_UNCONTAINED: u8 = 4;

/// What a base's network namespace should be like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetState {
    /// Whether packets from one own interface may leave by another.
    pub forward: bool,
    /// Whether the default route that Docker made stays; true for gateways alone.
    pub default_route: bool,
    /// The decky's own addresses, ascending. Interfaces are found by them, never by name.
    pub interfaces: Vec<Ipv4Addr>,
    /// The routes besides those to the own subnets, ascending, one a destination.
    pub routes: Vec<Route>,
    /// The own subnets, ascending. With the routes' destinations they are all that a packet may be for.
    pub lans: Vec<Ipv4Net>,
    /// The host's addresses, ascending. Nothing may be begun to them, not even on own subnets.
    pub closed: Vec<Ipv4Addr>,
    /// What may be asked from outside the maze, ascending: the ports that the host publishes.
    #[serde(default)]
    pub published: Vec<Published>,
    /// The UDP ports to which broadcasts and multicasts may be sent, ascending.
    #[serde(default)]
    pub broadcast: Vec<u16>,
    /// What else may leave.
    pub egress: Egress,
}

/// What may leave a namespace beside what the maze is made of.
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
    /// Reads a state from JSON, puts it in canonical order and refuses two routes to one destination.
    pub fn parse(json: &str) -> Result<Self, MalformedState> {
        let mut state: Self = serde_json::from_str(json).map_err(MalformedState::Json)?;
        state.sort();
        let mut destinations = BTreeSet::new();
        match state.routes.iter().find(|route| !destinations.insert(route.to)) {
            Some(route) => Err(MalformedState::DestinationTwice(route.to)),
            None => Ok(state),
        }
    }

    /// Returns whether there is a way out, so that the containment is all that keeps packets in.
    pub fn has_way_out(&self) -> bool {
        self.default_route || self.routes.iter().any(|route| route.to.prefix_len() == 0)
    }

    /// Puts all lists in canonical order, each once, so that equal states print the same bytes.
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
        self.broadcast.sort_unstable();
        self.broadcast.dedup();
    }
}

/// One route: packets to a subnet go to a neighbour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The subnet.
    pub to: Ipv4Net,
    /// The neighbour, which one of the own subnets holds.
    pub via: Ipv4Addr,
}

/// A port of a decky that the host publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The decky's address to which the host leads.
    pub address: Ipv4Addr,
    /// The decky's port.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
    /// Whether the host alone may come: it publishes the port on a loopback address of its own.
    pub host_only: bool,
}

/// Why a [`NetState`] cannot be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum MalformedState {
    /// It is not the JSON of a state.
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
            Self::Json(_) => f.write_str("the JSON is no network state"),
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

/// What `state set` and `state check` print: where the namespace is not what was declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateReport {
    /// Each difference that is left; empty when all is as declared.
    pub deviations: Vec<Deviation>,
    /// What the kernel said to each change that it refused, for people.
    pub refused: Vec<String>,
}

/// One difference between a namespace and its [`NetState`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Deviation {
    /// No interface has a declared address: its network was disconnected by hand, say.
    InterfaceMissing(Ipv4Addr),
    /// An interface has an address that was not declared; it does not forward.
    InterfaceUndeclared(Ipv4Addr),
    /// The interface with this address forwards though it should not.
    ForwardingOn(Ipv4Addr),
    /// The interface with this address does not forward though it should.
    ForwardingOff(Ipv4Addr),
    /// A setting of the interface with this address would let a neighbour steer where packets go.
    Unguarded {
        /// The address.
        address: Ipv4Addr,
        /// The setting.
        guard: Guard,
        /// What it is set to.
        value: u32,
    },
    /// A declared route is not there.
    RouteMissing(Route),
    /// There is a route to this subnet that was not declared.
    RouteUndeclared(Ipv4Net),
    /// The default route should have stayed, but there is none.
    DefaultRouteMissing,
    /// What may leave is not held to the state: the packet filter's table is not there, or not as it should be.
    Uncontained,
}

/// A setting of an interface that keeps a neighbour from steering where packets go, named as in `net.ipv4.conf.<interface>`.
///
/// It is set on each interface, since the kernel sets some of them by itself when `net.ipv4.ip_forward` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Guard {
    /// Whether ICMP redirects move routes: 0.
    AcceptRedirects,
    /// Whether redirects lead to routers that are known only: 1.
    SecureRedirects,
    /// Whether redirects are sent: 0.
    SendRedirects,
    /// Which source addresses are taken: 2, those to which there is a way.
    #[serde(rename = "rp_filter")]
    ReversePathFilter,
    /// Whether a packet may say by which way it goes: 0.
    AcceptSourceRoute,
    /// Whether it answers for addresses of others: 0.
    ProxyArp,
    /// Whether packets with an own source address are taken: 0.
    AcceptLocal,
    /// Whether loopback addresses may be asked from outside: 0.
    RouteLocalnet,
}

/// What a built-in service answers on, and who it says it is in its log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceState {
    /// The decky's name.
    pub decky: String,
    /// The service's name in the catalogue.
    pub service: String,
    /// The ports, on every address of the base.
    pub listen: Vec<Listen>,
    /// What is sent on connect (TCP) or as the answer to a datagram (UDP).
    #[serde(default)]
    pub banner: Option<String>,
}

/// One port that a service answers on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// The port number.
    pub port: u16,
    /// The transport.
    pub protocol: Protocol,
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

/// What `probe` shall try to reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Probe {
    /// The targets, tried side by side.
    pub targets: Vec<Target>,
    /// How long one attempt waits for an answer, in milliseconds.
    pub timeout_ms: u64,
    /// How often a target that does not answer is tried.
    pub attempts: u16,
}

/// One thing to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Target {
    /// An address, by ICMP echo.
    Icmp {
        /// Whom to ask.
        address: Ipv4Addr,
    },
    /// A TCP port, by connecting.
    Tcp {
        /// Whom to ask.
        address: Ipv4Addr,
        /// On which port.
        port: u16,
    },
    /// A UDP port, by a datagram.
    Udp {
        /// Whom to ask.
        address: Ipv4Addr,
        /// On which port.
        port: u16,
    },
    /// Everybody on a LAN, by a datagram to a UDP port. Whoever answers counts, from whatever address.
    Broadcast {
        /// The address that is everybody's.
        address: Ipv4Addr,
        /// On which port.
        port: u16,
    },
}

/// What `probe` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeResult {
    /// One a target, in the order of the targets.
    pub targets: Vec<TargetResult>,
}

/// How one target fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetResult {
    /// The target.
    pub target: Target,
    /// Whether it answered: an echo reply, or a connection. A refused connection is none, see [`Answer::Refused`].
    pub reached: bool,
    /// What happened in the last attempt.
    pub detail: Answer,
    /// How long the answer took, in microseconds, if one came.
    pub rtt_us: Option<u64>,
}

/// What came of an attempt to reach a target.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Answer {
    /// It answered.
    Answered,
    /// The host is there, but nothing listens on the port.
    Refused,
    /// There is no route, or someone on the way said so.
    Unreachable,
    /// Nothing came in time.
    TimedOut,
    /// The attempt could not be made; the text says why.
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
    fn a_state_prints_in_canonical_order_whatever_order_it_came_in() {
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
    fn the_shapes_read_as_documented() {
        let service = r#"{"decky":"web","service":"dns","listen":[{"port":53,"protocol":"udp"}],"banner":null}"#;
        assert_eq!(
            serde_json::to_string(&serde_json::from_str::<ServiceState>(service).unwrap()).unwrap(),
            service
        );
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
