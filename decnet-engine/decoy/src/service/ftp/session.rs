//! The commands after the login.

use super::files::{Files, resolve};
use crate::{
    protocol::Os,
    service::{context::Context, dialogue::Turn},
};

/// What a user has after the login.
pub(super) struct Session {
    pub(super) user: String,
    pub(super) is_anonymous: bool,
    pub(super) files: Files,
    pub(super) folder: String,
    pub(super) renamed: Option<String>,
    pub(super) is_binary: bool,
    pub(super) extended_only: bool,
    /// Where the next transfer of a file starts: the argument of REST.
    pub(super) offset: usize,
}

/// Returns the version of vsftpd.
pub(super) fn version(context: &Context) -> &str {
    let persona = context.persona();
    let version = persona.versions.get("ftp").map_or("3.0.3", String::as_str);
    match persona.os {
        Os::Ubuntu2204 | Os::Ubuntu2404 if version == "3.0.3" => "3.0.5",
        _ => version,
    }
}

impl Session {
    pub(super) fn status(&self, context: &Context) -> String {
        format!(
            "211-FTP server status:\r\n     Connected to {}\r\n     Logged in as {}\r\n     TYPE: {}\r\n     No session bandwidth \
             limit\r\n     Session timeout in seconds is 300\r\n     Control connection is plain text\r\n     Data connections will \
             be plain text\r\n     At session startup, client count was 1\r\n     vsFTPd {} - secure, fast, stable\r\n211 End of \
             status",
            context.session.remote.ip(),
            self.user,
            if self.is_binary { "BINARY" } else { "ASCII" },
            version(context),
        )
    }

    /// Returns the reply to a command on files and folders.
    pub(super) fn command(&mut self, command: &str, argument: &str, turn: &mut Turn) -> String {
        let path = resolve(&self.folder, argument);
        let changes = matches!(command, "MKD" | "XMKD" | "RMD" | "XRMD" | "DELE" | "RNFR" | "RNTO");
        if self.is_anonymous && changes {
            return "550 Permission denied.".into();
        }
        match command {
            "REST" => {
                self.offset = argument.parse().unwrap_or_default();
                format!("350 Restart position accepted ({}).", self.offset)
            }
            "PWD" | "XPWD" => format!("257 \"{}\" is the current directory", self.folder.replace('"', "\"\"")),
            "CWD" | "XCWD" | "CDUP" | "XCUP" => {
                let is_up = matches!(command, "CDUP" | "XCUP");
                let path = if is_up { resolve(&self.folder, "..") } else { path };
                if (argument.is_empty() && !is_up) || !self.files.is_folder(&path) {
                    return "550 Failed to change directory.".into();
                }
                self.folder = path;
                "250 Directory successfully changed.".into()
            }
            "SIZE" => match self.files.file(&path) {
                Some((size, _)) => format!("213 {size}"),
                None => "550 Could not get file size.".into(),
            },
            "MDTM" => match self.files.file(&path) {
                Some((_, modified)) => format!("213 {}", modified.strftime("%Y%m%d%H%M%S")),
                None => "550 Could not get file modification time.".into(),
            },
            "MKD" | "XMKD" if self.files.admits(&path) && !self.files.exists(&path) => {
                self.files.create_folder(&path, turn.now());
                format!("257 \"{path}\" created")
            }
            "MKD" | "XMKD" => "550 Create directory operation failed.".into(),
            "RMD" | "XRMD" if self.files.remove(&path, true) => "250 Remove directory operation successful.".into(),
            "RMD" | "XRMD" => "550 Remove directory operation failed.".into(),
            "DELE" if self.files.remove(&path, false) => "250 Delete operation successful.".into(),
            "DELE" => "550 Delete operation failed.".into(),
            "RNFR" if self.files.exists(&path) => {
                self.renamed = Some(path);
                "350 Ready for RNTO.".into()
            }
            "RNFR" => "550 RNFR command failed.".into(),
            "RNTO" => match self.renamed.take() {
                Some(from) if self.files.rename(&from, &path) => "250 Rename successful.".into(),
                Some(_) => "550 Rename failed.".into(),
                None => "503 RNFR required first.".into(),
            },
            "STAT" => {
                let listing = self.files.list(&path, true, true, turn.now());
                format!("213-Status follows:\r\n{listing}213 End of status")
            }
            _ => "500 Unknown command.".into(),
        }
    }
}

/// Returns the reply to a command that changes nothing.
pub(super) fn simple(command: &str, argument: &str) -> Option<String> {
    let reply = match (command, argument.to_ascii_uppercase().as_str()) {
        ("SYST", _) => "215 UNIX Type: L8",
        ("NOOP", _) => "200 NOOP ok.",
        ("HELP", _) => {
            "214-The following commands are recognized.\r\n ABOR ACCT ALLO APPE CDUP CWD  DELE EPRT EPSV FEAT HELP LIST MDTM \
             MKD\r\n MODE NLST NOOP OPTS PASS PASV PORT PWD  QUIT REIN REST RETR RMD  RNFR\r\n RNTO SITE SIZE SMNT STAT STOR STOU \
             STRU SYST TYPE USER XCUP XCWD XMKD\r\n XPWD XRMD\r\n214 Help OK."
        }
        ("ABOR", _) => "225 No transfer to ABOR.",
        ("ALLO", _) => "202 ALLO command ignored.",
        ("ACCT" | "REIN" | "SMNT", _) => return Some(format!("502 {command} not implemented.")),
        ("MODE", "S") => "200 Mode set to S.",
        ("MODE", _) => "504 Bad MODE command.",
        ("STRU", "F") => "200 Structure set to F.",
        ("STRU", _) => "504 Bad STRU command.",
        ("SITE", "HELP") => "214 CHMOD UMASK HELP",
        ("SITE", site) => match site.split_whitespace().collect::<Vec<_>>().as_slice() {
            ["CHMOD", _, _, ..] => "200 SITE CHMOD command ok.",
            ["CHMOD", ..] => "500 SITE CHMOD needs 2 arguments.",
            ["UMASK"] => "200 Your current UMASK is 077",
            _ => "500 Unknown SITE command.",
        },
        _ => return None,
    };
    Some(reply.into())
}

/// Returns whether the argument of PORT or EPRT is an unprivileged port of the visitor, as vsftpd demands.
pub(super) fn is_own_port(command: &str, argument: &str, context: &Context) -> bool {
    let ip = *context.session.remote.ip();
    if command == "PORT" {
        let numbers: Vec<u8> = argument
            .split(',')
            .map_while(|number| number.trim().parse().ok())
            .collect();
        return matches!(numbers[..], [a, b, c, d, high, _] if [a, b, c, d] == ip.octets() && high >= 4);
    }
    let parts: Vec<&str> = argument.split('|').collect();
    let is_high = |port: &str| port.parse::<u16>().is_ok_and(|port| port >= 1024);
    matches!(parts[..], ["", "1", address, port, ""] if address == ip.to_string() && is_high(port))
}
