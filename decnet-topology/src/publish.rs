//! The ports and addresses of the host where gateways publish their services.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};

use crate::{
    catalog::{Port, Service},
    name::{Name, ServiceName},
};

/// The reason why a text is not a mapping.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a mapping of the form [DECKY.]SERVICE[:PORT]=[ADDRESS:]HOSTPORT, like ssh=2222: {reason}")]
pub struct PublishError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl PublishError {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "malformed_publish_rule"
    }
}

/// One mapping: `ssh=2222`, `web-01.ssh=127.0.0.1:2222`, `smtp:587=1587`, `*=127.0.0.1`.
///
/// Without a port on the left, the rule maps the lowest port of the service. With only an address on the right, the port stays
/// the same; `*` means every service, and maps addresses only. A service is published on IPv6 only if the rule has an IPv6
/// address in brackets: `http=[::]:8080` is every address of the host, including IPv4.
///
/// ```
/// use decnet_topology::PublishRule;
///
/// let rule: PublishRule = "web-01.ssh=127.0.0.1:2222".parse()?;
/// assert_eq!(rule.host_port, Some(2222));
/// assert_eq!(rule.to_string(), "web-01.ssh=127.0.0.1:2222");
/// # Ok::<(), decnet_topology::PublishError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRule {
    /// The gateway; every gateway if none.
    pub decky: Option<Name>,
    /// The service; every service if none.
    pub service: Option<ServiceName>,
    /// The service's port; the lowest if none.
    pub port: Option<u16>,
    /// The address of the host. `0.0.0.0` is every IPv4 address, `::` every IPv4 and IPv6 address. If none, another rule may set
    /// it.
    pub address: Option<IpAddr>,
    /// The port of the host; the service's own port if none.
    pub host_port: Option<u16>,
}

impl PublishRule {
    /// Returns whether two rules map the same ports.
    fn maps_the_same(&self, other: &Self) -> bool {
        (&self.decky, &self.service, self.port) == (&other.decky, &other.service, other.port)
    }

    /// Returns how specific the rule is for a port of a service on a gateway: whether it names the decky, the service and the
    /// port. Returns none if it does not apply. `lowest` is the service's lowest port.
    fn specificity(&self, decky: &str, service: &ServiceName, port: u16, lowest: Option<u16>) -> Option<[bool; 3]> {
        let names_decky = self.decky.is_some() && !self.names_dotted(service);
        let decky_fits = |name: &Name| name.as_str().eq_ignore_ascii_case(decky);
        let fits = self.service.is_none() || self.port.or(lowest) == Some(port);
        let fits = fits && (!names_decky || self.decky.as_ref().is_some_and(decky_fits));
        let named = |name: &ServiceName| name == service || self.names_dotted(service);
        (fits && self.service.as_ref().is_none_or(named)).then_some([
            names_decky,
            self.service.is_some(),
            self.port.is_some(),
        ])
    }

    /// Returns whether decky, dot and service together are the name of one service: a catalogue may have a service `web.api`.
    fn names_dotted(&self, service: &ServiceName) -> bool {
        let parts = self.decky.as_ref().zip(self.service.as_ref());
        parts
            .zip(service.as_str().split_once('.'))
            .is_some_and(|((decky, rest), (head, tail))| decky.as_str() == head && rest.as_str() == tail)
    }

    /// Returns whether it maps any port of a service on a gateway.
    pub fn maps_any(&self, decky: &str, service: &Service) -> bool {
        let lowest = service.ports.first().map(|lowest| lowest.number);
        let mut ports = service.ports.iter();
        ports.any(|port| self.specificity(decky, &service.name, port.number, lowest).is_some())
    }
}

impl FromStr for PublishRule {
    type Err = PublishError;

    fn from_str(text: &str) -> Result<Self, PublishError> {
        read(text).map_err(|reason| PublishError {
            text: text.into(),
            reason,
        })
    }
}

fn read(text: &str) -> Result<PublishRule, &'static str> {
    let (left, right) = text.split_once('=').ok_or("the `=` is missing")?;
    let (decky, rest) = match left.split_once('.') {
        Some((decky, rest)) => (
            Some(Name::new(decky).map_err(|_| "the decky's name is not valid")?),
            rest,
        ),
        None => (None, left),
    };
    let (service, port) = match rest.split_once(':') {
        Some((service, port)) => (service, Some(read_port(port)?)),
        None => (rest, None),
    };
    let service = match service {
        "" => return Err("the service is missing"),
        "*" => None,
        service => Some(ServiceName::new(service)),
    };
    let (address, host_port) = read_host(right)?;
    if service.is_none() && (port.is_some() || host_port.is_some()) {
        return Err("`*` maps to an address only");
    }
    Ok(PublishRule {
        decky,
        service,
        port,
        address,
        host_port,
    })
}

