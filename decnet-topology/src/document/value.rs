//! Maps with keys of any kind, and any JSON value, as they stand in a service's configuration.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    marker::PhantomData,
};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess},
};
use serde_json::{Number, Value};

use crate::{
    document::{
        keys::twice,
        place::{Path, Place, Reading},
        scalar::{Key, Node, Shape, Skip},
    },
    model::ServiceConfig,
    name::ServiceName,
};

/// A map with any keys, whose values all have one shape; of a doubled key, the first counts.
pub(super) struct MapOf<F, T>(F, PhantomData<T>);

impl<F, T> MapOf<F, T> {
    pub(super) fn new(value: F) -> Self {
        Self(value, PhantomData)
    }
}

impl<'de, T, S, F> Shape<'de> for MapOf<F, T>
where
    S: Shape<'de, Out = Option<T>>,
    F: Fn() -> S,
{
    type Out = Option<BTreeMap<String, T>>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Self::Out {
        place.mismatch("a map", node.type_name());
        None
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, mut map: A) -> Result<Self::Out, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(key) = map.next_key_seed(Key(place.reading))? {
            let path = Path::Key(place.path, &key);
            let inner = Place { path: &path, ..place };
            match entries.entry(key.clone().into_owned()) {
                Entry::Vacant(entry) => {
                    if let Some(value) = map.next_value_seed(inner.read((self.0)()))? {
                        entry.insert(value);
                    }
                }
                Entry::Occupied(_) => {
                    twice(place, &key);
                    map.next_value_seed(inner.read(Skip))?;
                }
            }
        }
        Ok(Some(entries))
    }
}

/// Any JSON value.
pub(super) struct AnyValue;

impl<'de> Shape<'de> for AnyValue {
    type Out = Option<Value>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Option<Value> {
        Some(match node {
            Node::Null | Node::List | Node::Map => Value::Null,
            Node::Bool(value) => value.into(),
            Node::Unsigned(value) => value.into(),
            Node::Signed(value) => value.into(),
            Node::Text(text) => Value::String(text.into_owned()),
            Node::Float(value) => {
                let number = Number::from_f64(value);
                if number.is_none() {
                    place.mismatch("a finite number", "an infinite one or none at all");
                }
                return number.map(Value::Number);
            }
        })
    }

    fn list<A: SeqAccess<'de>>(self, place: Place<'_>, mut list: A) -> Result<Option<Value>, A::Error> {
        let mut items = Vec::new();
        for index in 0.. {
            let path = Path::Index(place.path, index);
            match list.next_element_seed(Place { path: &path, ..place }.read(Self))? {
                Some(item) => items.extend(item),
                None => break,
            }
        }
        Ok(Some(items.into()))
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, map: A) -> Result<Option<Value>, A::Error> {
        let entries = MapOf::new(|| Self).map(place, map)?;
        Ok(entries.map(|entries| Value::Object(entries.into_iter().collect())))
    }
}

/// The configuration of a decky's services: service, field, any value.
pub(super) struct Configuration;

impl<'de> Shape<'de> for Configuration {
    type Out = ServiceConfig;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> ServiceConfig {
        place.mismatch("a map of services", node.type_name());
        ServiceConfig::new()
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, map: A) -> Result<ServiceConfig, A::Error> {
        let services = MapOf::new(|| MapOf::new(|| AnyValue))
            .map(place, map)?
            .unwrap_or_default();
        let named = |(service, fields): (String, _)| (ServiceName::new(&service), fields);
        Ok(services.into_iter().map(named).collect())
    }
}

/// Any JSON value in which no key stands twice, at most [`MAX_DEPTH`](super::MAX_DEPTH) levels deep.
pub(crate) struct SoundValue(pub(crate) Value);

impl<'de> Deserialize<'de> for SoundValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reading = Reading::new("");
        let place = Place {
            reading: &reading,
            path: &Path::Root,
        };
        let value = place.read(AnyValue).deserialize(deserializer)?;
        match reading.into_findings().into_iter().next() {
            Some(fault) => Err(D::Error::custom(fault.message)),
            None => Ok(Self(value.unwrap_or_default())),
        }
    }
}
