//! Leaves the passwords of visitors out of events, for mazes whose log must not have them.
//!
//! The password of a login attempt is left out completely, and so is the input of a probe, because nobody knows what it contains. In
//! commands, requests and names of files, `***` replaces what looks like a password, and each password of an earlier login attempt
//! of the conversation. Hashes stay.

use super::{Auth, Command, Event, File, Probe, Proof, Request, Text};

/// What replaces a password.
const HIDDEN: &str = "***";

/// How many passwords of a conversation are remembered.
const REMEMBERED: usize = 16;

/// A value after one of these is a password. They may be the end of a longer word (`db_password`).
const KEYS: [&str; 18] = [
    "password",
    "passwd",
    "passphrase",
    "passwort",
    "pass",
    "pwd",
    "secret",
    "secret_key",
    "secret_access_key",
    "access_key",
    "token",
    "bearer",
    "rediscli_auth",
    "apikey",
    "api_key",
    "api-key",
    "requirepass",
    "masterauth",
];

/// After one of these words, the rest of a line is a login.
const LOGINS: [&str; 11] = [
    "pass",
    "login",
    "auth",
    "auth2",
    "authenticate",
    "authorization:",
    "proxy-authorization:",
    "convertto-securestring",
    "wpa_passphrase",
    "setuser",
    "htpasswd",
];

/// Programs that have a command `login` with a password in its options.
const LOGIN_PROGRAMS: [&str; 5] = ["docker", "podman", "helm", "oc", "az"];

/// The options of programs that a password follows, as the next word or, for options of two characters, in the same word. A name
/// stands for all programs that start with it.
const OPTIONS: [(&str, &[&str]); 27] = [
    ("7z", &["-p"]),
    ("cme", &["-p"]),
    ("crackmapexec", &["-p"]),
    ("evil-winrm", &["-p"]),
    ("hydra", &["-p"]),
    ("ipmitool", &["-P"]),
    ("ldap", &["-w"]),
    ("ldappasswd", &["-s", "-a"]),
    ("mariadb", &["-p"]),
    ("medusa", &["-p"]),
    ("mongo", &["-p"]),
    ("mysql", &["-p"]),
    ("netexec", &["-p"]),
    ("nxc", &["-p"]),
    ("plink", &["-pw"]),
    ("pscp", &["-pw"]),
    ("psexec", &["-p"]),
    ("psftp", &["-pw"]),
    ("rar", &["-p"]),
    ("rdesktop", &["-p"]),
    ("redis-cli", &["-a"]),
    ("schtasks", &["/p", "/rp"]),
    ("smbmap", &["-p"]),
    ("snmp", &["-A", "-X"]),
    ("sshpass", &["-p"]),
    ("unzip", &["-P"]),
    ("zip", &["-P"]),
];

/// Options with a user and a password as one word: `bob:x`, `bob%x`.
const USERS: [&str; 6] = ["--proxy-user=", "--proxy-user", "--user=", "--user", "-u", "-U"];

/// A password follows in the same word, after any program: those of `xfreerdp`.
const PREFIXES: [&str; 2] = ["/p:", "/gp:"];

/// Leaves out the passwords of one conversation.
#[derive(Debug)]
pub(crate) struct Hiding {
    /// Whether commands are what a visitor types on a screen, for instance to unlock it.
    is_typed: bool,
    seen: Vec<String>,
}

impl Hiding {
    /// Starts for a conversation with a service.
    pub(crate) fn new(service: &str) -> Self {
        Self {
            is_typed: service == "vnc",
            seen: Vec::new(),
        }
    }

    /// Returns an event without passwords.
    pub(crate) fn hide(&mut self, event: Event) -> Event {
        match event {
            Event::Auth(auth) => Event::Auth(self.attempt(auth)),
            Event::Command(_) if self.is_typed => Event::command(HIDDEN),
            Event::Command(command) => Event::Command(Command {
                line: self.text(&command.line),
            }),
            Event::Request(request) => Event::Request(Request {
                // A visitor copies a password to paste it.
                target: request.target.map(|target| match request.method.as_str() {
                    "clipboard" => HIDDEN.into(),
                    _ => self.text(&target),
                }),
                body: request.body.map(|body| self.text(&body)),
                method: self.text(&request.method),
                ..request
            }),
            Event::File(file) => Event::File(File {
                name: self.text(&file.name),
                ..file
            }),
            Event::Probe(probe) => Event::Probe(Probe { input: None, ..probe }),
            Event::Fingerprint(_) => event,
        }
    }