/// Reads the right side: a port, an address, or both; an IPv6 address is in brackets.
fn read_host(right: &str) -> Result<(Option<IpAddr>, Option<u16>), &'static str> {
    if let Some(rest) = right.strip_prefix('[') {
        let (address, port) = rest.split_once(']').ok_or("the bracket `[` is not closed")?;
        let address: Ipv6Addr = address
            .parse()
            .map_err(|_| "the address in brackets is not an IPv6 address")?;
        // An IPv4-mapped IPv6 address is published as IPv4.
        let address = address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4);
        let port = match port.strip_prefix(':') {
            Some(port) => Some(read_port(port)?),
            None if port.is_empty() => None,
            None => return Err("only `:` and a port may follow the bracket `]`"),
        };
        return Ok((Some(address), port));
    }
    if right.matches(':').count() > 1 {
        return Err("write an IPv6 address in brackets, like [::]:8080");
    }
    let (address, port) = match right.split_once(':') {
        Some((address, port)) => (Some(address), Some(read_port(port)?)),
        None if right.contains('.') => (Some(right), None),
        None => (None, Some(read_port(right)?)),
    };
    let address = address.map(str::parse::<Ipv4Addr>).transpose();
    let address = address.map_err(|_| "the address is not an IPv4 address")?;
    Ok((address.map(IpAddr::V4), port))
}

/// Formats an address as written before a port.
fn bracketed(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

fn read_port(text: &str) -> Result<u16, &'static str> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = text.parse().ok().filter(|port| plain && *port != 0);
    port.ok_or("the port must be a number from 1 to 65535")
}

impl fmt::Display for PublishRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(decky) = &self.decky {
            write!(f, "{decky}.")?;
        }
        f.write_str(self.service.as_ref().map_or("*", ServiceName::as_str))?;
        if let Some(port) = self.port {
            write!(f, ":{port}")?;
        }
        f.write_str("=")?;
        match (self.address, self.host_port) {
            (Some(address), Some(port)) => write!(f, "{}:{port}", bracketed(address)),
            (Some(address), None) => f.write_str(&bracketed(address)),
            (None, Some(port)) => write!(f, "{port}"),
            (None, None) => write!(f, "{}", Ipv4Addr::UNSPECIFIED),
        }
    }
}

/// Where a port of a service is published: an address and a port of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct HostPort {
    /// The address; every IPv4 address if none, every address if `::`.
    pub address: Option<IpAddr>,
    /// The port, with the service's protocol.
    pub port: Port,
}

impl HostPort {
    /// Returns whether two cannot be published at the same time: the same port, and a common address.
    pub fn clashes(self, other: Self) -> bool {
        const ALL: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let meet = |one: Option<IpAddr>, two: Option<IpAddr>| match (one, two) {
            (Some(ALL), _) | (_, Some(ALL)) => true,
            (None, Some(some)) | (Some(some), None) => some.is_ipv4(),
            (one, two) => one == two,
        };
        self.port == other.port && meet(self.address, other.address)
    }

    /// Returns whether it accepts visitors over IPv6. Docker's proxy forwards these, so the service sees the address of the DMZ's
    /// bridge instead of the visitor's.
    pub fn is_ipv6(self) -> bool {
        self.address.is_some_and(|address| address.is_ipv6())
    }

    /// Returns the addresses to bind: one, or for `::` all of IPv4 and all of IPv6.
    ///
    /// Docker opens both if no address is given, so an address is always given.
    pub fn bound(self) -> impl Iterator<Item = IpAddr> {
        let ipv4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let also = self
            .address
            .filter(|address| address.is_ipv6() && address.is_unspecified());
        let first = if also.is_some() {
            ipv4
        } else {
            self.address.unwrap_or(ipv4)
        };
        std::iter::once(first).chain(also)
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{}:{}", bracketed(address), self.port),
            None => write!(f, "{}", self.port),
        }
    }
}

