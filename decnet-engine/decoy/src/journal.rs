//! The log of visitors, with a limited number of lines.
//!
//! Later visitors must not push earlier lines out of the log. So the lines are limited per source and for all sources together.
//! Contacts beyond the limits are counted in summaries, which become rarer while a flood continues. First contacts have limits
//! of their own. Connections, whose sources are real, have other limits than datagrams, whose sources can be forged. A base
//! logs packets outside of connections, so in its log both can be forged. The events of one conversation are limited too; its
//! last line has the number of those that were left out.

mod bounds;
mod bucket;
#[cfg(feature = "services")]
mod conversation;
mod visit;

use std::{
    collections::BTreeMap,
    io::Write,
    net::Ipv4Addr,
    time::{Instant, SystemTime},
};

use self::bounds::{Bounds, Tally};
#[cfg(feature = "services")]
pub(crate) use self::conversation::Entry;
pub(crate) use self::{
    bucket::Bucket,
    visit::{Dropped, Scan, ScanKind, Visit},
};
use crate::{
    lines::write_line,
    protocol::{
        Action, Decnet, Endpoint, EventFields, Named, Network, Protocol, Record, Related, Summary, Technique, Threat,
    },
    timestamp::rfc3339,
};

/// Writes the log of the services of a decky, or of a base.
pub(crate) struct Journal {
    decky: String,
    /// The number of the last line of each service; that of a base has the empty name.
    sequence: BTreeMap<String, u64>,
    connections: Bounds,
    datagrams: Bounds,
    #[cfg(feature = "services")]
    conversations: conversation::Conversations,
    out: Box<dyn Write + Send>,
}

impl Journal {
    pub(crate) fn new(decky: String, out: Box<dyn Write + Send>) -> Self {
        let now = Instant::now();
        Self {
            decky,
            sequence: BTreeMap::new(),
            connections: Bounds::new(now),
            datagrams: Bounds::new(now),
            #[cfg(feature = "services")]
            conversations: conversation::Conversations::new(now),
            out,
        }
    }

    /// Logs a contact that no service sees, and how often it happened.
    pub(crate) fn scan(&mut self, scan: &Scan, times: u64, now: Instant) {
        let (from, protocol) = (*scan.visit.remote.ip(), scan.visit.protocol);
        let mut uncounted = times;
        if self.bounds(protocol).admit(from, now) {
            let mut record = self.record(Action::Probe, "", scan.visit);
            record.decnet.probe = Some(scan.kind.as_str().into());
            write_line(&mut *self.out, &record);
            uncounted -= 1;
        }
        for _ in 0..uncounted {
            self.count(from, protocol, now);
        }
    }

    /// Logs packets that the containment dropped; without a target, those to many targets together.
    pub(crate) fn dropped(&mut self, dropped: Option<Dropped>, packets: u64) {
        let mut record = self.empty_record(Action::ContainmentDrop, "");
        if let Some(dropped) = dropped {
            record.source = Some(Endpoint {
                ip: Some(dropped.from),
                port: None,
            });
            record.destination = Some(Endpoint {
                ip: Some(dropped.to),
                port: dropped.port.map(|(_, port)| port),
            });
            record.network = dropped.port.map(|(transport, _)| Network { transport });
            record.related.ip.extend([dropped.from, dropped.to]);
        }
        record.decnet.packets = Some(packets);
        write_line(&mut *self.out, &record);
    }

    /// Counts a contact without a line.
    pub(crate) fn count(&mut self, from: Ipv4Addr, protocol: Protocol, now: Instant) {
        let at = SystemTime::now();
        let tally = match protocol {
            Protocol::Tcp => Tally::connection(at),
            Protocol::Udp => Tally::datagram(0, at),
        };
        self.bounds(protocol).count(from, &tally, now);
    }

    fn bounds(&mut self, protocol: Protocol) -> &mut Bounds {
        match protocol {
            Protocol::Tcp => &mut self.connections,
            Protocol::Udp => &mut self.datagrams,
        }
    }

