use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Map, Value};

use crate::{
    document::{MAX_DEPTH, SoundValue},
    model::{ServiceConfig, ServiceFields},
    mutation::{
        AddDecky, AddLan, AttachDecky, DeckyPatch, DetachDecky, LanPatch, MAX_BYTES, Mutation, MutationError,
        RemoveDecky, RemoveLan, UpdateDecky, UpdateLan,
    },
    name::{Name, ServiceName},
    net, spelling,
};

type Read<T> = Result<T, MutationError>;

impl Mutation {
    /// Reads a mutation from a JSON text, of at most [`MAX_BYTES`] and as deep as a maze file may be.
    pub fn from_json(text: &str) -> Result<Self, MutationError> {
        let syntax = |message| MutationError::Syntax { message };
        if text.len() > MAX_BYTES {
            return Err(syntax(format!("it has {} bytes, {MAX_BYTES} are allowed", text.len())));
        }
        let value: SoundValue = serde_json::from_str(text).map_err(|error| syntax(error.to_string()))?;
        Self::from_value(&value.0)
    }

    /// Reads a mutation from a JSON value: the first fault is told.
    pub fn from_value(value: &Value) -> Result<Self, MutationError> {
        let whole = Fields::of(At::root(value), "a mutation", &["op", "payload"])?;
        let op = whole.required("op", OP)?.text(OP)?;
        if !Self::OPS.contains(&op) {
            return Err(MutationError::UnknownOp {
                op: op.into(),
                hint: hint(op, Self::OPS),
            });
        }
        read_payload(op, &whole.required("payload", "an object")?)
    }
}

impl<'de> Deserialize<'de> for Mutation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = SoundValue::deserialize(deserializer)?;
        Self::from_value(&value.0).map_err(|error| match std::error::Error::source(&error) {
            Some(source) => D::Error::custom(format_args!("{error}: {source}")),
            None => D::Error::custom(error),
        })
    }
}

fn read_payload(op: &str, payload: &At<'_>) -> Read<Mutation> {
    let fields = |known| Fields::of(payload.clone(), op, known);
    Ok(match op {
        "add_lan" => add_lan(&fields(&["name", "subnet", "is_dmz", "x", "y"])?)?.into(),
        "remove_lan" => RemoveLan::new(fields(&["name"])?.name("name")?).into(),
        "add_decky" => add_decky(&fields(&[
            "name",
            "lan",
            "services",
            "service_config",
            "archetype",
            "forwards_l3",
            "ip",
            "x",
            "y",
        ])?)?
        .into(),
        "attach_decky" => attach_decky(&fields(&["decky", "lan", "ip", "forwards_l3", "force"])?)?.into(),
        "detach_decky" => {
            let fields = fields(&["decky", "lan"])?;
            DetachDecky::new(fields.name("decky")?, fields.name("lan")?).into()
        }
        "remove_decky" => RemoveDecky::new(fields(&["decky"])?.name("decky")?).into(),
        "update_decky" => update_decky(&fields(&["decky", "patch", "services", "x", "y", "force"])?)?.into(),
        _ => update_lan(&fields(&["name", "patch", "x", "y"])?)?.into(),
    })
}

fn add_lan(fields: &Fields<'_>) -> Read<AddLan> {
    Ok(AddLan {
        name: fields.name("name")?,
        subnet: fields.read("subnet", At::subnet)?.flatten(),
        is_dmz: fields.flag("is_dmz")?,
        x: fields.read("x", At::number)?,
        y: fields.read("y", At::number)?,
    })
}

fn add_decky(fields: &Fields<'_>) -> Read<AddDecky> {
    Ok(AddDecky {
        name: fields.name("name")?,
        lan: fields.name("lan")?,
        services: fields.read("services", At::services)?.unwrap_or_default(),
        service_config: fields.read("service_config", At::service_config)?,
        archetype: fields.read("archetype", |at| at.text(ARCHETYPE).map(Into::into))?,
        forwards_l3: fields.flag("forwards_l3")?,
        ip: fields.read("ip", At::ip)?.flatten(),
        x: fields.read("x", At::number)?,
        y: fields.read("y", At::number)?,
    })
}

