//! Where in a document one is, and what was found there.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de;

use crate::{
    document::MAX_DEPTH,
    finding::{Code, Finding, Tally, Target},
};

/// What one reading of a document collects.
pub(super) struct Reading<'t> {
    text: &'t str,
    depth: Cell<usize>,
    /// The offset of the last key or text that was read, if it stands in the document as it is.
    offset: Cell<Option<usize>>,
    found: RefCell<Vec<(Option<usize>, Finding)>>,
    tally: RefCell<Tally>,
    /// What makes the whole document unreadable.
    fatal: RefCell<Option<(Code, Option<usize>, String)>>,
}

impl<'t> Reading<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            depth: Cell::new(0),
            offset: Cell::new(None),
            found: RefCell::new(Vec::new()),
            tally: RefCell::default(),
            fatal: RefCell::new(None),
        }
    }

    /// Remembers where a text stands that was borrowed from the document.
    pub(super) fn at_text(&self, borrowed: &str) {
        let offset = (borrowed.as_ptr() as usize).checked_sub(self.text.as_ptr() as usize);
        self.offset.set(offset.filter(|offset| *offset <= self.text.len()));
    }

    /// Forgets where the last text stood.
    pub(super) fn at_unknown(&self) {
        self.offset.set(None);
    }

    pub(super) fn offset(&self) -> Option<usize> {
        self.offset.get()
    }

    /// Counts a fault whose finding costs much to write, and tells whether that is all there is to do: enough are listed.
    pub(super) fn counts_only(&self, code: Code) -> bool {
        self.tally.borrow_mut().counts_only(code.severity(), code)
    }

    /// Notes something that does not keep the rest from being read.
    pub(super) fn note(&self, offset: Option<usize>, finding: Finding) {
        if self.tally.borrow_mut().lists(&finding) {
            self.found.borrow_mut().push((offset, finding));
        }
    }

    /// Gives up on the document.
    pub(super) fn refuse<E: de::Error>(&self, code: Code, message: impl Into<String>) -> E {
        let message = message.into();
        let error = E::custom(&message);
        *self.fatal.borrow_mut() = Some((code, self.offset.get(), message));
        error
    }

    pub(super) fn take_fatal(&self) -> Option<(Code, Option<usize>, String)> {
        self.fatal.borrow_mut().take()
    }

    /// Goes one level deeper for as long as the returned guard lives.
    pub(super) fn enter<E: de::Error>(&self) -> Result<Level<'_>, E> {
        if self.depth.get() == MAX_DEPTH {
            return Err(self.refuse(
                Code::DocSyntax,
                format!("more than {MAX_DEPTH} levels of lists and maps"),
            ));
        }
        self.depth.set(self.depth.get() + 1);
        Ok(Level(&self.depth))
    }

    /// Returns what was noted, with line and column.
    pub(super) fn into_findings(self) -> Vec<Finding> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|(offset, _)| *offset);
        let mut lines = Lines::new(self.text);
        let mut findings: Vec<Finding> = found
            .into_iter()
            .map(|(offset, finding)| match offset {
                Some(offset) => placed(finding, lines.place(offset)),
                None => finding,
            })
            .collect();
        findings.extend(self.tally.into_inner().more());
        findings
    }
}

/// Returns the line and column, from 1, of a place in a text.
pub(super) fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    Lines::new(text).place(offset)
}

/// Finds the lines of offsets that only grow.
struct Lines<'t> {
    text: &'t str,
    seen: usize,
    line: usize,
    column: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        Self {
            text,
            seen: 0,
            line: 1,
            column: 1,
        }
    }

    fn place(&mut self, offset: usize) -> (usize, usize) {
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

fn placed(mut finding: Finding, (at_line, at_column): (usize, usize)) -> Finding {
    match &mut finding.target {
        Target::Document { line, column, .. } => {
            *line = Some(at_line);
            *column = Some(at_column);
        }
        _ => finding.message = format!("{} (line {at_line})", finding.message),
    }
    finding
}

fn document(path: String) -> Target {
    Target::Document {
        path,
        line: None,
        column: None,
    }
}

/// One level of nesting.
pub(super) struct Level<'r>(&'r Cell<usize>);

impl Drop for Level<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The way from the document's root to a value.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Key(&'p Path<'p>, &'p str),
    Index(&'p Path<'p>, usize),
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

/// A place in the document that is being read.
#[derive(Clone, Copy)]
pub(super) struct Place<'p> {
    pub(super) reading: &'p Reading<'p>,
    pub(super) path: &'p Path<'p>,
}

impl Place<'_> {
    /// Notes a value of the wrong type.
    pub(super) fn mismatch(self, expected: &str, found: &str) {
        if self.reading.counts_only(Code::DocType) {
            return;
        }
        let path = self.path.to_string();
        let what = if path.is_empty() { "the document" } else { &path };
        let message = format!("{what} must be {expected}, not {found}");
        self.note(Code::DocType, path, message);
    }

    /// Notes a required key that is not there.
    pub(super) fn missing(self, key: &str) {
        if self.reading.counts_only(Code::DocType) {
            return;
        }
        let path = Path::Key(self.path, key).to_string();
        let message = match self.path {
            Path::Root => format!("the document has no `{key}`; add it"),
            path => format!("{path} has no `{key}`; add it"),
        };
        self.note(Code::DocType, path, message);
    }

    pub(super) fn note(self, code: Code, path: String, message: String) {
        self.reading
            .note(self.reading.offset(), Finding::new(code, document(path), message));
    }
}
