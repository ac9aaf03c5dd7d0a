use std::{cmp::Ordering, hash};

/// A text that compares without case, like a [`Name`](super::Name), even if it is not a valid name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaseInsensitive<'a>(pub(crate) &'a str);

impl CaseInsensitive<'_> {
    fn lowercase(&self) -> impl Iterator<Item = u8> {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for CaseInsensitive<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(other.0)
    }
}

impl Eq for CaseInsensitive<'_> {}

impl PartialOrd for CaseInsensitive<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for CaseInsensitive<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.lowercase().cmp(other.lowercase())
    }
}

impl hash::Hash for CaseInsensitive<'_> {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.0.to_ascii_lowercase().hash(state);
    }
}
