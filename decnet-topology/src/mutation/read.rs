use std::{collections::BTreeMap, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value as Json;

use crate::{
    decode::{At, Diagnostics, Fault, Fields, MAX_DEPTH, Problem, Value},
    model::{Coordinate, Persona, ServiceConfig},
    mutation::{
        AddDecky, AddLan, AttachDecky, DeckyPatch, DetachDecky, LanPatch, Mutation, MutationError, RemoveDecky,
        RemoveLan, UpdateDecky, UpdateLan,
    },
    name::{Name, ServiceName},
    net, spelling,
};

impl Mutation {
    /// The longest mutation text, in bytes: 1 MiB.
    pub const MAX_BYTES: usize = 1 << 20;

    /// Reads a mutation from a JSON text of at most [`MAX_BYTES`](Self::MAX_BYTES). The nesting limit is that of a maze file.
    pub fn from_json(text: &str) -> Result<Self, MutationError> {
        let syntax = |message| MutationError::Syntax { message };
        if text.len() > Self::MAX_BYTES {
            return Err(syntax(format!(
                "it has {} bytes, {} are allowed",
                text.len(),
                Self::MAX_BYTES
            )));
        }
        let tree: Value<'_> = serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?;
        Self::from_tree(&tree)
    }

    /// Reads a mutation from a JSON value. The error is the first fault.
    pub fn from_value(value: &Json) -> Result<Self, MutationError> {
        let tree = Value::from_json(value).map_err(|error| MutationError::Syntax {
            message: error.to_string(),
        })?;
        Self::from_tree(&tree)
    }

    /// Refuses a mutation that was built in code and that [`from_value`](Self::from_value) would not read: the configuration is
    /// nested too deeply, or a subnet has host bits.
    pub(crate) fn check_readable(&self) -> Result<(), MutationError> {
        let config = match self {
            Self::AddDecky(add) => add
                .service_config
                .as_ref()
                .map(|config| ("payload.service_config", config)),
            Self::UpdateDecky(update) => {
                let config = update.patch.service_config.as_ref();
                config.map(|config| ("payload.patch.service_config", config))
            }
            _ => None,
        };
        if let Some((path, config)) = config
            && config
                .values()
                .flat_map(BTreeMap::values)
                .any(|value| is_deeper(value, DEEPEST))
        {
            let message = format!("{path} {}", too_deep());
            return Err(MutationError::Syntax { message });
        }
        let subnet = match self {
            Self::AddLan(add) => add.subnet.map(|subnet| ("payload.subnet", subnet)),
            Self::UpdateLan(update) => update
                .patch
                .subnet
                .flatten()
                .map(|subnet| ("payload.patch.subnet", subnet)),
            _ => None,
        };
        match subnet.map(|(path, subnet)| (path, net::parse_subnet(&subnet.to_string()))) {
            Some((path, Err(source))) => Err(MutationError::SubnetMalformed {
                path: path.into(),
                source,
            }),
            _ => Ok(()),
        }
    }

    fn from_tree(tree: &Value<'_>) -> Result<Self, MutationError> {
        let diagnostics = Diagnostics::new("");
        let at = At::root(&diagnostics, tree);
        // This check is first, so that a repeated key is always reported, whatever else is wrong.
        at.check_keys();
        let mutation = read(at);
        match diagnostics.finish().0.into_iter().next() {
            Some(fault) => Err(fault.into()),
            None => Ok(mutation.expect("an invalid mutation has a fault")),
        }
    }
}

impl<'de> Deserialize<'de> for Mutation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let tree = Value::deserialize(deserializer)?;
        Self::from_tree(&tree).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => D::Error::custom(format_args!("{error}: {source}")),
            None => D::Error::custom(error),
        })
    }
}

const OBJECT: &str = "an object";
const NAME: &str = "a name like web-01";
const OP: &str = "an op like add_lan";
const ARCHETYPE: &str = "the name of an archetype";

/// The deepest nesting of a field's value. It is on the sixth level of a maze file.
const DEEPEST: usize = MAX_DEPTH - 5;

