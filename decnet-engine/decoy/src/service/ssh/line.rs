//! How a shell greets, prompts and answers to lines.

use jiff::Timestamp;

use super::{
    host::Flavour,
    outcome::MOST_OUTPUT,
    shell::{Reply, Shell},
    tools, windows,
    words::{Redirected, Token},
};

/// Commands of one line that are answered.
const MOST_COMMANDS: usize = 50;

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
}
