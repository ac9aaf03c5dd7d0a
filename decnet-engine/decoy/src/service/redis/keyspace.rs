//! The strings that a visitor stores. They are few, and end with the conversation.

use std::collections::BTreeMap;

use super::reply::Reply;

/// The maximum number of keys.
const KEYS: usize = 128;
/// The maximum number of bytes of all keys and values.
const BYTES: usize = 64 * 1024;

/// The keys of all databases.
#[derive(Debug, Default)]
pub(super) struct Keyspace {
    /// The selected database.
    pub(super) database: u8,
    values: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
}

impl Keyspace {
    pub(super) fn get(&self, key: &[u8]) -> Option<&Vec<u8>> {
        self.values.get(&(self.database, key.to_vec()))
    }

    /// Returns the value of a key, or nil.
    pub(super) fn value(&self, key: &[u8]) -> Reply {
        self.get(key).map_or(Reply::Nil, |value| Reply::bulk(value.clone()))
    }

    /// Stores a value. Returns false if the space is full.
    pub(super) fn set(&mut self, key: &[u8], value: Vec<u8>) -> bool {
        let used: usize = self
            .values
            .iter()
            .map(|((_, key), value)| key.len() + value.len())
            .sum();
        if self.values.len() >= KEYS || used + key.len() + value.len() > BYTES {
            return false;
        }
        self.values.insert((self.database, key.to_vec()), value);
        true
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.values.remove(&(self.database, key.to_vec()))
    }

    /// Returns the keys of the selected database that match a pattern.
    pub(super) fn keys(&self, pattern: &[u8]) -> Vec<Vec<u8>> {
        let keys = self.values.keys().filter(|(database, _)| *database == self.database);
        keys.map(|(_, key)| key.clone())
            .filter(|key| matches(pattern, key))
            .collect()
    }

    /// Returns the numbers of the databases with keys, and how many they have.
    pub(super) fn sizes(&self) -> BTreeMap<u8, usize> {
        let mut sizes = BTreeMap::new();
        for (database, _) in self.values.keys() {
            *sizes.entry(*database).or_default() += 1;
        }
        sizes
    }

    pub(super) fn clear(&mut self, all: bool) {
        let selected = self.database;
        self.values.retain(|(database, _), _| !all && *database != selected);
    }

    /// Adds to a number. A key that is not there counts as zero.
    pub(super) fn add(&mut self, key: &[u8], more: i64) -> Reply {
        let Some(old) = self.get(key).map_or(Some(0), |value| integer(value)) else {
            return Reply::error("ERR value is not an integer or out of range");
        };
        let Some(sum) = old.checked_add(more) else {
            return Reply::error("ERR increment or decrement would overflow");
        };
        self.remove(key);
        if self.set(key, sum.to_string().into_bytes()) {
            Reply::Number(sum)
        } else {
            full()
        }
    }
}

/// The answer to a write if the space is full.
pub(super) fn full() -> Reply {
    Reply::error("OOM command not allowed when used memory > 'maxmemory'.")
}

/// Reads a decimal number.
pub(super) fn integer(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Matches a glob pattern with `*`, `?`, `[…]` and `\`. It takes at most the product of both lengths.
pub(super) fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    while seen < text.len() {
        if pattern.get(at) == Some(&b'*') {
            retry = Some((at + 1, seen));
            at += 1;
            continue;
        }
        match one(pattern.get(at..).unwrap_or_default(), text[seen]) {
            Some(length) => {
                at += length;
                seen += 1;
            }
            None => match &mut retry {
                Some((after, from)) => {
                    *from += 1;
                    (at, seen) = (*after, *from);
                }
                None => return false,
            },
        }
    }
    pattern.get(at..).unwrap_or_default().iter().all(|byte| *byte == b'*')
}

/// Matches one byte. Returns the length of the part of the pattern that matches it.
fn one(pattern: &[u8], byte: u8) -> Option<usize> {
    match pattern {
        [b'?', ..] => Some(1),
        [b'\\', escaped, ..] => (*escaped == byte).then_some(2),
        [b'[', class @ ..] => {
            let end = class.iter().position(|byte| *byte == b']')?;
            let class = class.get(..end)?;
            let (is_inverted, class) = class.strip_prefix(b"^").map_or((false, class), |class| (true, class));
            let is_in = class.contains(&byte)
                || class
                    .windows(3)
                    .any(|range| range[1] == b'-' && (range[0]..=range[2]).contains(&byte));
            (is_in != is_inverted).then_some(end + 2)
        }
        [first, ..] => (*first == byte).then_some(1),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text, is_match) in [
            ("*", "", true),
            ("us*:1?", "user:10", true),
            ("us*:1?", "user:1", false),
            ("[a-c]x[^0]", "bxy", true),
            ("[a-c]x[^0]", "bx0", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaa", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                is_match,
                "{pattern} {text}"
            );
        }
    }

    #[test]
    fn the_space_is_bounded() {
        let mut keys = Keyspace::default();
        assert!((0..KEYS).all(|key| keys.set(key.to_string().as_bytes(), b"v".to_vec())));
        assert!(!keys.set(b"more", b"v".to_vec()));
        keys.clear(true);
        assert!(!keys.set(b"k", vec![0; BYTES]));
    }
}
