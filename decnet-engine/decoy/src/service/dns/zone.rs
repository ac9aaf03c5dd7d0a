//! Zones: what a name server has authority over.

use super::super::wire::dns::{Data, Name, Record, kind};

/// The class of addresses and hosts.
pub(super) const IN: u16 = 1;
/// The class of questions about the server.
pub(super) const CH: u16 = 3;

/// A zone with its records: the SOA first.
#[derive(Debug)]
pub(super) struct Zone {
    pub(super) origin: Name,
    pub(super) class: u16,
    pub(super) records: Vec<Record>,
}

/// What a zone has for a question.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The name exists.
    Name,
    /// The name does not exist.
    Nothing,
}

/// The time to live of records without one: that of Debian's example zones.
const TTL: u32 = 604_800;

impl Zone {
    /// Creates a zone that has only its SOA record.
    pub(super) fn new(origin: Name, class: u16, ttl: u32, server: Name, mailbox: Name, numbers: [u32; 5]) -> Self {
        let soa = Record {
            name: origin.clone(),
            class,
            ttl,
            data: Data::Soa(server, mailbox, numbers),
        };
        Self {
            origin,
            class,
            records: vec![soa],
        }
    }

    /// Creates a zone of Debian's default configuration.
    pub(super) fn of_debian(origin: &str, serial: u32, lines: &[&str]) -> Self {
        let (localhost, root) = (Name::absolute("localhost"), Name::absolute("root.localhost"));
        let numbers = [serial, TTL, 86_400, 2_419_200, TTL];
        let mut zone = Self::new(Name::absolute(origin), IN, TTL, localhost, root, numbers);
        let records = parse(lines, &zone.origin);
        zone.records.extend(records);
        zone
    }

    /// Adds a record of this zone's origin or below it.
    pub(super) fn add(&mut self, name: &Name, ttl: u32, data: Data) {
        self.records.push(Record {
            name: name.clone(),
            class: self.class,
            ttl,
            data,
        });
    }

    /// Returns the records of a name, with those of a wildcard for a name that does not exist.
    pub(super) fn records_of(&self, name: &Name) -> (Found, Vec<Record>) {
        let own: Vec<Record> = self.records.iter().filter(|one| one.name.is(name)).cloned().collect();
        if !own.is_empty() || self.exists(name) {
            return (Found::Name, own);
        }
        let mut encloser = name.parent();
        while let Some(parent) = encloser.filter(|parent| parent.is_under(&self.origin)) {
            let wildcard = parent.child("*");
            let matches = self.records.iter().filter(|one| one.name.is(&wildcard));
            let renamed = matches.map(|one| Record {
                name: name.clone(),
                ..one.clone()
            });
            let renamed: Vec<Record> = renamed.collect();
            if !renamed.is_empty() {
                return (Found::Name, renamed);
            }
            if self.exists(&parent) {
                break;
            }
            encloser = parent.parent();
        }
        (Found::Nothing, Vec::new())
    }

    /// Returns whether a name or a name below it has records.
    fn exists(&self, name: &Name) -> bool {
        self.records.iter().any(|one| one.name.is_under(name))
    }

    /// Returns the SOA record.
    pub(super) fn soa(&self) -> Option<&Record> {
        self.records.iter().find(|one| one.data.kind() == kind::SOA)
    }
}

/// Reads records as they are in a zone file: `www 3600 IN A 192.0.2.1`. Lines that are not records are skipped.
pub(super) fn parse(lines: &[&str], origin: &Name) -> Vec<Record> {
    let (mut origin, mut ttl) = (origin.clone(), TTL);
    let mut last = origin.clone();
    let mut records = Vec::new();
    for line in lines {
        let words = words(line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["$ORIGIN", name] => origin = Name::parse(name, &origin).unwrap_or(origin),
            ["$TTL", number] => ttl = seconds(number).unwrap_or(ttl),
            _ => {
                let record = record(&words, &origin, &last, ttl);
                last = record.as_ref().map_or(last, |record| record.name.clone());
                records.extend(record);
            }
        }
    }
    records
}

/// Splits a line at spaces. Quoted words can have spaces; a `;` starts a comment.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => {
                is_quoted = !is_quoted;
                word.get_or_insert_default();
            }
            ';' if !is_quoted => break,
            character if !is_quoted && character.is_whitespace() => words.extend(word.take()),
            character => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}

/// Reads a time: `3600`, `1h`, `2d`.
fn seconds(text: &str) -> Option<u32> {
    let unit = match text.bytes().last()?.to_ascii_lowercase() {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        b'w' => 604_800,
        _ => return text.parse().ok(),
    };
    text.get(..text.len() - 1)?.parse::<u32>().ok()?.checked_mul(unit)
}

