//! Runs the program in a separate folder and inspects the result.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

/// A socket without a listener.
pub(crate) const NO_DOCKER: &str = "unix:///nonexistent/docker.sock";

/// A folder with a database that no other test sees.
pub(crate) struct Sandbox {
    folder: TempDir,
    host: Option<String>,
}

impl Sandbox {
    /// Creates a sandbox without access to Docker.
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            host: Some(NO_DOCKER.into()),
        }
    }

    /// Creates a sandbox without access to Docker, in which the maze [`CORP`] is stored.
    pub(crate) fn with_corp() -> Self {
        let sandbox = Self::new();
        sandbox.write("corp.yaml", CORP);
        sandbox.run(&["apply", "-f", "corp.yaml"]).exits(0);
        sandbox
    }

    /// Creates a sandbox with the usual access to Docker.
    pub(crate) fn with_docker() -> Self {
        Self {
            host: None,
            ..Self::new()
        }
    }

    /// Creates a sandbox with access to one daemon.
    pub(crate) fn with_daemon(host: &str) -> Self {
        Self {
            host: Some(host.into()),
            ..Self::new()
        }
    }

    /// Returns the path of a file of the sandbox.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns the path of the database.
    pub(crate) fn database(&self) -> PathBuf {
        self.path("decnet.db")
    }

    /// Returns the path of the bus socket.
    pub(crate) fn bus(&self) -> PathBuf {
        self.path("bus.sock")
    }

    /// Reads a file.
    #[track_caller]
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("written");
        path
    }

    /// Prepares a command.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_decnet"));
        command.args(arguments);
        self.confine(command)
    }

    /// Prepares a line for a shell, in which `decnet` is the program.
    pub(crate) fn shell(&self, line: &str) -> Command {
        let program = Path::new(env!("CARGO_BIN_EXE_decnet"));
        let mut path = program.parent().expect("a folder").as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        command.args(["-c", line]).env("PATH", path);
        self.confine(command)
    }

    fn confine(&self, mut command: Command) -> Command {
        command.current_dir(self.folder.path());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DECNET_") || name.starts_with("DOCKER_"))
        {
            command.env_remove(name);
        }
        command
            .env("DECNET_DB", self.database())
            .env("DECNET_BUS", self.bus())
            .env("HOME", self.folder.path())
            .env_remove("XDG_DATA_HOME");
        command.env("COLUMNS", "100").stdin(Stdio::null());
        match &self.host {
            Some(host) => command.env("DOCKER_HOST", host),
            None => match std::env::var_os("DOCKER_HOST") {
                Some(host) => command.env("DOCKER_HOST", host),
                None => &mut command,
            },
        };
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::new(arguments, &self.command(arguments).output().expect("the program runs"))
    }

    /// Runs the program with input on stdin.
    pub(crate) fn run_with(&self, arguments: &[&str], stdin: &[u8]) -> Ran {
        let mut child = self.spawn(arguments, Stdio::piped());
        let mut input = child.stdin.take().expect("piped");
        let text = stdin.to_vec();
        // The program may exit before it has read all input.
        let writer = std::thread::spawn(move || input.write_all(&text));
        let output = child.wait_with_output().expect("the program runs");
        let _ = writer.join();
        Ran::new(arguments, &output)
    }

    /// Starts the program and captures its output.
    pub(crate) fn spawn(&self, arguments: &[&str], stdin: Stdio) -> Child {
        let mut command = self.command(arguments);
        command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs")
    }

    /// Returns the output with variable parts replaced by constants.
    pub(crate) fn redact(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        let text = text.replace(&folder, "[folder]");
        let text = replace(&text, is_id, 36, "[id]");
        let text = replace(&text, is_time, 20, "[time]");
        let text: String = text.split_inclusive('\n').map(without_start_of_id).collect();
        replace(&text, is_digest, 12, "[digest]")
    }
}

/// Replaces the start of an id at the end of a line of a table.
fn without_start_of_id(line: &str) -> String {
    let (row, ending) = line.split_at(line.trim_end().len());
    match row.rsplit_once("  ") {
        Some((before, id)) if id.len() == 8 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
            format!("{before}  [start of id]{ending}")
        }
        _ => line.into(),
    }
}

/// Replaces every run of exactly this many characters of one kind.
fn replace(text: &str, is_one: fn(&str) -> bool, length: usize, with: &str) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        if rest.get(..length).is_some_and(is_one) {
            replaced.push_str(with);
            rest = &rest[length..];
        } else if let Some(first) = rest.chars().next() {
            replaced.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    replaced
}

fn is_id(text: &str) -> bool {
    text.char_indices().all(|(at, character)| match at {
        8 | 13 | 18 | 23 => character == '-',
        _ => character.is_ascii_hexdigit(),
    })
}

fn is_time(text: &str) -> bool {
    text.char_indices().all(|(at, character)| match at {
        4 | 7 => character == '-',
        10 => character == ' ',
        13 | 16 => character == ':',
        19 => character == 'Z',
        _ => character.is_ascii_digit(),
    })
}

/// The twelve hex digits after `decnet-decoy:` are found because they contain both letters and digits.
fn is_digest(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The result of a run.
#[derive(Debug)]
pub(crate) struct Ran {
    what: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn new(arguments: &[&str], output: &Output) -> Self {
        Self {
            what: arguments.join(" "),
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Asserts an exit code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Asserts that stderr contains a text.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "stderr lacks `{words}`: {self:#?}");
        self
    }

    /// Parses stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Parses the last line of stderr as an error object. Warnings may come before it.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let last = self.stderr.lines().next_back().unwrap_or_default();
        let value: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        value["error"].clone()
    }

    /// Formats everything that people see, for snapshots.
    pub(crate) fn seen(&self, sandbox: &Sandbox) -> String {
        let code = self.code.map_or("killed".into(), |code| code.to_string());
        let text = format!(
            "$ decnet {}\n{}--- stderr\n{}--- exit {code}\n",
            self.what, self.stdout, self.stderr
        );
        sandbox.redact(&text)
    }
}

/// Compares the visible output with the expected one.
macro_rules! assert_seen {
    ($sandbox:expr, $($ran:expr),+ $(,)?) => {{
        let sandbox = &$sandbox;
        let seen: Vec<String> = vec![$($ran.seen(sandbox)),+];
        insta::assert_snapshot!(seen.join("\n"));
    }};
}
pub(crate) use assert_seen;

/// A valid maze of two LANs.
pub(crate) const CORP: &str = "\
format: decnet.topology/1
name: corp
lans:
  - {name: dmz, subnet: 10.204.240.0/24, dmz: true}
  - {name: office, subnet: 10.204.241.0/24}
deckies:
  - name: web-01
    services: [http]
    attachments: [{lan: dmz, ip: 10.204.240.10}]
  - name: door
    services: [ssh]
    forwards_l3: true
    attachments: [{lan: office, ip: 10.204.241.2}, {lan: dmz, ip: 10.204.240.2}]
";

/// Returns whether a file exists.
pub(crate) fn exists(path: &Path) -> bool {
    fs::metadata(path).is_ok()
}
