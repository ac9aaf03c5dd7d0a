//! FTP (RFC 959, RFC 2428): vsftpd 3.0.3 as Debian installs it, with writing allowed.

mod files;
mod session;
#[cfg(test)]
mod tests;

use std::time::Duration;

use self::{
    files::{Files, resolve},
    session::{Session, is_own_port, simple, version},
};
use super::{
    context::Context,
    dialogue::{Dialogue, Input, Transfer, Turn},
    event::{Auth, Event},
    wire::{
        digest::Digest,
        line::{Lines, Taken, foreign, word},
    },
};

/// The maximum size of an upload that is received. It is hashed as it arrives; [`Files`] keeps its start.
const UPLOAD: usize = 4 * 1024 * 1024;

/// An FTP server.
struct Ftp {
    context: Context,
    lines: Lines,
    /// The user who must send a password.
    pending: Option<Vec<u8>>,
    failures: u8,
    session: Option<Session>,
    data: Data,
    job: Option<Job>,
    /// The line that started a transfer of a file. The file is reported instead if the transfer happens.
    request: Vec<u8>,
    /// Whether the port is announced in the extended form.
    is_extended: bool,
}

/// The second connection.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Data {
    None,
    /// The visitor connects.
    Passive,
    /// The decky would connect; nothing gets out of it.
    Active,
}

/// A transfer that runs.
enum Job {
    List,
    /// The digest of the content, and the path.
    Fetch(Digest, String),
    Store(Upload),
}

/// An upload that arrives.
struct Upload {
    path: String,
    digest: Digest,
    /// Whether there was more than is received.
    is_cut: bool,
}

impl Upload {
    /// Returns the event for what arrived.
    fn file(self) -> Event {
        let mark = if self.is_cut { " (cut)" } else { "" };
        self.digest.file(self.path + mark, true)
    }
}

/// Starts a conversation.
pub(super) fn new(context: &Context) -> Box<dyn Dialogue> {
    Box::new(Ftp {
        context: context.clone(),
        lines: Lines::new(4096),
        pending: None,
        failures: 0,
        session: None,
        data: Data::None,
        job: None,
        request: Vec::new(),
        is_extended: false,
    })
}

impl Dialogue for Ftp {
    fn open(&mut self, turn: &mut Turn) {
        turn.allow_silence(Duration::from_mins(5));
        let version = version(&self.context);
        let own = self.context.fields().text("banner").map(|banner| {
            if banner.starts_with("220") {
                banner.to_owned()
            } else {
                format!("220 {banner}")
            }
        });
        turn.send(format!(
            "{}\r\n",
            own.unwrap_or(format!("220 (vsFTPd {version})")).trim_end()
        ));
    }

    fn receive(&mut self, input: &mut Input, turn: &mut Turn) {
        while !turn.is_over() {
            match self.lines.take(input) {
                Taken::Line(line) => self.line(&line, turn),
                Taken::TooLong(start) => {
                    turn.report(Event::probe("long line", &start));
                    turn.send(*b"500 Input line too long.\r\n");
                    turn.close();
                }
                Taken::Partial => return,
            }
        }
    }

    fn finish(&mut self, input: &mut Input, turn: &mut Turn) {
        self.report_pending(turn);
        match self.job.take() {
            // The conversation ends in the middle of an upload.
            Some(Job::Store(upload)) if upload.digest.bytes() > 0 => {
                self.request.clear();
                turn.report(Upload { is_cut: true, ..upload }.file());
            }
            _ => self.report_request(turn),
        }
        if !input.bytes().is_empty() {
            turn.report(Event::probe(foreign(input.bytes()), input.bytes()));
        }
    }

    fn expire(&mut self, turn: &mut Turn) {
        self.report_pending(turn);
        turn.send(*b"421 Timeout.\r\n");
    }

    fn port_opened(&mut self, port: Option<u16>, turn: &mut Turn) {
        let Some(port) = port else {
            turn.send(*b"500 OOPS: vsf_sysutil_bind\r\n");
            turn.close();
            return;
        };
        self.data = Data::Passive;
        if self.is_extended {
            turn.send(format!("229 Entering Extended Passive Mode (|||{port}|)\r\n"));
            return;
        }
        let [a, b, c, d] = self.context.session.local.octets();
        let [high, low] = port.to_be_bytes();
        turn.send(format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low}).\r\n"));
    }

    fn received(&mut self, bytes: &[u8]) {
        let (Some(Job::Store(upload)), Some(session)) = (&mut self.job, &mut self.session) else {
            return;
        };
        // One byte more than the limit was asked for, so that a file of that size is not taken for a longer one.
        let left = u64::try_from(UPLOAD)
            .unwrap_or(u64::MAX)
            .saturating_sub(upload.digest.bytes());
        let kept = usize::try_from(left).map_or(bytes, |left| bytes.get(..left).unwrap_or(bytes));
        upload.is_cut |= kept.len() < bytes.len();
        upload.digest.add(kept);
        session.files.append(&upload.path, kept);
    }

    fn transferred(&mut self, is_done: bool, turn: &mut Turn) {
        let Some(job) = self.job.take() else {
            return;
        };
        if !is_done {
            self.report_request(turn);
            turn.send(*b"425 Failed to establish connection.\r\n");
            return;
        }
        self.request.clear();
        let reply = match job {
            Job::List => "226 Directory send OK.\r\n",
            Job::Fetch(digest, path) => {
                turn.report(digest.file(path, false));
                "226 Transfer complete.\r\n"
            }
            Job::Store(upload) => {
                turn.report(upload.file());
                "226 Transfer complete.\r\n"
            }
        };
        turn.send(reply);
    }
}

