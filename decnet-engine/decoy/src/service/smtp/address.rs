//! The arguments of `MAIL` and `RCPT` (RFC 5321, section 4.1.1), as Postfix reads them.

/// The address in an argument.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// An address, which may be empty.
    Address(Vec<u8>),
    /// Text that is not an address.
    Bad,
}

/// A parameter after the address.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parameter<'a> {
    /// The name in upper case.
    pub(super) name: String,
    /// The value, or nothing.
    pub(super) value: &'a str,
}

/// Reads an argument that starts with `prefix`. Returns none if there is no address.
pub(super) fn parse<'a>(prefix: &[u8], argument: &'a [u8]) -> Option<(Path, Vec<Parameter<'a>>)> {
    let (start, rest) = argument.split_at_checked(prefix.len())?;
    let rest = rest.trim_ascii_start();
    if !start.eq_ignore_ascii_case(prefix) || rest.is_empty() {
        return None;
    }
    let (path, rest) = if let Some(inner) = rest.strip_prefix(b"<") {
        match inner.iter().position(|byte| *byte == b'>') {
            Some(end) => {
                let (address, rest) = inner.split_at(end);
                let is_bad = address.iter().any(|byte| byte.is_ascii_whitespace() || *byte == b'<');
                let path = if is_bad {
                    Path::Bad
                } else {
                    Path::Address(address.to_vec())
                };
                (path, rest.get(1..).unwrap_or_default())
            }
            None => (Path::Bad, &b""[..]),
        }
    } else {
        let end = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let (address, rest) = rest.split_at(end);
        (Path::Address(address.to_vec()), rest)
    };
    let rest = std::str::from_utf8(rest).unwrap_or_default();
    let parameters = rest.split_ascii_whitespace().map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        Parameter {
            name: name.to_ascii_uppercase(),
            value,
        }
    });
    Some((path, parameters.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Path {
        Path::Address(text.into())
    }

    #[test]
    fn an_address_has_brackets_or_not() {
        for (argument, path) in [
            ("FROM:<a@b>", address("a@b")),
            ("from: <a@b>", address("a@b")),
            ("FROM:a@b", address("a@b")),
            ("FROM:<>", address("")),
            ("FROM:<a b>", Path::Bad),
            ("FROM:<a@b", Path::Bad),
        ] {
            let parsed = parse(b"FROM:", argument.as_bytes()).unwrap();
            assert_eq!(parsed, (path, Vec::new()), "{argument}");
        }
        for argument in ["", "FROM:", "TO:<a>", "FROM"] {
            assert_eq!(parse(b"FROM:", argument.as_bytes()), None, "{argument}");
        }
    }

    #[test]
    fn parameters_follow_the_address() {
        let (_, parameters) = parse(b"FROM:", b"FROM:<a@b> size=5 SMTPUTF8").unwrap();
        let pairs: Vec<(&str, &str)> = parameters.iter().map(|one| (one.name.as_str(), one.value)).collect();
        assert_eq!(pairs, [("SIZE", "5"), ("SMTPUTF8", "")]);
    }
}
