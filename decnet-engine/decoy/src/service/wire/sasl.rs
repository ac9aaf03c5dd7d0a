//! Logins in the exchanges of SASL: PLAIN (RFC 4616) and LOGIN, as base64 in lines of text.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// An exchange that waits for the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// PLAIN: the whole login.
    Plain,
    /// LOGIN: the user.
    User,
    /// LOGIN: the password of this user.
    Password(Vec<u8>),
}

/// The step after a message of the visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Send this challenge, which is base64, and wait for the answer.
    Challenge(&'static str, Exchange),
    /// The login is complete.
    Login(Login),
    /// The visitor cancelled the exchange.
    Cancelled,
    /// The message is not base64.
    NotBase64,
    /// The message has no user and password.
    Malformed,
    /// The mechanism is not known.
    Unknown,
}

/// A user and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Login {
    /// The mechanism.
    pub(crate) method: &'static str,
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

/// Starts an exchange. `initial` is what the visitor sent with the name of the mechanism.
pub(crate) fn start(mechanism: &[u8], initial: Option<&[u8]>) -> Step {
    let (challenge, exchange) = match mechanism.to_ascii_uppercase().as_slice() {
        b"PLAIN" => ("", Exchange::Plain),
        // "Username:"
        b"LOGIN" => ("VXNlcm5hbWU6", Exchange::User),
        _ => return Step::Unknown,
    };
    match initial {
        // RFC 4954, section 4: a single "=" is an empty message.
        Some(b"=") => exchange.message(Vec::new()),
        Some(message) => exchange.answer(message),
        None => Step::Challenge(challenge, exchange),
    }
}

impl Exchange {
    /// Continues with a line of the visitor.
    pub(crate) fn answer(self, line: &[u8]) -> Step {
        if line == b"*" {
            return Step::Cancelled;
        }
        STANDARD
            .decode(line)
            .map_or(Step::NotBase64, |message| self.message(message))
    }

    fn message(self, message: Vec<u8>) -> Step {
        match self {
            Self::Plain => {
                let mut parts = message.splitn(3, |byte| *byte == 0);
                let (Some(_), Some(user), Some(password)) = (parts.next(), parts.next(), parts.next()) else {
                    return Step::Malformed;
                };
                Step::Login(Login {
                    method: "plain",
                    user: user.to_vec(),
                    password: password.to_vec(),
                })
            }
            // "Password:"
            Self::User => Step::Challenge("UGFzc3dvcmQ6", Self::Password(message)),
            Self::Password(user) => Step::Login(Login {
                method: "login",
                user,
                password: message,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(method: &'static str) -> Step {
        Step::Login(Login {
            method,
            user: b"alice".to_vec(),
            password: b"bad".to_vec(),
        })
    }

    #[test]
    fn plain_takes_one_message_and_login_takes_two() {
        assert_eq!(start(b"plain", Some(b"AGFsaWNlAGJhZA==")), login("plain"));
        assert_eq!(start(b"PLAIN", None), Step::Challenge("", Exchange::Plain));
        assert_eq!(Exchange::Plain.answer(b"AGFsaWNlAGJhZA=="), login("plain"));
        let password = Step::Challenge("UGFzc3dvcmQ6", Exchange::Password(b"alice".to_vec()));
        assert_eq!(start(b"LOGIN", None), Step::Challenge("VXNlcm5hbWU6", Exchange::User));
        assert_eq!(start(b"LOGIN", Some(b"YWxpY2U=")), password);
        assert_eq!(Exchange::Password(b"alice".to_vec()).answer(b"YmFk"), login("login"));
    }

    #[test]
    fn messages_without_a_login_are_distinguished() {
        assert_eq!(start(b"CRAM-MD5", None), Step::Unknown);
        assert_eq!(start(b"PLAIN", Some(b"=")), Step::Malformed);
        assert_eq!(Exchange::Plain.answer(b"YWxpY2U="), Step::Malformed);
        assert_eq!(Exchange::Plain.answer(b"!!!!"), Step::NotBase64);
        assert_eq!(Exchange::User.answer(b"*"), Step::Cancelled);
    }
}
