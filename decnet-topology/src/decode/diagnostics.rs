use std::{borrow::Cow, cell::RefCell};

use crate::{
    finding::{Code, Finding, Tally},
    name::NameError,
    net::SubnetError,
};

/// The fault of a value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Problem {
    /// A map has an unknown key.
    UnknownKey {
        /// The path to the map.
        parent: String,
        key: String,
        /// What the map describes.
        of: &'static str,
        known: &'static [&'static str],
    },
    /// A map has a repeated key; the first counts.
    DoubledKey { parent: String, key: String },
    /// A map lacks a required key.
    MissingKey {
        parent: String,
        key: &'static str,
        expected: &'static str,
    },
    /// A value has the wrong type.
    WrongType {
        expected: Cow<'static, str>,
        found: String,
        found_type: &'static str,
    },
    /// A word is not one of a closed set.
    UnknownWord {
        word: String,
        known: &'static [&'static str],
    },
    /// A text is not a name.
    Name { text: String, source: NameError },
    /// A text is not a subnet.
    Subnet { source: SubnetError },
    /// A text is not an IPv4 address.
    Address { text: String },
    /// Another fault of a value, described.
    Other { message: String },
    /// A fault of a maze that has its own finding.
    Found { finding: Finding },
}

impl Problem {
    fn code(&self) -> Code {
        match self {
            Self::UnknownKey { .. } | Self::DoubledKey { .. } => Code::DocUnknownKey,
            Self::Found { finding } => finding.code,
            Self::Name { .. } => Code::NameInvalid,
            Self::Subnet { .. } => Code::SubnetMalformed,
            Self::Address { .. } => Code::IpMalformed,
            Self::MissingKey { .. } | Self::WrongType { .. } | Self::UnknownWord { .. } | Self::Other { .. } => {
                Code::DocType
            }
        }
    }
}

/// A problem and its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Fault {
    /// The path of keys and indices; empty for the whole.
    pub(crate) path: String,
    /// The line and the column, from 1, where they are known.
    pub(crate) place: Option<(usize, usize)>,
    pub(crate) problem: Problem,
}

/// Collects the faults of one text: those that are listed, and for each code how many more there are.
pub(crate) struct Diagnostics<'t> {
    text: &'t str,
    /// Whether a value without a place of its own gets that of the last key before it.
    is_near: bool,
    found: RefCell<Vec<(Option<usize>, String, Problem)>>,
    tally: RefCell<Tally>,
}

impl<'t> Diagnostics<'t> {
    /// Collects faults of a text. A value that was not read from text passes an empty text; its faults have no places.
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            is_near: false,
            found: RefCell::new(Vec::new()),
            tally: RefCell::default(),
        }
    }

    /// Collects faults of a text with short lists. A list item without a place of its own, and a text with escapes, get the place
    /// of the key before them.
    pub(crate) fn near(text: &'t str) -> Self {
        Self {
            is_near: true,
            ..Self::new(text)
        }
    }

    /// Returns the offset of the key before a value, if that may be the place of the value.
    pub(crate) fn offset_near(&self, key: &str) -> Option<usize> {
        self.offset_of(key).filter(|_| self.is_near)
    }

    /// Returns the offset of a borrowed part of the text.
    pub(crate) fn offset_of(&self, part: &str) -> Option<usize> {
        let offset = (part.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        offset.filter(|offset| *offset < self.text.len())
    }

    /// Returns whether enough faults of a code are listed, and counts one more if so. Faults with an expensive description check
    /// this first.
    pub(crate) fn counts_only(&self, code: Code) -> bool {
        self.tally.borrow_mut().counts_only(code.severity(), code)
    }

    /// Records a problem.
    pub(crate) fn note(&self, offset: Option<usize>, path: String, problem: Problem) {
        if self.tally.borrow_mut().admits(problem.code()) {
            self.found.borrow_mut().push((offset, path, problem));
        }
    }

    /// Returns the faults in the order of the text, and a finding for each code with faults that are not listed.
    pub(crate) fn finish(self) -> (Vec<Fault>, impl Iterator<Item = Finding>) {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(offset, ..)| *offset);
        let mut lines = Lines::new(self.text);
        let faults = found.into_iter().map(|(offset, path, problem)| Fault {
            path,
            place: offset.map(|offset| lines.place(offset)),
            problem,
        });
        (faults.collect(), self.tally.into_inner().more())
    }
}

/// Returns the line and column, from 1, of an offset in a text.
pub(crate) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    Lines::new(text).place(offset)
}

/// Finds the lines of ascending offsets.
pub(crate) struct Lines<'t> {
    text: &'t str,
    seen: usize,
    line: usize,
    column: usize,
}

impl<'t> Lines<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            seen: 0,
            line: 1,
            column: 1,
        }
    }

    /// Returns the line and the column of an offset, which is not before the last one.
    pub(crate) fn place(&mut self, offset: usize) -> (usize, usize) {
        let passed = &self.text[self.seen..offset];
        self.seen = offset;
        let rest = match passed.rfind('\n') {
            Some(last) => {
                self.line += passed.matches('\n').count();
                self.column = 1;
                &passed[last + 1..]
            }
            None => passed,
        };
        self.column += rest.chars().count();
        (self.line, self.column)
    }
}