fn read(at: At<'_, '_>) -> Option<Mutation> {
    let whole = at.fields(OBJECT, "a mutation", &["op", "payload"])?;
    let op = whole.required("op", OP)?;
    let word = op.text(OP)?;
    let Some(known) = Mutation::OPS.iter().find(|known| **known == word) else {
        op.note(Problem::UnknownWord {
            word: word.into(),
            known: Mutation::OPS,
        });
        return None;
    };
    read_payload(known, whole.required("payload", OBJECT)?)
}

fn read_payload(op: &'static str, payload: At<'_, '_>) -> Option<Mutation> {
    let fields = |known| payload.fields(OBJECT, op, known);
    Some(match op {
        "add_lan" => add_lan(&fields(&["name", "subnet", "is_dmz", "x", "y"])?)?.into(),
        "remove_lan" => RemoveLan::new(name(&fields(&["name"])?, "name")?).into(),
        "add_decky" => add_decky(&fields(&[
            "name",
            "lan",
            "services",
            "service_config",
            "archetype",
            "persona",
            "forwards_l3",
            "ip",
            "x",
            "y",
        ])?)?
        .into(),
        "attach_decky" => attach_decky(&fields(&["decky", "lan", "ip", "forwards_l3", "force"])?)?.into(),
        "detach_decky" => {
            let fields = fields(&["decky", "lan"])?;
            DetachDecky::new(name(&fields, "decky")?, name(&fields, "lan")?).into()
        }
        "remove_decky" => RemoveDecky::new(name(&fields(&["decky"])?, "decky")?).into(),
        "update_decky" => update_decky(&fields(&["decky", "patch", "services", "x", "y", "force"])?)?.into(),
        _ => update_lan(&fields(&["name", "patch", "x", "y"])?)?.into(),
    })
}

fn add_lan(fields: &Fields<'_, '_>) -> Option<AddLan> {
    Some(AddLan {
        name: name(fields, "name")?,
        subnet: fields.given("subnet").and_then(subnet),
        is_dmz: fields.flag("is_dmz"),
        x: fields.get("x").and_then(At::number),
        y: fields.get("y").and_then(At::number),
    })
}

fn add_decky(fields: &Fields<'_, '_>) -> Option<AddDecky> {
    Some(AddDecky {
        name: name(fields, "name")?,
        lan: name(fields, "lan")?,
        services: fields.get("services").map(services),
        service_config: fields.get("service_config").and_then(service_config),
        archetype: fields.get("archetype").and_then(archetype),
        persona: fields.get("persona").and_then(Persona::decode).map(Box::new),
        forwards_l3: fields.flag("forwards_l3"),
        ip: fields.given("ip").and_then(ip),
        x: fields.get("x").and_then(At::number),
        y: fields.get("y").and_then(At::number),
    })
}

fn attach_decky(fields: &Fields<'_, '_>) -> Option<AttachDecky> {
    Some(AttachDecky {
        decky: name(fields, "decky")?,
        lan: name(fields, "lan")?,
        ip: fields.given("ip").and_then(ip),
        forwards_l3: fields.flag("forwards_l3"),
        force: fields.flag("force"),
    })
}

fn update_decky(fields: &Fields<'_, '_>) -> Option<UpdateDecky> {
    let patch = |at: At<'_, '_>| {
        let known = &["service_config", "archetype", "persona", "forwards_l3"];
        let patch = at.fields(OBJECT, "a patch of a decky", known)?;
        Some(DeckyPatch {
            service_config: patch.get("service_config").and_then(service_config),
            archetype: patch.get("archetype").map(|at| at.given().and_then(archetype)),
            persona: patch
                .get("persona")
                .map(|at| at.given().and_then(Persona::decode).map(Box::new)),
            forwards_l3: patch.get("forwards_l3").and_then(At::flag),
        })
    };
    Some(UpdateDecky {
        decky: name(fields, "decky")?,
        patch: fields.get("patch").and_then(patch).unwrap_or_default(),
        services: fields.get("services").map(services),
        x: fields.get("x").map(coordinate),
        y: fields.get("y").map(coordinate),
        force: fields.flag("force"),
    })
}

fn update_lan(fields: &Fields<'_, '_>) -> Option<UpdateLan> {
    let patch = |at: At<'_, '_>| {
        let patch = at.fields(OBJECT, "a patch of a LAN", &["name", "subnet", "is_dmz"])?;
        Some(LanPatch {
            name: patch.get("name").and_then(any_name),
            subnet: patch.get("subnet").map(|at| at.given().and_then(subnet)),
            is_dmz: patch.get("is_dmz").and_then(At::flag),
        })
    };
    Some(UpdateLan {
        name: name(fields, "name")?,
        patch: fields.get("patch").and_then(patch).unwrap_or_default(),
        x: fields.get("x").map(coordinate),
        y: fields.get("y").map(coordinate),
    })
}

