//! Checks whether gateways see the real addresses of visitors to published ports.

use std::{
    collections::BTreeSet,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddrV4, TcpStream},
    thread,
    time::Duration,
};

use decnet_topology::Protocol;

use super::report::{PathEnd, Reach, ReachDeviation, SkippedPath, VerifyReport};
use crate::{
    desired::{BaseSpec, PortMapping},
    host,
    observe::{Activity, ObservedContainer},
    runtime::RuntimeInfo,
};

/// The timeout for a connection, and for it to appear in the namespace of the gateway.
const CONNECT: Duration = Duration::from_secs(3);
const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// A published port to check.
struct Trial {
    port: PortMapping,
    /// The address of this machine that is used for the check; if none, the rules of the packet filter decide.
    own: Option<Ipv4Addr>,
    /// The address of the gateway behind it.
    to: Ipv4Addr,
    /// The host's addresses on the gateway's LANs: the source addresses of connections that a proxy forwards.
    forwarded: BTreeSet<Ipv4Addr>,
    pid: u32,
}

/// The result of a check.
enum Source {
    /// The gateway sees this machine's own address.
    Own,
    /// It sees this address instead.
    Other(Ipv4Addr),
    /// No rule forwards to it.
    NotForwarded,
    /// The result is unknown.
    Unknown(String),
}

/// Connects to one published port of a gateway from this machine's own address, and observes from outside which source address
/// the gateway sees. If this machine has no suitable address, the rules of the packet filter are checked instead.
///
/// If a rule of the packet filter forwards the packet, the address is unchanged; if a proxy forwards the data, it is the host's
/// address on the gateway's LAN. No packet leaves this machine.
pub(super) async fn verify(base: &BaseSpec, there: Option<&ObservedContainer>, info: &RuntimeInfo) -> VerifyReport {
    let mut report = VerifyReport::default();
    let to = PathEnd::Decky(base.decky.clone());
    let trial = match trial(base, there, info) {
        Ok(Some(trial)) => trial,
        Ok(None) => return report,
        Err(why) => {
            report.skipped.push(skipped(to, &why));
            return report;
        }
    };
    report.probes += 1;
    let (port, own, gateway) = (trial.port.clone(), trial.own, trial.to);
    let seen = tokio::task::spawn_blocking(move || observe(&trial)).await;
    let seen = match seen.unwrap_or_else(|error| Source::Unknown(error.to_string())) {
        Source::Own => return report,
        Source::Unknown(why) => {
            report.skipped.push(skipped(to, &why));
            return report;
        }
        Source::Other(other) => format!("the service sees {other} instead of the visitor's address"),
        Source::NotForwarded => {
            "no NAT rule forwards to the gateway, so its services see the host's address".to_owned()
        }
    };
    report.deviations.push(ReachDeviation {
        from: PathEnd::Host,
        to,
        address: own.unwrap_or(gateway).into(),
        expected: Reach::Reachable,
        found: Reach::Anonymous,
        how: format!("published tcp/{}: {seen}", port.host_port),
    });
    let rootless = info.rootless;
    let causes = tokio::task::spawn_blocking(move || host::anonymous(&[(port, gateway)], rootless)).await;
    report.causes = causes.unwrap_or_default();
    report
}

fn skipped(to: PathEnd, why: &str) -> SkippedPath {
    SkippedPath {
        from: PathEnd::Host,
        to,
        why: format!("could not check whether the addresses of visitors are visible: {why}"),
    }
}

/// Chooses what to check; nothing if nobody can come from outside.
fn trial(base: &BaseSpec, there: Option<&ObservedContainer>, info: &RuntimeInfo) -> Result<Option<Trial>, String> {
    let open: Vec<_> = base.publish.iter().filter(|port| !port.host_ip.is_loopback()).collect();
    let tried = open.iter().find_map(|port| match port.host_ip {
        IpAddr::V4(ip) if port.protocol == Protocol::Tcp => Some((*port, ip)),
        _ => None,
    });
    let Some((port, ip)) = tried else {
        return match open.first() {
            None => Ok(None),
            Some(_) => Err("no TCP port is published on an IPv4 address".into()),
        };
    };
    if !info.local {
        return Err("the daemon runs on another machine".into());
    }
    let Some(there) = there.filter(|there| there.activity == Activity::Running) else {
        return Ok(None);
    };
    let pid = there.pid.ok_or("the process of its base is unknown")?;
    let forwarded = base.state.closed.iter().copied().collect::<BTreeSet<_>>();
    let own = Some(ip).filter(|ip| !ip.is_unspecified()).or_else(|| {
        let own = host::own_addresses();
        own.into_iter().find(|address| !forwarded.contains(address))
    });
    let home = base.interfaces.iter().max_by_key(|interface| interface.priority);
    let home = home.ok_or("it has no interface")?;
    Ok(Some(Trial {
        port: port.clone(),
        own,
        to: home.ip,
        forwarded,
        pid,
    }))
}

fn observe(trial: &Trial) -> Source {
    match try_to_observe(trial) {
        Ok(seen) => seen,
        Err(error) => Source::Unknown(error.to_string()),
    }
}

fn try_to_observe(trial: &Trial) -> io::Result<Source> {
    let Some(own) = trial.own else {
        return Ok(match host::forwarding(&trial.port, trial.to) {
            Some(forwarding) if forwarding.is_forwarded => Source::Own,
            Some(_) => Source::NotForwarded,
            None => {
                Source::Unknown("this machine has no address for visitors, and its packet filter cannot be read".into())
            }
        });
    };
    let before = host::peers(trial.pid, trial.port.port)?;
    let stream = TcpStream::connect_timeout(&SocketAddrV4::new(own, trial.port.host_port).into(), CONNECT)?;
    let local = stream.local_addr()?;
    let mut other = None;
    for attempt in 0..TRIES {
        let peers = host::peers(trial.pid, trial.port.port)?;
        if peers
            .iter()
            .any(|peer| *peer.ip() == own && peer.port() == local.port())
        {
            return Ok(Source::Own);
        }
        let new = peers
            .iter()
            .find(|peer| !before.contains(peer) && trial.forwarded.contains(peer.ip()));
        other = other.or(new.map(|new| *new.ip()));
        // Another visitor may use the proxy at the same time: the check waits a few times for its own address to appear.
        if other.is_some() && attempt >= TRIES / 8 {
            break;
        }
        thread::sleep(PAUSE);
    }
    Ok(match other {
        // Without a userland proxy, Docker masquerades only the connections of this machine.
        Some(_)
            if host::forwarding(&trial.port, trial.to)
                .is_some_and(|forwarding| forwarding.is_forwarded && forwarding.masquerades_own) =>
        {
            Source::Own
        }
        Some(other) => Source::Other(other),
        None => Source::Unknown("its connection does not appear in the gateway".into()),
    })
}
