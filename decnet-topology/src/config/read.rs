use std::ops::RangeInclusive;

use serde_json::Value as Json;

use crate::{
    catalog::Catalog,
    config::{
        BRANCHING, ConfigBuilder, ConfigFault, DECKIES_MAX, DECKIES_MIN, DEPTH, InvalidConfig, LAN_PREFIX, Naming,
        ServiceChoice, TopologyConfig,
        builder::{not_a_probability, out_of_range},
        service_faults,
    },
    decode::{At, Diagnostics, Fault, Fields, Problem, Value},
    name::ServiceName,
    net, spelling,
    status::Mode,
};

impl TopologyConfig {
    /// Reads a config, and reports all its faults at once.
    ///
    /// Types are strict: `"3"` and `3.0` are not whole numbers. An unknown key is a fault. So is `null`, except for `seed` and
    /// `services_explicit`, where it means that no value is given. A seed is drawn only for a config that has no faults and no
    /// seed. Most callers pass [`rng::os_seed`](crate::rng::os_seed).
    pub fn from_value(
        value: &Json,
        catalog: &Catalog,
        seed_if_absent: impl FnOnce() -> u64,
    ) -> Result<Self, InvalidConfig> {
        read(value, Some(catalog), seed_if_absent)
    }
}

impl TryFrom<Json> for TopologyConfig {
    type Error = InvalidConfig;

    /// Reads a stored config, which has its seed. It does not check that the catalogue still has its services.
    fn try_from(value: Json) -> Result<Self, InvalidConfig> {
        if value.get("seed").is_none_or(Json::is_null) && value.is_object() {
            return Err(InvalidConfig::sorted(vec![ConfigFault {
                field: "seed".into(),
                message: "a stored config has its seed".into(),
            }]));
        }
        read(&value, None, || 0)
    }
}

/// The fields of a config.
pub(super) const KEYS: &[&str] = &[
    "name",
    "mode",
    "depth",
    "branching_factor",
    "deckies_per_lan_min",
    "deckies_per_lan_max",
    "bridge_forward_probability",
    "cross_edge_probability",
    "subnet_base_prefix",
    "lan_prefix",
    "randomize_services",
    "services_explicit",
    "dmz_gateway",
    "services",
    "naming",
    "seed",
];

fn read(
    value: &Json,
    catalog: Option<&Catalog>,
    seed_if_absent: impl FnOnce() -> u64,
) -> Result<TopologyConfig, InvalidConfig> {
    let refused = |message| {
        let field = "*".into();
        InvalidConfig::sorted(vec![ConfigFault { field, message }])
    };
    let tree = Value::from_json(value).map_err(|error| refused(error.to_string()))?;
    if !matches!(tree, Value::Map(_)) {
        return Err(refused(format!("a config is an object of fields, not {tree}")));
    }
    // Required values have placeholders until they are read.
    let mut config = ConfigBuilder::new("unnamed", *DEPTH.start(), *BRANCHING.start());
    let diagnostics = Diagnostics::new("");
    if let Some(fields) = At::root(&diagnostics, &tree).fields("an object of fields", "a config", KEYS) {
        set(&mut config, &fields);
    }
    for fault in diagnostics.finish().0 {
        let ConfigFault { field, message } = fault.into();
        config.fault(&field, message);
    }
    if let (Some(catalog), Some(services)) = (catalog, &config.services_explicit) {
        let faults = service_faults(services, catalog);
        config.add_faults(faults);
    }
    // A stored config may come from an earlier release that accepted any base. It is read, but nothing is allocated from that
    // base.
    if catalog.is_some() {
        config.check_subnet_base_prefix();
    }
    config.build_or_seed(seed_if_absent)
}

