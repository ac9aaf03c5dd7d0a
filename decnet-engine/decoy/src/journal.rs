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

use std::{
    collections::BTreeMap,
    io::Write,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Instant, SystemTime},
};

use self::bounds::{Bounds, Tally};
pub(crate) use self::bucket::Bucket;
#[cfg(feature = "services")]
pub(crate) use self::conversation::Entry;
use crate::{
    lines::write_line,
    protocol::{
        Action, Decnet, Endpoint, EventFields, Named, Network, Protocol, Record, Related, Summary, Technique, Threat,
    },
    timestamp::rfc3339,
};

/// The source and the target of a contact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) remote: SocketAddrV4,
    /// The decky's address; none if it is not known.
    pub(crate) local: Option<Ipv4Addr>,
    pub(crate) local_port: u16,
    pub(crate) protocol: Protocol,
}

/// A contact that no service sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) visit: Visit,
    pub(crate) kind: ScanKind,
}

/// The kind of a contact that no service sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ScanKind {
    /// A connection was requested and never completed (`nmap -sS`).
    HalfOpen,
    /// A connection request or a datagram arrived at a port where nothing listens.
    ClosedPort,
    /// A packet arrived outside of any connection that does not open one (`nmap -sA`, `-sF`, `-sM`, `-sN`, `-sX`).
    Stray,
}

impl ScanKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::HalfOpen => "half_open",
            Self::ClosedPort => "closed_port",
            Self::Stray => "stray",
        }
    }
}

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

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

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

    pub(super) fn visit(local_port: u16, protocol: Protocol) -> Visit {
        Visit {
            remote: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 4000),
            local: None,
            local_port,
            protocol,
        }
    }

    pub(super) fn written(act: impl FnOnce(&mut Journal, Instant)) -> Vec<Record> {
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
}