    /// Writes the summaries that are due.
    pub(crate) fn tick(&mut self, now: Instant) {
        let due = [self.connections.due(now), self.datagrams.due(now)].concat();
        self.summarize(due);
    }

    /// Writes all remaining counts.
    pub(crate) fn finish(&mut self, now: Instant) {
        let left = [self.connections.close(now), self.datagrams.close(now)].concat();
        self.summarize(left);
    }

    fn summarize(&mut self, due: Vec<(Option<Ipv4Addr>, Tally)>) {
        for (remote, tally) in due {
            let mut record = self.empty_record(Action::Summary, "");
            record.source = remote.map(|ip| Endpoint {
                ip: Some(ip),
                port: None,
            });
            record.related.ip.extend(remote);
            record.decnet.left_out = tally.left_out;
            record.decnet.summary = Some(Summary {
                connections: tally.connections,
                datagrams: tally.datagrams,
                bytes: tally.bytes,
                first: rfc3339(tally.first),
                last: rfc3339(tally.last),
            });
            write_line(&mut *self.out, &record);
        }
    }

    /// Returns a line about a contact.
    fn record(&mut self, action: Action, service: &str, visit: Visit) -> Record {
        let mut record = self.empty_record(action, service);
        record.source = Some(Endpoint {
            ip: Some(*visit.remote.ip()),
            port: Some(visit.remote.port()),
        });
        record.destination = Some(Endpoint {
            ip: visit.local,
            port: Some(visit.local_port),
        });
        record.network = Some(Network {
            transport: visit.protocol,
        });
        record.related.ip.push(*visit.remote.ip());
        record
    }

    fn empty_record(&mut self, action: Action, service: &str) -> Record {
        let sequence = self.sequence.entry(service.to_owned()).or_default();
        *sequence += 1;
        let (category, kind) = action.category();
        let technique = action.technique().map(|(id, name)| Technique {
            id: vec![id.into()],
            name: vec![name.into()],
        });
        Record {
            timestamp: rfc3339(SystemTime::now()),
            event: EventFields {
                action,
                kind: "event".into(),
                category: vec![category.into()],
                kinds: vec![kind.into()],
                sequence: *sequence,
                outcome: None,
                duration: None,
            },
            host: Named {
                name: self.decky.clone(),
            },
            service: (!service.is_empty()).then(|| Named { name: service.into() }),
            source: None,
            destination: None,
            network: None,
            user: None,
            process: None,
            url: None,
            http: None,
            user_agent: None,
            file: None,
            tls: None,
            related: Related::default(),
            threat: technique.map(|technique| Threat { technique }),
            decnet: Decnet::default(),
        }
    }
}

#[cfg(feature = "services")]
impl Journal {
    /// Logs the start of a conversation.
    pub(crate) fn open(&mut self, service: &str, visit: Visit, now: Instant) -> Entry {
        let from = *visit.remote.ip();
        let mut entry = Entry::new(service, visit, now);
        if self.bounds(visit.protocol).admit(from, now) {
            entry.session = Some(self.conversations.next());
            let record = self.record_of(Action::SessionOpen, &entry);
            write_line(&mut *self.out, &record);
        } else {
            self.count(from, visit.protocol, now);
        }
        entry
    }

    /// Logs an event of a conversation. `fill` adds what it is about.
    pub(crate) fn report(&mut self, entry: &mut Entry, action: Action, now: Instant, fill: impl FnOnce(&mut Record)) {
        if self.conversations.admits(entry, now) {
            let mut record = self.record_of(action, entry);
            fill(&mut record);
            write_line(&mut *self.out, &record);
        } else {
            *entry.left_out.entry(action).or_default() += 1;
        }
    }

    /// Logs the end of a conversation.
    pub(crate) fn close(&mut self, entry: &Entry, bytes: u64, reason: crate::protocol::EndReason, now: Instant) {
        if entry.session.is_none() {
            let from = *entry.visit.remote.ip();
            let tally = Tally {
                left_out: entry.left_out.clone(),
                ..Tally::bytes(bytes, SystemTime::now())
            };
            return self.bounds(entry.visit.protocol).count(from, &tally, now);
        }
        let lasted = now.saturating_duration_since(entry.opened).as_nanos();
        let mut record = self.record_of(Action::SessionClose, entry);
        record.event.duration = Some(u64::try_from(lasted).unwrap_or(u64::MAX));
        record.decnet.bytes = Some(bytes);
        record.decnet.reason = Some(reason);
        record.decnet.left_out.clone_from(&entry.left_out);
        write_line(&mut *self.out, &record);
    }

