//! Contacts whose outcome is not known yet.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Duration, Instant},
};

use super::{
    nflog::{Kind, Packet},
    sockets::Sockets,
};
use crate::{
    journal::{Scan, ScanKind, Visit},
    protocol::Protocol,
};

/// The time in which a connection must be completed.
const COMPLETION: Duration = Duration::from_secs(3);
/// How long a sender may repeat its request for a connection (`tcp_syn_retries`). It is the same contact.
const RETRIES: Duration = Duration::from_mins(2);
/// The maximum number of contacts.
const MOST: usize = 2048;

/// Pending contacts and recently reported ones, by sender and port.
#[derive(Debug, Default)]
pub(super) struct Pending {
    contacts: BTreeMap<(SocketAddrV4, u16, Protocol), Contact>,
}

#[derive(Debug)]
struct Contact {
    kind: Kind,
    since: Instant,
    packets: u64,
    reported: bool,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.contacts.is_empty()
    }

    /// Adds a packet. Returns false if there are too many contacts.
    pub(super) fn add(&mut self, packet: &Packet, now: Instant) -> bool {
        let key = (packet.remote, packet.local_port, packet.kind.protocol());
        if packet.kind == Kind::Completion {
            // The service sees it from now on.
            self.contacts.remove(&key);
            return true;
        }
        if let Some(contact) = self.contacts.get_mut(&key) {
            // A reset decides the outcome of the connection. Other packets are sent again.
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
            reported: false,
        };
        self.contacts.insert(key, contact);
        true
    }

    /// Takes the contacts whose outcome is known and that no service sees, and how often each happened: a connection counts
    /// once, regardless of repeated requests; datagrams count individually.
    pub(super) fn settle(&mut self, sockets: &Sockets, now: Instant) -> Vec<(Scan, u64)> {
        let mut scans = Vec::new();
        self.contacts.retain(|&(remote, local_port, protocol), contact| {
            let age = now.saturating_duration_since(contact.since);
            if contact.reported {
                return age < RETRIES;
            }
            let listens = sockets.listening.contains(&(protocol, local_port));
            let kind = match contact.kind {
                Kind::Datagram if listens => return false,
                Kind::Datagram => ScanKind::ClosedPort,
                Kind::Syn if !listens => ScanKind::ClosedPort,
                Kind::Syn if age < COMPLETION => return true,
                Kind::Syn | Kind::Reset => ScanKind::HalfOpen,
                Kind::Completion => return false,
                Kind::Stray => ScanKind::Stray,
            };
            let visit = Visit {
                remote,
                local: None,
                local_port,
                protocol,
            };
            let scan = Scan { visit, kind };
            contact.reported = protocol == Protocol::Tcp;
            scans.push((scan, if contact.reported { 1 } else { contact.packets }));
            contact.reported
        });
        scans
    }

    /// Removes the pending contacts. Returns their senders and numbers.
    pub(super) fn abandon(&mut self) -> Vec<(Ipv4Addr, Protocol, u64)> {
        let open = std::mem::take(&mut self.contacts).into_iter();
        let open = open.filter(|(_, contact)| !contact.reported);
        open.map(|((remote, _, protocol), contact)| {
            let times = if protocol == Protocol::Tcp { 1 } else { contact.packets };
            (*remote.ip(), protocol, times)
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VISITOR: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 12_345);

    fn packet(remote: SocketAddrV4, kind: Kind) -> Packet {
        Packet {
            remote,
            local_port: 80,
            kind,
        }
    }

    fn open() -> Sockets {
        Sockets {
            listening: [(Protocol::Tcp, 80), (Protocol::Udp, 80)].into(),
        }
    }

    fn settle(pending: &mut Pending, sockets: &Sockets, now: Instant) -> Vec<(ScanKind, u64)> {
        let scans = pending.settle(sockets, now).into_iter();
        scans.map(|(scan, times)| (scan.kind, times)).collect()
    }

    /// Checks the contacts reported for packets to port 80, after one second and after four.
    fn check(kinds: &[Kind], sockets: &Sockets, soon: &[(ScanKind, u64)], late: &[(ScanKind, u64)]) {
        let now = Instant::now();
        let mut pending = Pending::default();
        for kind in kinds {
            assert!(pending.add(&packet(VISITOR, *kind), now));
        }
        let mut after = |seconds| settle(&mut pending, sockets, now + Duration::from_secs(seconds));
        assert_eq!(after(1), soon, "{kinds:?}");
        assert_eq!(after(4), late, "{kinds:?}");
        assert_eq!(pending.abandon(), [], "{kinds:?}");
    }

    #[test]
    fn contacts_that_a_service_sees_are_not_reported() {
        let nothing = Sockets::default();
        let open = open();
        check(&[Kind::Syn], &nothing, &[(ScanKind::ClosedPort, 1)], &[]);
        check(&[Kind::Syn, Kind::Completion], &open, &[], &[]);
        check(&[Kind::Completion], &open, &[], &[]);
        check(&[Kind::Syn, Kind::Syn], &open, &[], &[(ScanKind::HalfOpen, 1)]);
        check(&[Kind::Syn, Kind::Reset], &open, &[(ScanKind::HalfOpen, 1)], &[]);
        check(&[Kind::Stray], &open, &[(ScanKind::Stray, 1)], &[]);
        check(&[Kind::Datagram], &open, &[], &[]);
        check(
            &[Kind::Datagram, Kind::Datagram],
            &nothing,
            &[(ScanKind::ClosedPort, 2)],
            &[],
        );
    }

    #[test]
    fn repeated_requests_for_a_connection_are_one_contact() {
        let start = Instant::now();
        let mut pending = Pending::default();
        let mut scans = Vec::new();
        // The times at which Linux repeats the request.
        for second in [0, 1, 3, 7, 15, 31, 63] {
            let now = start + Duration::from_secs(second);
            scans.extend(settle(&mut pending, &open(), now));
            assert!(pending.add(&packet(VISITOR, Kind::Syn), now));
        }
        scans.extend(settle(&mut pending, &open(), start + Duration::from_secs(66)));
        assert_eq!(scans, [(ScanKind::HalfOpen, 1)]);
        settle(&mut pending, &open(), start + RETRIES);
        assert!(pending.is_empty(), "it is removed");
    }

    #[test]
    fn contacts_without_an_outcome_are_counted_at_the_end() {
        let now = Instant::now();
        let mut pending = Pending::default();
        pending.add(&packet(VISITOR, Kind::Syn), now);
        pending.add(&packet(VISITOR, Kind::Syn), now);
        pending.add(&packet(VISITOR, Kind::Datagram), now);
        pending.add(&packet(VISITOR, Kind::Datagram), now);
        let from = *VISITOR.ip();
        assert_eq!(pending.abandon(), [(from, Protocol::Tcp, 1), (from, Protocol::Udp, 2)]);
        assert_eq!(pending.abandon(), []);
    }

    #[test]
    fn the_number_of_pending_contacts_is_bounded() {
        let mut pending = Pending::default();
        let now = Instant::now();
        let from = |port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), port);
        let added = (0..10_000).filter(|port| pending.add(&packet(from(*port), Kind::Syn), now));
        assert_eq!(added.count(), MOST);
        assert!(pending.add(&packet(from(0), Kind::Reset), now), "it is already pending");
    }
}
