//! The keys of a visitor, the login and the lines for the shell.

use std::time::Duration;

use super::{LINE, Stage, Telnet, shell::Shell};
use crate::service::{dialogue::Turn, event::Event};

impl Telnet {
    /// Handles a key, as the terminal of the server does.
    pub(super) fn key(&mut self, byte: u8, turn: &mut Turn) {
        let is_second = std::mem::replace(&mut self.after_return, byte == b'\r') && matches!(byte, b'\n' | 0);
        let is_shown = !matches!(self.stage, Stage::Password(_));
        match byte {
            _ if is_second => {}
            b'\r' | b'\n' => {
                turn.send(*b"\r\n");
                let line = std::mem::take(&mut self.line);
                self.line_entered(line, turn);
            }
            8 | 0x7f => {
                let erased = self.line.pop();
                if erased.is_some() && is_shown {
                    turn.send(*b"\x08 \x08");
                }
            }
            // Control-C.
            3 => {
                if let Stage::Shell(shell) = &self.stage {
                    self.line.clear();
                    turn.send(format!("^C\r\n{}", shell.prompt()));
                } else {
                    self.report_rest(turn);
                    turn.close();
                }
            }
            // Control-D.
            4 if self.line.is_empty() => {
                if matches!(self.stage, Stage::Shell(_)) && !self.is_busybox {
                    turn.send(*b"logout\r\n");
                }
                self.report_rest(turn);
                turn.close();
            }
            // Control-U.
            0x15 => {
                if is_shown {
                    turn.send(b"\x08 \x08".repeat(self.line.len()));
                }
                self.line.clear();
            }
            0..0x20 => {}
            byte if self.line.len() < LINE => {
                self.line.push(byte);
                if is_shown {
                    turn.send([byte]);
                }
            }
            _ => {}
        }
    }

    fn line_entered(&mut self, line: Vec<u8>, turn: &mut Turn) {
        match &mut self.stage {
            Stage::Name if line.is_empty() && self.is_busybox => self.prompt_name(turn),
            Stage::Name => self.ask_password(line, turn),
            Stage::Password(user) => {
                let user = std::mem::take(user);
                self.stage = Stage::Name;
                self.log_in(&user, &line, turn);
            }
            Stage::Shell(shell) => {
                if !line.trim_ascii().is_empty() {
                    turn.report(Event::command(line.trim_ascii()));
                }
                let answer = shell.run(&line);
                turn.send(answer.output.replace('\n', "\r\n"));
                if answer.is_over {
                    turn.close();
                } else {
                    turn.send(shell.prompt());
                }
            }
        }
    }

    fn log_in(&mut self, user: &[u8], password: &[u8], turn: &mut Turn) {
        let accepted = self.context.fields().admits("admin", user, password);
        turn.report(Event::password("password", user, password, accepted));
        if accepted {
            turn.allow_silence(Duration::from_mins(15));
            let shell = Shell::new(&self.context, user, self.is_busybox);
            turn.send(shell.welcome().replace('\n', "\r\n"));
            turn.send(shell.prompt());
            self.stage = Stage::Shell(shell);
            return;
        }
        self.failures = self.failures.saturating_add(1);
        turn.pause(self.delay());
        if self.is_busybox {
            turn.send(*b"Login incorrect\r\n");
            if self.failures >= 3 {
                turn.close();
                return;
            }
        } else if self.failures >= 5 {
            turn.send(*b"\r\nMaximum number of tries exceeded (5)\r\n");
            turn.close();
            return;
        } else {
            turn.send(*b"\r\nLogin incorrect\r\n");
        }
        self.prompt_name(turn);
    }

    /// Returns the time after a wrong password: three seconds on `BusyBox`; PAM varies it by a quarter.
    fn delay(&self) -> Duration {
        if self.is_busybox {
            return Duration::from_secs(3);
        }
        let random = u16::from_le_bytes(self.context.fresh(&format!("delay {}", self.failures)));
        Duration::from_millis(2250 + u64::from(random % 1500))
    }
}