/// How the host publishes the ports of gateways: each on the same number, unless a rule maps it.
///
/// The most specific rule wins: one that names the decky wins over one that does not, then the service, then the port. Between
/// equally specific rules, the later one wins. A rule without an address uses the address of the most specific rule that has one,
/// so that a port rule never opens a service to more addresses: `*=127.0.0.1` and `ssh=2222` publish on 127.0.0.1:2222.
/// `ssh=0.0.0.0:2222` publishes on all IPv4 addresses.
///
/// ```
/// use decnet_topology::{Catalog, Publish};
///
/// let publish: Publish = ["ssh=2222", "web-01.ssh=127.0.0.1:2022"].iter().map(|rule| rule.parse()).collect::<Result<_, _>>()?;
/// let catalog = Catalog::builtin();
/// let ssh = catalog.service("ssh").expect("built in");
/// let port = "22/tcp".parse()?;
/// assert_eq!(publish.host_port("web-01", ssh, port).to_string(), "127.0.0.1:2022/tcp");
/// assert_eq!(publish.host_port("web-02", ssh, port).to_string(), "2222/tcp");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Publish {
    rules: Vec<PublishRule>,
}

impl Publish {
    /// Returns the rules, as given.
    pub fn rules(&self) -> &[PublishRule] {
        &self.rules
    }

    /// Adds later rules: each one replaces the rule with the same mapping; the others stay. A rule without an address keeps the
    /// address of the replaced rule.
    #[must_use]
    pub fn with(mut self, later: impl IntoIterator<Item = PublishRule>) -> Self {
        for mut rule in later {
            let replaced = self.rules.extract_if(.., |known| known.maps_the_same(&rule)).last();
            rule.address = rule.address.or(replaced.and_then(|replaced| replaced.address));
            self.rules.push(rule);
        }
        self
    }

    /// Returns where the host publishes a port of a service on a gateway.
    pub fn host_port(&self, decky: &str, service: &Service, port: Port) -> HostPort {
        let lowest = service.ports.first().map(|lowest| lowest.number);
        let specificity = |rule: &PublishRule| rule.specificity(decky, &service.name, port.number, lowest);
        let most_specific = |has: fn(&PublishRule) -> bool| {
            let rules = self.rules.iter().filter(|rule| has(rule));
            let mapping = rules.filter_map(|rule| Some((specificity(rule)?, rule)));
            mapping
                .max_by_key(|(specificity, _)| *specificity)
                .map(|(_, rule)| rule)
        };
        let all = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        let address = most_specific(|rule| rule.address.is_some()).and_then(|rule| rule.address);
        // `*` maps addresses only.
        let number = most_specific(|rule| rule.service.is_some()).and_then(|rule| rule.host_port);
        HostPort {
            address: address.filter(|address| *address != all),
            port: Port {
                number: number.unwrap_or(port.number),
                protocol: port.protocol,
            },
        }
    }
}

impl Serialize for Publish {
    /// Formats the rules as a person writes them.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rules.iter().map(ToString::to_string))
    }
}

impl<'de> Deserialize<'de> for Publish {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let rules = Vec::<String>::deserialize(deserializer)?;
        rules
            .iter()
            .map(|rule| rule.parse().map_err(serde::de::Error::custom))
            .collect()
    }
}

