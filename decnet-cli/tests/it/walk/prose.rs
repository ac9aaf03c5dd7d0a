//! Commands and flags within sentences exist.

use std::collections::BTreeMap;

use super::page::pages;
use crate::command::Sandbox;

/// Returns the help of a command, such as `db unlock`.
fn help(sandbox: &Sandbox, known: &mut BTreeMap<String, Option<String>>, command: &str) -> Option<String> {
    known
        .entry(command.to_owned())
        .or_insert_with(|| {
            let mut arguments: Vec<_> = command.split_whitespace().collect();
            arguments.push("--help");
            let ran = sandbox.run(&arguments);
            (ran.code == Some(0)).then_some(ran.stdout)
        })
        .clone()
}

/// Returns whether a help describes a flag.
fn describes(help: &str, flag: &str) -> bool {
    help.split(|character: char| !(character.is_ascii_alphanumeric() || character == '-'))
        .any(|word| word == flag)
}

#[test]
fn commands_and_flags_in_sentences_exist() {
    let sandbox = Sandbox::new();
    let mut known = BTreeMap::new();
    let mut unknown = Vec::new();
    let mut checked = 0;
    for page in pages() {
        let steps = page.steps();
        let commands = steps.iter().map(|step| (step.line, step.command.as_str()));
        for (line, span) in page.spans().into_iter().chain(commands) {
            let words: Vec<_> = span.split_whitespace().take_while(|word| *word != "#").collect();
            let Some(at) = words.iter().position(|word| *word == "decnet") else {
                continue;
            };
            let is_elsewhere = matches!(words[..at], ["ssh", _]);
            if !is_elsewhere && !words[..at].iter().all(|word| word.contains('=')) {
                continue;
            }
            let words = &words[at + 1..];
            let is_command = |word: &&&str| {
                word.chars()
                    .all(|character| character.is_ascii_lowercase() || character == '-')
            };
            let Some(first) = words.first().filter(|word| is_command(word) && !word.starts_with('-')) else {
                continue;
            };
            let mut command = (*first).to_owned();
            if ["db", "host", "token"].contains(first) {
                command = words.iter().take(2).copied().collect::<Vec<_>>().join(" ");
            }
            checked += 1;
            let Some(text) = help(&sandbox, &mut known, &command) else {
                unknown.push(format!("{}:{line}: `{span}`: no command `{command}`", page.name));
                continue;
            };
            for flag in words.iter().filter(|word| word.starts_with("--") && word.len() > 2) {
                let flag = flag.split(['=', '[']).next().expect("a word");
                if !describes(&text, flag) {
                    unknown.push(format!("{}:{line}: `{span}`: `{command}` has no {flag}", page.name));
                }
            }
        }
    }
    assert!(checked > 50, "{checked}");
    assert!(unknown.is_empty(), "\n{}", unknown.join("\n"));
}