    fn attempt(&mut self, auth: Auth) -> Auth {
        let Proof::Password(password) = &auth.proof else {
            return auth;
        };
        // A user's name is in the log, so a password like it cannot be hidden.
        let is_name = auth.user.as_ref() == Some(password);
        let password = password.as_str();
        if !password.is_empty() && !is_name && !self.seen.iter().any(|seen| seen == password) {
            if self.seen.len() == REMEMBERED {
                self.seen.remove(0);
            }
            self.seen.push(password.into());
        }
        Auth {
            proof: Proof::None,
            ..auth
        }
    }

    fn text(&self, text: &Text) -> Text {
        let mut shown = without_logins(text.as_str());
        shown = without_options(&shown);
        shown = without_values(&shown);
        shown = without_user_info(&shown);
        for password in &self.seen {
            shown = without_word(&shown, password);
        }
        // The text is printable already. Escaping it again would change it.
        Text(shown)
    }
}

/// Hides the rest of a line after the words of logins.
fn without_logins(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    // The password of `echo root:x | chpasswd` or `echo x | sudo -S id` is before the program.
    let reader = lower.rfind("passwd").max(lower.rfind("sudo -s"));
    if let Some(at) = reader.filter(|at| lower[..*at].contains('|')) {
        let pipe = lower[..at].rfind('|').unwrap_or_default();
        return format!("{HIDDEN} {}", &line[pipe..]);
    }
    // `chpasswd <<< root:x`
    if let Some(text) = reader.and_then(|at| lower[at..].find("<<<").map(|text| at + text)) {
        return format!("{} {HIDDEN}", &line[..text + 3]);
    }
    let words = words(line);
    let is = |at: usize, word: &str| words.get(at).is_some_and(|found| found.2.eq_ignore_ascii_case(word));
    if is(0, "net") && is(1, "user") && words.len() > 3 {
        return format!("{} {HIDDEN}", &line[..words[2].1]);
    }
    if let Some(at) = (0..words.len()).find(|at| is(*at, "openssl") && is(at + 1, "passwd")) {
        return format!("{} {HIDDEN}", &line[..words[at + 1].1]);
    }
    if let Some(at) = (0..words.len()).find(|at| is(*at, "net") && is(at + 1, "use")) {
        return without_share_password(line, &words[at + 2..]);
    }
    let login = words.iter().enumerate().find(|(at, (_, _, word))| {
        let word = word.trim_start_matches(['"', '\'', '(']).to_ascii_lowercase();
        let follows_program = || *at > 0 && LOGIN_PROGRAMS.iter().any(|program| is(at - 1, program));
        // `pass` and `login` are verbs at the start, which may follow the tag of a command.
        let is_verb = matches!(word.as_str(), "pass" | "login");
        LOGINS.contains(&word.as_str()) && (!is_verb || *at < 2 || follows_program())
            // An option and a header: `-H"Authorization: Basic …"`.
            || word.ends_with("authorization:")
    });
    match login {
        Some((_, (_, end, _))) if line[*end..].trim().is_empty() => line.into(),
        Some((_, (_, end, _))) => format!("{} {HIDDEN}", &line[..*end]),
        None => line.into(),
    }
}

/// Hides the password of `net use Z: \\web\c x /user:bob`: the word that is nothing else.
fn without_share_password(line: &str, arguments: &[(usize, usize, &str)]) -> String {
    let is_password = |word: &str| {
        let is_device = word.ends_with(':') && word.len() == 2;
        !is_device && word != "*" && !word.starts_with(['/', '\\', '-', '"', '\''])
    };
    let (mut shown, mut copied) = (String::new(), 0);
    for (start, end, word) in arguments {
        if is_password(word) {
            shown.push_str(&line[copied..*start]);
            shown.push_str(HIDDEN);
            copied = *end;
        }
    }
    shown + &line[copied..]
}