impl FromIterator<PublishRule> for Publish {
    fn from_iter<I: IntoIterator<Item = PublishRule>>(rules: I) -> Self {
        Self {
            rules: rules.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_print_as_they_were_written() {
        for text in [
            "ssh=2222",
            "web-01.ssh=127.0.0.1:2222",
            "smtp:587=1587",
            "*=127.0.0.1",
            "web-01.*=10.1.2.3",
            "http=10.1.2.3",
            "http=[::]:8080",
            "*=[fd00::1]",
        ] {
            let rule = text.parse::<PublishRule>();
            assert_eq!(rule.map(|rule| rule.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn a_later_rule_replaces_only_the_rule_with_the_same_mapping() {
        let rule = |text: &str| text.parse::<PublishRule>().expect("a rule");
        let kept: Publish = ["ssh=127.0.0.1:2222", "http=127.0.0.1:8080"]
            .map(rule)
            .into_iter()
            .collect();
        let texts: Vec<_> = kept
            .with([rule("http=8100")])
            .rules()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(texts, ["ssh=127.0.0.1:2222", "http=127.0.0.1:8100"]);
    }

    #[test]
    fn a_rule_without_an_address_never_widens_another_rule() {
        let ssh = crate::Catalog::builtin().service("ssh").expect("built in").clone();
        let published = |rules: &[&str]| {
            let rules = rules.iter().map(|rule| rule.parse::<PublishRule>().expect("a rule"));
            let port = "22/tcp".parse().expect("a port");
            rules.collect::<Publish>().host_port("web", &ssh, port).to_string()
        };
        assert_eq!(published(&["*=127.0.0.1", "ssh=2222"]), "127.0.0.1:2222/tcp");
        assert_eq!(published(&["ssh=2222", "*=127.0.0.1"]), "127.0.0.1:2222/tcp");
        assert_eq!(published(&["ssh=127.0.0.1:2222", "ssh=2200"]), "127.0.0.1:2200/tcp");
        assert_eq!(published(&["ssh=127.0.0.1", "web.ssh=2200"]), "127.0.0.1:2200/tcp");
        assert_eq!(published(&["web.*=10.1.2.3", "ssh=2222"]), "10.1.2.3:2222/tcp");
        assert_eq!(published(&["*=127.0.0.1", "ssh=0.0.0.0:2222"]), "2222/tcp");
        assert_eq!(published(&["*=127.0.0.1", "ssh=10.1.2.3"]), "10.1.2.3:22/tcp");
    }

    #[test]
    fn a_service_may_have_a_dot_in_its_name() {
        let mut api = crate::Catalog::builtin().service("ssh").expect("built in").clone();
        api.name = ServiceName::new("web.api");
        let published = |rules: &[&str], decky: &str, service: &Service| {
            let rules = rules.iter().map(|rule| rule.parse::<PublishRule>().expect("a rule"));
            let port = "22/tcp".parse().expect("a port");
            rules.collect::<Publish>().host_port(decky, service, port).to_string()
        };
        assert_eq!(published(&["web.api=8080"], "gate", &api), "8080/tcp");
        assert_eq!(
            published(&["web.api=8080", "gate.web.api=8081"], "gate", &api),
            "8081/tcp"
        );
        assert_eq!(
            published(&["gate.web.api=8081", "web.api=8080"], "gate", &api),
            "8081/tcp"
        );
        let mut plain = api.clone();
        plain.name = ServiceName::new("api");
        assert_eq!(published(&["web.api=8080"], "web", &plain), "8080/tcp");
        assert_eq!(published(&["web.api=8080"], "gate", &plain), "22/tcp");
    }

    #[test]
    fn ipv6_is_bound_only_where_it_is_asked_for() {
        let bound = |address: &str| {
            let rule: PublishRule = format!("ssh={address}").parse().expect("a rule");
            let port = "22/tcp".parse().expect("a port");
            let host = HostPort {
                address: rule.address,
                port,
            };
            host.bound().map(|address| address.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(bound("2222"), ["0.0.0.0"]);
        assert_eq!(bound("0.0.0.0:2222"), ["0.0.0.0"]);
        assert_eq!(bound("127.0.0.1:2222"), ["127.0.0.1"]);
        assert_eq!(bound("[::ffff:127.0.0.1]:2222"), ["127.0.0.1"]);
        assert_eq!(bound("[::]:2222"), ["0.0.0.0", "::"]);
        assert_eq!(bound("[fd00::1]:2222"), ["fd00::1"]);
    }

    #[test]
    fn ports_clash_if_they_share_an_address() {
        let clash = |one: Option<&str>, two: Option<&str>| {
            let host = |address: Option<&str>| HostPort {
                address: address.map(|address| address.parse().expect("an address")),
                port: "22/tcp".parse().expect("a port"),
            };
            assert_eq!(host(one).clashes(host(two)), host(two).clashes(host(one)));
            host(one).clashes(host(two))
        };
        assert!(clash(None, None) && clash(None, Some("10.0.0.1")) && clash(None, Some("::")));
        assert!(clash(Some("::"), Some("10.0.0.1")) && clash(Some("::"), Some("fd00::1")));
        assert!(!clash(None, Some("fd00::1")) && !clash(Some("10.0.0.1"), Some("fd00::1")));
        assert!(!clash(Some("fd00::1"), Some("fd00::2")) && clash(Some("fd00::1"), Some("fd00::1")));
    }

    #[test]
    fn invalid_mappings_are_refused() {
        for text in [
            "ssh",
            "ssh=",
            "=22",
            "ssh=0",
            "ssh=65536",
            "ssh=+1",
            "ssh:x=1",
            "*=22",
            "*:22=127.0.0.1",
            "a_b.ssh=1",
            "ssh=1.2.3:4",
            "ssh=host:22",
            "ssh=::1:22",
            "ssh=[::1:22",
            "ssh=[::1]22",
            "ssh=[10.0.0.1]:22",
        ] {
            assert!(text.parse::<PublishRule>().is_err(), "{text}");
        }
    }
}
