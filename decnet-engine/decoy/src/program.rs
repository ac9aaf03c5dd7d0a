//! The command line of `decnet-decoy`.

use std::{
    error::Error,
    io::{self, Write},
    os::unix::net::UnixStream,
    process::ExitCode,
    time::SystemTime,
};

use serde::Serialize;
use signal_hook::low_level::pipe;

use crate::{
    base, probe,
    protocol::{EXIT_FAILED, EXIT_USAGE},
    service, state,
    timestamp::rfc3339,
};

const USAGE: &str = "decnet-decoy base | state set JSON | state keep JSON | state restore | state check [JSON] | state show | service | probe JSON";

/// Runs the command that `arguments` (without the program's name) spell, and says how it went.
pub fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["base"] => base::run(),
        ["state", "set", json] => state::set(json),
        ["state", "keep", json] => state::keep(json),
        ["state", "restore"] => state::restore(),
        ["state", "check"] => state::check(),
        ["state", "check", json] => state::check_against(json),
        ["state", "show"] => state::show(),
        ["service"] => service::run(),
        ["probe", json] => probe::run(json),
        _ => Err(Failure::usage("unknown command", USAGE)),
    };
    done.unwrap_or_else(|failure| {
        log("error", failure.context, &serde_json::json!(failure.cause));
        ExitCode::from(failure.code)
    })
}

/// Why a command gave up.
pub(crate) struct Failure {
    context: &'static str,
    cause: String,
    code: u8,
}

impl Failure {
    /// Something did not work.
    pub(crate) fn new(context: &'static str, cause: impl Into<Box<dyn Error>>) -> Self {
        Self {
            context,
            cause: chain(&*cause.into()),
            code: EXIT_FAILED,
        }
    }

    /// The process leaves with a code of its own.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// What was asked for cannot be understood.
    pub(crate) fn usage(context: &'static str, cause: impl Into<Box<dyn Error>>) -> Self {
        Self {
            code: EXIT_USAGE,
            ..Self::new(context, cause)
        }
    }
}

/// Returns what can be read, without waiting, once one of these signals came.
pub(crate) fn signals(signals: &[i32]) -> Result<UnixStream, Failure> {
    let caught = || -> io::Result<UnixStream> {
        let (told, tell) = UnixStream::pair()?;
        told.set_nonblocking(true)?;
        for signal in signals {
            pipe::register(*signal, tell.try_clone()?)?;
        }
        Ok(told)
    };
    caught().map_err(|error| Failure::new("signals cannot be caught", error))
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Writes one line about the program itself to stderr.
pub(crate) fn log(level: &str, event: &str, detail: &serde_json::Value) {
    let line = serde_json::json!({
        "ts": rfc3339(SystemTime::now()), "level": level, "event": event, "detail": detail,
    });
    // Nobody to tell it to is no reason to stop.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes one value as a line of JSON to stdout, in one write.
pub(crate) fn print_line(value: &impl Serialize) {
    write_line(&mut io::stdout().lock(), value);
}

/// Writes one value as a line of JSON, in one write.
pub(crate) fn write_line(out: &mut (impl Write + ?Sized), value: &impl Serialize) {
    let Ok(mut line) = serde_json::to_vec(value) else {
        return;
    };
    line.push(b'\n');
    // A log that nobody reads any more must not take the program down.
    let _ = out.write_all(&line).and_then(|()| out.flush());
}
