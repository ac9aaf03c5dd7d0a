//! How a shell greets, prompts and answers to lines.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{
    files::tree,
    host::Flavour,
    node::Node,
    outcome::MOST_OUTPUT,
    shell::{MOST_DEPTH, Reply, Shell},
    tools, windows,
    words::{Redirected, Token},
};

/// Lines in one line: those in substitutions and in shells.
const MOST_RUNS: u32 = 200;

/// Commands of one line that are answered.
const MOST_COMMANDS: usize = 50;

/// Returns the places of the parentheses that close others, by the places of these.
fn pairs(text: &str) -> BTreeMap<usize, usize> {
    let (mut open, mut pairs) = (Vec::new(), BTreeMap::new());
    for (at, character) in text.char_indices() {
        match character {
            '(' => open.push(at),
            ')' => pairs.extend(open.pop().map(|before| (before, at))),
            _ => {}
        }
    }
    pairs
}

/// Calculates a number, or one operation on two.
fn arithmetic(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    // A sign may come first.
    let (at, operator) = text
        .char_indices()
        .skip(1)
        .find(|(_, found)| "+-*/%".contains(*found))?;
    let (left, right) = (
        text[..at].trim().parse::<i64>().ok()?,
        text[at + 1..].trim().parse().ok()?,
    );
    match operator {
        '+' => left.checked_add(right),
        '-' => left.checked_sub(right),
        '*' => left.checked_mul(right),
        '/' => left.checked_div(right),
        _ => left.checked_rem(right),
    }
}

impl Shell {
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

    /// Answers to a line.
    pub(super) fn run(&mut self, line: &str, is_command: bool, now: Timestamp) -> Reply {
        if self.depth == 0 {
            self.runs = 0;
            self.lines = self.lines.saturating_add(1);
        }
        self.runs += 1;
        if self.runs > MOST_RUNS {
            return Reply::default();
        }
        self.is_command = is_command;
        if self.host.flavour == Flavour::Windows {
            return windows::run(self, line);
        }
        let mut reply = Reply::default();
        let line = self.substitute(line, now);
        self.is_command = is_command;
        self.is_skipping = false;
        let tokens = self.split(&line);
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

    /// Writes the output of a command to a file.
    fn redirect(&mut self, file: &str, text: &str, is_added: bool) {
        let path = self.resolve(file);
        let known = tree(self);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let has_folder = folder.is_empty() || known.get(folder) == Some(&Node::Directory);
        if !has_folder || path.starts_with("/dev/") {
            return;
        }
        let before = match known.get(&path) {
            Some(Node::File(before)) if is_added => before.as_str(),
            Some(Node::File(_)) | None => "",
            Some(_) => return,
        };
        self.create(&path, Node::File(format!("{before}{text}")));
    }

    /// Replaces the commands in `$(…)` and between backticks by what they print.
    fn substitute(&mut self, line: &str, now: Timestamp) -> String {
        let mut result = String::new();
        let mut rest = line;
        let (mut is_literal, mut is_quoted, mut is_escaped) = (false, false, false);
        let pairs = pairs(line);
        while let Some(character) = rest.chars().next() {
            let at = line.len() - rest.len();
            let close = rest.starts_with("$(").then(|| pairs.get(&(at + 1))).flatten();
            if std::mem::take(&mut is_escaped) {
                result.push(character);
                rest = &rest[character.len_utf8()..];
                continue;
            }
            let command = match character {
                '\'' if !is_quoted => {
                    is_literal = !is_literal;
                    None
                }
                _ if is_literal => None,
                '"' => {
                    is_quoted = !is_quoted;
                    None
                }
                '\\' => {
                    is_escaped = true;
                    None
                }
                _ if self.depth >= MOST_DEPTH => None,
                '`' => rest[1..].split_once('`'),
                '$' if rest.starts_with("$((") => {
                    let inner = pairs
                        .get(&(at + 2))
                        .zip(close)
                        .filter(|(inner, outer)| *inner + 1 == **outer);
                    if let Some((number, close)) =
                        inner.and_then(|(inner, outer)| Some((arithmetic(&line[at + 3..*inner])?, *outer)))
                    {
                        result.push_str(&number.to_string());
                        rest = &line[close + 1..];
                        continue;
                    }
                    None
                }
                '$' => close.map(|close| (&line[at + 2..*close], &line[close + 1..])),
                _ => None,
            };
            if let Some((command, after)) = command {
                self.depth += 1;
                let output = self.run(command, true, now).output;
                self.depth -= 1;
                // The output is words, not operators.
                for character in output.trim_end().chars() {
                    match character {
                        '\n' => result.push(' '),
                        ';' | '&' | '|' | '>' | '\'' | '"' | '`' | '$' | '\\' | '#' => result.extend(['\\', character]),
                        _ => result.push(character),
                    }
                    if result.len() > MOST_OUTPUT {
                        return result;
                    }
                }
                rest = after;
            } else {
                result.push(character);
                rest = &rest[character.len_utf8()..];
            }
        }
        result
    }

    fn run_pipeline(&mut self, stages: &[Vec<String>], reply: &mut Reply, now: Timestamp) {
        let mut input: Option<String> = None;
        for words in stages {
            let redirected = Redirected::new(words);
            let mut own = tools::run(self, &redirected, input.as_deref(), now);
            own.cut();
            if !redirected.hides_errors {
                reply.errors.push_str(&own.errors);
            }
            if let Some(file) = redirected.file {
                let text = std::mem::take(&mut own.output);
                if own.upload.is_none() {
                    self.redirect(file, &text, redirected.is_added);
                }
            }
            reply.ends |= own.ends && stages.len() == 1;
            reply.upload = reply.upload.take().or(own.upload);
            input = Some(own.output);
        }
        reply.output.push_str(&input.unwrap_or_default());
    }
}
