//! The words of a line.

use super::{host::Flavour, shell::Shell};

impl Shell {
    /// Splits a line into words and operators, and replaces variables.
    pub(super) fn split(&self, line: &str) -> Vec<Token> {
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

/// A part of a line.
pub(super) enum Token {
    Word(String),
    Operator(&'static str),
}

/// The words of a command, and where its output goes.
pub(super) struct Redirected<'a> {
    pub(super) words: Vec<&'a str>,
    pub(super) file: Option<&'a str>,
    /// Whether the output is added to the file.
    pub(super) is_added: bool,
    pub(super) hides_errors: bool,
}

impl<'a> Redirected<'a> {
    pub(super) fn new(all: &'a [String]) -> Self {
        let mut redirected = Self {
            words: Vec::new(),
            file: None,
            is_added: false,
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
                redirected.is_added = word.contains(">>");
            }
        }
        redirected
    }
}
