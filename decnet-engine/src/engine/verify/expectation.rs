use std::{collections::BTreeSet, net::Ipv4Addr};

use decnet_decoy::protocol::{Answer, Target, TargetResult};
use decnet_topology::{Catalog, Decky, Graph, Protocol, Service, Topology};

use super::PathEnd;
use crate::desired::ServiceSpec;

/// A documentation address (RFC 5737), which belongs to nobody.
pub(super) const OUTSIDE: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

/// The address of Docker's resolver in the namespace of every container.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 11);
const DNS: u16 = 53;

/// The ports that hosts usually answer on for broadcasts: names, addresses, files, printers, music.
const BROADCAST_PORTS: [u16; 7] = [53, 67, 111, 123, 137, 1900, 5353];

/// How many of the host's addresses are probed.
const HOST_ADDRESSES: usize = 64;

/// How the decoy program reports ENOBUFS, after the kernel's message.
const NO_ROOM: &str = "(os error 105)";

/// The expected result of one probe from inside a decky.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Expectation {
    pub(super) to: PathEnd,
    pub(super) address: Ipv4Addr,
    pub(super) target: Target,
    pub(super) reached: bool,
    pub(super) counts: Counts,
}

/// The results that count as reached, in addition to an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// A refusal: it comes from the target itself.
    Refusal,
    /// Silence and a refusal. Nobody answers from the outside, so silence only shows that a packet left: a blocked one fails when
    /// it is sent.
    Silence,
    /// None: a service must answer.
    Nothing,
    /// Only silence: a service may not answer, but a refusal shows that nobody listens.
    SilenceAlone,
}

impl Expectation {
    /// Returns whether it was met.
    pub(super) fn holds(&self, result: &TargetResult) -> bool {
        if was_untried(result) {
            return false;
        }
        let reached = match result.detail {
            Answer::Answered => true,
            Answer::Refused => matches!(self.counts, Counts::Refusal | Counts::Silence),
            Answer::TimedOut => matches!(self.counts, Counts::Silence | Counts::SilenceAlone),
            _ => false,
        };
        reached == self.reached
    }
}

/// Returns whether the neighbour table was full, so that nothing was sent and the result is unknown.
pub(super) fn was_untried(result: &TargetResult) -> bool {
    matches!(&result.detail, Answer::Failed(why) if why.contains(NO_ROOM))
}

/// Lists the probes from inside a decky. Their targets are:
///
/// - every address of every other decky, by ping and on a TCP port of its services;
/// - on every LAN that the decky reaches, the address that the host has or could have;
/// - the broadcast addresses on which the host could listen, by UDP;
/// - the outside, and the engine's resolver.
pub(super) fn of(decky: &Decky, graph: &Graph<'_>, catalog: &Catalog) -> Vec<Expectation> {
    let topology = graph.topology();
    let reach = graph.reach(decky.id());
    let mut expectations = Vec::new();
    let mut expect = |to: &PathEnd, address, port: Option<u16>, reached| {
        let ping = std::iter::once(Target::Icmp { address });
        expectations.extend(
            ping.chain(port.map(|port| Target::Tcp { address, port }))
                .map(|target| Expectation {
                    to: to.clone(),
                    address,
                    target,
                    reached,
                    counts: if *to == PathEnd::Outside {
                        Counts::Silence
                    } else {
                        Counts::Refusal
                    },
                }),
        );
    };
    for other in topology.deckies().iter().filter(|other| other.id() != decky.id()) {
        let to = PathEnd::Decky(other.name().clone());
        let port = tcp_port(other, catalog);
        for attachment in other.attachments() {
            expect(&to, attachment.ip, port, reach.contains(&attachment.lan));
        }
    }
    for lan in topology.lans() {
        if lan.is_dmz() {
            expect(&PathEnd::Host, lan.gateway(), Some(DNS), false);
        } else if reach.contains(&lan.id()) {
            expect(&PathEnd::Host, lan.gateway(), None, false);
        }
    }
    expect(&PathEnd::Outside, OUTSIDE, None, false);
    expectations.extend(to_everybody(decky, topology, catalog));
    expectations.push(Expectation {
        to: PathEnd::Resolver,
        address: RESOLVER,
        target: Target::Tcp {
            address: RESOLVER,
            port: DNS,
        },
        reached: false,
        counts: Counts::Refusal,
    });
    expectations
}

