//! A small shell. It runs nothing: it answers to the commands that intruders type first.

use std::{net::SocketAddrV4, sync::Arc};

use jiff::Timestamp;

use super::{
    host::{Flavour, Host},
    tools, windows,
};

/// Commands of one line that are answered.
const MOST_COMMANDS: usize = 50;

/// The maximum size of the answer to one line.
const MOST_OUTPUT: usize = 256 * 1024;

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

    /// Returns the text after the login.
    pub(super) fn greeting(&self, now: Timestamp) -> String {
        if let Some(motd) = &self.host.motd {
            let end = if motd.is_empty() || motd.ends_with('\n') {
                ""
            } else {
                "\n"
            };
            return format!("{motd}{end}");
        }
        match self.host.flavour {
            Flavour::Windows => windows::greeting(&self.host),
            Flavour::BusyBox => String::new(),
            Flavour::Bash => tools::greeting(self, now),
        }
    }

    /// Returns what the shell says when it ends.
    pub(super) fn farewell(&self) -> &'static str {
        match self.host.flavour {
            Flavour::Bash if self.is_interactive => "logout\n",
            _ => "",
        }
    }

    pub(super) fn prompt(&self) -> String {
        let sign = if self.user == "root" { '#' } else { '$' };
        match self.host.flavour {
            Flavour::Windows => windows::prompt(self),
            Flavour::BusyBox => format!("{sign} "),
            Flavour::Bash => {
                let home = self.home();
                let directory = match self.directory.strip_prefix(&home) {
                    Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("~{rest}"),
                    _ => self.directory.clone(),
                };
                format!("{}@{}:{directory}{sign} ", self.user, self.host.hostname)
            }
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

    /// Answers to a line.
    pub(super) fn run(&mut self, line: &str, is_command: bool, now: Timestamp) -> Reply {
        self.is_command = is_command;
        self.lines = self.lines.saturating_add(1);
        if self.host.flavour == Flavour::Windows {
            return windows::run(self, line);
        }
        let mut reply = Reply::default();
        let tokens = self.split(line);
        let mut commands = 0;
        let mut stages: Vec<Vec<String>> = vec![Vec::new()];
        let mut is_skipped = false;
        for token in tokens.into_iter().chain([Token::Operator(";")]) {
            match token {
                Token::Word(word) => {
                    if let Some(stage) = stages.last_mut() {
                        stage.push(word);
                    }
                }
                Token::Operator("|") => stages.push(Vec::new()),
                Token::Operator(operator) => {
                    let pipeline = std::mem::replace(&mut stages, vec![Vec::new()]);
                    commands += pipeline.len();
                    if commands > MOST_COMMANDS || reply.output.len() > MOST_OUTPUT {
                        return reply;
                    }
                    if !is_skipped && pipeline.iter().any(|stage| !stage.is_empty()) {
                        self.run_pipeline(&pipeline, &mut reply, now);
                        if reply.ends || reply.upload.is_some() {
                            return reply;
                        }
                    }
                    is_skipped = match operator {
                        "&&" => self.status != 0,
                        "||" => self.status == 0,
                        _ => false,
                    };
                }
            }
        }
        reply
    }

    fn run_pipeline(&mut self, stages: &[Vec<String>], reply: &mut Reply, now: Timestamp) {
        let mut input: Option<String> = None;
        for words in stages {
            let redirected = Redirected::new(words);
            let mut own = tools::run(self, &redirected, input.as_deref(), now);
            if !redirected.hides_errors {
                reply.errors.push_str(&own.errors);
            }
            if redirected.file.is_some() {
                own.output.clear();
            }
            reply.ends |= own.ends && stages.len() == 1;
            reply.upload = reply.upload.take().or(own.upload);
            input = Some(own.output);
        }
        reply.output.push_str(&input.unwrap_or_default());
    }

    /// Splits a line into words and operators, and replaces variables.
    fn split(&self, line: &str) -> Vec<Token> {
        let mut tokens = Vec::new();
        let mut word: Option<String> = None;
        let mut quote = None;
        let mut characters = line.chars().peekable();
        while let Some(character) = characters.next() {
            let text = word.get_or_insert_default();
            match (quote, character) {
                (Some(open), character) if character == open => quote = None,
                (None, '\'' | '"') => quote = Some(character),
                (None | Some('"'), '\\') => text.extend(characters.next()),
                (None | Some('"'), '$') => {
                    let mut name = String::new();
                    while let Some(next) =
                        characters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_' || *next == '?')
                    {
                        name.push(next);
                    }
                    text.push_str(&self.variable(&name));
                }
                (None, '#') if text.is_empty() => break,
                (None, ' ' | '\t' | '\n' | ';' | '|') => {
                    tokens.extend(word.take().filter(|word| !word.is_empty()).map(Token::Word));
                    match character {
                        '|' if characters.next_if_eq(&'|').is_some() => tokens.push(Token::Operator("||")),
                        '|' => tokens.push(Token::Operator("|")),
                        ';' | '\n' => tokens.push(Token::Operator(";")),
                        _ => {}
                    }
                }
                (None, '&') if !text.ends_with('>') => {
                    tokens.extend(word.take().filter(|word| !word.is_empty()).map(Token::Word));
                    let is_and = characters.next_if_eq(&'&').is_some();
                    tokens.push(Token::Operator(if is_and { "&&" } else { ";" }));
                }
                (None, '>') => {
                    // A redirection is a word of its own.
                    if !matches!(text.as_str(), "" | "1" | "2" | ">" | "1>" | "2>") {
                        tokens.extend(word.replace(String::new()).map(Token::Word));
                    }
                    word.get_or_insert_default().push('>');
                }
                (_, character) => text.push(character),
            }
        }
        tokens.extend(word.filter(|word| !word.is_empty()).map(Token::Word));
        tokens
    }

    fn variable(&self, name: &str) -> String {
        match name {
            "" => "$".into(),
            "?" => self.status.to_string(),
            "USER" | "LOGNAME" => self.user.clone(),
            "HOME" => self.home(),
            "PWD" => self.directory.clone(),
            "HOSTNAME" => self.host.hostname.clone(),
            "SHELL" if self.host.flavour == Flavour::Bash => "/bin/bash".into(),
            "SHELL" => "/bin/sh".into(),
            "PATH" => "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into(),
            _ => String::new(),
        }
    }
}

enum Token {
    Word(String),
    Operator(&'static str),
}

/// The words of a command, and where its output goes.
pub(super) struct Redirected<'a> {
    pub(super) words: Vec<&'a str>,
    pub(super) file: Option<&'a str>,
    hides_errors: bool,
}

impl<'a> Redirected<'a> {
    fn new(all: &'a [String]) -> Self {
        let mut redirected = Self {
            words: Vec::new(),
            file: None,
            hides_errors: false,
        };
        let mut all = all.iter().map(String::as_str);
        while let Some(word) = all.next() {
            let Some((stream @ ("" | "1" | "2"), target)) = word.split_once('>') else {
                redirected.words.push(word);
                continue;
            };
            let target = target.trim_start_matches('>');
            // `2>&1` shows errors where the output goes.
            if target.starts_with('&') {
                continue;
            }
            let target = if target.is_empty() {
                all.next().unwrap_or_default()
            } else {
                target
            };
            if stream == "2" {
                redirected.hides_errors = true;
            } else {
                redirected.file = Some(target);
            }
        }
        redirected
    }
}