    fn record_of(&mut self, action: Action, entry: &Entry) -> Record {
        let mut record = self.record(action, &entry.service, entry.visit);
        record.decnet.session.clone_from(&entry.session);
        record
    }
}

#[cfg(test)]
mod tests {
    use std::{net::SocketAddrV4, sync::mpsc, time::Duration};

    use super::*;

    /// Sends each line to the test.
    struct Lines(mpsc::Sender<Record>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(serde_json::from_slice(line)?);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn visit(local_port: u16, protocol: Protocol) -> Visit {
        Visit {
            remote: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 4000),
            local: None,
            local_port,
            protocol,
        }
    }

    fn written(act: impl FnOnce(&mut Journal, Instant)) -> Vec<Record> {
        let (sender, lines) = mpsc::channel();
        let mut journal = Journal::new("web".into(), Box::new(Lines(sender)));
        let now = Instant::now();
        act(&mut journal, now);
        journal.finish(now + Duration::from_mins(1));
        drop(journal);
        lines.iter().collect()
    }

    #[test]
    fn scans_have_lines_up_to_the_bounds_and_are_counted_beyond() {
        let lines = written(|journal, now| {
            for port in 1..=1000 {
                let visit = visit(port, Protocol::Tcp);
                let kind = ScanKind::HalfOpen;
                journal.scan(&Scan { visit, kind }, 1, now);
            }
            let visit = visit(53, Protocol::Udp);
            let kind = ScanKind::ClosedPort;
            journal.scan(&Scan { visit, kind }, 40, now);
            journal.count(Ipv4Addr::new(10, 0, 0, 9), Protocol::Tcp, now);
        });
        let of = |probe: &str| {
            let probes = lines.iter().filter_map(|line| line.decnet.probe.as_deref());
            probes.filter(|found| *found == probe).count()
        };
        assert_eq!((of("half_open"), of("closed_port")), (32, 1));
        assert_eq!(lines[0].source.unwrap().ip, Some(Ipv4Addr::new(10, 0, 0, 9)));
        assert_eq!(lines[0].service, None);
        let summaries: Vec<_> = lines.iter().filter_map(|line| line.decnet.summary.as_ref()).collect();
        assert_eq!(summaries.len(), 2);
        assert_eq!(summaries.iter().map(|summary| summary.connections).sum::<u64>(), 969);
        assert_eq!(summaries.iter().map(|summary| summary.datagrams).sum::<u64>(), 39);
    }

    #[cfg(feature = "services")]
    #[test]
    fn each_of_ten_thousand_events_has_a_line_or_is_counted() {
        let lines = written(|journal, now| {
            // The first 32 conversations of a source have lines.
            for _ in 0..40 {
                let mut entry = journal.open("ssh", visit(22, Protocol::Tcp), now);
                for _ in 0..250 {
                    journal.report(&mut entry, Action::AuthAttempt, now, |_| ());
                }
                journal.close(&entry, 1, crate::protocol::EndReason::Closed, now);
            }
        });
        let attempts = lines
            .iter()
            .filter(|line| line.event.action == Action::AuthAttempt)
            .count();
        let left_out = lines
            .iter()
            .filter_map(|line| line.decnet.left_out.get(&Action::AuthAttempt));
        assert!(attempts >= 32 * 8, "{attempts}");
        assert!(attempts <= 2048, "{attempts}");
        assert_eq!(attempts as u64 + left_out.sum::<u64>(), 10_000);
        let sequence: Vec<u64> = lines
            .iter()
            .filter(|line| line.service.is_some())
            .map(|line| line.event.sequence)
            .collect();
        assert!(sequence.iter().copied().eq(1..=sequence.len() as u64), "{sequence:?}");
    }
}
