//! Telnet (RFC 854): the telnetd and login of the decky's system.
//!
//! Linux servers answer as netkit's telnetd with Debian's login, which scanners know as "Linux telnetd"; small devices answer
//! as `BusyBox`.

mod login;
mod options;
mod shell;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use self::{
    options::{
        AYT, DISPLAY_LOCATION, DO, DONT, ECHO, ENVIRONMENT, FLOW_CONTROL, IAC, IP, Part, SB, SE, STATUS,
        SUPPRESS_GO_AHEAD, Splitter, TERMINAL_SPEED, TERMINAL_TYPE, WILL, WINDOW_SIZE, WONT,
    },
    shell::Shell,
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Turn},
    event::{Auth, Event, Fingerprint},
};
use crate::protocol::Os;

/// The maximum length of a line; a terminal of Linux ignores what comes after it.
const LINE: usize = 4095;

/// A telnet server.
struct Telnet {
    context: Context,
    is_busybox: bool,
    splitter: Splitter,
    negotiation: Negotiation,
    stage: Stage,
    line: Vec<u8>,
    after_return: bool,
    failures: u8,
    /// The user in the visitor's environment.
    user: Option<Vec<u8>>,
    /// The options that were refused already.
    refused: BTreeSet<(u8, u8)>,
    seen: bool,
}

/// The options that netkit's telnetd waits for before it starts login.
#[derive(Debug)]
enum Negotiation {
    /// Answers to the first four options. `agreed` has those that the visitor has.
    First {
        open: Vec<u8>,
        agreed: Vec<u8>,
    },
    /// The values of the options that the visitor has.
    Values {
        open: Vec<u8>,
    },
    /// The answer to ECHO.
    Echo,
    Done,
}

enum Stage {
    Name,
    Password(Vec<u8>),
    Shell(Shell),
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Telnet {
        is_busybox: !matches!(
            context.persona().os,
            Os::Debian11 | Os::Debian12 | Os::Ubuntu2204 | Os::Ubuntu2404
        ),
        context: context.clone(),
        splitter: Splitter::default(),
        negotiation: Negotiation::Done,
        stage: Stage::Name,
        line: Vec::new(),
        after_return: false,
        failures: 0,
        user: None,
        refused: BTreeSet::new(),
        seen: false,
    })
}

impl Dialogue for Telnet {
    fn open(&mut self, turn: &mut Turn) {
        if self.is_busybox {
            turn.send([
                IAC,
                DO,
                ECHO,
                IAC,
                DO,
                WINDOW_SIZE,
                IAC,
                WILL,
                ECHO,
                IAC,
                WILL,
                SUPPRESS_GO_AHEAD,
            ]);
            self.greet(turn);
            return;
        }
        let open = vec![TERMINAL_TYPE, TERMINAL_SPEED, DISPLAY_LOCATION, ENVIRONMENT];
        turn.send(open.iter().flat_map(|option| [IAC, DO, *option]).collect::<Vec<u8>>());
        self.negotiation = Negotiation::First {
            open,
            agreed: Vec::new(),
        };
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        let bytes = input.take_all();
        for (at, byte) in bytes.iter().copied().enumerate() {
            self.seen = true;
            match self.splitter.take(byte) {
                Some(Part::Text(byte)) => {
                    // A visitor who does not negotiate still gets a prompt.
                    if !matches!(self.negotiation, Negotiation::Done) {
                        self.start_login(turn);
                    }
                    self.key(byte, turn);
                }
                Some(Part::Command(IP)) => self.key(3, turn),
                Some(Part::Command(AYT)) if !self.is_busybox => turn.send(*b"\r\n[Yes]\r\n"),
                Some(Part::Option(verb, option)) => self.option(verb, option, turn),
                Some(Part::Subnegotiation(content)) => self.value(&content, turn),
                Some(Part::Command(_)) | None => {}
            }
            if turn.is_over() {
                input.push(bytes.get(at + 1..).unwrap_or_default());
                return;
            }
        }
    }

    fn finish(&mut self, _input: &mut Input, turn: &mut Turn) {
        self.report_rest(turn);
    }

    fn expire(&mut self, turn: &mut Turn) {
        self.report_rest(turn);
        if !matches!(self.stage, Stage::Shell(_)) && matches!(self.negotiation, Negotiation::Done) {
            let end = if self.is_busybox { "" } else { "." };
            turn.send(format!("\r\nLogin timed out after 60 seconds{end}\r\n"));
        }
    }
}

impl Telnet {
    /// Reports what the visitor typed without an end of the line, or a name without a password.
    fn report_rest(&mut self, turn: &mut Turn) {
        let line = std::mem::take(&mut self.line);
        match &mut self.stage {
            Stage::Password(user) => {
                let user = std::mem::take(user);
                if !line.is_empty() {
                    turn.report(Event::password("password", &user, &line, false));
                } else if !user.is_empty() {
                    turn.report(Event::Auth(Auth {
                        method: "password",
                        user: Some(user.as_slice().into()),
                        ..Auth::default()
                    }));
                }
            }
            _ if line.is_empty() => {}
            Stage::Shell(_) => turn.report(Event::command(&line)),
            Stage::Name => turn.report(Event::probe("not this protocol", &line)),
        }
    }

