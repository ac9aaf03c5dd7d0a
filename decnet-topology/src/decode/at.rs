use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::de::DeserializeOwned;

use crate::{
    decode::{Diagnostics, Problem, Value},
    finding::{Code, Finding, Target},
    name::ServiceName,
};

/// The keys and indices that lead to a value.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// Returns the last key.
    fn key(self) -> Option<&'p str> {
        match self {
            Path::Root => None,
            Path::Key(_, key) => Some(key),
            Path::Index(before, _) => before.key(),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root => Ok(()),
            Path::Key(Path::Root, key) => write!(f, "{key}"),
            Path::Key(before, key) => write!(f, "{before}.{key}"),
            Path::Index(before, index) => write!(f, "{before}[{index}]"),
        }
    }
}

/// A value and its path.
#[derive(Clone, Copy)]
pub(crate) struct At<'p, 't> {
    diagnostics: &'p Diagnostics<'p>,
    path: Path<'p>,
    value: &'t Value<'t>,
}

impl<'p, 't> At<'p, 't> {
    /// Starts at the outermost value.
    pub(crate) fn root(diagnostics: &'p Diagnostics<'p>, value: &'t Value<'t>) -> Self {
        Self {
            diagnostics,
            path: Path::Root,
            value,
        }
    }

    /// Returns the value.
    pub(crate) fn value(self) -> &'t Value<'t> {
        self.value
    }

    /// Returns where faults of the text are recorded.
    pub(crate) fn diagnostics(self) -> &'p Diagnostics<'p> {
        self.diagnostics
    }

    /// Returns the path of the value, for people.
    pub(crate) fn path(self) -> String {
        self.path.to_string()
    }

    /// Returns whether the value is a map.
    pub(crate) fn is_map(self) -> bool {
        matches!(self.value, Value::Map(_))
    }

