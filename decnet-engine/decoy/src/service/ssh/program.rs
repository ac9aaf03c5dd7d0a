//! What runs on a channel: a shell with or without a terminal, or one command.

use std::{net::SocketAddrV4, sync::Arc};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    host::{Flavour, Host},
    outcome::MOST_OUTPUT,
    shell::{Reply, Shell},
};
use crate::service::event::{Event, File};

/// The maximum length of a line.
const LINE_BYTES: usize = 4096;

/// What a program writes and reports at one input.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub(super) output: Vec<u8>,
    pub(super) errors: Vec<u8>,
    pub(super) events: Vec<Event>,
    /// The status, if the program ended.
    pub(super) exit: Option<u32>,
}

/// A running program.
pub(super) struct Program {
    shell: Shell,
    terminal: Option<Terminal>,
    line: Vec<u8>,
    /// The rest of an escape sequence follows.
    escape: Option<Vec<u8>>,
    upload: Option<Upload>,
    /// The program is one command, not a shell.
    is_command: bool,
    after_return: bool,
}

/// The visitor's terminal.
struct Terminal {
    /// It understands the sequences of readline.
    brackets: bool,
}

/// A file that the visitor sends to a command such as `cat > name`.
struct Upload {
    name: String,
    bytes: u64,
    hash: Sha256,
}

impl Program {
    /// Prepares a shell. `terminal` is the type of the visitor's terminal.
    pub(super) fn new(host: &Arc<Host>, user: &str, remote: SocketAddrV4, terminal: Option<&str>) -> Self {
        Self {
            shell: Shell::new(Arc::clone(host), user, remote, terminal.is_some()),
            terminal: terminal.map(|kind| Terminal {
                brackets: host.flavour == Flavour::Bash && kind != "dumb",
            }),
            line: Vec::new(),
            escape: None,
            upload: None,
            is_command: false,
            after_return: false,
        }
    }

    /// Starts the shell.
    pub(super) fn greet(&mut self) -> Sent {
        let mut sent = Sent::default();
        let greeting = self.shell.greeting(Timestamp::now());
        self.write(&greeting, &mut sent);
        self.prompt(&mut sent);
        sent
    }

    /// Runs one command.
    pub(super) fn run_command(&mut self, line: &[u8]) -> Sent {
        self.is_command = true;
        let mut sent = Sent::default();
        self.run(line.get(..LINE_BYTES).unwrap_or(line), &mut sent);
        sent
    }

