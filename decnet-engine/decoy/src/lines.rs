//! Output of JSON lines.

use std::{
    io::{self, Write},
    time::SystemTime,
};

use serde::Serialize;

use crate::timestamp::rfc3339;

/// Writes a line about the program itself to stderr.
pub(crate) fn log(level: &str, event: &str, detail: &serde_json::Value) {
    let line = serde_json::json!({
        "ts": rfc3339(SystemTime::now()), "level": level, "event": event, "detail": detail,
    });
    // A closed stderr must not stop the program.
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Writes a value as a line of JSON to stdout, in one write.
pub(crate) fn print_line(value: &impl Serialize) {
    write_line(&mut io::stdout().lock(), value);
}

/// Writes a value as a line of JSON, in one write.
pub(crate) fn write_line(out: &mut (impl Write + ?Sized), value: &impl Serialize) {
    let Ok(mut line) = serde_json::to_vec(value) else {
        return;
    };
    line.push(b'\n');
    // A closed log must not stop the program.
    let _ = out.write_all(&line).and_then(|()| out.flush());
}