    /// Handles WILL, WONT, DO and DONT.
    fn option(&mut self, verb: u8, option: u8, turn: &mut Turn) {
        // BusyBox ignores what visitors say of options.
        if self.is_busybox {
            return;
        }
        match (&mut self.negotiation, verb) {
            (Negotiation::First { open, agreed }, WILL | WONT) if open.contains(&option) => {
                open.retain(|one| *one != option);
                if verb == WILL {
                    agreed.push(option);
                }
                if open.is_empty() {
                    let agreed = std::mem::take(agreed);
                    self.ask_values(&agreed, turn);
                }
            }
            (Negotiation::Echo, WILL | WONT) if option == ECHO => {
                if verb == WILL {
                    turn.send([IAC, DONT, ECHO]);
                }
                turn.send([IAC, WILL, ECHO]);
                self.greet(turn);
            }
            (_, WILL)
                if !matches!(
                    option,
                    ECHO | TERMINAL_TYPE | WINDOW_SIZE..=FLOW_CONTROL | DISPLAY_LOCATION | ENVIRONMENT
                ) =>
            {
                self.refuse(DONT, option, turn);
            }
            (_, DO) if !matches!(option, ECHO | SUPPRESS_GO_AHEAD | STATUS) => self.refuse(WONT, option, turn),
            _ => {}
        }
    }

    fn refuse(&mut self, verb: u8, option: u8, turn: &mut Turn) {
        if self.refused.insert((verb, option)) {
            turn.send([IAC, verb, option]);
        }
    }

    /// Asks for the values of options, in the order of telnetd.
    fn ask_values(&mut self, agreed: &[u8], turn: &mut Turn) {
        let mut open = vec![TERMINAL_SPEED, DISPLAY_LOCATION, ENVIRONMENT, TERMINAL_TYPE];
        open.retain(|option| agreed.contains(option));
        if open.is_empty() {
            self.ask_echo(turn);
            return;
        }
        let ask = open.iter().flat_map(|option| [IAC, SB, *option, 1, IAC, SE]);
        turn.send(ask.collect::<Vec<u8>>());
        self.negotiation = Negotiation::Values { open };
    }

    /// Handles the value of an option.
    fn value(&mut self, content: &[u8], turn: &mut Turn) {
        if let [TERMINAL_TYPE, 0, terminal @ ..] = content {
            turn.report(Event::Fingerprint(Fingerprint {
                method: "terminal-type",
                value: terminal.into(),
                server_name: None,
            }));
        }
        if let Some(user) = options::user(content) {
            if user.starts_with(b"-") {
                // Programs that trust this name skip the login (CVE-2007-0882, CVE-2026-24061).
                turn.report(Event::probe("option of login as user", &user));
            } else if !user.is_empty() {
                self.user = Some(user);
            }
        }
        if let Negotiation::Values { open } = &mut self.negotiation {
            open.retain(|option| Some(option) != content.first());
            if open.is_empty() {
                self.ask_echo(turn);
            }
        }
    }

    fn ask_echo(&mut self, turn: &mut Turn) {
        turn.send([
            IAC,
            WILL,
            SUPPRESS_GO_AHEAD,
            IAC,
            DO,
            ECHO,
            IAC,
            DO,
            WINDOW_SIZE,
            IAC,
            WILL,
            STATUS,
            IAC,
            DO,
            FLOW_CONTROL,
        ]);
        self.negotiation = Negotiation::Echo;
    }

    /// Skips what is left of the negotiation.
    fn start_login(&mut self, turn: &mut Turn) {
        if !matches!(self.negotiation, Negotiation::Echo) {
            self.ask_echo(turn);
        }
        turn.send([IAC, WILL, ECHO]);
        self.greet(turn);
    }

    /// Sends the text before the first prompt, and the prompt.
    fn greet(&mut self, turn: &mut Turn) {
        self.negotiation = Negotiation::Done;
        let own = self.context.fields().text("banner");
        let banner = match (own, self.context.persona().os) {
            (Some(own), _) => own.replace("\r\n", "\n").replace('\n', "\r\n"),
            (None, Os::Debian11) => "Debian GNU/Linux 11\r\n".into(),
            (None, Os::Debian12) => "Debian GNU/Linux 12\r\n".into(),
            (None, Os::Ubuntu2204) => format!("Ubuntu 22.04.{} LTS\r\n", self.context.pick("ubuntu", &["3", "4", "5"])),
            (None, Os::Ubuntu2404) => format!("Ubuntu 24.04.{} LTS\r\n", self.context.pick("ubuntu", &["1", "2", "3"])),
            (None, _) => "\r\r\n".into(),
        };
        let has_prompt = banner.trim_end().ends_with("login:");
        turn.send(banner);
        if let Some(user) = self.user.take() {
            self.ask_password(user, turn);
        } else if !has_prompt {
            self.prompt_name(turn);
        }
    }

    fn prompt_name(&mut self, turn: &mut Turn) {
        turn.send(format!("{} login: ", self.context.persona().hostname));
    }

    fn ask_password(&mut self, user: Vec<u8>, turn: &mut Turn) {
        turn.send(*b"Password: ");
        self.stage = Stage::Password(user);
    }
}
