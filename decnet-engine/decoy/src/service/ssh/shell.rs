//! A small shell. It runs nothing: it answers to the commands that intruders type first.

use std::{collections::BTreeMap, net::SocketAddrV4, sync::Arc};

use super::{
    host::{Flavour, Host},
    node::Node,
};

/// The maximum number of shells in shells.
pub(super) const MOST_DEPTH: u32 = 4;

/// The maximum lengths of a path and of a name in it.
const LONGEST_PATH: usize = 1024;
const LONGEST_NAME: usize = 255;

/// The maximum number of files that a visitor creates, and of the bytes of them and of their paths.
const MOST_CREATED: usize = 64;
const MOST_BYTES: usize = 16 * 1024;

/// The answer to a line.
#[derive(Debug, Default)]
pub(super) struct Reply {
    pub(super) output: String,
    pub(super) errors: String,
    /// The shell ends.
    pub(super) ends: bool,
    /// The command now reads a file of this name from the visitor.
    pub(super) upload: Option<String>,
}

/// A shell.
pub(super) struct Shell {
    pub(super) host: Arc<Host>,
    pub(super) user: String,
    pub(super) remote: SocketAddrV4,
    /// The working directory.
    pub(super) directory: String,
    /// The status of the last command.
    pub(super) status: u32,
    /// It has a terminal.
    pub(super) is_interactive: bool,
    /// It runs one command only.
    pub(super) is_command: bool,
    /// The number of lines so far.
    pub(super) lines: u32,
    /// What the visitor created.
    pub(super) created: BTreeMap<String, Node>,
    /// Shells around this one, and substitutions.
    pub(super) depth: u32,
    /// The lines that the current line of the visitor led to.
    pub(super) runs: u32,
    /// Whether the commands are those of `else`.
    pub(super) is_skipping: bool,
}

impl Shell {
    /// Starts in the user's home.
    pub(super) fn new(host: Arc<Host>, user: &str, remote: SocketAddrV4, is_interactive: bool) -> Self {
        let mut shell = Self {
            host,
            user: user.to_owned(),
            remote,
            directory: String::new(),
            status: 0,
            is_interactive,
            is_command: false,
            lines: 0,
            created: BTreeMap::new(),
            depth: 0,
            runs: 0,
            is_skipping: false,
        };
        shell.directory = shell.home();
        shell
    }

    pub(super) fn home(&self) -> String {
        match (self.host.flavour, self.user.as_str()) {
            (Flavour::Windows, user) => format!("C:\\Users\\{user}"),
            (_, "root") => "/root".into(),
            (_, user) => format!("/home/{user}"),
        }
    }

    /// Returns what the shell says when it ends.
    pub(super) fn farewell(&self) -> &'static str {
        match self.host.flavour {
            Flavour::Bash if self.is_interactive => "logout\n",
            _ => "",
        }
    }

    /// Creates a file or a folder, unless there are too many.
    pub(super) fn create(&mut self, path: &str, node: Node) {
        let size = |path: &str, node: &Node| match node {
            Node::File(text) => path.len() + text.len(),
            _ => path.len(),
        };
        let others = self.created.iter().filter(|(other, _)| *other != path);
        let kept: usize = others.clone().map(|(path, node)| size(path, node)).sum();
        let is_short = path.len() <= LONGEST_PATH && path.split('/').all(|name| name.len() <= LONGEST_NAME);
        if is_short && others.count() < MOST_CREATED && kept + size(path, &node) <= MOST_BYTES {
            self.created.insert(path.to_owned(), node);
        }
    }

    /// Returns an absolute path without `.` and `..`.
    pub(super) fn resolve(&self, path: &str) -> String {
        let path = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{}{rest}", self.home()),
            _ if path.starts_with('/') => path.to_owned(),
            _ => format!("{}/{path}", self.directory),
        };
        let mut parts = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }
}
