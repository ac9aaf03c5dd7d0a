//! Completion in a shell: the names of mazes, of their deckies and LANs, of services, and files.
//!
//! The script of a shell runs this program for each completion. It must not create or change a database, print anything else, or be slow.

use std::{
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::mpsc,
    thread,
    time::Duration,
};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::StyledStr};
use clap_complete::{
    ArgValueCandidates, ArgValueCompleter, CompleteEnv, CompletionCandidate, PathCompleter, Shell,
    engine::ValueCompleter as _, env::Shells,
};
use decnet_topology::{Catalog, Lan, PostgresOptions, Repo, SqliteOptions, Status, Topology, TopologyFilter};

use super::grammar;
use crate::store::Place;

/// The variable that the script of a shell sets.
const VARIABLE: &str = "DECNET_COMPLETE";

/// How long a completion may take. Then it has no candidates.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How long to wait for another process that holds the database.
const DATABASE_TIMEOUT: Duration = Duration::from_millis(200);

/// Answers the script of a shell, and returns whether there was one.
pub(crate) fn answered() -> bool {
    let folder = std::env::current_dir().ok();
    let complete = CompleteEnv::with_factory(with_candidates).var(VARIABLE).bin("decnet");
    // The user types a command: an error would disturb them.
    complete
        .try_complete(std::env::args_os(), folder.as_deref())
        .unwrap_or(true)
}

/// Returns the script that a shell reads.
pub(crate) fn script(shell: Shell) -> String {
    let mut script = Vec::new();
    if let Some(shell) = Shells::builtins().completer(&shell.to_string()) {
        // Writing to memory does not fail.
        let _ = shell.write_registration(VARIABLE, "decnet", "decnet", "decnet", &mut script);
    }
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Zsh {
        // zsh runs the file as a function the first time.
        script += "\nif [ \"$funcstack[1]\" = _decnet ]; then\n    _clap_dynamic_completer_decnet \"$@\"\nfi\n";
    }
    script
}

/// Adds the candidates to the arguments that name something stored.
fn with_candidates() -> Command {
    fn add(command: Command) -> Command {
        // The flag that clap adds later is not hidden.
        let help = Arg::new("help").short('h').long("help").action(ArgAction::Help);
        let command = command.disable_help_flag(true).arg(help);
        command.mut_args(candidates).mut_subcommands(add)
    }
    add(grammar())
}

fn candidates(argument: Arg) -> Arg {
    // Flags are offered only if there is nothing else, or if the word begins like one.
    let is_flag = argument.get_long().is_some();
    let argument = argument.hide(is_flag);
    let from_maze = |of: fn(&Topology) -> Vec<String>| ArgValueCandidates::new(move || in_maze(of));
    match argument.get_id().as_str() {
        "topology" => argument.add(ArgValueCandidates::new(mazes)),
        "maze" => argument.add(ArgValueCompleter::new(files_and_mazes)),
        "decky" => argument.add(from_maze(deckies)),
        "part" => argument.add(from_maze(parts)),
        "lan" => argument.add(from_maze(lans)),
        "source" => argument.add(ArgValueCompleter::new(sources)),
        "point" => argument.add(from_maze(points)),
        // The field of a config says how services are chosen.
        "services" if is_choice(&argument) => argument.add(ArgValueCandidates::new(|| {
            Vec::from(["random", "archetypes"].map(CompletionCandidate::new))
        })),
        "service" => argument.add(ArgValueCandidates::new(services)),
        // Each of a list is completed. The command itself takes the list as one text.
        "services" | "services_explicit" => argument.value_delimiter(',').add(ArgValueCandidates::new(services)),
        "names" if argument.is_positional() => argument.add(ArgValueCandidates::new(services)),
        "archetype" => argument.add(ArgValueCandidates::new(archetypes)),
        _ => argument,
    }
}

fn is_choice(argument: &Arg) -> bool {
    let mut names = argument.get_value_names().unwrap_or_default().iter();
    names.any(|name| name == "CHOICE")
}

fn deckies(topology: &Topology) -> Vec<String> {
    let deckies = topology.deckies().iter();
    deckies.map(|decky| decky.name().to_string()).collect()
}

/// Lists the deckies, and each of their services.
fn parts(topology: &Topology) -> Vec<String> {
    let deckies = topology.deckies().iter();
    let parts = deckies.flat_map(|decky| {
        let services = decky.services().iter();
        let services = services.map(|service| format!("{}.{service}", decky.name()));
        [decky.name().to_string()].into_iter().chain(services)
    });
    parts.collect()
}

fn lans(topology: &Topology) -> Vec<String> {
    topology.lans().iter().map(Lan::name).map(ToString::to_string).collect()
}

/// Lists what can be captured: LANs, deckies, and the interfaces of deckies in several LANs.
fn points(topology: &Topology) -> Vec<String> {
    let interfaces = topology.deckies().iter().flat_map(|decky| {
        let lans = topology.lans().iter().filter(|lan| {
            let attachments = decky.attachments();
            attachments.len() > 1 && attachments.iter().any(|attachment| attachment.lan == lan.id())
        });
        lans.map(|lan| format!("{}.{}", decky.name(), lan.name()))
    });
    [lans(topology), deckies(topology), interfaces.collect()].concat()
}

/// Completes the decky or service of a path in a container. The path itself is not known here.
fn sources(current: &OsStr) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    let mut found = in_maze(parts);
    found.retain(|candidate| candidate.get_value().to_string_lossy().starts_with(&*start));
    found
        .into_iter()
        .map(|candidate| CompletionCandidate::new(format!("{}:", candidate.get_value().to_string_lossy())))
        .collect()
}

