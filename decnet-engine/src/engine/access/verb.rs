use std::net::Ipv4Addr;

use decnet_topology::{Name, nearest};

use super::AccessError;

/// The usage of each verb.
const PING: &str = "ping ADDRESS|DECKY";
const CONNECT: &str = "connect ADDRESS|DECKY PORT";
const RESOLVE: &str = "resolve DECKY";
const ROUTES: &str = "routes";

/// What a decky can be asked, whatever its services are. Its base runs no program of a visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeckyVerb {
    /// Sends ICMP echo requests.
    Ping {
        /// The address or the decky.
        to: VerbTarget,
    },
    /// Connects to a TCP port.
    Connect {
        /// The address or the decky.
        to: VerbTarget,
        /// The port.
        port: u16,
    },
    /// Lists the addresses of a decky, that in a shared LAN first.
    Resolve {
        /// The decky.
        name: Name,
    },
    /// Lists interfaces, routes and forwarding.
    Routes,
}

/// The target of a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VerbTarget {
    /// An address.
    Address(Ipv4Addr),
    /// A decky of the maze: its address in a shared LAN, or that of its home.
    Decky(Name),
}

impl DeckyVerb {
    /// The usage of each verb.
    pub const USAGES: [&'static str; 4] = [PING, CONNECT, RESOLVE, ROUTES];

    /// Reads a verb and its arguments. Returns none if the first word is not a verb.
    ///
    /// # Errors
    ///
    /// [`AccessError::InvalidVerb`] if the arguments are not those of the verb.
    pub fn parse<W: AsRef<str>>(words: &[W]) -> Result<Option<Self>, AccessError> {
        let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
        let [verb, arguments @ ..] = words.as_slice() else {
            return Ok(None);
        };
        let parsed = match (*verb, arguments) {
            ("ping", [to]) => target(to).map(|to| Self::Ping { to }).map_err(|why| (why, PING)),
            ("ping", _) => Err(("ping takes one argument".to_owned(), PING)),
            ("connect", [to, port]) => connect(to, port).map_err(|why| (why, CONNECT)),
            ("connect", _) => Err(("connect takes two arguments".to_owned(), CONNECT)),
            ("resolve", [name]) => match Name::new(name) {
                Ok(name) => Ok(Self::Resolve { name }),
                Err(_) => Err((format!("`{name}` is not the name of a decky"), RESOLVE)),
            },
            ("resolve", _) => Err(("resolve takes one argument".to_owned(), RESOLVE)),
            ("routes", []) => Ok(Self::Routes),
            ("routes", _) => Err(("routes takes no argument".to_owned(), ROUTES)),
            _ => return Ok(None),
        };
        let invalid = |(why, usage)| AccessError::InvalidVerb { why, usage };
        parsed.map(Some).map_err(invalid)
    }

    /// Returns the error for a first word that is nearly a verb.
    pub(super) fn meant<W: AsRef<str>>(words: &[W]) -> Option<AccessError> {
        let word = words.first()?.as_ref();
        let verbs = Self::USAGES.map(|usage| usage.split(' ').next().unwrap_or_default());
        let near = nearest(word, verbs)?;
        let usage = Self::USAGES.into_iter().find(|usage| usage.starts_with(near))?;
        let why = format!("`{word}` is not a verb (did you mean `{near}`?)");
        Some(AccessError::InvalidVerb { why, usage })
    }
}

fn target(text: &str) -> Result<VerbTarget, String> {
    if let Ok(address) = text.parse() {
        return Ok(VerbTarget::Address(address));
    }
    let invalid = |_| format!("`{text}` is neither an IPv4 address nor the name of a decky");
    // A name of digits and dots would be a mistyped address.
    Name::new(text).map(VerbTarget::Decky).map_err(invalid)
}

fn connect(to: &str, port: &str) -> Result<DeckyVerb, String> {
    let number = port.parse().ok().filter(|port| *port != 0);
    let port = number.ok_or_else(|| format!("`{port}` is not a port: 1 to 65535"))?;
    Ok(DeckyVerb::Connect { to: target(to)?, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(command: &str, expected: Result<Option<&str>, &str>) {
        let words: Vec<&str> = command.split(' ').collect();
        let parsed = DeckyVerb::parse(&words).map(|verb| verb.map(|verb| format!("{verb:?}")));
        let parsed = parsed.as_ref().map(Option::as_deref).map_err(ToString::to_string);
        assert_eq!(parsed, expected.map_err(ToOwned::to_owned), "{command}");
    }

    #[test]
    fn a_verb_is_read_and_its_wrong_arguments_are_named() {
        check("ping 10.0.0.2", Ok(Some("Ping { to: Address(10.0.0.2) }")));
        check("connect db 22", Ok(Some("Connect { to: Decky(\"db\"), port: 22 }")));
        check("routes", Ok(Some("Routes")));
        check("ls -l", Ok(None));
        check("ping", Err("ping takes one argument; usage: ping ADDRESS|DECKY"));
        check(
            "ping 10.0.0.256",
            Err("`10.0.0.256` is neither an IPv4 address nor the name of a decky; usage: ping ADDRESS|DECKY"),
        );
        check(
            "connect db ssh",
            Err("`ssh` is not a port: 1 to 65535; usage: connect ADDRESS|DECKY PORT"),
        );
        check(
            "connect db 0",
            Err("`0` is not a port: 1 to 65535; usage: connect ADDRESS|DECKY PORT"),
        );
        check("routes all", Err("routes takes no argument; usage: routes"));
        check(
            "resolve a.b",
            Err("`a.b` is not the name of a decky; usage: resolve DECKY"),
        );
    }
}
