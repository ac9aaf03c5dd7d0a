use serde::de::MapAccess;

use crate::{
    document::{
        place::{Path, Place},
        scalar::{Key, Skip},
    },
    finding::Code,
    spelling,
};

/// Walks the keys of a map that has a closed set of them.
///
/// A key that is not in the set is noted and its value dropped; of one that stands there twice, the first counts.
pub(super) struct Keys<'p> {
    place: Place<'p>,
    known: &'static [&'static str],
    seen: u32,
}

impl<'p> Keys<'p> {
    pub(super) fn new(place: Place<'p>, known: &'static [&'static str]) -> Self {
        debug_assert!(known.len() <= 32);
        Self { place, known, seen: 0 }
    }

    /// Returns the next key of the set; its value must be read before the next call.
    pub(super) fn next<'de, A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Option<&'static str>, A::Error> {
        while let Some(key) = map.next_key_seed(Key(self.place.reading))? {
            match self.known.iter().position(|known| *known == key) {
                Some(at) if self.seen & (1 << at) == 0 => {
                    self.seen |= 1 << at;
                    return Ok(Some(self.known[at]));
                }
                Some(_) => twice(self.place, &key),
                None => self.unknown(&key),
            }
            let path = Path::Key(self.place.path, &key);
            let place = Place {
                path: &path,
                ..self.place
            };
            map.next_value_seed(place.read(Skip))?;
        }
        Ok(None)
    }

    fn unknown(&self, key: &str) {
        if self.place.reading.counts_only(Code::DocUnknownKey) {
            return;
        }
        let hint = spelling::hint(key, self.known.iter().copied());
        let message = match self.place.path {
            Path::Root => format!("the document has no key `{key}`{hint}"),
            path => format!("{path} has no key `{key}`{hint}"),
        };
        note(self.place, key, message);
    }
}

/// Notes a key that stands twice in a map.
pub(super) fn twice(place: Place<'_>, key: &str) {
    let message = match place.path {
        Path::Root => format!("`{key}` stands twice in the document; remove one"),
        path => format!("`{key}` stands twice in {path}; remove one"),
    };
    note(place, key, message);
}

fn note(place: Place<'_>, key: &str, message: String) {
    let path = Path::Key(place.path, key).to_string();
    place.note(Code::DocUnknownKey, path, message);
}