    /// Handles input of the visitor.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Sent {
        let mut sent = Sent::default();
        if let Some(upload) = &mut self.upload
            && self.terminal.is_none()
        {
            upload.bytes = upload.bytes.saturating_add(bytes.len() as u64);
            upload.hash.update(bytes);
            return sent;
        }
        if self.is_command {
            return sent;
        }
        for byte in bytes {
            // One byte may show a whole line again.
            if sent.exit.is_some() || sent.output.len().saturating_add(sent.errors.len()) > MOST_OUTPUT {
                break;
            }
            if self.terminal.is_some() {
                self.press(*byte, &mut sent);
            } else if *byte == b'\n' || self.line.len() >= LINE_BYTES {
                let line = std::mem::take(&mut self.line);
                self.run(&line, &mut sent);
            } else {
                self.line.push(*byte);
            }
        }
        sent
    }

    /// Handles the end of the visitor's input.
    pub(super) fn finish(&mut self) -> Sent {
        let mut sent = Sent::default();
        self.end_upload(&mut sent);
        if self.terminal.is_none() {
            let line = std::mem::take(&mut self.line);
            if !line.is_empty() {
                self.run(&line, &mut sent);
            }
            sent.exit.get_or_insert(self.shell.status);
        }
        sent
    }

    /// Handles one byte from a terminal, as readline does.
    fn press(&mut self, byte: u8, sent: &mut Sent) {
        if let Some(sequence) = &mut self.escape {
            sequence.push(byte);
            let is_last = match sequence[..] {
                [first] => first != b'[' && first != b'O',
                _ => (0x40..=0x7e).contains(&byte),
            };
            if is_last || sequence.len() > 16 {
                self.escape = None;
            }
            return;
        }
        let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
        match byte {
            b'\n' if after_return => {}
            b'\r' | b'\n' => self.enter(sent),
            0x1b => self.escape = Some(Vec::new()),
            // Control-C.
            0x03 => {
                self.line.clear();
                // The lines until now are in the file.
                self.end_upload(sent);
                sent.output.extend(b"^C\r\n");
                self.shell.status = 130;
                self.prompt(sent);
            }
            // Control-D.
            0x04 => {
                if self.upload.is_some() {
                    self.end_upload(sent);
                    self.prompt(sent);
                } else if self.line.is_empty() {
                    let farewell = self.shell.farewell();
                    self.write(farewell, sent);
                    sent.exit = Some(self.shell.status);
                }
            }
            0x08 | 0x7f => {
                if self.line.pop().is_some() {
                    // A character of several bytes goes at once.
                    while self.line.last().is_some_and(|last| last & 0xc0 == 0x80) {
                        self.line.pop();
                    }
                    sent.output.extend(b"\x08 \x08");
                }
            }
            // Control-U.
            0x15 => {
                let count = self.line.len();
                self.line.clear();
                sent.output.extend(b"\x08 \x08".repeat(count));
            }
            // Control-L.
            0x0c => {
                sent.output.extend(b"\x1b[H\x1b[2J");
                self.prompt(sent);
                sent.output.extend(&self.line);
            }
            0..0x20 => sent.output.push(0x07),
            _ if self.line.len() >= LINE_BYTES => sent.output.push(0x07),
            _ => {
                self.line.push(byte);
                sent.output.push(byte);
            }
        }
    }

    fn enter(&mut self, sent: &mut Sent) {
        let line = std::mem::take(&mut self.line);
        sent.output.extend(b"\r\n");
        if let Some(upload) = &mut self.upload {
            upload.bytes = upload.bytes.saturating_add(line.len() as u64 + 1);
            upload.hash.update(&line);
            upload.hash.update(b"\n");
            return;
        }
        if self.terminal.as_ref().is_some_and(|terminal| terminal.brackets) {
            sent.output.extend(b"\x1b[?2004l\r");
        }
        self.run(&line, sent);
    }

    /// Reports a line and runs it.
    fn run(&mut self, line: &[u8], sent: &mut Sent) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        if !text.is_empty() {
            sent.events.push(Event::command(line));
        }
        let reply = self.shell.run(text, self.is_command, Timestamp::now());
        let Reply {
            output,
            errors,
            ends,
            upload,
        } = reply;
        self.write(&output, sent);
        if self.terminal.is_some() {
            self.write(&errors, sent);
        } else {
            sent.errors.extend(errors.into_bytes());
        }
        if let Some(name) = upload {
            self.upload = Some(Upload {
                name,
                bytes: 0,
                hash: Sha256::new(),
            });
        } else if ends || self.is_command {
            sent.exit = Some(self.shell.status);
        } else {
            self.prompt(sent);
        }
    }

    fn end_upload(&mut self, sent: &mut Sent) {
        let Some(upload) = self.upload.take() else { return };
        let digest: String = upload.hash.finalize().iter().fold(String::new(), |mut digits, byte| {
            let _ = std::fmt::Write::write_fmt(&mut digits, format_args!("{byte:02x}"));
            digits
        });
        sent.events.push(Event::File(File {
            name: upload.name.into(),
            is_upload: true,
            bytes: upload.bytes,
            sha256: Some(digest),
        }));
        self.shell.status = 0;
    }

    fn prompt(&self, sent: &mut Sent) {
        if let Some(terminal) = &self.terminal {
            if terminal.brackets {
                sent.output.extend(b"\x1b[?2004h");
            }
            sent.output.extend(self.shell.prompt().into_bytes());
        }
    }

    fn write(&self, text: &str, sent: &mut Sent) {
        if self.terminal.is_some() {
            sent.output.extend(text.replace('\n', "\r\n").into_bytes());
        } else {
            sent.output.extend(text.as_bytes());
        }
    }
}
