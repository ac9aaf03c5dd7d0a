use std::path::{Path, PathBuf};

use decnet_topology::{ImportNote, Imported, RuleSet, SubnetPool, Syntax, TopologyName, document, import};
use serde::Serialize;
use serde_json::Value;

use crate::{
    command_error::CommandError,
    context::Context,
    exit::Exit,
    input::{self, Source},
    output::{self, Style},
    text,
};

/// The name of a maze if neither the file nor its path has one.
const NAME: &str = "imported";

/// Turn a containerlab topology or a Compose file into a maze file.
///
/// Networks, bridges and links become LANs; hosts become deckies with the services that their ports and images stand for. What a maze
/// cannot have is listed on stderr, each with its place in the file. Nothing is stored: `decnet deploy -f` deploys the maze file.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    decnet import lab.clab.yml -o lab.yaml\n  \
    decnet import docker-compose.yml --name shop | decnet validate -")]
pub(crate) struct Arguments {
    /// The file, or - for stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where to write the maze file; - is stdout. A file that exists is replaced.
    #[arg(long, short, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    /// The name of the maze [default: that in the file, or that of the file].
    #[arg(long)]
    name: Option<TopologyName>,
}

/// An import as JSON.
#[derive(Serialize)]
struct Shown<'a> {
    format: String,
    /// None if it was written to a file.
    #[serde(skip_serializing_if = "Option::is_none")]
    document: Option<Value>,
    notes: Vec<Note<'a>>,
}

#[derive(Serialize)]
struct Note<'a> {
    line: Option<usize>,
    column: Option<usize>,
    message: &'a str,
}

/// Imports a file.
pub(crate) fn run(arguments: &Arguments, context: &Context) -> Result<Exit, CommandError> {
    let catalog = context.catalog()?;
    let source = Source::new(&arguments.file);
    let origin = source.name();
    let imported = import(source.read()?, source.syntax(), &catalog, &name_of(&arguments.file));
    let mut imported = imported.map_err(|error| CommandError::NotImported {
        origin: origin.clone(),
        findings: error.findings,
    })?;
    if let Some(name) = &arguments.name {
        imported.draft.header.name = name.to_string();
    }
    let to_stdout = arguments.output == Path::new("-");
    if context.output.json {
        if !to_stdout {
            write(&imported, &arguments.output, context)?;
        }
        context.output.json(&Shown {
            format: imported.format.to_string(),
            document: to_stdout.then(|| document::to_value(&imported.draft)),
            notes: imported.notes.iter().map(Note::from).collect(),
        })?;
    } else {
        write(&imported, &arguments.output, context)?;
        print_notes(&imported, &origin, context);
    }
    // What is written can be wrong as a maze: a network that nothing connects to the others, for example.
    let resolved = imported.draft.resolve(&catalog, &SubnetPool::default());
    let is_valid = resolved.is_ok_and(|topology| topology.validate(&catalog, RuleSet::deploy()).is_ok());
    if !is_valid {
        let file = if to_stdout { "it" } else { "the maze file" };
        context.output.note(format!(
            "{} the maze cannot be deployed as it is: `decnet validate` checks {file}",
            context.output.paint(Style::Warning, "warning:")
        ));
    }
    Ok(Exit::Done)
}

impl<'a> From<&'a ImportNote> for Note<'a> {
    fn from(note: &'a ImportNote) -> Self {
        Self {
            line: note.place.map(|place| place.line),
            column: note.place.map(|place| place.column),
            message: &note.message,
        }
    }
}

/// Returns the name of a file without its extensions, `lab` for `lab.clab.yml`.
fn name_of(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.as_deref().and_then(|name| name.split('.').next());
    name.filter(|name| !name.is_empty() && *name != "-")
        .unwrap_or(NAME)
        .to_owned()
}

fn write(imported: &Imported, path: &Path, context: &Context) -> Result<(), CommandError> {
    let syntax = match Syntax::of_file(path) {
        Syntax::Auto => Syntax::Yaml,
        syntax => syntax,
    };
    input::write(path, &document::print(&imported.draft, syntax), context.output)
}

/// Prints the notes, and a summary.
fn print_notes(imported: &Imported, origin: &str, context: &Context) {
    let output = context.output;
    if output.quiet {
        return;
    }
    for note in &imported.notes {
        let place = match note.place {
            Some(place) => format!("{origin}:{}:{}", place.line, place.column),
            None => origin.to_owned(),
        };
        output::say(&text::one_line(&format!("{place}: {}", note.message)));
    }
    let draft = &imported.draft;
    let lans = text::count(draft.lans.len(), "LAN", "LANs");
    let deckies = text::count(draft.deckies.len(), "decky", "deckies");
    let name = &draft.header.name;
    output::say(&text::one_line(&format!(
        "{origin}: a {} with {lans}, {deckies}: maze {name}",
        imported.format
    )));
}