/// Hides the values of options that programs read a password or a user with a password from.
fn without_options(line: &str) -> String {
    let words = words(line);
    let mut programs: Vec<&str> = Vec::new();
    let (mut shown, mut copied) = (String::new(), 0);
    for (at, (start, end, word)) in words.iter().enumerate() {
        let name = word.rsplit(['/', '\\']).next().unwrap_or(word);
        programs.push(name.trim_start_matches(['"', '\'', '(']));
        let next = words.get(at + 1).copied();
        if let Some((from, to)) = secret(word, *start, *end, next, &programs)
            && from < to
            && from >= copied
        {
            let value = if from < *end {
                *start
            } else {
                next.map_or(from, |(start, _, _)| start)
            };
            let (from, to) = unquoted(line, value, from, to);
            shown.push_str(&line[copied..from]);
            shown.push_str(HIDDEN);
            copied = to;
        }
        // The next program has other options.
        if matches!(*word, "|" | "||" | "&&" | ";" | "&") || word.ends_with(';') {
            programs.clear();
        }
    }
    shown + &line[copied..]
}

/// Returns the range of the password that a word of a command has, or announces.
fn secret(
    word: &str,
    start: usize,
    end: usize,
    next: Option<(usize, usize, &str)>,
    programs: &[&str],
) -> Option<(usize, usize)> {
    let runs = |name: &str| programs.iter().any(|program| program.starts_with(name));
    let lower = word.to_ascii_lowercase();
    if let Some(prefix) = PREFIXES.iter().find(|prefix| lower.starts_with(**prefix)) {
        return Some((start + prefix.len(), end));
    }
    let options = OPTIONS.iter().filter(|(program, _)| runs(program));
    for option in options.flat_map(|(_, options)| options.iter()) {
        if word == *option {
            return next.map(|(start, end, _)| (start, end));
        }
        if option.len() == 2 && word.starts_with(option) {
            return Some((start + option.len(), end));
        }
    }
    if let Some(option) = USERS.iter().find(|option| word.starts_with(**option)) {
        let separators: &[char] = if runs("lftp") { &[','] } else { &[':', '%'] };
        if word == *option {
            let (start, end, user) = next?;
            return Some((start + user.find(separators)? + 1, end));
        }
        return Some((start + word.find(separators)? + 1, end));
    }
    let is_share = |word: &&str| word.starts_with("//") || word.starts_with('\\');
    match programs {
        // `smbclient //web/c x`
        [.., program, _] if program.starts_with("smbclient") && is_share(&word) => {
            let (start, end, value) = next?;
            (!value.starts_with('-')).then_some((start, end))
        }
        // `psexec.py corp/bob:x@web`
        _ if runs("impacket-") || programs.iter().any(|program| program.strip_suffix(".py").is_some()) => {
            let (colon, host) = (word.find(':')?, word.rfind('@')?);
            (colon < host && !word.contains("://")).then_some((start + colon + 1, start + host))
        }
        _ => None,
    }
}

/// Returns the range of a password without its quotes. It is longer if they have spaces between them. `value` is the start of the
/// word with the password.
fn unquoted(line: &str, value: usize, from: usize, to: usize) -> (usize, usize) {
    let word = line.get(value..to).unwrap_or_default();
    let quote = word.char_indices().find(|(_, found)| matches!(found, '"' | '\''));
    let Some((open, quote)) = quote.map(|(at, quote)| (value + at + 1, quote)) else {
        return (from, to);
    };
    match line[open..].find(quote).map(|at| open + at) {
        Some(close) if close + 1 >= to => (from.max(open), close),
        _ => (from, to),
    }
}

/// Hides values after words like `password`: `password=x`, `"password": "x"`, `<password>x<`, `--password x`, `PASSWORD 'x'`.
fn without_values(line: &str) -> String {
    let lower = line.to_ascii_lowercase();
    let (mut shown, mut copied, mut from) = (String::new(), 0, 0);
    while let Some((key_start, key_end)) = next_key(&lower, from) {
        from = key_end;
        let Some((start, end)) = value_after(line, key_start, key_end) else {
            continue;
        };
        shown.push_str(&line[copied..start]);
        shown.push_str(HIDDEN);
        (copied, from) = (end, end);
    }
    shown.push_str(&line[copied..]);
    shown
}