fn record(words: &[&str], origin: &Name, last: &Name, usual_ttl: u32) -> Option<Record> {
    let is_type = |word: &str| {
        let word = word.to_ascii_uppercase();
        matches!(
            word.as_str(),
            "A" | "AAAA" | "CNAME" | "MX" | "NS" | "TXT" | "SRV" | "PTR" | "SOA" | "IN"
        )
    };
    // A line can start with the time or the type, if the name is that of the record before.
    let starts_with_name = !(is_type(words.first()?) && words.get(1).is_some_and(|word| !is_type(word)));
    let name = if starts_with_name {
        Name::parse(words.first()?, origin)?
    } else {
        last.clone()
    };
    let mut rest = words.get(usize::from(starts_with_name)..)?;
    let mut ttl = usual_ttl;
    while let [first, others @ ..] = rest {
        match (first.eq_ignore_ascii_case("IN"), seconds(first)) {
            (true, _) => {}
            (_, Some(own)) => ttl = own,
            _ => break,
        }
        rest = others;
    }
    let (kind, values) = rest.split_first()?;
    let data = data(&kind.to_ascii_uppercase(), values, origin)?;
    Some(Record {
        name,
        class: IN,
        ttl,
        data,
    })
}

fn data(kind: &str, values: &[&str], origin: &Name) -> Option<Data> {
    let name = |at: usize| Name::parse(values.get(at)?, origin);
    let number = |at: usize| values.get(at)?.parse::<u16>().ok();
    Some(match kind {
        "A" => Data::A(values.first()?.parse::<std::net::Ipv4Addr>().ok()?.octets()),
        "AAAA" => Data::Aaaa(values.first()?.parse::<std::net::Ipv6Addr>().ok()?.octets()),
        "CNAME" => Data::Cname(name(0)?),
        "NS" => Data::Ns(name(0)?),
        "PTR" => Data::Ptr(name(0)?),
        "MX" => Data::Mx(number(0)?, name(1)?),
        "TXT" if !values.is_empty() => Data::Txt(values.iter().map(|text| text.as_bytes().to_vec()).collect()),
        "SRV" => Data::Srv([number(0)?, number(1)?, number(2)?], name(3)?),
        "SOA" => {
            let numbers: Vec<u32> = values
                .get(2..)?
                .iter()
                .filter(|word| !matches!(**word, "(" | ")"))
                .filter_map(|word| seconds(word.trim_matches(['(', ')'])))
                .collect();
            Data::Soa(name(0)?, name(1)?, numbers.try_into().ok()?)
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_zone_file_are_records() {
        let origin = Name::absolute("corp.local");
        let check = |line: &str, name: &str, ttl: u32, data: Data| {
            let expected = Record {
                name: Name::absolute(name),
                class: IN,
                ttl,
                data,
            };
            assert_eq!(parse(&[line], &origin), [expected], "{line}");
        };
        let www = Name::absolute("www.corp.local");
        check("www A 10.9.0.2", "www.corp.local", TTL, Data::A([10, 9, 0, 2]));
        check("@ 1h IN A 10.9.0.2 ; note", "corp.local", 3600, Data::A([10, 9, 0, 2]));
        check("IN 60 MX 10 www", "corp.local", 60, Data::Mx(10, www.clone()));
        check(
            "a IN CNAME www.corp.local.",
            "a.corp.local",
            TTL,
            Data::Cname(www.clone()),
        );
        check(
            "_x._tcp SRV 0 5 80 www",
            "_x._tcp.corp.local",
            TTL,
            Data::Srv([0, 5, 80], www),
        );
        check(
            r#"t TXT "v=spf1 -all; x" b"#,
            "t.corp.local",
            TTL,
            Data::Txt(vec![b"v=spf1 -all; x".to_vec(), b"b".to_vec()]),
        );
        check(
            "a AAAA ::1",
            "a.corp.local",
            TTL,
            Data::Aaaa(std::net::Ipv6Addr::LOCALHOST.octets()),
        );
        check("mx A 10.0.0.1", "mx.corp.local", TTL, Data::A([10, 0, 0, 1]));
    }

    #[test]
    fn lines_that_are_not_records_are_skipped() {
        let lines = [
            "",
            ";x",
            "www",
            "www A",
            "www A 1.2.3",
            "www MX ten a",
            "a..b A 1.2.3.4",
            "$TTL x",
            "A",
            "www SOA a b 1",
        ];
        assert_eq!(parse(&lines, &Name::default()), []);
    }

    #[test]
    fn a_wildcard_answers_for_names_that_do_not_exist() {
        let origin = Name::absolute("corp.local");
        let mut zone = Zone::new(origin.clone(), IN, 1, origin.clone(), origin.clone(), [0; 5]);
        zone.records.extend(parse(
            &["*.w A 10.0.0.1", "a.w A 10.0.0.2", "b.c.d A 10.0.0.3"],
            &origin,
        ));
        let found = |name: &str| {
            let (found, records) = zone.records_of(&Name::absolute(name));
            (found, records.len())
        };
        assert_eq!(found("x.w.corp.local"), (Found::Name, 1));
        assert_eq!(found("x.y.w.corp.local"), (Found::Name, 1));
        assert_eq!(found("x.a.w.corp.local"), (Found::Nothing, 0));
        assert_eq!(found("c.d.corp.local"), (Found::Name, 0));
        assert_eq!(found("x.corp.local"), (Found::Nothing, 0));
    }
}
