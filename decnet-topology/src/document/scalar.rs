//! Values that hold no others, and how a value of any type is taken in without stopping.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::document::place::{Path, Place, Reading};

/// A value as the document has it; lists and maps without what is in them.
#[derive(Debug)]
pub(super) enum Node<'de> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(Cow<'de, str>),
    List,
    Map,
}

impl Node<'_> {
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a boolean",
            Node::Unsigned(_) | Node::Signed(_) | Node::Float(_) => "a number",
            Node::Text(_) => "a text",
            Node::List => "a list",
            Node::Map => "a map",
        }
    }
}

/// What is made of a value at some place: a list, a map, or something without parts.
pub(super) trait Shape<'de>: Sized {
    type Out;

    /// Makes something of a value without parts, or of a list or map where none is expected.
    fn plain(self, place: Place<'_>, node: Node<'de>) -> Self::Out;

    /// Makes something of a map; reads all of it.
    fn map<A: MapAccess<'de>>(self, place: Place<'_>, mut map: A) -> Result<Self::Out, A::Error> {
        while map.next_key_seed(Key(place.reading))?.is_some() {
            map.next_value_seed(place.read(Skip))?;
        }
        Ok(self.plain(place, Node::Map))
    }

    /// Makes something of a list; reads all of it.
    fn list<A: SeqAccess<'de>>(self, place: Place<'_>, mut list: A) -> Result<Self::Out, A::Error> {
        while list.next_element_seed(place.read(Skip))?.is_some() {}
        Ok(self.plain(place, Node::List))
    }
}

impl<'p> Place<'p> {
    /// Returns a seed that reads the value at this place.
    pub(super) fn read<S>(self, shape: S) -> Read<'p, S> {
        Read { place: self, shape }
    }
}

/// Reads the value at a place.
pub(super) struct Read<'p, S> {
    place: Place<'p>,
    shape: S,
}

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Read<'_, S> {
    type Value = S::Out;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Out, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Read<'_, S> {
    type Value = S::Out;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<S::Out, E> {
        Ok(self.shape.plain(self.place, Node::Null))
    }

    fn visit_none<E: Error>(self) -> Result<S::Out, E> {
        self.visit_unit()
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<S::Out, E> {
        Ok(self.shape.plain(self.place, Node::Bool(value)))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<S::Out, E> {
        let node = u64::try_from(value).map_or(Node::Signed(value), Node::Unsigned);
        Ok(self.shape.plain(self.place, node))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<S::Out, E> {
        Ok(self.shape.plain(self.place, Node::Unsigned(value)))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<S::Out, E> {
        Ok(self.shape.plain(self.place, Node::Float(value)))
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<S::Out, E> {
        self.place.reading.at_text(value);
        Ok(self.shape.plain(self.place, Node::Text(Cow::Borrowed(value))))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<S::Out, E> {
        self.visit_string(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<S::Out, E> {
        Ok(self.shape.plain(self.place, Node::Text(Cow::Owned(value))))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<S::Out, A::Error> {
        let _level = self.place.reading.enter()?;
        self.shape.list(self.place, list)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<S::Out, A::Error> {
        let _level = self.place.reading.enter()?;
        self.shape.map(self.place, map)
    }
}

/// Reads a value and drops it.
pub(super) struct Skip;

impl<'de> Shape<'de> for Skip {
    type Out = ();

    fn plain(self, _: Place<'_>, _: Node<'de>) {}
}

/// Reads the key of a map.
pub(super) struct Key<'r>(pub(super) &'r Reading<'r>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'_> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, value: &'de str) -> Result<Cow<'de, str>, E> {
        self.0.at_text(value);
        Ok(Cow::Borrowed(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Cow<'de, str>, E> {
        self.visit_string(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Cow<'de, str>, E> {
        self.0.at_unknown();
        Ok(Cow::Owned(value))
    }
}

/// A text.
pub(super) struct Text;

impl<'de> Shape<'de> for Text {
    type Out = Option<Cow<'de, str>>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Self::Out {
        match node {
            Node::Text(text) => Some(text),
            other => {
                place.mismatch("a text", other.type_name());
                None
            }
        }
    }
}

/// A boolean.
pub(super) struct Flag;

impl<'de> Shape<'de> for Flag {
    type Out = bool;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> bool {
        match node {
            Node::Bool(value) => value,
            other => {
                place.mismatch("true or false", other.type_name());
                false
            }
        }
    }
}

/// A whole number from 0.
pub(super) struct Whole;

impl<'de> Shape<'de> for Whole {
    type Out = Option<u64>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Option<u64> {
        match node {
            Node::Unsigned(value) => Some(value),
            other => {
                place.mismatch("a whole number from 0", other.type_name());
                None
            }
        }
    }
}

/// A finite number.
pub(super) struct Number;

impl<'de> Shape<'de> for Number {
    type Out = Option<f64>;

    #[expect(clippy::cast_precision_loss, reason = "a place on a canvas")]
    fn plain(self, place: Place<'_>, node: Node<'de>) -> Option<f64> {
        match node {
            Node::Unsigned(value) => Some(value as f64),
            Node::Signed(value) => Some(value as f64),
            Node::Float(value) if value.is_finite() => Some(value),
            other => {
                place.mismatch("a finite number", other.type_name());
                None
            }
        }
    }
}

/// A value that may be `null`, which means that it is left out.
pub(super) struct Optional<S>(pub(super) S);

impl<'de, T, S: Shape<'de, Out = Option<T>>> Shape<'de> for Optional<S> {
    type Out = Option<T>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Option<T> {
        match node {
            Node::Null => None,
            other => self.0.plain(place, other),
        }
    }

    fn map<A: MapAccess<'de>>(self, place: Place<'_>, map: A) -> Result<Option<T>, A::Error> {
        self.0.map(place, map)
    }

    fn list<A: SeqAccess<'de>>(self, place: Place<'_>, list: A) -> Result<Option<T>, A::Error> {
        self.0.list(place, list)
    }
}

/// A list whose items all have one shape; items that could not be read are left out.
pub(super) struct ListOf<F, T>(F, PhantomData<T>);

impl<F, T> ListOf<F, T> {
    pub(super) fn new(item: F) -> Self {
        Self(item, PhantomData)
    }
}

impl<'de, T, S, F> Shape<'de> for ListOf<F, T>
where
    S: Shape<'de, Out = Option<T>>,
    F: Fn() -> S,
{
    type Out = Vec<T>;

    fn plain(self, place: Place<'_>, node: Node<'de>) -> Vec<T> {
        place.mismatch("a list", node.type_name());
        Vec::new()
    }

    fn list<A: SeqAccess<'de>>(self, place: Place<'_>, list: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        each(place, list, &self.0, |item| items.push(item))?;
        Ok(items)
    }
}

/// Reads the items of a list, and gives on those that could be read.
pub(super) fn each<'de, T, S, A>(
    place: Place<'_>,
    mut list: A,
    shape: impl Fn() -> S,
    mut take: impl FnMut(T),
) -> Result<(), A::Error>
where
    S: Shape<'de, Out = Option<T>>,
    A: SeqAccess<'de>,
{
    for index in 0.. {
        let path = Path::Index(place.path, index);
        let place = Place { path: &path, ..place };
        place.reading.at_unknown();
        match list.next_element_seed(place.read(shape()))? {
            Some(item) => item.into_iter().for_each(&mut take),
            None => break,
        }
    }
    Ok(())
}
