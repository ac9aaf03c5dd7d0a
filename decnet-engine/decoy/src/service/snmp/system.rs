//! What an agent says about its host: the objects of RFC 3418, RFC 2863 and the first ones of RFC 2790.

use jiff::Timestamp;

use super::super::{
    context::Context,
    wire::ber::{Oid, Writer, tag},
};
use crate::protocol::Os;

/// A value of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Integer(i64),
    Octets(Vec<u8>),
    Oid(Oid),
    /// A number with its tag: a counter, a gauge or a time.
    Number(u8, u64),
}

impl Value {
    pub(super) fn write(&self, writer: &mut Writer) {
        match self {
            Self::Integer(number) => writer.integer(*number),
            Self::Octets(octets) => writer.octets(octets),
            Self::Oid(oid) => writer.oid(oid),
            Self::Number(tag, number) => writer.unsigned(*tag, *number),
        };
    }
}

/// A host as its agent describes it.
#[derive(Debug, Clone)]
pub(crate) struct System {
    pub(crate) description: String,
    /// The product, as an object identifier.
    pub(crate) product: String,
    pub(crate) name: String,
    pub(crate) location: String,
    pub(crate) contact: String,
    pub(crate) services: i64,
    /// The names and types of the interfaces.
    pub(crate) interfaces: Vec<(String, i64)>,
    /// Whether the objects of RFC 2790 are there.
    pub(crate) has_host: bool,
    /// The number of the vendor that starts the engine's id (RFC 3411).
    pub(crate) vendor: u32,
}

const LOOPBACK: i64 = 24;
const ETHERNET: i64 = 6;

impl System {
    /// Returns the system of a persona.
    pub(super) fn of_persona(context: &Context) -> Self {
        let persona = context.persona();
        let linux = |release: &str| Self {
            description: linux_description(&persona.hostname, release),
            product: "1.3.6.1.4.1.8072.3.2.10".into(),
            name: persona.hostname.clone(),
            location: "Sitting on the Dock of the Bay".into(),
            contact: "Me <me@example.org>".into(),
            services: 72,
            interfaces: vec![("lo".into(), LOOPBACK), ("eth0".into(), ETHERNET)],
            has_host: true,
            vendor: 8072,
        };
        let device = |description: &str, product: &str, services, vendor, ports: Vec<String>| Self {
            description: description.into(),
            product: product.into(),
            location: String::new(),
            contact: String::new(),
            services,
            interfaces: ports.into_iter().map(|port| (port, ETHERNET)).collect(),
            has_host: false,
            vendor,
            ..linux("")
        };
        match persona.os {
            Os::Debian11 | Os::Debian12 | Os::Ubuntu2204 | Os::Ubuntu2404 | Os::EmbeddedLinux => {
                linux(context.kernel().release)
            }
            Os::Printer => {
                let port = vec!["HP ETHERNET MULTI-ENVIRONMENT".into()];
                device("HP ETHERNET MULTI-ENVIRONMENT", "1.3.6.1.4.1.11.2.3.9.1", 64, 11, port)
            }
            Os::NetworkDevice => {
                let model = context.pick("snmp model", &["GS1900-24", "GS1900-48", "GS1920-24"]);
                let ports = (1..=24).map(|port| format!("Port{port}")).collect();
                device(model, "1.3.6.1.4.1.890.1.15", 2, 890, ports)
            }
            Os::Controller => {
                let ports = vec!["Siemens, SIMATIC, internal, X1".into()];
                device(
                    "Siemens, SIMATIC S7, CPU-1200",
                    "1.3.6.1.4.1.4329.2.50",
                    72,
                    4329,
                    ports,
                )
            }
            // The vendor's text about processors would not fit into an answer of twice the question.
            _ => {
                let (_, _, build) = persona.windows_version();
                let is_server = matches!(
                    persona.os,
                    Os::WindowsServer2016 | Os::WindowsServer2019 | Os::WindowsServer2022
                );
                Self {
                    description: format!("Windows Version 6.3 (Build {build})"),
                    product: format!("1.3.6.1.4.1.311.1.1.3.1.{}", if is_server { 2 } else { 1 }),
                    location: String::new(),
                    contact: String::new(),
                    services: 76,
                    vendor: 311,
                    ..linux("")
                }
            }
        }
    }

