//! Streams that follow an attach or the start of a command: output, or a terminal with a small shell.

use super::{
    API, Answer, Engine,
    terminal::{OUTPUTS, PROMPT, SHELL, SILENT, Stream, TERMINAL, framed},
};
use crate::service::{
    dialogue::{Input, Turn},
    wire::http::Request,
};

/// The maximum length of a line that a visitor types.
const LINE: usize = 4096;

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
