use std::ops::RangeInclusive;

use serde_json::Value;

use crate::{
    catalog::Catalog,
    config::{
        BRANCHING, ConfigBuilder, ConfigFault, DECKIES_MAX, DECKIES_MIN, DEPTH, InvalidConfig, LAN_PREFIX,
        TopologyConfig,
        builder::{no_probability, out_of_range},
        service_faults,
    },
    name::ServiceName,
    net,
    status::Mode,
};

impl TopologyConfig {
    /// Reads a config, and reports all that is wrong with it at once.
    ///
    /// JSON types are taken at their word: `"3"` and `3.0` are no whole numbers. An unknown key is a fault, and so is `null`, but
    /// for `seed` and `services_explicit`, where it means that none is given. A seed is drawn only for a config without faults
    /// that has none; most callers pass [`rng::os_seed`](crate::rng::os_seed).
    pub fn from_value(
        value: &Value,
        catalog: &Catalog,
        seed_if_absent: impl FnOnce() -> u64,
    ) -> Result<Self, InvalidConfig> {
        read(value, Some(catalog), seed_if_absent)
    }
}

impl TryFrom<Value> for TopologyConfig {
    type Error = InvalidConfig;

    /// Reads a stored config, which has its seed. Whether the catalogue still has its services is not asked.
    fn try_from(value: Value) -> Result<Self, InvalidConfig> {
        if value.get("seed").is_none_or(Value::is_null) && value.is_object() {
            return Err(InvalidConfig::sorted(vec![ConfigFault {
                field: "seed".into(),
                message: "a stored config has its seed".into(),
            }]));
        }
        read(&value, None, || 0)
    }
}

fn read(
    value: &Value,
    catalog: Option<&Catalog>,
    seed_if_absent: impl FnOnce() -> u64,
) -> Result<TopologyConfig, InvalidConfig> {
    // Sound values stand in for required ones until these are read.
    let mut config = ConfigBuilder::new("unnamed", *DEPTH.start(), *BRANCHING.start());
    let Some(fields) = value.as_object() else {
        return Err(InvalidConfig::sorted(vec![ConfigFault {
            field: "*".into(),
            message: format!("a config is an object of fields, not {}", shown(value)),
        }]));
    };
    for required in ["name", "depth", "branching_factor"] {
        if !fields.contains_key(required) {
            config.fault(required, "is required");
        }
    }
    for (key, value) in fields {
        if let Err(message) = set(&mut config, key, value) {
            config.fault(key, message);
        }
    }
    if let (Some(catalog), Some(services)) = (catalog, &config.services_explicit) {
        let faults = service_faults(services, catalog);
        config.add_faults(faults);
    }
    // A stored config may be of an earlier release, which took any base: it is read, and nothing is allocated from it.
    if catalog.is_some() {
        config.check_base();
    }
    config.build_or_seed(seed_if_absent)
}

fn set(config: &mut ConfigBuilder, key: &str, value: &Value) -> Result<(), String> {
    match key {
        "name" => config.name = text(value)?.into(),
        "mode" => config.mode = text(value)?.parse::<Mode>().map_err(|error| error.to_string())?,
        "depth" => config.depth = number(value, &DEPTH)?,
        "branching_factor" => config.branching_factor = number(value, &BRANCHING)?,
        "deckies_per_lan_min" => config.deckies_per_lan_min = number(value, &DECKIES_MIN)?,
        "deckies_per_lan_max" => config.deckies_per_lan_max = number(value, &DECKIES_MAX)?,
        "bridge_forward_probability" => config.bridge_forward_probability = probability(value)?,
        "cross_edge_probability" => config.cross_edge_probability = probability(value)?,
        "subnet_base_prefix" => {
            config.subnet_base_prefix =
                net::parse_base(text(value)?).map_err(|error| format!("{error}, nor a short form like 172.20"))?;
        }
        "lan_prefix" => config.lan_prefix = number(value, &LAN_PREFIX)?,
        "randomize_services" => config.randomize_services = truth(value)?,
        "services_explicit" => config.services_explicit = services(value)?,
        "dmz_gateway" => config.dmz_gateway = truth(value)?,
        "seed" => config.seed = seed(value)?,
        _ => return Err("is no field of a config".into()),
    }
    Ok(())
}

fn text(value: &Value) -> Result<&str, String> {
    value
        .as_str()
        .ok_or_else(|| format!("must be a text, not {}", shown(value)))
}

fn truth(value: &Value) -> Result<bool, String> {
    value
        .as_bool()
        .ok_or_else(|| format!("must be true or false, not {}", shown(value)))
}

fn number(value: &Value, range: &RangeInclusive<u8>) -> Result<u8, String> {
    let number = value.as_u64().and_then(|number| u8::try_from(number).ok());
    number
        .filter(|number| range.contains(number))
        .ok_or_else(|| out_of_range(range, shown(value)))
}

fn probability(value: &Value) -> Result<f64, String> {
    let number = value.as_f64().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| no_probability(shown(value)))
}

fn seed(value: &Value) -> Result<Option<u64>, String> {
    match value {
        Value::Null => Ok(None),
        _ => value
            .as_u64()
            .map(Some)
            .ok_or_else(|| format!("must be a whole number from 0 to {}, not {}", u64::MAX, shown(value))),
    }
}

fn services(value: &Value) -> Result<Option<Vec<ServiceName>>, String> {
    match value {
        Value::Null => Ok(None),
        Value::Array(names) => names
            .iter()
            .map(|name| text(name).map(ServiceName::new))
            .collect::<Result<_, _>>()
            .map(Some)
            .map_err(|fault| format!("a service's name {fault}")),
        _ => Err(format!("must be a list of services, not {}", shown(value))),
    }
}

/// Shows a value, or for a long one what it is.
fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::String(text) if text.len() > 64 => "a long text".into(),
        _ => value.to_string(),
    }
}
