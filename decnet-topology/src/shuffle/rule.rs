use std::{borrow::Cow, collections::BTreeSet, time::Duration};

use jiff::SignedDuration;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{
    decode::{At, Problem},
    finding::{Code, Finding, Target},
    name::ServiceName,
};

/// The shortest interval: each shuffle replaces containers.
const SHORTEST: Duration = Duration::from_mins(1);

/// Longer intervals are typing errors.
const LONGEST: Duration = Duration::from_hours(10 * 365 * 24);

/// Parts of one.
const MILLION: u32 = 1_000_000;

/// How often a decky gets other services, and which ones.
///
/// ```
/// use std::time::Duration;
///
/// use decnet_topology::{Shuffle, ShuffleSource};
///
/// let json = r#"{"every": "6h", "jitter": 0.2, "from": ["http", "ssh", "ftp"]}"#;
/// let shuffle: Shuffle = serde_json::from_str(json)?;
/// let services = ["http", "ssh", "ftp"].map(Into::into);
/// let built = Shuffle::new(Duration::from_hours(6), ShuffleSource::Services(services.into()))?.jitter(0.2)?;
/// assert_eq!(shuffle, built);
/// assert_eq!(serde_json::to_string(&shuffle)?, r#"{"every":"6h","jitter":0.2,"from":["ftp","http","ssh"]}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename = "shuffle", try_from = "Written", into = "Written")]
pub struct Shuffle {
    every: Duration,
    /// In millionths.
    jitter: u32,
    from: ShuffleSource,
    published: bool,
}

impl Shuffle {
    /// Creates a rule without jitter that leaves gateways alone.
    ///
    /// # Errors
    ///
    /// An interval under a minute or over ten years, or an empty list of services.
    pub fn new(every: Duration, from: ShuffleSource) -> Result<Self, ShuffleError> {
        let text = || print(every);
        if every < SHORTEST {
            return Err(ShuffleError::TooOften { every: text() });
        }
        if every > LONGEST {
            return Err(ShuffleError::TooRare { every: text() });
        }
        if matches!(&from, ShuffleSource::Services(services) if services.is_empty()) {
            return Err(ShuffleError::NoServices);
        }
        Ok(Self {
            every,
            jitter: 0,
            from,
            published: false,
        })
    }

    /// Sets by how much two shuffles may be closer or farther apart than the interval, as a part of it.
    ///
    /// # Errors
    ///
    /// A number that is not between 0 and 1.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the number is between 0 and a million"
    )]
    pub fn jitter(mut self, jitter: f64) -> Result<Self, ShuffleError> {
        if !(0.0..=1.0).contains(&jitter) {
            return Err(ShuffleError::Jitter {
                jitter: jitter.to_string(),
            });
        }
        self.jitter = (jitter * f64::from(MILLION)).round() as u32;
        Ok(self)
    }

    /// Sets whether gateways are shuffled too. The host publishes the ports of their services, so their bases are recreated.
    #[must_use]
    pub fn published(mut self, published: bool) -> Self {
        self.published = published;
        self
    }

    /// Returns the interval between two shuffles.
    pub fn every(&self) -> Duration {
        self.every
    }

    /// Returns by how much of the interval a shuffle may be late.
    pub fn longest_delay(&self) -> Duration {
        let nanos = self.every.as_nanos() * u128::from(self.jitter) / u128::from(MILLION);
        Duration::from_nanos_u128(nanos)
    }

    /// Returns where the services come from.
    pub fn source(&self) -> &ShuffleSource {
        &self.from
    }

    /// Returns whether gateways are shuffled too.
    pub fn takes_published(&self) -> bool {
        self.published
    }

    /// Reads the rule of a document. The target is what it is for.
    pub(crate) fn decode(at: At<'_, '_>) -> Option<Self> {
        let fields = at.fields(
            "a map with `every` and `from`",
            "a shuffle",
            &["every", "jitter", "from", "published"],
        )?;
        let every = fields.required("every", "a duration like 6h");
        let every = every.and_then(|at| Some((at, at.text("a duration like 6h")?)));
        let from = fields.required("from", "a list of services, or `archetype`");
        let from = from.and_then(|at| Some((at, ShuffleSource::decode(at)?)));
        let jitter = fields.given("jitter");
        let jitter = jitter.and_then(|at| Some((at, at.expect(at.as_f64(), "a number from 0 to 1")?)));
        let published = fields.flag("published");
        let ((every_at, every), (from_at, from)) = (every?, from?);
        let place = |error: &ShuffleError| match error {
            ShuffleError::NoServices => from_at,
            _ => every_at,
        };
        let rule = parse(every).and_then(|every| Self::new(every, from));
        let rule = rule.map_err(|error| note(place(&error), &error)).ok()?;
        let rule = rule.published(published);
        match jitter {
            None => Some(rule),
            Some((at, jitter)) => rule.jitter(jitter).map_err(|error| note(at, &error)).ok(),
        }
    }
}

/// Records that a value of a rule is invalid.
fn note(at: At<'_, '_>, error: &ShuffleError) {
    let target = Target::Document {
        path: at.path(),
        line: None,
        column: None,
    };
    let finding = Finding::new(Code::ShuffleInvalid, target, format!("{}: {error}", at.path()));
    at.note(Problem::Found { finding });
}

/// Where the services of a shuffle come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a list of services, or `archetype`")]
#[non_exhaustive]
pub enum ShuffleSource {
    /// These services. A decky keeps the number of its services.
    Services(BTreeSet<ServiceName>),
    /// The services of the decky's archetype, any number of them. A decky without an archetype is not shuffled.
    #[serde(with = "archetype")]
    Archetype,
}

