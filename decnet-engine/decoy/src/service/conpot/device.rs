//! The devices, and what they say of themselves.

use super::super::{context::Context, snmp::System};

/// The kinds of devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Template {
    S7200,
    S71200,
    Guardian,
    Kamstrup,
    Ipmi,
}

/// What a device says of itself.
#[derive(Debug, Clone)]
pub(super) struct Device {
    pub(super) template: Template,
    pub(super) vendor: &'static str,
    /// The order number or code of the product.
    pub(super) product: &'static str,
    pub(super) module: &'static str,
    /// The numbers of the firmware.
    pub(super) firmware: [u8; 3],
    /// The version of the firmware as the device writes it.
    pub(super) version: String,
    /// The name of the plant.
    pub(super) name: String,
    pub(super) serial: String,
}

impl Device {
    pub(super) fn new(context: &Context) -> Self {
        let fields = context.fields();
        let (template, vendor, product, module) = match fields.text("template").unwrap_or("s7-200") {
            "s7-1200" => (
                Template::S71200,
                "Siemens",
                context.pick(
                    "conpot product",
                    &["6ES7 212-1AE40-0XB0", "6ES7 214-1AG40-0XB0", "6ES7 215-1AG40-0XB0"],
                ),
                "",
            ),
            "guardian-ast" => (Template::Guardian, "Veeder-Root", "TLS-350", "TLS-350 PLUS"),
            "kamstrup-382" => (Template::Kamstrup, "Kamstrup A/S", "382L", "KAMSTRUP 382"),
            "ipmi" => (Template::Ipmi, "Supermicro", "X10SLM-F", "AST2400"),
            _ => (
                Template::S7200,
                "Siemens",
                context.pick("conpot product", &["6ES7 214-2BD23-0XB8", "6ES7 216-2BD23-0XB8"]),
                "",
            ),
        };
        let module = match product {
            "6ES7 212-1AE40-0XB0" => "CPU 1212C DC/DC/DC",
            "6ES7 214-1AG40-0XB0" => "CPU 1214C DC/DC/DC",
            "6ES7 215-1AG40-0XB0" => "CPU 1215C DC/DC/DC",
            "6ES7 214-2BD23-0XB8" => "CPU 224XP AC/DC/RLY",
            "6ES7 216-2BD23-0XB8" => "CPU 226 AC/DC/RLY",
            _ => module,
        };
        let [minor, patch, number] = context.stable("conpot firmware");
        let (minor, patch) = (minor % 4, patch % 4);
        let usual = [if template == Template::S7200 { 2 } else { 4 }, minor, patch];
        let pinned = context.pinned_version();
        let firmware = pinned.and_then(numbers).unwrap_or(usual);
        let [major, minor, patch] = firmware;
        let version = pinned.map_or_else(|| format!("V{major}.{minor}.{patch}"), str::to_owned);
        let names = [
            "Pump station",
            "Boiler house",
            "Cooling water",
            "Packaging line",
            "Compressor hall",
            "Filter plant",
        ];
        let name = format!("{} {}", context.pick("conpot name", &names), number % 8 + 1);
        Self {
            template,
            vendor,
            product,
            module,
            firmware,
            version,
            name: fields.text("device_name").map_or(name, Into::into),
            serial: fields
                .text("serial_number")
                .map_or_else(|| serial(context, template), Into::into),
        }
    }

    pub(super) fn is_siemens(&self) -> bool {
        matches!(self.template, Template::S7200 | Template::S71200)
    }

    /// Returns what the agent of the device reports.
    pub(super) fn system(&self, context: &Context) -> System {
        let (description, product, vendor) = match self.template {
            Template::S7200 => ("Siemens, SIMATIC NET, CP 243-1 IT", "1.3.6.1.4.1.4329.6.3.1.1", 4329),
            Template::S71200 => ("Siemens, SIMATIC S7, CPU-1200", "1.3.6.1.4.1.4329.2.50", 4329),
            Template::Guardian => ("Veeder-Root TLS-350", "1.3.6.1.4.1.8072.3.2.10", 8072),
            Template::Kamstrup => ("Kamstrup 382L", "1.3.6.1.4.1.8072.3.2.10", 8072),
            Template::Ipmi => ("Linux 2.6.28.9 ARMv5", "1.3.6.1.4.1.8072.3.2.10", 8072),
        };
        System {
            description: description.into(),
            product: product.into(),
            name: context.persona().hostname.clone(),
            location: self.name.clone(),
            contact: String::new(),
            services: 78,
            interfaces: vec![(format!("{}, internal, X1", self.vendor), 6)],
            has_host: false,
            vendor,
        }
    }
}

/// Returns the first three numbers of a version; missing ones are 0. Returns none if there is no number, or one that a device
/// cannot send in a byte.
fn numbers(version: &str) -> Option<[u8; 3]> {
    let mut parts = version
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|part| !part.is_empty());
    let first = parts.next()?.parse().ok()?;
    let mut next = || parts.next().map_or(Some(0), |part| part.parse().ok());
    Some([first, next()?, next()?])
}

/// Returns a serial number in the form of the vendor, which only this decky has.
fn serial(context: &Context, template: Template) -> String {
    let [first, second, third, digits @ ..] = context.stable::<7>("conpot serial");
    let number = u32::from_be_bytes(digits);
    let letter = |byte: u8| char::from(b'A' + byte % 26);
    match template {
        Template::S7200 | Template::S71200 => {
            let (one, two, three) = (letter(first), second % 10, letter(third));
            format!("S C-{one}{two}{three}{:07}2{:02}", number % 10_000_000, 11 + number % 8)
        }
        _ => format!("{:08}", number % 90_000_000 + 10_000_000),
    }
}