    /// Returns all objects in their order.
    pub(super) fn objects(&self, context: &Context, now: Timestamp) -> Vec<(Oid, Value)> {
        let (uptime, _) = context.uptime(now);
        let ticks = |seconds: u64| Value::Number(tag::TIME_TICKS, (seconds * 100) & 0xffff_ffff);
        let octets = |text: &str| Value::Octets(text.as_bytes().to_vec());
        let root = Oid::from(&[1, 3, 6, 1, 2, 1][..]);
        let mut objects = vec![
            (root.with(&[1, 1, 0]), octets(&self.description)),
            (
                root.with(&[1, 2, 0]),
                Value::Oid(self.product.parse().unwrap_or_default()),
            ),
            // The agent starts some seconds after the host.
            (root.with(&[1, 3, 0]), ticks(uptime.saturating_sub(14))),
            (root.with(&[1, 4, 0]), octets(&self.contact)),
            (root.with(&[1, 5, 0]), octets(&self.name)),
            (root.with(&[1, 6, 0]), octets(&self.location)),
            (root.with(&[1, 7, 0]), Value::Integer(self.services)),
        ];
        let count = i64::try_from(self.interfaces.len()).unwrap_or_default();
        objects.push((root.with(&[2, 1, 0]), Value::Integer(count)));
        let rows: Vec<(u32, &(String, i64))> = (1..).zip(&self.interfaces).collect();
        for column in 1..=22 {
            for (index, (name, kind)) in &rows {
                let value = interface(context, uptime, column, *index, name, *kind);
                objects.push((root.with(&[2, 2, 1, column, *index]), value));
            }
        }
        if self.has_host {
            objects.push((root.with(&[25, 1, 1, 0]), ticks(uptime)));
            objects.push((root.with(&[25, 1, 2, 0]), Value::Octets(date(now))));
            objects.push((root.with(&[25, 1, 5, 0]), Value::Number(tag::GAUGE_32, 0)));
            let [processes] = context.stable("snmp processes");
            let processes = 90 + u64::from(processes % 60);
            objects.push((root.with(&[25, 1, 6, 0]), Value::Number(tag::GAUGE_32, processes)));
        }
        objects
    }
}

/// Returns a description that fits into an answer of twice the shortest question.
fn linux_description(hostname: &str, release: &str) -> String {
    const MOST: usize = 36;
    let description = format!("Linux {hostname} {release}");
    if description.len() > MOST {
        format!("Linux {release}")
    } else {
        description
    }
}

/// Returns a value of the table of interfaces.
fn interface(context: &Context, uptime: u64, column: u32, index: u32, name: &str, kind: i64) -> Value {
    let rate = |label: &str| {
        let rate = u64::from(u16::from_le_bytes(context.stable(&format!("snmp {label} {index}"))));
        let divisor = if kind == LOOPBACK { 2000 } else { 40 };
        rate * uptime / divisor
    };
    let counter = |number: u64| Value::Number(tag::COUNTER_32, number & 0xffff_ffff);
    match column {
        1 => Value::Integer(index.into()),
        2 => Value::Octets(name.as_bytes().to_vec()),
        3 => Value::Integer(kind),
        4 => Value::Integer(if kind == LOOPBACK { 65_536 } else { 1500 }),
        5 => Value::Number(tag::GAUGE_32, if kind == LOOPBACK { 10_000_000 } else { 1_000_000_000 }),
        6 => Value::Octets(Vec::new()),
        7 | 8 => Value::Integer(1),
        9 => Value::Number(tag::TIME_TICKS, 0),
        10 => counter(rate("in") * 90),
        11 => counter(rate("in")),
        16 => counter(rate("out") * 120),
        17 => counter(rate("out")),
        21 => Value::Number(tag::GAUGE_32, 0),
        22 => Value::Oid(Oid::from(&[0, 0][..])),
        _ => counter(0),
    }
}

/// Returns a time as SNMP's `DateAndTime` in UTC.
fn date(now: Timestamp) -> Vec<u8> {
    let time = now.to_zoned(jiff::tz::TimeZone::UTC);
    let year = time.year().to_be_bytes();
    let rest = [time.month(), time.day(), time.hour(), time.minute(), time.second(), 0];
    let rest = rest.map(|number| u8::try_from(number).unwrap_or_default());
    [&year[..], &rest, b"+\0\0"].concat()
}