/// Lists the probes of a decky's own services, from inside it: every port, at its home address.
pub(super) fn of_services<'a>(
    home: Ipv4Addr,
    services: impl IntoIterator<Item = &'a ServiceSpec>,
) -> impl Iterator<Item = Expectation> {
    services.into_iter().flat_map(move |service| {
        service.ports.iter().map(move |port| {
            let (address, number) = (home, port.number);
            let (target, counts) = match port.protocol {
                Protocol::Tcp => (Target::Tcp { address, port: number }, Counts::Nothing),
                Protocol::Udp if service.answers_datagrams => (Target::Udp { address, port: number }, Counts::Nothing),
                Protocol::Udp => (Target::Udp { address, port: number }, Counts::SilenceAlone),
            };
            Expectation {
                to: PathEnd::Service(service.decky.clone(), service.service.clone()),
                address,
                target,
                reached: true,
                counts,
            }
        })
    })
}

/// Lists the probes of the host's addresses, at most [`HOST_ADDRESSES`] of them.
pub(super) fn of_host(addresses: &[Ipv4Addr]) -> impl Iterator<Item = Expectation> {
    let targets = addresses.iter().take(HOST_ADDRESSES).flat_map(|address| {
        let (address, port) = (*address, DNS);
        [Target::Icmp { address }, Target::Tcp { address, port }].map(|target| (address, target))
    });
    targets.map(|(address, target)| Expectation {
        to: PathEnd::Host,
        address,
        target,
        reached: false,
        counts: Counts::Refusal,
    })
}

/// Lists the broadcasts on the decky's own LANs. Nobody may answer them, and neither may the host.
fn to_everybody(decky: &Decky, topology: &Topology, catalog: &Catalog) -> Vec<Expectation> {
    let lans = decky.attachments().iter().filter_map(|at| topology.lan(at.lan));
    let addresses = lans.flat_map(|lan| [lan.subnet().network(), lan.subnet().broadcast()]);
    let declared: BTreeSet<u16> = entries(decky, catalog)
        .flat_map(|entry| &entry.broadcast)
        .map(|port| port.number)
        .collect();
    let ports = || BROADCAST_PORTS.into_iter().filter(|port| !declared.contains(port));
    let targets = addresses.flat_map(|address| ports().map(move |port| (address, Target::Broadcast { address, port })));
    let expectations = targets.map(|(address, target)| Expectation {
        to: PathEnd::Host,
        address,
        target,
        reached: false,
        counts: Counts::Refusal,
    });
    expectations.collect()
}

fn entries<'a>(decky: &'a Decky, catalog: &'a Catalog) -> impl Iterator<Item = &'a Service> {
    let names = decky.services().iter();
    names.filter_map(|name| catalog.decky_service(name.as_str()))
}

fn tcp_port(decky: &Decky, catalog: &Catalog) -> Option<u16> {
    let mut ports = entries(decky, catalog).flat_map(|entry| &entry.ports);
    ports
        .find(|port| port.protocol == Protocol::Tcp)
        .map(|port| port.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsent_packet_proves_nothing() {
        let address = Ipv4Addr::new(10, 0, 0, 2);
        let target = Target::Icmp { address };
        let result = |why: &str| TargetResult {
            target,
            reached: false,
            detail: Answer::Failed(why.into()),
            rtt_us: None,
        };
        for reached in [true, false] {
            let to = PathEnd::Host;
            let expectation = Expectation {
                to,
                address,
                target,
                reached,
                counts: Counts::Refusal,
            };
            assert!(!expectation.holds(&result("No buffer space available (os error 105)")));
            assert_eq!(
                expectation.holds(&result("Operation not permitted (os error 1)")),
                !reached,
                "a packet that the containment blocks reaches nothing"
            );
        }
    }

    #[test]
    fn a_service_must_answer_and_a_silent_one_must_not_refuse() {
        let address = Ipv4Addr::new(10, 0, 0, 2);
        let holds = |counts, detail: Answer| {
            let target = Target::Udp { address, port: 53 };
            let expectation = Expectation {
                to: PathEnd::Service("web".parse().expect("a name"), "dns".into()),
                address,
                target,
                reached: true,
                counts,
            };
            expectation.holds(&TargetResult {
                target,
                reached: detail == Answer::Answered,
                detail,
                rtt_us: None,
            })
        };
        let each = |counts| [Answer::Answered, Answer::TimedOut, Answer::Refused].map(|answer| holds(counts, answer));
        assert_eq!(each(Counts::Nothing), [true, false, false]);
        assert_eq!(each(Counts::SilenceAlone), [true, true, false]);
        assert_eq!(each(Counts::Refusal), [true, false, true]);
    }
}
