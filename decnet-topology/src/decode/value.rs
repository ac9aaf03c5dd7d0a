use std::{borrow::Cow, cell::Cell, fmt, slice};

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor},
};

use crate::decode::{MAX_DEPTH, MAX_VALUES};

/// A value of a text. Strings without escapes are borrowed, so that their address gives their position in the text.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'t> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'t, str>),
    List(Vec<Self>),
    /// In the order of the text. A key may occur more than once.
    Map(Vec<(Cow<'t, str>, Self)>),
}

/// The refusal of lists and maps that are nested too deeply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_DEPTH} levels of lists and maps")]
pub(crate) struct TooDeep;

/// The refusal of a text with too many values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_VALUES} values; split it into smaller mazes")]
struct TooMany;

impl<'t> Value<'t> {
    /// Borrows a JSON value.
    pub(crate) fn from_json(value: &'t serde_json::Value) -> Result<Self, TooDeep> {
        Self::from_json_within(value, MAX_DEPTH)
    }

    fn from_json_within(value: &'t serde_json::Value, levels: usize) -> Result<Self, TooDeep> {
        use serde_json::Value as Json;
        Ok(match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => match (number.as_u64(), number.as_i64()) {
                (Some(value), _) => Self::Unsigned(value),
                (None, Some(value)) => Self::Signed(value),
                (None, None) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::Text(Cow::Borrowed(text)),
            Json::Array(items) => {
                let levels = levels.checked_sub(1).ok_or(TooDeep)?;
                let items = items.iter().map(|item| Self::from_json_within(item, levels));
                Self::List(items.collect::<Result<_, _>>()?)
            }
            Json::Object(entries) => {
                let levels = levels.checked_sub(1).ok_or(TooDeep)?;
                let entries = entries
                    .iter()
                    .map(|(key, value)| Ok((Cow::Borrowed(key.as_str()), Self::from_json_within(value, levels)?)));
                Self::Map(entries.collect::<Result<_, _>>()?)
            }
        })
    }

    /// Names its type, for people.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// Returns whether its lists and maps are nested in more than this many levels.
    pub(crate) fn is_deeper(&self, levels: usize) -> bool {
        let deeper = |value: &Self| value.is_deeper(levels - 1);
        match self {
            Self::List(items) => levels == 0 || items.iter().any(deeper),
            Self::Map(entries) => levels == 0 || entries.iter().any(|(_, value)| deeper(value)),
            _ => false,
        }
    }

    /// Returns the items of a list.
    pub(crate) fn items(&self) -> slice::Iter<'_, Self> {
        match self {
            Self::List(items) => items.iter(),
            _ => [].iter(),
        }
    }
}

impl fmt::Display for Value<'_> {
    /// Displays a value as JSON; of a long one, only its type.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => value.fmt(f),
            Self::Unsigned(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Float(value) => serde_json::Value::from(*value).fmt(f),
            Self::Text(text) if text.len() > 64 => f.write_str("a long text"),
            Self::Text(text) => serde_json::Value::from(text.as_ref()).fmt(f),
            Self::List(_) => f.write_str("a list"),
            Self::Map(_) => f.write_str("an object"),
        }
    }
}

impl<'de: 't, 't> Deserialize<'de> for Value<'t> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let left = Cell::new(MAX_VALUES);
        let seed = AnyValue {
            levels: MAX_DEPTH,
            left: &left,
        };
        seed.deserialize(deserializer)
    }
}

/// Builds a value of any type.
#[derive(Clone, Copy)]
struct AnyValue<'c> {
    /// How many levels of lists and maps it may have.
    levels: usize,
    /// How many more values the text may have.
    left: &'c Cell<usize>,
}

impl AnyValue<'_> {
    fn inner<E: Error>(self) -> Result<Self, E> {
        let levels = self.levels.checked_sub(1).ok_or_else(|| E::custom(TooDeep))?;
        Ok(Self { levels, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for AnyValue<'_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.ok_or_else(|| D::Error::custom(TooMany))?);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue<'_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(u64::try_from(value).map_or(Value::Signed(value), Value::Unsigned))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Unsigned(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Float(value))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value<'de>, E> {
        self.visit_string(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value<'de>, A::Error> {
        let inner = self.inner()?;
        let mut items = Vec::new();
        while let Some(item) = list.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value<'de>, A::Error> {
        let inner = self.inner()?;
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(Key)? {
            entries.push((key, map.next_value_seed(inner)?));
        }
        Ok(Value::Map(entries))
    }
}

/// Reads the key of a map.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value.into()))
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_with_too_many_values_is_refused_at_the_first_extra_value() {
        let zeros = |count: usize| format!("[{}0]", "0,".repeat(count - 1));
        let most = zeros(MAX_VALUES - 1);
        let read: Value<'_> = serde_json::from_str(&most).expect("exactly the allowed number, including the list");
        assert_eq!(read.items().len(), MAX_VALUES - 1);
        let error = serde_json::from_str::<Value<'_>>(&zeros(MAX_VALUES)).expect_err("one more");
        let place = format!("line 1 column {}", most.len());
        assert_eq!(error.to_string(), format!("{TooMany} at {place}"));
    }
}