/// Reads a coordinate, or `null`, which clears it.
fn coordinate(at: At<'_, '_>) -> Option<Coordinate> {
    at.given().and_then(At::number)
}

fn name(fields: &Fields<'_, '_>, key: &'static str) -> Option<Name> {
    any_name(fields.required(key, NAME)?)
}

fn any_name(at: At<'_, '_>) -> Option<Name> {
    let text = at.text(NAME)?;
    let fault = |source| {
        let text = text.into();
        at.note(Problem::Name { text, source });
    };
    Name::new(text).map_err(fault).ok()
}

fn archetype(at: At<'_, '_>) -> Option<String> {
    at.text(ARCHETYPE).map(Into::into)
}

fn subnet(at: At<'_, '_>) -> Option<Ipv4Net> {
    let text = at.text("a subnet of the form 10.0.0.0/24, or null to have one allocated")?;
    let fault = |source| at.note(Problem::Subnet { source });
    net::parse_subnet(text).map_err(fault).ok()
}

fn ip(at: At<'_, '_>) -> Option<Ipv4Addr> {
    let text = at.text("an IPv4 address of the form 10.0.0.2, or null to have one allocated")?;
    let fault = |_| at.note(Problem::Address { text: text.into() });
    text.parse().map_err(fault).ok()
}

fn services<C: FromIterator<ServiceName>>(at: At<'_, '_>) -> C {
    let items = at.items("a list of services");
    let items = items.filter_map(|at| at.text("the name of a service").map(ServiceName::new));
    items.collect()
}

fn service_config(at: At<'_, '_>) -> Option<ServiceConfig> {
    // The service and its fields are two more levels.
    if at.value().is_deeper(DEEPEST + 2) {
        at.note(Problem::Other { message: too_deep() });
        return None;
    }
    Some(at.service_config("an object of services", "an object of fields"))
}

fn too_deep() -> String {
    format!("has values of more than {DEEPEST} levels of lists and objects")
}

/// Returns whether the lists and objects in a value are nested in more than this many levels.
fn is_deeper(value: &Json, levels: usize) -> bool {
    let deeper = |value: &Json| is_deeper(value, levels - 1);
    match value {
        Json::Array(items) => levels == 0 || items.iter().any(deeper),
        Json::Object(fields) => levels == 0 || fields.values().any(deeper),
        _ => false,
    }
}

/// Suggests the most likely word, or lists the known ones.
fn hint(word: &str, known: &[&str]) -> String {
    match spelling::hint(word, known.iter().copied()) {
        none if none.is_empty() => format!("; expected one of {}", known.join(", ")),
        hint => hint,
    }
}

impl From<Fault> for MutationError {
    fn from(fault: Fault) -> Self {
        let Fault { path, problem, .. } = fault;
        let whole = |path: String| if path.is_empty() { "the mutation".into() } else { path };
        match problem {
            Problem::UnknownKey { key, of, known, .. } => Self::UnknownKey {
                path,
                op: of.into(),
                hint: hint(&key, known),
            },
            Problem::DoubledKey { parent, key } => Self::Syntax {
                message: format!("`{key}` occurs twice in {}; remove one", whole(parent)),
            },
            Problem::MissingKey { expected, .. } => Self::MissingKey { path, expected },
            Problem::WrongType { expected, found, .. } => Self::WrongType {
                path: whole(path),
                expected,
                found,
            },
            Problem::UnknownWord { word, known } => Self::UnknownOp {
                hint: hint(&word, known),
                op: word,
            },
            Problem::Name { text, source } => Self::NameInvalid { path, text, source },
            Problem::Subnet { source } => Self::SubnetMalformed { path, source },
            Problem::Address { text } => Self::IpMalformed { path, text },
            Problem::Other { message } => Self::Syntax {
                message: format!("{} {message}", whole(path)),
            },
            Problem::Found { finding } => Self::Syntax {
                message: finding.message,
            },
        }
    }
}
