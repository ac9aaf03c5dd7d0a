//! Errors on stderr: text, or one JSON object.

use decnet_topology::Finding;
use serde::Serialize;

use crate::{
    command_error::CommandError,
    exit::Exit,
    output::{Output, Style, say},
    text,
};

/// Prints an error on stderr and returns the exit code. The hint names the maze that the user typed, or else that of the error.
pub(crate) fn failure(error: &CommandError, maze: Option<&str>, output: Output) -> Exit {
    let exit = error.exit();
    if exit == Exit::Done {
        return exit;
    }
    let hint = error.hint().map(|hint| match maze.or_else(|| error.maze()) {
        Some(maze) => hint.replace("MAZE", maze),
        None => hint.into_owned(),
    });
    let body = Body {
        code: error.code(),
        message: error.to_string(),
        hint: hint.as_deref(),
        exit: exit.code(),
        causes: error.causes(),
        details: error.details(),
        findings: error.findings(),
    };
    if output.json {
        say_as_json(&body);
        return exit;
    }
    let say_line = |text: String| say(&text::one_line(&text));
    let label = output.paint(Style::Error, "error:");
    say(&format!("{label} {}", text::one_line(&body.message)));
    body.causes
        .iter()
        .for_each(|cause| say_line(format!("  caused by: {cause}")));
    body.details.iter().for_each(|detail| say_line(format!("  {detail}")));
    for finding in error.finding_lines() {
        say_line(format!("  {finding}"));
    }
    if let Some(hint) = body.hint {
        say(&format!(
            "{} {}",
            output.paint(Style::Hint, "hint:"),
            text::one_line(hint)
        ));
    }
    exit
}

/// An error as JSON.
#[derive(Default, Serialize)]
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
    // Texts and numbers can always be serialized.
    if let Ok(line) = serde_json::to_string(&Envelope { error: body }) {
        say(&line);
    }
}

/// Prints an error of the command line, or the help.
pub(crate) fn grammar(error: &clap::Error, wants_json: bool) -> Exit {
    if wants_json && error.use_stderr() {
        let message = error.to_string();
        let message = message.strip_prefix("error: ").unwrap_or(&message).trim_end();
        say_as_json(&Body {
            code: "usage",
            message: message.into(),
            exit: Exit::Usage.code(),
            ..Body::default()
        });
        return Exit::Usage;
    }
    // A closed pipe is ignored.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Done }
}
