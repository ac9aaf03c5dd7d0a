//! The zones of a decky: that of its domain, those of Debian, and those about the server.

use super::{
    super::{
        context::Context,
        wire::dns::{Data, Name, Record, kind},
    },
    zone::{CH, IN, Zone, parse},
};
use crate::protocol::Os;

/// An address that is not known, because a datagram does not tell which one it reached.
const UNKNOWN: [u8; 4] = [0; 4];

/// The maximum number of lines of the field `records`. They are read again for each source of datagrams.
const RECORDS: usize = 1000;

/// The authors of BIND 9, as it answers.
const AUTHORS: &[&str] = &[
    "Andreas Gustafsson",
    "Ben Cottrell",
    "Bob Halley",
    "Brian Wellington",
    "Curtis Blackburn",
    "Damien Neil",
    "Danny Mayer",
    "David Lawrence",
    "Evan Hunt",
    "Francis Dupont",
    "JINMEI Tatuya",
    "James Brister",
    "Jeremy C. Reed",
    "John H. DuBois III",
    "Mark Andrews",
    "Matt Nelson",
    "Michael Graff",
    "Michael Sawyer",
    "Scott Mann",
    "Witold Krecicki",
];

/// Returns whether the records have no address that is not known.
pub(super) fn knows_addresses(records: &[Record]) -> bool {
    !records.iter().any(|record| record.data == Data::A(UNKNOWN))
}

/// Returns all zones.
pub(super) fn zones(context: &Context) -> Vec<Zone> {
    let mut zones = own(context);
    if !context.persona().is_windows() {
        zones.push(Zone::of_debian(
            "localhost",
            2,
            &["@ NS @", "@ A 127.0.0.1", "@ AAAA ::1"],
        ));
        let reverse = ["@ NS localhost.", "1.0.0 PTR localhost."];
        zones.push(Zone::of_debian("127.in-addr.arpa", 1, &reverse));
        zones.push(Zone::of_debian("0.in-addr.arpa", 1, &["@ NS localhost."]));
        zones.push(Zone::of_debian("255.in-addr.arpa", 1, &["@ NS localhost."]));
    }
    zones.extend(about_the_server(context));
    zones
}

/// Returns the zone of the domain, and one for each network with pointers to its hosts.
fn own(context: &Context) -> Vec<Zone> {
    let persona = context.persona();
    let origin = Name::absolute(context.fields().text("domain").unwrap_or(&persona.domain));
    let server = origin.child(&persona.hostname);
    let lines = context.fields().lines("records");
    let records = parse(lines.get(..RECORDS).unwrap_or(&lines), &origin);
    let numbers = {
        let [month, day, change] = context.stable::<3>("dns serial");
        let date = 20_250_000 + u32::from(month % 12 + 1) * 100 + u32::from(day % 28 + 1);
        [date * 100 + u32::from(change % 4), 604_800, 86_400, 2_419_200, 86_400]
    };
    let zone = |origin: &Name| {
        let mailbox = server.parent().unwrap_or_default().child("hostmaster");
        Zone::new(origin.clone(), IN, 86_400, server.clone(), mailbox, numbers)
    };
    let mut own = zone(&origin);
    let mut networks: Vec<Zone> = Vec::new();
    for record in records {
        if record.name.is_under(&origin) {
            if record.data.kind() == kind::SOA {
                own.records.retain(|one| one.data.kind() != kind::SOA);
                own.records.insert(0, record);
            } else {
                own.records.push(record);
            }
        } else if let (Data::Ptr(_), Some(network)) = (&record.data, record.name.parent()) {
            if let Some(known) = networks.iter_mut().find(|zone| zone.origin.is(&network)) {
                known.records.push(record);
            } else {
                let mut new = zone(&network);
                new.add(&network, 86_400, Data::Ns(server.clone()));
                new.records.push(record);
                networks.push(new);
            }
        }
    }
    let has = |zone: &Zone, name: &Name, kind: u16| {
        let mut of_name = zone.records.iter().filter(|one| one.name.is(name));
        of_name.any(|one| one.data.kind() == kind || one.data.kind() == kind::CNAME)
    };
    if !has(&own, &origin, kind::NS) {
        own.records.insert(
            1,
            Record {
                name: origin.clone(),
                class: IN,
                ttl: 86_400,
                data: Data::Ns(server.clone()),
            },
        );
    }
    if !has(&own, &server, kind::A) {
        own.add(&server, 86_400, Data::A(context.session.local.octets()));
    }
    networks.insert(0, own);
    networks
}

/// Returns BIND's zones for questions about the server. `id.server` has no answer by default.
fn about_the_server(context: &Context) -> Vec<Zone> {
    let zone = |name: &str, texts: &[&str]| {
        let origin = Name::absolute(name);
        let mailbox = origin.child("hostmaster");
        let numbers = [0, 28_800, 7_200, 604_800, 86_400];
        let mut zone = Zone::new(origin.clone(), CH, 86_400, origin.clone(), mailbox, numbers);
        let records = texts.iter().map(|text| Record {
            name: origin.clone(),
            class: CH,
            ttl: 0,
            data: Data::Txt(vec![text.as_bytes().to_vec()]),
        });
        zone.records.splice(0..0, records);
        zone.add(&origin, 0, Data::Ns(origin.clone()));
        zone
    };
    let version = version(context);
    let mut zones = vec![
        zone("version.bind", &[&version]),
        zone("hostname.bind", &[&context.persona().hostname]),
        zone("id.server", &[]),
    ];
    if !context.persona().is_windows() {
        zones.push(zone("authors.bind", AUTHORS));
    }
    zones
}

/// Returns the version of the server: that of the fields, of the persona, or one of its system's.
fn version(context: &Context) -> String {
    let persona = context.persona();
    if let Some(version) = context.fields().text("server_version") {
        return version.into();
    }
    if let Some(version) = persona.versions.get("dns") {
        return version.clone();
    }
    if persona.is_windows() {
        let (major, minor, build) = persona.windows_version();
        let revision = u16::from_le_bytes(context.stable("dns revision")) % 0x1800;
        return format!("Microsoft DNS {major}.{minor}.{build} ({build:04X}{revision:04X})");
    }
    let versions: &[&str] = match persona.os {
        Os::Debian11 => &["9.16.50-Debian", "9.16.48-Debian", "9.16.44-Debian"],
        Os::Ubuntu2204 => &[
            "9.18.28-0ubuntu0.22.04.1-Ubuntu",
            "9.18.30-0ubuntu0.22.04.1-Ubuntu",
            "9.18.30-0ubuntu0.22.04.2-Ubuntu",
        ],
        Os::Ubuntu2404 => &[
            "9.18.28-0ubuntu0.24.04.1-Ubuntu",
            "9.18.30-0ubuntu0.24.04.1-Ubuntu",
            "9.18.30-0ubuntu0.24.04.2-Ubuntu",
        ],
        _ => &[
            "9.18.24-1-Debian",
            "9.18.28-1~deb12u2-Debian",
            "9.18.33-1~deb12u2-Debian",
        ],
    };
    context.pick("dns version", versions).into()
}
