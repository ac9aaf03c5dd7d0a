//! The log of visitors, with a limited number of lines.
//!
//! Later visitors must not push earlier lines out of the log. So the lines are limited per source and for all sources together.
//! Contacts beyond the limits are counted in summaries, which become rarer while a flood continues. First contacts have limits
//! of their own. Connections, whose sources are real, have other limits than datagrams, whose sources can be forged. A base
//! logs packets outside of connections, so in its log both can be forged.

mod bounds;
mod bucket;

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddrV4},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use self::bounds::{Bounds, Tally};
pub(crate) use self::bucket::Bucket;
use crate::{
    lines::write_line,
    protocol::{Contact, ContactEvent, EndReason, Protocol, Summary, SummaryEvent},
    timestamp::rfc3339,
};

/// The source and the target of a contact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Visit {
    pub(crate) remote: SocketAddrV4,
    pub(crate) local_port: u16,
}

/// A contact that no service sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scan {
    pub(crate) visit: Visit,
    pub(crate) event: ContactEvent,
    pub(crate) protocol: Protocol,
}

/// A connection in the log, from its first line to its last.
#[derive(Debug)]
pub(crate) struct Entry {
    visit: Visit,
    /// The number that its lines share; none if it is only counted.
    number: Option<u64>,
    opened: Instant,
}

/// Writes the log of a service, or of a base.
pub(crate) struct Journal {
    decky: String,
    service: Option<String>,
    /// The start time of this process. It separates its ids from those of earlier processes.
    began: u128,
    numbers: u64,
    connections: Bounds,
    datagrams: Bounds,
    out: Box<dyn Write + Send>,
}

impl Journal {
    pub(crate) fn new(decky: String, service: Option<String>, out: Box<dyn Write + Send>) -> Self {
        let now = Instant::now();
        let began = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            decky,
            service,
            began: began.as_millis(),
            numbers: 0,
            connections: Bounds::new(now),
            datagrams: Bounds::new(now),
            out,
        }
    }

    /// Logs the start of a connection.
    pub(crate) fn connect(&mut self, visit: Visit, now: Instant) -> Entry {
        let (from, at) = (*visit.remote.ip(), SystemTime::now());
        let mut number = None;
        if self.connections.admit(from, now) {
            let next = self.next();
            let line = self.contact(visit, ContactEvent::Connect, next, Protocol::Tcp, 0, at);
            write_line(&mut *self.out, &line);
            number = Some(next);
        } else {
            self.connections.count(from, &Tally::connection(at), now);
        }
        Entry {
            visit,
            number,
            opened: now,
        }
    }

    /// Logs the end of a connection.
    pub(crate) fn end(&mut self, entry: &Entry, bytes: u64, reason: EndReason, now: Instant) {
        let at = SystemTime::now();
        let Some(number) = entry.number else {
            let from = *entry.visit.remote.ip();
            self.connections.count(from, &Tally::bytes(bytes, at), now);
            return;
        };
        let lasted = now.saturating_duration_since(entry.opened).as_millis();
        let line = Contact {
            duration_ms: Some(u64::try_from(lasted).unwrap_or(u64::MAX)),
            reason: Some(reason),
            ..self.contact(entry.visit, ContactEvent::End, number, Protocol::Tcp, bytes, at)
        };
        write_line(&mut *self.out, &line);
    }

    /// Logs a datagram.
    pub(crate) fn datagram(&mut self, visit: Visit, bytes: u64, now: Instant) {
        let (from, at) = (*visit.remote.ip(), SystemTime::now());
        if self.datagrams.admit(from, now) {
            let number = self.next();
            let line = self.contact(visit, ContactEvent::Datagram, number, Protocol::Udp, bytes, at);
            write_line(&mut *self.out, &line);
        } else {
            self.datagrams.count(from, &Tally::datagram(bytes, at), now);
        }
    }

    /// Logs a contact that no service sees, and how often it happened.
    pub(crate) fn scan(&mut self, scan: &Scan, times: u64, now: Instant) {
        let (from, at) = (*scan.visit.remote.ip(), SystemTime::now());
        let mut uncounted = times;
        if self.bounds(scan.protocol).admit(from, now) {
            let number = self.next();
            let line = self.contact(scan.visit, scan.event, number, scan.protocol, 0, at);
            write_line(&mut *self.out, &line);
            uncounted -= 1;
        }
        for _ in 0..uncounted {
            self.count(from, scan.protocol, now);
        }
    }

    /// Counts a contact of a base without a line.
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
    pub(crate) fn close(&mut self, now: Instant) {
        let left = [self.connections.close(now), self.datagrams.close(now)].concat();
        self.summarize(left);
    }

    fn summarize(&mut self, due: Vec<(Option<Ipv4Addr>, Tally)>) {
        for (remote_addr, tally) in due {
            let line = Summary {
                ts: rfc3339(SystemTime::now()),
                event: SummaryEvent::Summary,
                decky: self.decky.clone(),
                service: self.service.clone(),
                remote_addr,
                connections: tally.connections,
                datagrams: tally.datagrams,
                bytes: tally.bytes,
                first: rfc3339(tally.first),
                last: rfc3339(tally.last),
            };
            write_line(&mut *self.out, &line);
        }
    }

    fn next(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn contact(
        &self,
        visit: Visit,
        event: ContactEvent,
        number: u64,
        protocol: Protocol,
        bytes: u64,
        at: SystemTime,
    ) -> Contact {
        Contact {
            ts: rfc3339(at),
            event,
            id: format!("{:x}-{number}", self.began),
            decky: self.decky.clone(),
            service: self.service.clone(),
            remote_addr: *visit.remote.ip(),
            remote_port: visit.remote.port(),
            local_port: visit.local_port,
            protocol,
            bytes,
            duration_ms: None,
            reason: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use serde_json::Value;

    use super::*;

    /// Sends each line to the test.
    struct Lines(mpsc::Sender<Value>);

    impl Write for Lines {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(serde_json::from_slice(line)?);
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn scans_have_lines_up_to_the_bounds_and_are_counted_beyond() {
        let (sender, lines) = mpsc::channel();
        let mut journal = Journal::new("web".into(), None, Box::new(Lines(sender)));
        let now = Instant::now();
        let scan = |journal: &mut Journal, local_port, event, protocol, times| {
            let visit = Visit {
                remote: SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 9), 4000),
                local_port,
            };
            journal.scan(&Scan { visit, event, protocol }, times, now);
        };
        for port in 1..=1000 {
            scan(&mut journal, port, ContactEvent::HalfOpen, Protocol::Tcp, 1);
        }
        scan(&mut journal, 53, ContactEvent::ClosedPort, Protocol::Udp, 40);
        journal.count(Ipv4Addr::new(10, 0, 0, 9), Protocol::Tcp, now);
        journal.close(now + Duration::from_mins(1));
        drop(journal);
        let lines: Vec<Value> = lines.iter().collect();
        let of = |event: &str| lines.iter().filter(|line| line["event"] == event).count();
        assert_eq!((of("half_open"), of("closed_port"), of("summary")), (32, 1, 2));
        assert_eq!(lines[0]["remote_addr"], "10.0.0.9");
        assert_eq!(lines[0]["service"], Value::Null);
        let sum = |field: &str| lines.iter().filter_map(|line| line[field].as_u64()).sum::<u64>();
        assert_eq!((sum("connections"), sum("datagrams")), (969, 39));
    }
}
