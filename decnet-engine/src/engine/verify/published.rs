//! The published ports of gateways, from this machine.

use std::{
    io::{self, ErrorKind, Read},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use decnet_topology::Protocol;

use super::report::{PathEnd, Reach, ReachDeviation, SkippedPath, VerifyReport};
use crate::desired::{BaseSpec, PortMapping};

/// The timeout for a published port to answer, or to close the connection if no service is behind it.
const CONNECT: Duration = Duration::from_secs(3);
const LINGER: Duration = Duration::from_millis(300);

/// Connects to the published TCP ports of a gateway from this machine.
pub(super) async fn verify(base: &BaseSpec, local: bool) -> VerifyReport {
    let mut report = VerifyReport::default();
    let to = PathEnd::Decky(base.decky.clone());
    if !local {
        report.skipped.push(SkippedPath {
            from: PathEnd::Host,
            to,
            why: "the daemon runs on another machine".into(),
        });
        return report;
    }
    for port in base.publish.iter().filter(|port| port.protocol == Protocol::Tcp) {
        report.probes += 1;
        let (address, number) = reached_at(port);
        let answer = tokio::task::spawn_blocking(move || answers(SocketAddr::new(address, number))).await;
        let refusal = match answer {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        report.deviations.push(ReachDeviation {
            from: PathEnd::Host,
            to: to.clone(),
            address,
            expected: Reach::Reachable,
            found: Reach::Unreachable,
            how: format!("published tcp/{number}: {refusal}"),
        });
    }
    report
}

/// The address of a published port for this machine: loopback if it is published on all addresses.
fn reached_at(port: &PortMapping) -> (IpAddr, u16) {
    let address = match port.host_ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        address => address,
    };
    (address, port.host_port)
}

/// Connects, and waits a moment: Docker's proxy accepts every connection, and closes it immediately if no service is behind it.
fn answers(at: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&at, CONNECT)?;
    stream.set_read_timeout(Some(LINGER))?;
    match stream.read(&mut [0; 1]) {
        Ok(0) => Err(io::Error::new(ErrorKind::ConnectionReset, "closed immediately")),
        Err(error) if !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(error),
        _ => Ok(()),
    }
}