/// The built-in catalogue with the files of `--catalog`, and what the maze of the command line keeps of a user's catalogue.
fn catalog() -> Catalog {
    let mut catalog = Catalog::builtin();
    for path in Words::read().catalogs() {
        let text = std::fs::read(path).unwrap_or_default();
        // A file that cannot be read has no candidates.
        catalog = catalog.clone().extend_from_toml(text).unwrap_or(catalog);
    }
    let stored = read(|repo, maze| async move { Some(repo.find(&maze?).await.ok()?.catalog) });
    catalog.with_stored(&stored.unwrap_or_default()).into_owned()
}

fn services() -> Vec<CompletionCandidate> {
    let catalog = catalog();
    let services = catalog.services();
    services
        .map(|service| CompletionCandidate::new(service.name.as_str()))
        .collect()
}

fn archetypes() -> Vec<CompletionCandidate> {
    let catalog = catalog();
    let archetypes = catalog.archetypes();
    archetypes
        .map(|archetype| CompletionCandidate::new(archetype.slug.as_str()))
        .collect()
}

fn files_and_mazes(current: &OsStr) -> Vec<CompletionCandidate> {
    let start = current.to_string_lossy();
    let mut found = mazes();
    found.retain(|candidate| candidate.get_value().to_string_lossy().starts_with(&*start));
    let files = PathCompleter::file().stdio().complete(current).into_iter();
    found.extend(files.map(|file| file.display_order(Some(usize::MAX))));
    found
}

/// Lists the stored mazes with their statuses, those that are not torn down first.
fn mazes() -> Vec<CompletionCandidate> {
    let rows = read(|repo, _| async move { Some(repo.list(&TopologyFilter::default()).await.ok()?.rows) });
    let (gone, live): (Vec<_>, Vec<_>) = rows
        .unwrap_or_default()
        .into_iter()
        .partition(|row| row.status == Status::TornDown);
    let mut names = Vec::new();
    for row in live.into_iter().chain(gone) {
        let name = row.name.to_string();
        if !names.iter().any(|(known, _)| *known == name) {
            names.push((name, row.status));
        }
    }
    let candidates = names.into_iter().enumerate().map(|(order, (name, status))| {
        CompletionCandidate::new(name)
            .help(Some(StyledStr::from(status.to_string())))
            .display_order(Some(order))
    });
    candidates.collect()
}

/// Lists parts of the maze that the command line names.
fn in_maze(of: fn(&Topology) -> Vec<String>) -> Vec<CompletionCandidate> {
    let topology = read(|repo, maze| async move {
        let row = repo.find(&maze?).await.ok()?;
        Some(repo.load(row.id).await.ok()?.topology)
    });
    let names = topology.map(|topology| of(&topology)).unwrap_or_default();
    names.into_iter().map(CompletionCandidate::new).collect()
}

/// Reads the database of the command line, if it exists, within the timeout. The reader also gets the maze of the command line.
fn read<T, F>(reader: impl FnOnce(Box<dyn Repo>, Option<String>) -> F + Send + 'static) -> Option<T>
where
    T: Send + 'static,
    F: Future<Output = Option<T>>,
{
    let words = Words::read();
    let place = words.database()?;
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let read = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .ok()?;
            runtime.block_on(async {
                let repo: Box<dyn Repo> = match place {
                    Place::File(path) => {
                        let options = SqliteOptions::default().timeout(DATABASE_TIMEOUT).read_only(true);
                        Box::new(options.open(path).ok()?)
                    }
                    Place::Server(address) => {
                        let options = PostgresOptions::default().timeout(DATABASE_TIMEOUT).create(false);
                        Box::new(options.open(&address).await.ok()?)
                    }
                };
                reader(repo, words.maze()).await
            })
        };
        // The receiver may have given up.
        let _ = send.send(read());
    });
    receive.recv_timeout(TIMEOUT).ok()?
}

/// The words of the command line before the one to complete.
struct Words(ArgMatches);

impl Words {
    fn read() -> Self {
        let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
        let mut words: Vec<OsString> = words.collect();
        let index = std::env::var("_CLAP_COMPLETE_INDEX").ok();
        let index = index.and_then(|index| index.parse().ok());
        words.truncate(index.unwrap_or(words.len().saturating_sub(1)));
        let grammar = grammar().ignore_errors(true);
        // Without matches there is nothing to look up: `--help` is an error here.
        Self(grammar.try_get_matches_from(words).unwrap_or_default())
    }

    /// Returns the database, if it exists: a completion does not create one.
    fn database(&self) -> Option<Place> {
        let command = self.0.subcommand().map(|(_, matches)| matches);
        let mut matches = command.into_iter().chain([&self.0]);
        let given = matches.find_map(|matches| matches.try_get_one::<PathBuf>("db").ok()?.cloned());
        match Place::or_default(given).ok()? {
            Place::File(path) if !path.is_file() => None,
            place => Some(place),
        }
    }

    /// Returns the catalogue files.
    fn catalogs(&self) -> Vec<PathBuf> {
        let command = self.0.subcommand().map(|(_, matches)| matches);
        let mut matches = command.into_iter().chain([&self.0]);
        let given = matches.find_map(|matches| {
            let given = matches.try_get_many::<PathBuf>("catalog").ok()??;
            Some(given.cloned().collect())
        });
        given.unwrap_or_default()
    }

    fn maze(&self) -> Option<String> {
        super::maze(&self.0)
    }
}
