//! Imports: descriptions of networks by other tools, as drafts of mazes.
//!
//! `containerlab` and `compose` read a file into a [`Lab`](lab::Lab): networks, hosts and their ports. `maze` turns a lab into a
//! draft, whichever tool described it. What has no equivalent in a maze is recorded in the diagnostics, with its place.

mod compose;
mod containerlab;
mod lab;
mod maze;
mod services;

use crate::{
    catalog::Catalog,
    decode::{self, At, Diagnostics, TextError, Value, line_and_column},
    document::{DocumentError, Syntax, tree},
    finding::{Code, Finding, LineColumn},
    model::Draft,
};

/// The kind of an imported file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display)]
#[non_exhaustive]
pub enum ImportFormat {
    /// A topology of [containerlab](https://containerlab.dev/manual/topo-def-file/).
    #[strum(serialize = "containerlab topology")]
    Containerlab,
    /// A [Compose file](https://compose-spec.io).
    #[strum(serialize = "Compose file")]
    Compose,
}

/// A part of an imported file that the maze does not have, or has in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportNote {
    /// Where it is in the file, if that is known.
    pub place: Option<LineColumn>,
    /// What was done, for people. It starts with the path of the part: `services.web.volumes is not taken over`.
    pub message: String,
}

/// An imported file.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Imported {
    /// The kind of the file.
    pub format: ImportFormat,
    /// The maze. [`resolve`](Draft::resolve) completes its subnets and addresses.
    pub draft: Draft,
    /// What the maze does not have, or has in another form, in the order of the file.
    pub notes: Vec<ImportNote>,
}

/// Turns a containerlab topology or a Compose file into a draft of a maze.
///
/// - A network, a bridge or a link between two nodes becomes a LAN. The DMZ is the LAN whose hosts publish the most ports; if none
///   does, the first one.
/// - A host becomes a decky with the services of the catalogue that its ports and the name of its image stand for, or else with an
///   archetype. A node of a network operating system, and a host that turns on `net.ipv4.ip_forward`, forwards packets.
/// - A host that publishes ports and is only in the DMZ becomes a gateway, which publishes them. In several networks it does not,
///   because it would forward packets between them.
/// - Subnets and addresses are taken over where a maze can have them.
///
/// `name` is the name of the maze if the file has none. Everything else is in [`Imported::notes`].
///
/// ```
/// use decnet_topology::{Catalog, Syntax, import};
///
/// let compose = "
/// services:
///   web: {image: nginx, ports: ['80:80'], networks: [front, back]}
///   db: {image: mysql, networks: [back], volumes: ['data:/var/lib/mysql']}
/// networks: {front: {}, back: {}}
/// ";
/// let imported = import(compose, Syntax::Yaml, &Catalog::builtin(), "shop")?;
/// let lans: Vec<_> = imported.draft.lans.iter().map(|lan| (lan.name.as_str(), lan.is_dmz)).collect();
/// assert_eq!(lans, [("front", true), ("back", false)]);
/// assert_eq!(imported.notes[1].message, "services.db.volumes is not taken over");
/// # Ok::<(), decnet_topology::DocumentError>(())
/// ```
///
/// # Errors
///
/// One finding: `DOC_SYNTAX` if the text is not JSON or YAML, `DOC_FORMAT` if it is neither of the two formats.
pub fn import(
    text: impl AsRef<[u8]>,
    syntax: Syntax,
    catalog: &Catalog,
    name: &str,
) -> Result<Imported, DocumentError> {
    let unreadable = |error: TextError| DocumentError::new(Code::DocSyntax, error.place, error.message("the file"));
    let text = decode::utf8(text.as_ref()).map_err(unreadable)?;
    let tree = tree(text, syntax).map_err(unreadable)?;
    let format = format_of(text, &tree)?;
    let diagnostics = Diagnostics::near(text);
    let root = At::root(&diagnostics, &tree);
    let lab = match format {
        ImportFormat::Containerlab => containerlab::read(root),
        ImportFormat::Compose => compose::read(root),
    };
    let draft = maze::draft(lab, name, catalog, &diagnostics);
    let (faults, more) = diagnostics.finish();
    let notes = faults.into_iter().map(Finding::from).chain(more);
    let notes = notes.map(|finding| ImportNote {
        place: finding.place,
        message: finding.message,
    });
    Ok(Imported {
        format,
        draft,
        notes: notes.collect(),
    })
}

/// Decides the format by the outermost keys.
fn format_of(text: &str, tree: &Value<'_>) -> Result<ImportFormat, DocumentError> {
    let entries = match tree {
        Value::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    let key = |name: &str| entries.iter().find(|(key, _)| key == name).map(|(key, _)| key);
    if key("topology").is_some() {
        return Ok(ImportFormat::Containerlab);
    }
    if key("services").is_some() {
        return Ok(ImportFormat::Compose);
    }
    if let Some(key) = key("format") {
        let place = Diagnostics::new(text).offset_of(key);
        let place = place.map(|offset| line_and_column(text, offset));
        let message = "the file is a maze file already, and needs no import";
        return Err(DocumentError::new(Code::DocFormat, place, message));
    }
    let message = "the file is neither a containerlab topology (it has no key `topology`) nor a Compose file (it has no key `services`)";
    Err(DocumentError::new(Code::DocFormat, None, message))
}

#[cfg(test)]
mod tests;
