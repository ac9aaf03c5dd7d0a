//! Streams that follow an attach or the start of a command: output, or a terminal with a small shell.

use serde_json::Value;

use super::{API, Answer, Engine};
use crate::service::{
    dialogue::{Input, Turn},
    event::Event,
    wire::http::Request,
};

/// The maximum length of a line that a visitor types.
const LINE: usize = 4096;
/// The prompt of a shell.
const PROMPT: &str = "/ # ";

/// The code of a command that is a shell.
const SHELL: u8 = 0x7e;
/// The code of a command without output.
pub(super) const SILENT: u8 = 0x7f;
/// The bit of a command with a terminal.
const TERMINAL: u8 = 0x80;

/// A shell, or a process that ignores its input.
pub(super) struct Stream {
    host: String,
    kernel: &'static str,
    is_terminal: bool,
    is_shell: bool,
    line: Vec<u8>,
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

impl Engine {
    /// Returns the head of a stream and the output of a command. After it, the stream closes, or is a shell.
    pub(super) fn stream(&mut self, request: &Request, host: &str, code: u8, turn: &mut Turn) -> Answer {
        let (is_terminal, code) = (code & TERMINAL != 0, code & !TERMINAL);
        let start = if request.header("upgrade").is_some() {
            "101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp"
        } else {
            "200 OK\r\nContent-Type: application/vnd.docker.raw-stream"
        };
        let head = format!(
            "HTTP/1.1 {start}\r\nApi-Version: {}\r\nDocker-Experimental: false\r\nOstype: linux\r\nServer: {}\r\n\r\n",
            API.0,
            self.header_server()
        );
        let mut body = head.into_bytes();
        if code == SHELL || code == SILENT {
            let terminal = Stream {
                host: host.to_owned(),
                kernel: self.kernel(),
                is_terminal,
                is_shell: code == SHELL,
                line: Vec::new(),
            };
            if terminal.is_shell && is_terminal {
                body.extend(PROMPT.bytes());
            }
            self.terminal = Some(terminal);
        } else {
            let output = OUTPUTS.get(usize::from(code)).map_or("", |(_, output)| output);
            let output = output.replace("{host}", host).replace("{kernel}", self.kernel());
            body.extend(framed(&output, is_terminal));
            // The command ended, and the engine closes its stream.
            turn.close();
        }
        Answer {
            status: "101 UPGRADED",
            kind: "",
            body,
        }
    }

    /// Reports the lines that the visitor types, and answers as a shell does.
    pub(super) fn type_lines(&mut self, input: &mut Input, turn: &mut Turn) {
        let Some(terminal) = &mut self.terminal else { return };
        let mut shown = Vec::new();
        for byte in input.take_all() {
            let is_echoed = terminal.is_terminal && terminal.is_shell;
            match byte {
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut terminal.line);
                    let line = String::from_utf8_lossy(line.trim_ascii()).into_owned();
                    if is_echoed {
                        shown.extend(b"\r\n");
                    }
                    let is_end = terminal.run(&line, &mut shown, turn);
                    if is_end {
                        turn.close();
                        break;
                    }
                }
                // End of transmission.
                4 if terminal.line.is_empty() => {
                    turn.close();
                    break;
                }
                // Delete.
                8 | 0x7f if is_echoed => {
                    let erased = terminal.line.pop().map_or(&b""[..], |_| b"\x08 \x08");
                    shown.extend(erased);
                }
                _ if terminal.line.len() < LINE => {
                    terminal.line.push(byte);
                    if is_echoed && byte >= b' ' {
                        shown.push(byte);
                    }
                }
                _ => {}
            }
        }
        if !shown.is_empty() {
            turn.send(shown);
        }
    }
}

impl Stream {
    /// Runs a line. Returns whether the shell ends.
    fn run(&self, line: &str, shown: &mut Vec<u8>, turn: &mut Turn) -> bool {
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
fn framed(output: &str, is_terminal: bool) -> Vec<u8> {
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
const OUTPUTS: &[(&str, &str)] = &[
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
