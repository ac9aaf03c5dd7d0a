//! Encoded values, credentials, and what is reported of a request.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{percent::decode, request::Request};
use crate::service::{
    dialogue::Turn,
    event::{self, Auth, Event, File, Proof, Text},
};

/// Decodes a form (`application/x-www-form-urlencoded`): the first 64 names and values.
pub(crate) fn form(text: &[u8]) -> Vec<(String, Vec<u8>)> {
    let plain = |part: &[u8]| {
        let spaced: Vec<u8> = part
            .iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect();
        decode(&spaced)
    };
    let pairs = text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .take(64)
        .map(|pair| {
            let name = pair.split(|byte| *byte == b'=').next().unwrap_or_default();
            let value = pair.get(name.len() + 1..).unwrap_or_default();
            (String::from_utf8_lossy(&plain(name)).into_owned(), plain(value))
        })
        .collect()
}

/// Returns a value of the query.
pub(crate) fn query_value(request: &Request, name: &str) -> Option<String> {
    let found = form(request.query()).into_iter().find(|(key, _)| key == name);
    found.map(|(_, value)| String::from_utf8_lossy(&value).into_owned())
}

/// Returns the login attempt in the header `Authorization`, or in a form that was posted.
pub(crate) fn attempt(request: &Request) -> Option<Auth> {
    if let Some(header) = request.header("authorization") {
        let scheme = header.split(|byte| *byte == b' ').next().unwrap_or_default();
        let value = header.get(scheme.len()..).unwrap_or_default().trim_ascii();
        return match scheme.to_ascii_lowercase().as_slice() {
            b"basic" => STANDARD.decode(value).ok().map(|pair| basic(&pair)),
            b"bearer" => Some(Auth {
                method: "bearer",
                proof: Proof::Password(value.into()),
                ..Auth::default()
            }),
            _ => None,
        };
    }
    let is_form = request
        .text("content-type")
        .is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    if request.method != "POST" || !is_form {
        return None;
    }
    let fields = form(&request.body);
    let find = |names: &[&str]| {
        let found = fields
            .iter()
            .find(|(name, _)| names.contains(&name.to_ascii_lowercase().as_str()));
        found.map(|(_, value)| Text::from(value))
    };
    let password = find(&[
        "password",
        "passwd",
        "pass",
        "pwd",
        "passwort",
        "password1",
        "j_password",
    ])?;
    Some(Auth {
        method: "form",
        user: find(&[
            "username",
            "user",
            "login",
            "email",
            "log",
            "name",
            "uname",
            "userid",
            "j_username",
        ]),
        proof: Proof::Password(password),
        ..Auth::default()
    })
}

fn basic(pair: &[u8]) -> Auth {
    let user = pair.split(|byte| *byte == b':').next().unwrap_or_default();
    let password = pair.get(user.len() + 1..);
    Auth {
        method: "basic",
        user: Some(user.into()),
        proof: password.map_or(Proof::None, |password| Proof::Password(password.into())),
        ..Auth::default()
    }
}

/// Reports a request, its login attempt and its file. The body of a login form is left out.
pub(crate) fn report(request: &Request, status: u16, is_accepted: bool, turn: &mut Turn) {
    let attempt = attempt(request);
    let is_form = attempt.as_ref().is_some_and(|attempt| attempt.method == "form");
    if let Some(attempt) = attempt {
        turn.report(Event::Auth(Auth {
            accepted: is_accepted,
            ..attempt
        }));
    }
    let values = request.headers.iter().map(|(_, value)| value).chain([&request.target]);
    for value in values {
        for (mark, what) in [(&b"() {"[..], "shellshock"), (b"${jndi:", "log4shell")] {
            if value.windows(mark.len()).any(|part| part.eq_ignore_ascii_case(mark)) {
                turn.report(Event::probe(what, value));
            }
        }
    }
    turn.report(Event::Request(event::Request {
        method: request.method.as_str().into(),
        target: Some((&request.target).into()),
        status: (status != 0).then_some(status),
        agent: request.header("user-agent").map(Text::from),
        body: (!is_form && !request.body.is_empty()).then(|| (&request.body).into()),
    }));
    if request.method == "PUT" && request.length > 0 && !request.sha256.is_empty() {
        turn.report(Event::File(File {
            name: request.raw_path().into(),
            is_upload: true,
            bytes: request.length,
            sha256: Some(request.sha256.clone()),
        }));
    }
}
