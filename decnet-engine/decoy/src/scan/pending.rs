//! Packets, until it is known what became of the contact that they began.

use std::{
    collections::BTreeMap,
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use super::{
    nflog::{Kind, Packet},
    sockets::Sockets,
};
use crate::{
    journal::Visit,
    protocol::{ContactEvent, Protocol},
};

/// How long a connection may take to be completed.
const COMPLETION: Duration = Duration::from_secs(3);
/// How many contacts wait at most.
const MOST: usize = 2048;

/// A contact that no service sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) visit: Visit,
    pub(crate) event: ContactEvent,
    pub(crate) protocol: Protocol,
}

/// Contacts whose outcome is open, by sender and port.
#[derive(Debug, Default)]
pub(super) struct Pending {
    contacts: BTreeMap<(SocketAddrV4, u16, Protocol), Contact>,
}

#[derive(Debug)]
struct Contact {
    kind: Kind,
    since: Instant,
    packets: u64,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.contacts.is_empty()
    }

    /// Adds a packet. Returns false if too many wait already.
    pub(super) fn add(&mut self, packet: &Packet, now: Instant) -> bool {
        let key = (packet.remote, packet.local_port, packet.kind.protocol());
        if packet.kind == Kind::Completion {
            // From here on it is the service's.
            self.contacts.remove(&key);
            return true;
        }
        if let Some(contact) = self.contacts.get_mut(&key) {
            // A reset decides what became of the connection that was asked for. Any other packet is sent again.
            if packet.kind == Kind::Reset {
                contact.kind = Kind::Reset;
            }
            contact.packets += 1;
            return true;
        }
        if self.contacts.len() >= MOST {
            return false;
        }
        let contact = Contact {
            kind: packet.kind,
            since: now,
            packets: 1,
        };
        self.contacts.insert(key, contact);
        true
    }

    /// Removes the contacts whose outcome is known. Returns those that no service sees, and how often each took place: a
    /// connection once, however many packets asked for it, and datagrams as often as they came.
    pub(super) fn settle(&mut self, sockets: &Sockets, now: Instant) -> Vec<(Scan, u64)> {
        let mut scans = Vec::new();
        self.contacts.retain(|&(remote, local_port, protocol), contact| {
            let listens = sockets.listening.contains(&(protocol, local_port));
            let event = match contact.kind {
                Kind::Datagram if listens => return false,
                Kind::Datagram => ContactEvent::ClosedPort,
                Kind::Syn if !listens => ContactEvent::ClosedPort,
                Kind::Syn if now.saturating_duration_since(contact.since) < COMPLETION => return true,
                Kind::Syn | Kind::Reset => ContactEvent::HalfOpen,
                Kind::Completion => return false,
                Kind::Stray => ContactEvent::Stray,
            };
            let visit = Visit { remote, local_port };
            let times = if protocol == Protocol::Udp { contact.packets } else { 1 };
            let scan = Scan { visit, event, protocol };
            scans.push((scan, times));
            false
        });
        scans
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const VISITOR: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 12_345);

    fn packet(remote: SocketAddrV4, kind: Kind) -> Packet {
        Packet {
            remote,
            local_port: 80,
            kind,
        }
    }

    /// What packets to port 80 are taken for, after one second and after four.
    fn check(kinds: &[Kind], sockets: &Sockets, soon: &[(ContactEvent, u64)], late: &[(ContactEvent, u64)]) {
        let now = Instant::now();
        let mut pending = Pending::default();
        for kind in kinds {
            assert!(pending.add(&packet(VISITOR, *kind), now));
        }
        let mut settle = |after| {
            let scans = pending.settle(sockets, now + Duration::from_secs(after));
            scans
                .into_iter()
                .map(|(scan, times)| (scan.event, times))
                .collect::<Vec<_>>()
        };
        assert_eq!(settle(1), soon, "{kinds:?}");
        assert_eq!(settle(4), late, "{kinds:?}");
        assert!(pending.is_empty());
    }

    #[test]
    fn contacts_that_a_service_sees_are_left_to_it() {
        let nothing = Sockets::default();
        let open = Sockets {
            listening: [(Protocol::Tcp, 80), (Protocol::Udp, 80)].into(),
        };
        check(&[Kind::Syn], &nothing, &[(ContactEvent::ClosedPort, 1)], &[]);
        check(&[Kind::Syn, Kind::Completion], &open, &[], &[]);
        check(&[Kind::Completion], &open, &[], &[]);
        check(&[Kind::Syn, Kind::Syn], &open, &[], &[(ContactEvent::HalfOpen, 1)]);
        check(&[Kind::Syn, Kind::Reset], &open, &[(ContactEvent::HalfOpen, 1)], &[]);
        check(&[Kind::Stray], &open, &[(ContactEvent::Stray, 1)], &[]);
        check(&[Kind::Datagram], &open, &[], &[]);
        check(
            &[Kind::Datagram, Kind::Datagram],
            &nothing,
            &[(ContactEvent::ClosedPort, 2)],
            &[],
        );
    }

    #[test]
    fn the_number_of_contacts_that_wait_is_bounded() {
        let mut pending = Pending::default();
        let now = Instant::now();
        let from = |port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), port);
        let added = (0..10_000).filter(|port| pending.add(&packet(from(*port), Kind::Syn), now));
        assert_eq!(added.count(), MOST);
        assert!(pending.add(&packet(from(0), Kind::Reset), now), "it waits already");
    }
}
