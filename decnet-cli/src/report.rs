//! How errors are said: words for people, one JSON object for programs; on stderr both.

use decnet_topology::Finding;
use serde::Serialize;

use crate::{
    command_error::CommandError,
    exit::Exit,
    output::{Output, Style, say},
    text,
};

/// Says what went wrong on stderr, and decides what the process leaves with.
pub(crate) fn failure(error: &CommandError, output: Output) -> Exit {
    let exit = error.exit();
    if exit == Exit::Done {
        return exit;
    }
    if output.json {
        say_as_json(&Body {
            code: error.code(),
            message: error.to_string(),
            hint: error.hint(),
            exit: exit.code(),
            causes: error.causes(),
            details: error.details(),
            findings: error.findings(),
        });
        return exit;
    }
    say(&format!(
        "{} {}",
        output.paint(Style::Error, "error:"),
        text::one_line(&error.to_string())
    ));
    for cause in error.causes() {
        say(&format!("  caused by: {}", text::one_line(&cause)));
    }
    for detail in error.details() {
        say(&format!("  {}", text::one_line(&detail)));
    }
    for finding in error.findings() {
        say(&format!("  {}", text::one_line(&finding.to_string())));
    }
    if let Some(hint) = error.hint() {
        say(&format!("{} {hint}", output.paint(Style::Hint, "hint:")));
    }
    exit
}

/// An error, for programs.
#[derive(Serialize)]
struct Body<'a> {
    code: &'a str,
    message: String,
    hint: Option<&'a str>,
    exit: u8,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    details: Vec<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    findings: &'a [Finding],
}

fn say_as_json(body: &Body<'_>) {
    #[derive(Serialize)]
    struct Envelope<'a> {
        error: &'a Body<'a>,
    }
    // Texts and numbers always print.
    if let Ok(line) = serde_json::to_string(&Envelope { error: body }) {
        say(&line);
    }
}

/// Says what is wrong with a command line, or prints the help that was asked for.
pub(crate) fn grammar(error: &clap::Error, wants_json: bool) -> Exit {
    if wants_json && error.use_stderr() {
        let message = error.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
        say_as_json(&Body {
            code: "usage",
            message: message.into(),
            hint: None,
            exit: Exit::Usage.code(),
            causes: Vec::new(),
            details: Vec::new(),
            findings: &[],
        });
        return Exit::Usage;
    }
    // A closed pipe changes nothing.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