    /// Returns the value if it is a text.
    pub(crate) fn as_text(self) -> Option<&'t str> {
        match self.value {
            Value::Text(text) => Some(text.as_ref()),
            _ => None,
        }
    }

    /// Returns the position of the value in the text, or of its key if the value is not a text itself. An item of a list has the
    /// position of its first key, where positions nearby are wanted.
    pub(crate) fn offset(self) -> Option<usize> {
        let own = match (self.value, self.path) {
            (Value::Text(text), _) => self.diagnostics.offset_of(text),
            (_, Path::Key(_, key)) => self.diagnostics.offset_of(key),
            _ => None,
        };
        let first = match self.value {
            Value::Map(entries) => entries.first().map(|(key, _)| &**key),
            _ => None,
        };
        let mut near = [first, self.path.key()].into_iter().flatten();
        own.or_else(|| near.find_map(|key| self.diagnostics.offset_near(key)))
    }

    /// Records a problem of the value.
    pub(crate) fn note(self, problem: Problem) {
        self.diagnostics.note(self.offset(), self.path.to_string(), problem);
    }

    /// Records a fault with a complete description, which names its subject.
    pub(crate) fn fault(self, message: impl Into<String>) {
        let target = Target::Document {
            path: self.path.to_string(),
            line: None,
            column: None,
        };
        let finding = Finding::new(Code::DocType, target, message);
        self.note(Problem::Found { finding });
    }

    /// Reads one of a closed set of words.
    pub(crate) fn word<T: DeserializeOwned>(self, known: &'static [&'static str]) -> Option<T> {
        let word = self.text("a word")?;
        let read = serde_json::from_value(word.into()).ok();
        if read.is_none() {
            let word = word.into();
            self.note(Problem::UnknownWord { word, known });
        }
        read
    }

    /// Returns whether enough faults of a code are listed, and counts one more if so.
    pub(crate) fn counts_only(self, code: Code) -> bool {
        self.diagnostics.counts_only(code)
    }

    /// Records that the value has the wrong type.
    pub(crate) fn mismatch(self, expected: impl Into<Cow<'static, str>>) {
        self.mismatched(expected, self.value.type_name());
    }

    fn mismatched(self, expected: impl Into<Cow<'static, str>>, found_type: &'static str) {
        if !self.diagnostics.counts_only(Code::DocType) {
            self.note(Problem::WrongType {
                expected: expected.into(),
                found: self.value.to_string(),
                found_type,
            });
        }
    }

    /// Returns the value unless it is `null`.
    pub(crate) fn given(self) -> Option<Self> {
        Some(self).filter(|at| *at.value != Value::Null)
    }

    /// Returns the value, or records that it has the wrong type.
    pub(crate) fn expect<T>(self, read: Option<T>, expected: impl Into<Cow<'static, str>>) -> Option<T> {
        if read.is_none() {
            self.mismatch(expected);
        }
        read
    }

    /// Reads a text.
    pub(crate) fn text(self, expected: &'static str) -> Option<&'t str> {
        self.expect(self.as_text(), expected)
    }

    /// Reads a boolean.
    pub(crate) fn flag(self) -> Option<bool> {
        let flag = match self.value {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        };
        self.expect(flag, "true or false")
    }

    /// Reads a whole number from 0.
    pub(crate) fn whole(self) -> Option<u64> {
        self.expect(self.as_u64(), "a whole number from 0")
    }

    /// Reads a whole number of a type, which `expected` describes.
    pub(crate) fn integer<T: TryFrom<i64> + TryFrom<u64>>(self, expected: &'static str) -> Option<T> {
        let number = match self.value {
            Value::Unsigned(number) => T::try_from(*number).ok(),
            Value::Signed(number) => T::try_from(*number).ok(),
            _ => None,
        };
        self.expect(number, expected)
    }

    /// Reads a number of a type that accepts finite numbers only.
    pub(crate) fn number<T: TryFrom<f64>>(self) -> Option<T> {
        let number = self.as_f64().and_then(|number| T::try_from(number).ok());
        self.expect(number, "a finite number")
    }

    /// Returns the value if it is a whole number from 0.
    pub(crate) fn as_u64(self) -> Option<u64> {
        match self.value {
            Value::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns the value if it is a number.
    #[expect(clippy::cast_precision_loss, reason = "the nearest float is precise enough")]
    pub(crate) fn as_f64(self) -> Option<f64> {
        match self.value {
            Value::Unsigned(number) => Some(*number as f64),
            Value::Signed(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// Walks the items of a list.
    pub(crate) fn items(&self, expected: &'static str) -> impl Iterator<Item = At<'_, 't>> {
        if !matches!(self.value, Value::List(_)) {
            self.mismatch(expected);
        }
        self.value.items().enumerate().map(|(index, value)| At {
            diagnostics: self.diagnostics,
            path: Path::Index(&self.path, index),
            value,
        })
    }

    /// Reads a map with a closed set of keys. Unknown and repeated keys are recorded.
    pub(crate) fn fields(
        self,
        expected: &'static str,
        of: &'static str,
        known: &'static [&'static str],
    ) -> Option<Fields<'p, 't>> {
        debug_assert!(known.len() <= 32);
        let Value::Map(entries) = self.value else {
            self.mismatch(expected);
            return None;
        };
        let mut seen = 0_u32;
        for (key, _) in entries {
            match known.iter().position(|known| *known == key) {
                Some(at) if seen & (1 << at) == 0 => seen |= 1 << at,
                Some(_) => self.doubled(key),
                None => self.note_key(key, |parent, key| Problem::UnknownKey { parent, key, of, known }),
            }
        }
        Some(Fields { at: self, entries })
    }

    fn doubled(&self, key: &str) {
        self.note_key(key, |parent, key| Problem::DoubledKey { parent, key });
    }

    fn note_key(&self, key: &str, problem: impl FnOnce(String, String) -> Problem) {
        if !self.diagnostics.counts_only(Code::DocUnknownKey) {
            let path = Path::Key(&self.path, key).to_string();
            let problem = problem(self.path.to_string(), key.into());
            self.diagnostics.note(self.diagnostics.offset_of(key), path, problem);
        }
    }

    /// Walks the entries of a map with any keys. Of a repeated key, the first counts.
    pub(crate) fn entries(&self, expected: &'static str) -> impl Iterator<Item = (&'t str, At<'_, 't>)> {
        let entries = match self.value {
            Value::Map(entries) => Some(entries.as_slice()),
            _ => None,
        };
        let entries = self.expect(entries, expected).unwrap_or_default();
        let mut seen = BTreeSet::new();
        entries.iter().filter_map(move |(key, value)| {
            if !seen.insert(&**key) {
                self.doubled(key);
                return None;
            }
            let at = At {
                diagnostics: self.diagnostics,
                path: Path::Key(&self.path, key),
                value,
            };
            Some((&**key, at))
        })
    }

    /// Reads any value as JSON. Values that JSON cannot represent are dropped.
    pub(crate) fn json(self) -> Option<serde_json::Value> {
        Some(match self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Unsigned(value) => (*value).into(),
            Value::Signed(value) => (*value).into(),
            Value::Text(text) => text.as_ref().into(),
            Value::Float(value) => {
                let number = serde_json::Number::from_f64(*value);
                if number.is_none() {
                    self.mismatched("a finite number", "infinity or NaN");
                }
                number?.into()
            }
            Value::List(_) => self.items("a list").filter_map(At::json).collect(),
            Value::Map(_) => {
                let entries = self.entries("a map");
                let entries = entries.filter_map(|(key, at)| Some((key.to_owned(), at.json()?)));
                serde_json::Value::Object(entries.collect())
            }
        })
    }

    /// Records every repeated key of a map, at any depth.
    pub(crate) fn check_keys(self) {
        match self.value {
            Value::List(_) => self.items("a list").for_each(At::check_keys),
            Value::Map(_) => self.entries("a map").for_each(|(_, at)| at.check_keys()),
            _ => {}
        }
    }

    /// Reads the configuration of services: service, field, any value.
    pub(crate) fn service_config(
        self,
        services: &'static str,
        fields: &'static str,
    ) -> BTreeMap<ServiceName, BTreeMap<String, serde_json::Value>> {
        let services = self.entries(services);
        let services = services.filter_map(|(service, at)| {
            let read = at
                .entries(fields)
                .filter_map(|(key, at)| Some((key.to_owned(), at.json()?)));
            let read = read.collect();
            matches!(at.value, Value::Map(_)).then(|| (ServiceName::new(service), read))
        });
        services.collect()
    }

    /// Reads a value by serde.
    pub(crate) fn parsed<T: DeserializeOwned>(self, what: &str) -> Option<T> {
        match serde_json::from_value(self.json()?) {
            Ok(parsed) => Some(parsed),
            Err(error) => {
                let message = format!("is not {what}: {error}");
                self.note(Problem::Other { message });
                None
            }
        }
    }
}

/// A map with a closed set of keys.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'p, 't> {
    at: At<'p, 't>,
    entries: &'t [(Cow<'t, str>, Value<'t>)],
}

impl<'t> Fields<'_, 't> {
    /// Returns the value of a key; of a repeated key, the first.
    pub(crate) fn get(&self, key: &str) -> Option<At<'_, 't>> {
        let (key, value) = self.entries.iter().find(|(name, _)| name == key)?;
        Some(At {
            diagnostics: self.at.diagnostics,
            path: Path::Key(&self.at.path, key),
            value,
        })
    }

    /// Returns the value of a key unless it is `null`.
    pub(crate) fn given(&self, key: &str) -> Option<At<'_, 't>> {
        self.get(key)?.given()
    }

    /// Returns the value of a required key.
    pub(crate) fn required(&self, key: &'static str, expected: &'static str) -> Option<At<'_, 't>> {
        let found = self.get(key);
        if found.is_none() && !self.at.diagnostics.counts_only(Code::DocType) {
            let path = Path::Key(&self.at.path, key).to_string();
            let parent = self.at.path.to_string();
            let problem = Problem::MissingKey { parent, key, expected };
            self.at.diagnostics.note(self.place(), path, problem);
        }
        found
    }

    /// Reads a boolean; the default is false.
    pub(crate) fn flag(&self, key: &str) -> bool {
        self.get(key).and_then(At::flag).unwrap_or_default()
    }

    /// Returns the position where a missing key could be added: that of the last entry, or of the empty map.
    fn place(&self) -> Option<usize> {
        // A missing name belongs to the whole maze file, not to a place in it.
        if matches!(self.at.path, Path::Root) {
            return None;
        }
        let last = self.entries.last().and_then(|(key, value)| {
            let text = match value {
                Value::Text(text) => text,
                _ => key,
            };
            self.at.diagnostics.offset_of(text)
        });
        last.or_else(|| self.at.offset())
    }
}