fn attach_decky(fields: &Fields<'_>) -> Read<AttachDecky> {
    Ok(AttachDecky {
        decky: fields.name("decky")?,
        lan: fields.name("lan")?,
        ip: fields.read("ip", At::ip)?.flatten(),
        forwards_l3: fields.flag("forwards_l3")?,
        force: fields.flag("force")?,
    })
}

fn update_decky(fields: &Fields<'_>) -> Read<UpdateDecky> {
    let patch = |at| {
        let patch = Fields::of(
            at,
            "a patch of a decky",
            &["service_config", "archetype", "forwards_l3"],
        )?;
        Ok(DeckyPatch {
            service_config: patch.read("service_config", At::service_config)?,
            archetype: patch.read("archetype", |at| at.or_null(|at| at.text(ARCHETYPE).map(Into::into)))?,
            forwards_l3: patch.read("forwards_l3", At::flag)?,
        })
    };
    Ok(UpdateDecky {
        decky: fields.name("decky")?,
        patch: fields.read("patch", patch)?.unwrap_or_default(),
        services: fields.read("services", At::services)?,
        x: fields.read("x", At::number)?,
        y: fields.read("y", At::number)?,
        force: fields.flag("force")?,
    })
}

fn update_lan(fields: &Fields<'_>) -> Read<UpdateLan> {
    let patch = |at| {
        let patch = Fields::of(at, "a patch of a LAN", &["name", "subnet", "is_dmz"])?;
        Ok(LanPatch {
            name: patch.read("name", At::name)?,
            subnet: patch.read("subnet", At::subnet)?,
            is_dmz: patch.read("is_dmz", At::flag)?,
        })
    };
    Ok(UpdateLan {
        name: fields.name("name")?,
        patch: fields.read("patch", patch)?.unwrap_or_default(),
        x: fields.read("x", At::number)?,
        y: fields.read("y", At::number)?,
    })
}

const NAME: &str = "a name like web-01";
const OP: &str = "an op like add_lan";
const ARCHETYPE: &str = "the name of an archetype";

/// How deep the value of a service's field may be: it stands on the sixth level of a maze file.
const DEEPEST: usize = MAX_DEPTH - 5;

/// Says which word was most likely meant, or which there are.
fn hint(word: &str, known: &[&str]) -> String {
    match spelling::hint(word, known.iter().copied()) {
        none if none.is_empty() => format!("; there are {}", known.join(", ")),
        hint => hint,
    }
}

/// An object with a closed set of keys.
struct Fields<'v> {
    path: String,
    entries: &'v Map<String, Value>,
}

impl<'v> Fields<'v> {
    fn of(at: At<'v>, what: &str, known: &[&str]) -> Read<Self> {
        let Value::Object(entries) = at.value else {
            return Err(at.mismatch("an object"));
        };
        let fields = Self { path: at.path, entries };
        match entries.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(MutationError::UnknownKey {
                path: fields.path_to(key),
                op: what.into(),
                hint: hint(key, known),
            }),
            None => Ok(fields),
        }
    }

    fn path_to(&self, key: &str) -> String {
        match self.path.as_str() {
            "" => key.into(),
            path => format!("{path}.{key}"),
        }
    }

    fn get(&self, key: &str) -> Option<At<'v>> {
        self.entries.get(key).map(|value| At {
            path: self.path_to(key),
            value,
        })
    }

    fn required(&self, key: &str, expected: &'static str) -> Read<At<'v>> {
        self.get(key).ok_or_else(|| MutationError::MissingKey {
            path: self.path_to(key),
            expected,
        })
    }

    /// Reads what may be left out.
    fn read<T>(&self, key: &str, read: impl FnOnce(At<'v>) -> Read<T>) -> Read<Option<T>> {
        self.get(key).map(read).transpose()
    }

    fn name(&self, key: &str) -> Read<Name> {
        self.required(key, NAME)?.name()
    }

    fn flag(&self, key: &str) -> Read<bool> {
        Ok(self.read(key, At::flag)?.unwrap_or_default())
    }
}

/// A value, and where it stands.
#[derive(Clone)]
struct At<'v> {
    path: String,
    value: &'v Value,
}