fn set(config: &mut ConfigBuilder, fields: &Fields<'_, '_>) {
    fn put<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    let flag = |key| fields.get(key).and_then(At::flag);
    let number = |key, range| fields.get(key).and_then(|at| number(at, range));
    let required = |key, range: &RangeInclusive<u8>| {
        let at = fields.required(key, "a whole number");
        at.and_then(|at| self::number(at, range))
    };
    let chance = |key| fields.get(key).and_then(probability);
    let name = fields.required("name", "a text");
    put(&mut config.name, name.and_then(|at| at.text("a text")).map(Into::into));
    put(&mut config.depth, required("depth", &DEPTH));
    put(&mut config.branching_factor, required("branching_factor", &BRANCHING));
    put(
        &mut config.mode,
        fields.get("mode").and_then(|at| parsed(at, str::parse::<Mode>)),
    );
    put(
        &mut config.deckies_per_lan_min,
        number("deckies_per_lan_min", &DECKIES_MIN),
    );
    put(
        &mut config.deckies_per_lan_max,
        number("deckies_per_lan_max", &DECKIES_MAX),
    );
    put(
        &mut config.bridge_forward_probability,
        chance("bridge_forward_probability"),
    );
    put(&mut config.cross_edge_probability, chance("cross_edge_probability"));
    let base = fields.get("subnet_base_prefix").and_then(|at| {
        parsed(at, |text| {
            net::parse_base(text).map_err(|error| format!("{error} or a short form like 172.20"))
        })
    });
    put(&mut config.subnet_base_prefix, base);
    put(&mut config.lan_prefix, number("lan_prefix", &LAN_PREFIX));
    put(&mut config.randomize_services, flag("randomize_services"));
    put(&mut config.dmz_gateway, flag("dmz_gateway"));
    let choice = fields.get("services");
    put(
        &mut config.service_choice,
        choice.and_then(|at| at.word(ServiceChoice::WORDS)),
    );
    let naming = fields.get("naming");
    put(&mut config.naming, naming.and_then(|at| at.word(Naming::WORDS)));
    config.services_explicit = fields.given("services_explicit").and_then(|at| services(at));
    config.seed = fields.given("seed").and_then(seed);
}

fn parsed<T, E: ToString>(at: At<'_, '_>, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
    let parsed = parse(at.text("a text")?);
    let note = |error: E| {
        at.note(Problem::Other {
            message: error.to_string(),
        });
    };
    parsed.map_err(note).ok()
}

fn number(at: At<'_, '_>, range: &RangeInclusive<u8>) -> Option<u8> {
    let number = at.as_u64().and_then(|number| u8::try_from(number).ok());
    let number = number.filter(|number| range.contains(number));
    or_else_note(at, number, || out_of_range(range, at.value()))
}

fn probability(at: At<'_, '_>) -> Option<f64> {
    let number = at.as_f64().filter(|number| (0.0..=1.0).contains(number));
    or_else_note(at, number, || not_a_probability(at.value()))
}

fn or_else_note<T>(at: At<'_, '_>, read: Option<T>, message: impl FnOnce() -> String) -> Option<T> {
    if read.is_none() {
        at.note(Problem::Other { message: message() });
    }
    read
}

fn seed(at: At<'_, '_>) -> Option<u64> {
    at.expect(at.as_u64(), format!("a whole number from 0 to {}", u64::MAX))
}

fn services(at: At<'_, '_>) -> Option<Vec<ServiceName>> {
    let names = at.items("a list of services");
    names
        .map(|at| at.text("the name of a service").map(ServiceName::new))
        .collect()
}

impl From<Fault> for ConfigFault {
    fn from(fault: Fault) -> Self {
        let Fault { path, problem, .. } = fault;
        let message = match problem {
            Problem::UnknownKey { key, of, known, .. } => {
                format!("is not a field of {of}{}", spelling::hint(&key, known.iter().copied()))
            }
            Problem::DoubledKey { .. } => "is given twice".into(),
            Problem::MissingKey { .. } => "is required".into(),
            Problem::WrongType { expected, found, .. } => format!("must be {expected}, not {found}"),
            Problem::UnknownWord { word, known } => format!("`{word}` is not one of {}", known.join(", ")),
            Problem::Name { source, .. } => source.to_string(),
            Problem::Subnet { source } => source.to_string(),
            Problem::Address { text } => format!("`{text}` is not an IPv4 address"),
            Problem::Other { message } => message,
            Problem::Found { finding } => finding.message,
        };
        // An item of a list belongs to the field of the list.
        let (field, item) = path.split_at(path.find('[').unwrap_or(path.len()));
        let message = if item.is_empty() {
            message
        } else {
            format!("item {item} {message}")
        };
        Self {
            field: field.into(),
            message,
        }
    }
}