impl Ftp {
    fn line(&mut self, line: &[u8], turn: &mut Turn) {
        // Clients send the telnet commands IP and SYNCH before ABOR.
        let line: Vec<u8> = line
            .iter()
            .copied()
            .filter(|byte| !matches!(byte, 0 | 0xf2 | 0xf4 | 0xff))
            .collect();
        let (command, argument) = word(&line);
        match command.as_str() {
            "" if line.is_empty() => {}
            "PASS" => self.password(argument, turn),
            "USER" => self.user(argument, turn),
            _ => {
                let reply = self.command(&command, &String::from_utf8_lossy(argument), turn);
                // An event of the transfer follows.
                if self.job.as_ref().is_none_or(|job| matches!(job, Job::List)) {
                    turn.report(Event::command(&line));
                } else {
                    self.request.clone_from(&line);
                }
                if !reply.is_empty() {
                    turn.send(format!("{reply}\r\n"));
                }
            }
        }
    }

    fn user(&mut self, user: &[u8], turn: &mut Turn) {
        let reply = match &self.session {
            Some(session) if session.is_anonymous => "530 Can't change from guest user.",
            Some(session) if session.user.as_bytes() == user => "331 Any password will do.",
            Some(_) => "530 Can't change to another user.",
            None => {
                self.report_pending(turn);
                // An empty name is not a user that a password belongs to.
                self.pending = Some(user.to_vec()).filter(|user| !user.is_empty());
                "331 Please specify the password."
            }
        };
        turn.send(format!("{reply}\r\n"));
    }

    /// Reports the command of a transfer that did not happen.
    fn report_request(&mut self, turn: &mut Turn) {
        if !self.request.is_empty() {
            turn.report(Event::command(&std::mem::take(&mut self.request)));
        }
    }

    /// Reports a user whose password did not come.
    fn report_pending(&mut self, turn: &mut Turn) {
        if let Some(user) = self.pending.take() {
            turn.report(Event::Auth(Auth {
                method: "password",
                user: Some(user.as_slice().into()),
                ..Auth::default()
            }));
        }
    }

    fn password(&mut self, password: &[u8], turn: &mut Turn) {
        if self.session.is_some() {
            turn.send(*b"230 Already logged in.\r\n");
            return;
        }
        let Some(user) = self.pending.take() else {
            turn.send(*b"503 Login with USER first.\r\n");
            return;
        };
        let fields = self.context.fields();
        let is_anonymous = fields.flag("anonymous") == Some(true)
            && matches!(user.to_ascii_lowercase().as_slice(), b"anonymous" | b"ftp");
        let accepted = is_anonymous || fields.admits("ftp", &user, password);
        turn.report(Event::password("password", &user, password, accepted));
        if !accepted {
            self.failures = self.failures.saturating_add(1);
            let random = u16::from_le_bytes(self.context.fresh(&format!("delay {}", self.failures)));
            turn.pause(Duration::from_millis(3000 + u64::from(random % 700)));
            turn.send(*b"530 Login incorrect.\r\n");
            if self.failures >= 3 {
                turn.close();
            }
            return;
        }
        let user = String::from_utf8_lossy(&user).into_owned();
        let home = match user.as_str() {
            _ if is_anonymous => "/".to_owned(),
            "root" => "/root".to_owned(),
            user => format!("/home/{}", user.replace('/', "")),
        };
        self.session = Some(Session {
            files: Files::new(&self.context, &home, is_anonymous),
            folder: home,
            user,
            is_anonymous,
            renamed: None,
            is_binary: false,
            extended_only: false,
            offset: 0,
        });
        turn.send(*b"230 Login successful.\r\n");
    }