impl<'v> At<'v> {
    fn root(value: &'v Value) -> Self {
        Self {
            path: String::new(),
            value,
        }
    }

    fn mismatch(self, expected: &'static str) -> MutationError {
        let found = match self.value {
            Value::Array(_) => "a list".into(),
            Value::Object(_) => "an object".into(),
            Value::String(text) if text.len() > 64 => "a long text".into(),
            value => value.to_string(),
        };
        let path = match self.path.as_str() {
            "" => "the mutation".into(),
            _ => self.path,
        };
        MutationError::WrongType { path, expected, found }
    }

    fn or_null<T>(self, read: impl FnOnce(Self) -> Read<T>) -> Read<Option<T>> {
        match self.value {
            Value::Null => Ok(None),
            _ => read(self).map(Some),
        }
    }

    fn text(self, expected: &'static str) -> Read<&'v str> {
        match self.value {
            Value::String(text) => Ok(text),
            _ => Err(self.mismatch(expected)),
        }
    }

    fn name(self) -> Read<Name> {
        let path = self.path.clone();
        let text = self.text(NAME)?;
        Name::new(text).map_err(|source| MutationError::NameInvalid {
            path,
            text: text.into(),
            source,
        })
    }

    fn flag(self) -> Read<bool> {
        match self.value {
            Value::Bool(flag) => Ok(*flag),
            _ => Err(self.mismatch("true or false")),
        }
    }

    fn number(self) -> Read<f64> {
        match self.value.as_f64().filter(|number| number.is_finite()) {
            Some(number) => Ok(number),
            None => Err(self.mismatch("a finite number")),
        }
    }

    /// Reads a subnet; none if one is to be allocated.
    fn subnet(self) -> Read<Option<Ipv4Net>> {
        self.or_null(|at| {
            let path = at.path.clone();
            let text = at.text("a subnet of the form 10.0.0.0/24, or null to have one allocated")?;
            net::parse_subnet(text).map_err(|source| MutationError::SubnetMalformed { path, source })
        })
    }

    /// Reads an address; none if one is to be allocated.
    fn ip(self) -> Read<Option<Ipv4Addr>> {
        self.or_null(|at| {
            let path = at.path.clone();
            let text = at.text("an IPv4 address of the form 10.0.0.2, or null to have one allocated")?;
            let malformed = |_| MutationError::IpMalformed {
                path,
                text: text.into(),
            };
            text.parse().map_err(malformed)
        })
    }

    fn services<C: FromIterator<ServiceName>>(self) -> Read<C> {
        let Value::Array(items) = self.value else {
            return Err(self.mismatch("a list of services"));
        };
        let items = items.iter().enumerate().map(|(index, value)| {
            let path = format!("{}[{index}]", self.path);
            At { path, value }.text("the name of a service").map(ServiceName::new)
        });
        items.collect()
    }

    fn service_config(self) -> Read<ServiceConfig> {
        let Value::Object(services) = self.value else {
            return Err(self.mismatch("an object of services"));
        };
        let services = services.iter().map(|(service, value)| {
            let path = format!("{}.{service}", self.path);
            let fields = At { path, value }.service_fields()?;
            Ok((ServiceName::new(service), fields))
        });
        services.collect()
    }

    fn service_fields(self) -> Read<ServiceFields> {
        let Value::Object(fields) = self.value else {
            return Err(self.mismatch("an object of fields"));
        };
        if fields.values().any(|value| is_deeper(value, DEEPEST)) {
            return Err(MutationError::Syntax {
                message: format!("{} has more than {} levels of lists and objects", self.path, DEEPEST),
            });
        }
        Ok(fields.iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }
}

fn is_deeper(value: &Value, levels: usize) -> bool {
    let deeper = |value| is_deeper(value, levels - 1);
    match value {
        Value::Array(items) => levels == 0 || items.iter().any(deeper),
        Value::Object(entries) => levels == 0 || entries.values().any(deeper),
        _ => false,
    }
}
