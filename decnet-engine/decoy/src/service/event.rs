//! What dialogues report. The journal adds the time, the session and the addresses, and writes the line.

mod fill;
mod hide;

use std::fmt;

pub(crate) use self::hide::Hiding;

/// An event of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// The visitor tried to log in.
    Auth(Auth),
    /// The visitor sent a command, after or without a login.
    Command(Command),
    /// The visitor sent a request that is not a command line: HTTP, a query, a read of a register.
    Request(Request),
    /// The visitor sent or fetched a file or a mail.
    File(File),
    /// The visitor's program can be recognised.
    Fingerprint(Fingerprint),
    /// The input is not of this protocol, or is known from scanners.
    Probe(Probe),
}

/// A login attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Auth {
    /// The method in the words of the protocol, in lower case: `password`, `publickey`, `plain`, `ntlmv2`, `scram-sha-256`.
    pub(crate) method: &'static str,
    /// The user's name.
    pub(crate) user: Option<Text>,
    /// The domain, realm or database of the user.
    pub(crate) domain: Option<Text>,
    /// The proof.
    pub(crate) proof: Proof,
    /// Whether the login succeeded.
    pub(crate) accepted: bool,
}

/// The proof of a login attempt.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Proof {
    /// None was sent.
    #[default]
    None,
    /// A password in clear text.
    Password(Text),
    /// A hash or a response to a challenge, in the format that password crackers read (`$NETNTLMv2$…`, `$mysqlna$…`).
    Hash(Text),
    /// The fingerprint of a public key.
    Key(Text),
}

/// A command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The line, without secrets of logins.
    pub(crate) line: Text,
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Request {
    /// The method or operation: `GET`, `SELECT`, `read holding registers`.
    pub(crate) method: Text,
    /// The target: a path, a name, an address.
    pub(crate) target: Option<Text>,
    /// The answer's status, in the protocol's numbers.
    pub(crate) status: Option<u16>,
    /// The name that the visitor's program gives itself.
    pub(crate) agent: Option<Text>,
    /// The first bytes of the body.
    pub(crate) body: Option<Text>,
}

/// A file or mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct File {
    /// Its name.
    pub(crate) name: Text,
    /// Whether the visitor sent it; otherwise the visitor fetched it.
    pub(crate) is_upload: bool,
    /// The number of bytes.
    pub(crate) bytes: u64,
    /// The SHA-256 of the content in hex digits, if there was one.
    pub(crate) sha256: Option<String>,
}

/// A fingerprint of the visitor's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    /// The method: `hassh`, `ja4`, `client-name`.
    pub(crate) method: &'static str,
    /// The fingerprint.
    pub(crate) value: Text,
    /// The name of the server that a TLS client asked for.
    pub(crate) server_name: Option<Text>,
}

/// Input that is not of this protocol, or that scanners send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    /// What is known of it: `not this protocol`, `tls on a plain port`, `shellshock`.
    pub(crate) what: &'static str,
    /// The first bytes; none if the log must not have passwords.
    pub(crate) input: Option<Text>,
}

impl Event {
    /// Reports a login attempt with a password.
    pub(crate) fn password(method: &'static str, user: &[u8], password: &[u8], accepted: bool) -> Self {
        Self::Auth(Auth {
            method,
            user: Some(user.into()),
            proof: Proof::Password(password.into()),
            accepted,
            ..Auth::default()
        })
    }

    /// Reports the name that the visitor gives its program or computer.
    pub(crate) fn client_name(name: impl Into<Text>) -> Self {
        Self::Fingerprint(Fingerprint {
            method: "client-name",
            value: name.into(),
            server_name: None,
        })
    }

    /// Reports a command.
    pub(crate) fn command(line: impl Into<Text>) -> Self {
        Self::Command(Command { line: line.into() })
    }

    /// Reports a request with its target.
    pub(crate) fn request(method: impl Into<Text>, target: impl Into<Text>) -> Self {
        Self::Request(Request {
            method: method.into(),
            target: Some(target.into()),
            ..Request::default()
        })
    }

    /// Reports input that is not of this protocol.
    pub(crate) fn probe(what: &'static str, input: &[u8]) -> Self {
        Self::Probe(Probe {
            what,
            input: Some(input.into()),
        })
    }
}

/// Bytes of a visitor as text that can be shown: printable characters stay, all others are written as `\x1b`. Longer text is cut.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Text(String);

impl Text {
    /// The maximum number of bytes of a text; a cut text ends with `…`.
    pub(crate) const MOST: usize = 1024;

    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a hash. Its limit is higher, because nobody can crack a part of it.
    pub(crate) fn hash(hash: &str) -> Self {
        Self::new(hash.as_bytes(), 4 * Self::MOST)
    }

    fn new(bytes: &[u8], most: usize) -> Self {
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                // A backslash is not escaped (`CORP\bob`), unless the text would then look like an escaped byte.
                if text.ends_with('\\') && character == 'x' {
                    text.pop();
                    text.push_str("\\x5cx");
                } else if is_printable(character) {
                    text.push(character);
                } else {
                    let mut buffer = [0; 4];
                    escape(character.encode_utf8(&mut buffer).as_bytes(), &mut text);
                }
                if text.len() > most {
                    return Self(cut(&text, most));
                }
            }
            escape(chunk.invalid(), &mut text);
        }
        Self(if text.len() > most { cut(&text, most) } else { text })
    }
}

/// Returns whether a terminal shows the character as itself: no control character, none that changes the direction of text, and
/// none that is invisible.
fn is_printable(character: char) -> bool {
    let is_invisible = matches!(
        character,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
    );
    !character.is_control() && !is_invisible
}

fn escape(bytes: &[u8], text: &mut String) {
    use fmt::Write as _;
    for byte in bytes {
        let _ = write!(text, "\\x{byte:02x}");
    }
}

fn cut(text: &str, most: usize) -> String {
    let end = text.floor_char_boundary(most - '…'.len_utf8());
    format!("{}…", &text[..end])
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self::new(bytes, Self::MOST)
    }
}

impl From<&Vec<u8>> for Text {
    fn from(bytes: &Vec<u8>) -> Self {
        Self::new(bytes, Self::MOST)
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text.as_bytes(), Self::MOST)
    }
}

impl From<&String> for Text {
    fn from(text: &String) -> Self {
        Self::new(text.as_bytes(), Self::MOST)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text.as_bytes(), Self::MOST)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_a_terminal_would_act_on_are_escaped() {
        for (bytes, text) in [
            (&b"hunter2"[..], "hunter2"),
            (b"CORP\\bob", "CORP\\bob"),
            (b"typed \\x1b", "typed \\x5cx1b"),
            (b"a\x1b[2J\r\n\0b", "a\\x1b[2J\\x0d\\x0a\\x00b"),
            ("pässwörd €".as_bytes(), "pässwörd €"),
            ("\u{9b}31m".as_bytes(), "\\xc2\\x9b31m"),
            ("a\u{202e}b".as_bytes(), "a\\xe2\\x80\\xaeb"),
            (b"\xff\xfe\xc3", "\\xff\\xfe\\xc3"),
        ] {
            assert_eq!(Text::from(bytes).as_str(), text);
        }
    }

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        for bytes in [vec![b'a'; 5000], "ä".repeat(5000).into_bytes(), vec![0xff; 5000]] {
            let text = Text::from(&bytes);
            assert!(text.as_str().len() <= Text::MOST, "{}", text.as_str().len());
            assert!(text.as_str().ends_with('…'));
        }
        assert_eq!(Text::from(&vec![b'a'; Text::MOST]).as_str(), "a".repeat(Text::MOST));
    }
}