/// Returns the start and the end of the next key, or of the `by` of `IDENTIFIED … BY`.
fn next_key(lower: &str, from: usize) -> Option<(usize, usize)> {
    let rest = &lower[from..];
    let key = KEYS
        .iter()
        .filter_map(|key| Some((from + rest.find(key)?, key.len())))
        .min_by_key(|(at, length)| (*at, usize::MAX - length))
        .map(|(at, length)| (at, at + length));
    let by = rest
        .find(" by ")
        .filter(|at| lower[..from + at].contains("identified"))
        .map(|at| (from + at + 1, from + at + 3));
    [key, by].into_iter().flatten().min()
}

/// Returns the range of the value after a key, if there is one.
fn value_after(line: &str, key_start: usize, key_end: usize) -> Option<(usize, usize)> {
    // The name of a file: `/etc/passwd`.
    if line[..key_start].ends_with('/') {
        return None;
    }
    let mut start = key_end;
    let (mut separators, mut quote) = (0, None);
    loop {
        let rest = &line[start..];
        // The end of a line is written so.
        let length = if rest.starts_with("\\x0d") || rest.starts_with("\\x0a") || rest.starts_with("\\x09") {
            4
        } else {
            match rest.chars().next()? {
                separator @ ('"' | '\'') => {
                    quote = Some(separator);
                    1
                }
                '=' | ':' | '(' | '>' | '[' | ']' | ' ' => 1,
                _ => break,
            }
        };
        separators += 1;
        start += length;
    }
    // `passwords`, `tokenize`: another word. `passwd -l`: an option.
    if separators == 0 || line[start..].starts_with(['-', '|', '&', ';']) {
        return None;
    }
    let rest = &line[start..];
    let is_end = |character: char| match quote {
        Some(quote) => character == quote,
        None => character.is_whitespace() || matches!(character, '&' | ',' | ';' | '<' | ')' | '}' | '"' | '\''),
    };
    let end = rest.find(is_end).unwrap_or(rest.len());
    let end = rest[..end].find("\\x0").unwrap_or(end);
    (end > 0).then_some((start, start + end))
}

/// Hides the password of a URL: `http://bob:x@web`.
fn without_user_info(line: &str) -> String {
    let (mut shown, mut rest) = (String::new(), line);
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after
            .find(|character: char| character.is_whitespace() || matches!(character, '/' | '"' | '\'' | '?'))
            .unwrap_or(after.len());
        let authority = &after[..end];
        match (authority.find(':'), authority.rfind('@')) {
            (Some(colon), Some(at)) if colon < at => {
                shown.push_str(&authority[..=colon]);
                shown.push_str(HIDDEN);
                shown.push_str(&authority[at..]);
            }
            _ => shown.push_str(authority),
        }
        rest = &after[end..];
    }
    shown.push_str(rest);
    shown
}

/// Hides a password where it is not a part of a longer word.
fn without_word(line: &str, password: &str) -> String {
    let (mut shown, mut copied) = (String::new(), 0);
    for (at, found) in line.match_indices(password) {
        let end = at + found.len();
        let before = line[..at].chars().next_back();
        let after = line[end..].chars().next();
        if [before, after].into_iter().flatten().any(char::is_alphanumeric) {
            continue;
        }
        shown.push_str(&line[copied..at]);
        shown.push_str(HIDDEN);
        copied = end;
    }
    shown.push_str(&line[copied..]);
    shown
}

/// Returns the words of a line with their starts and ends.
fn words(line: &str) -> Vec<(usize, usize, &str)> {
    let word = |word: &'_ str| {
        let start = word.as_ptr().addr() - line.as_ptr().addr();
        (start, start + word.len())
    };
    line.split_whitespace()
        .map(|found| {
            let (start, end) = word(found);
            (start, end, found)
        })
        .collect()
}

#[cfg(test)]
mod tests;
