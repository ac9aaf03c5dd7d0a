//! Commands that print a known text, and a small shell.

use serde_json::Value;

use crate::service::{dialogue::Turn, event::Event};

/// The prompt of a shell.
pub(super) const PROMPT: &str = "/ # ";

/// The code of a command that is a shell.
pub(super) const SHELL: u8 = 0x7e;

/// The code of a command without output.
pub(super) const SILENT: u8 = 0x7f;

/// The bit of a command with a terminal.
pub(super) const TERMINAL: u8 = 0x80;

/// A shell, or a process that ignores its input.
pub(super) struct Stream {
    pub(super) host: String,
    pub(super) kernel: &'static str,
    pub(super) is_terminal: bool,
    pub(super) is_shell: bool,
    pub(super) line: Vec<u8>,
}

/// Returns the code of a command: what it prints, and whether it has a terminal.
pub(super) fn code_of(spec: &Value, line: &str) -> u8 {
    let is_terminal = spec.get("Tty").and_then(Value::as_bool).unwrap_or_default();
    let last = line.rsplit([' ', '/']).next().unwrap_or_default();
    let is_it = |command: &str| {
        let rest = line.strip_suffix(command);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with(' '))
    };
    let code = if ["sh", "bash", "ash"].contains(&last) {
        SHELL
    } else {
        let known = OUTPUTS.iter().position(|(command, _)| is_it(command));
        known.and_then(|at| u8::try_from(at).ok()).unwrap_or(SILENT)
    };
    if is_terminal { code | TERMINAL } else { code }
}

impl Stream {
    /// Runs a line. Returns whether the shell ends.
    pub(super) fn run(&self, line: &str, shown: &mut Vec<u8>, turn: &mut Turn) -> bool {
        if !line.is_empty() {
            turn.report(Event::command(line));
        }
        if !self.is_shell {
            return false;
        }
        if line == "exit" {
            return true;
        }
        let known = OUTPUTS.iter().find(|(command, _)| *command == line);
        let output = known
            .map_or("", |(_, output)| output)
            .replace("{host}", &self.host)
            .replace("{kernel}", self.kernel);
        shown.extend(framed(&output, self.is_terminal));
        if self.is_terminal {
            shown.extend(PROMPT.bytes());
        }
        false
    }
}

/// Returns output as a terminal has it, or in a frame of the stream.
pub(super) fn framed(output: &str, is_terminal: bool) -> Vec<u8> {
    if is_terminal {
        return output.replace('\n', "\r\n").into_bytes();
    }
    let mut bytes = Vec::new();
    if !output.is_empty() {
        bytes.extend([1, 0, 0, 0]);
        bytes.extend(u32::try_from(output.len()).unwrap_or_default().to_be_bytes());
        bytes.extend(output.bytes());
    }
    bytes
}

/// What well-known commands print.
pub(super) const OUTPUTS: &[(&str, &str)] = &[
    ("id", "uid=0(root) gid=0(root) groups=0(root)\n"),
    ("whoami", "root\n"),
    ("hostname", "{host}\n"),
    ("pwd", "/\n"),
    ("uname -a", "Linux {host} {kernel} #1 SMP x86_64 GNU/Linux\n"),
    (
        "ls /",
        "bin\nboot\ndev\netc\nhome\nlib\nlib64\nmedia\nmnt\nopt\nproc\nroot\nrun\nsbin\nsrv\nsys\ntmp\nusr\nvar\n",
    ),
];