    /// Returns the reply to a command.
    fn command(&mut self, command: &str, argument: &str, turn: &mut Turn) -> String {
        match (command, argument.to_ascii_uppercase().as_str()) {
            ("QUIT", _) => {
                self.report_pending(turn);
                turn.close();
                return "221 Goodbye.".into();
            }
            ("FEAT", _) => {
                return "211-Features:\r\n EPRT\r\n EPSV\r\n MDTM\r\n PASV\r\n REST STREAM\r\n SIZE\r\n TVFS\r\n211 End".into();
            }
            ("OPTS", "UTF8 ON") => return "200 Always in UTF8 mode.".into(),
            ("OPTS", _) => return "501 Option not understood.".into(),
            _ => {}
        }
        let Some(session) = self.session.as_mut() else {
            return "530 Please login with USER and PASS.".into();
        };
        if let Some(reply) = simple(command, argument) {
            return reply;
        }
        match command {
            "PASV" | "PORT" | "EPRT" if session.extended_only => "550 Permission denied.".into(),
            "EPSV" if argument.eq_ignore_ascii_case("ALL") => {
                session.extended_only = true;
                "200 EPSV ALL ok.".into()
            }
            "EPSV" if !matches!(argument, "" | "1") => "522 Bad network protocol.".into(),
            "PASV" | "EPSV" => {
                self.is_extended = command == "EPSV";
                turn.open_port();
                String::new()
            }
            "PORT" | "EPRT" if is_own_port(command, argument, &self.context) => {
                self.data = Data::Active;
                format!(
                    "200 {command} command successful. Consider using {}.",
                    if command == "PORT" { "PASV" } else { "EPSV" }
                )
            }
            "EPRT" if argument.starts_with('|') && !argument.starts_with("|1|") => "500 Bad EPRT protocol.".into(),
            "PORT" | "EPRT" => format!("500 Illegal {command} command."),
            "LIST" | "NLST" | "RETR" | "STOR" | "APPE" | "STOU" => self.start_transfer(command, argument, turn),
            "TYPE" => {
                let (is_binary, mode) = match argument.to_ascii_uppercase().as_str() {
                    "I" | "L8" | "L 8" => (true, "Binary"),
                    "A" | "A N" => (false, "ASCII"),
                    _ => return "500 Unrecognised TYPE command.".into(),
                };
                session.is_binary = is_binary;
                format!("200 Switching to {mode} mode.")
            }
            "STAT" if argument.is_empty() => session.status(&self.context),
            _ => session.command(command, argument, turn),
        }
    }

    /// Starts a transfer over the second connection.
    fn start_transfer(&mut self, command: &str, argument: &str, turn: &mut Turn) -> String {
        let Some(session) = &mut self.session else {
            return String::new();
        };
        let is_listing = matches!(command, "LIST" | "NLST");
        let offset = if is_listing {
            0
        } else {
            std::mem::take(&mut session.offset)
        };
        if self.data == Data::None {
            return "425 Use PORT or PASV first.".into();
        }
        let path = resolve(&session.folder, argument);
        let (reply, transfer, job) = match command {
            "LIST" | "NLST" => {
                let (flags, name) = if argument.starts_with('-') {
                    argument.split_once(' ').unwrap_or((argument, ""))
                } else {
                    ("", argument)
                };
                let path = resolve(&session.folder, name);
                let listing = session
                    .files
                    .list(&path, command == "LIST", flags.contains('a'), turn.now());
                let reply = "150 Here comes the directory listing.".to_owned();
                (reply, Transfer::Send(listing.into_bytes()), Job::List)
            }
            "RETR" => {
                let (Some(bytes), Some((size, _))) = (session.files.read(&path), session.files.file(&path)) else {
                    return "550 Failed to open file.".into();
                };
                let bytes = bytes.get(offset..).unwrap_or_default();
                let mut digest = Digest::default();
                digest.add(bytes);
                let reply = format!("150 Opening BINARY mode data connection for {argument} ({size} bytes).");
                (reply, Transfer::Send(bytes.to_vec()), Job::Fetch(digest, path))
            }
            _ => {
                let (path, reply) = if command == "STOU" {
                    let path = if argument.is_empty() {
                        session.files.unused(&resolve(&session.folder, "STOU"))
                    } else if session.files.exists(&path) {
                        session.files.unused(&path)
                    } else {
                        path
                    };
                    let name = path.strip_prefix(&format!("{}/", session.folder)).unwrap_or(&path);
                    let reply = format!("150 FILE: {name}");
                    (path, reply)
                } else {
                    (path, "150 Ok to send data.".into())
                };
                if !session.files.admits(&path) {
                    return "553 Could not create file.".into();
                }
                let start = if command == "APPE" { usize::MAX } else { offset };
                session.files.open(&path, start, turn.now());
                let upload = Upload {
                    path,
                    digest: Digest::default(),
                    is_cut: false,
                };
                (reply, Transfer::Receive(UPLOAD + 1), Job::Store(upload))
            }
        };
        let is_active = self.data == Data::Active;
        self.data = Data::None;
        if is_active {
            return "425 Failed to establish connection.".into();
        }
        self.job = Some(job);
        turn.transfer(transfer);
        reply
    }
}