impl ShuffleSource {
    fn decode(at: At<'_, '_>) -> Option<Self> {
        if at.as_text() == Some(archetype::WORD) {
            return Some(Self::Archetype);
        }
        let items = at.items("a list of services, or `archetype`");
        let read: Vec<_> = items.map(|at| at.text("a text").map(ServiceName::new)).collect();
        let read: Option<BTreeSet<_>> = read.into_iter().collect();
        Some(Self::Services(read.filter(|_| at.value().type_name() == "a list")?))
    }
}

mod archetype {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) const WORD: &str = "archetype";

    pub(super) fn serialize<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(WORD)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            WORD => Ok(()),
            other => Err(D::Error::custom(format!("`{other}` is not `{WORD}`"))),
        }
    }
}

impl JsonSchema for ShuffleSource {
    fn schema_name() -> Cow<'static, str> {
        "shuffle_source".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
                {"const": archetype::WORD}
            ]
        })
    }
}

/// A rule as it is written.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Written {
    /// The interval: 30m, 6h or 168h; a minute at least.
    every: Every,
    /// By how much of the interval a shuffle may be late: from 0 to 1.
    #[schemars(range(min = 0.0, max = 1.0))]
    #[serde(default, skip_serializing_if = "is_zero")]
    jitter: f64,
    /// The built-in services to draw from, or `archetype` for those of the decky's archetype.
    from: ShuffleSource,
    /// Whether gateways are shuffled too. Their bases are recreated.
    #[serde(default, skip_serializing_if = "is_false")]
    published: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// An interval as text.
#[derive(Clone)]
struct Every(Duration);

impl Serialize for Every {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&print(self.0))
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Every {
    fn schema_name() -> Cow<'static, str> {
        "interval".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string"})
    }
}

fn parse(text: &str) -> Result<Duration, ShuffleError> {
    let invalid = || ShuffleError::Every { text: text.into() };
    let signed: SignedDuration = text.parse().map_err(|_| invalid())?;
    Duration::try_from(signed).map_err(|_| invalid())
}

fn print(every: Duration) -> String {
    SignedDuration::try_from(every).map_or_else(|_| format!("{every:?}"), |every| format!("{every:#}"))
}

impl TryFrom<Written> for Shuffle {
    type Error = ShuffleError;

    fn try_from(written: Written) -> Result<Self, ShuffleError> {
        let rule = Self::new(written.every.0, written.from)?.jitter(written.jitter)?;
        Ok(rule.published(written.published))
    }
}

impl From<Shuffle> for Written {
    fn from(rule: Shuffle) -> Self {
        Self {
            every: Every(rule.every),
            jitter: f64::from(rule.jitter) / f64::from(MILLION),
            from: rule.from,
            published: rule.published,
        }
    }
}

/// Why a rule of shuffles is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case", prefix = "shuffle_")]
#[non_exhaustive]
pub enum ShuffleError {
    /// The interval is not a duration.
    #[error("invalid duration `{text}`; try 30m, 6h or 168h")]
    Every {
        /// The text.
        text: String,
    },
    /// The interval is under a minute.
    #[error("{every} is too short; the shortest interval is 1m")]
    TooOften {
        /// The interval.
        every: String,
    },
    /// The interval is over ten years.
    #[error("{every} is too long; the longest interval is 10 years")]
    TooRare {
        /// The interval.
        every: String,
    },
    /// The jitter is not between 0 and 1.
    #[error("the jitter {jitter} is not between 0 and 1; try 0.2")]
    Jitter {
        /// The number.
        jitter: String,
    },
    /// The list of services is empty.
    #[error("the list of services is empty; name those to draw from, or write `archetype`")]
    NoServices,
}

impl ShuffleError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_rules_are_refused_with_what_to_do() {
        let refused = |json: &str| {
            let refused = serde_json::from_str::<Shuffle>(json);
            refused.map(|_| ()).map_err(|error| error.to_string())
        };
        for (json, reason) in [
            (r#"{"every": "0s", "from": ["ssh"]}"#, "the shortest interval is 1m"),
            (r#"{"every": "59s", "from": ["ssh"]}"#, "59s is too short"),
            (r#"{"every": "100000h", "from": ["ssh"]}"#, "too long"),
            (
                r#"{"every": "-6h", "from": ["ssh"]}"#,
                "invalid duration `-6h`; try 30m",
            ),
            (r#"{"every": "soon", "from": ["ssh"]}"#, "invalid duration `soon`"),
            (r#"{"every": "6h", "from": []}"#, "the list of services is empty"),
            (
                r#"{"every": "6h", "from": "any"}"#,
                "a list of services, or `archetype`",
            ),
            (
                r#"{"every": "6h", "jitter": 1.1, "from": ["ssh"]}"#,
                "1.1 is not between 0 and 1",
            ),
            (
                r#"{"every": "6h", "jitter": -0.1, "from": ["ssh"]}"#,
                "not between 0 and 1",
            ),
            (r#"{"every": "6h"}"#, "missing field `from`"),
            (r#"{"every": "6h", "from": ["ssh"], "at": 1}"#, "unknown field `at`"),
        ] {
            let refused = refused(json).expect_err(json);
            assert!(refused.contains(reason), "{json}: {refused}");
        }
        assert_eq!(ShuffleError::NoServices.code(), "shuffle_no_services");
    }

    #[test]
    fn a_rule_reads_as_it_is_written() {
        for json in [
            r#"{"every":"6h","jitter":0.2,"from":["ftp","ssh"]}"#,
            r#"{"every":"1h 30m","from":"archetype","published":true}"#,
        ] {
            let rule: Shuffle = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&rule).unwrap(), json);
        }
    }
}
