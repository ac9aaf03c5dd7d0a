use std::{fs, os::unix::fs::PermissionsExt as _};

use axum::http::Request;

use super::*;

fn parts(authorization: &[&str]) -> Parts {
    let mut request = Request::builder();
    for value in authorization {
        request = request.header(header::AUTHORIZATION, *value);
    }
    request.body(()).expect("a request").into_parts().0
}

#[tokio::test]
async fn a_token_is_valid_until_it_is_revoked() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens");
    let (server, command) = (TokenFile::new(&path), TokenFile::new(&path));
    assert_eq!(server.authenticate(&parts(&[])).await, Err(AuthError::Missing));
    let secret = command
        .create("ci", AccessScope::Write, Timestamp::UNIX_EPOCH)
        .expect("made");
    let other = command
        .create("me", AccessScope::Read, Timestamp::UNIX_EPOCH)
        .expect("made");
    assert_ne!(secret, other);
    let bearer = format!("Bearer {secret}");
    let found = server.authenticate(&parts(&[&bearer])).await;
    let id = command.list().expect("read")[0].id.clone();
    let ci = Principal::new("ci", AccessScope::Write).id(&*id);
    assert_eq!(found, Ok(ci.clone()));
    assert_eq!(server.renew(&ci).await, Ok(ci.clone()));
    let text = fs::read_to_string(&path).expect("read");
    assert!(
        !text.contains(&secret) && !text.contains(&secret[PREFIX.len()..]),
        "{text}"
    );
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    for wrong in [
        "Bearer",
        "Bearer ",
        "Bearer decnet_0",
        "Basic Og==",
        &secret,
        &format!("Bearer {other}x"),
    ] {
        let refused = server.authenticate(&parts(&[wrong])).await;
        assert!(
            matches!(refused, Err(AuthError::Invalid { .. })),
            "{wrong}: {refused:?}"
        );
    }
    let twice = server.authenticate(&parts(&[&bearer, &bearer])).await;
    assert!(matches!(twice, Err(AuthError::Invalid { .. })), "{twice:?}");
    assert_eq!(command.revoke(&id).expect("removed").name, "ci");
    assert_eq!(command.revoke(&id).expect_err("gone").code(), "not_found");
    for refused in [server.authenticate(&parts(&[&bearer])).await, server.renew(&ci).await] {
        assert!(matches!(refused, Err(AuthError::Invalid { .. })), "{refused:?}");
    }
}

#[tokio::test]
async fn a_file_that_others_can_write_or_that_is_damaged_admits_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let tokens = TokenFile::new(folder.path().join("tokens"));
    let secret = tokens
        .create("ci", AccessScope::Write, Timestamp::UNIX_EPOCH)
        .expect("made");
    let request = parts(&[&format!("Bearer {secret}")]);
    fs::set_permissions(tokens.path(), fs::Permissions::from_mode(0o666)).expect("set");
    assert_eq!(tokens.list().expect_err("exposed").code(), "tokens_exposed");
    let refused = tokens.authenticate(&request).await;
    assert!(matches!(refused, Err(AuthError::Unavailable { .. })), "{refused:?}");
    fs::set_permissions(tokens.path(), fs::Permissions::from_mode(0o600)).expect("set");
    for text in ["", "{}", "{\"v\": 2, \"tokens\": []}", "[]"] {
        fs::write(tokens.path(), text).expect("written");
        assert_eq!(tokens.list().expect_err(text).code(), "tokens_damaged");
        let refused = tokens.authenticate(&request).await;
        assert!(matches!(refused, Err(AuthError::Unavailable { .. })), "{refused:?}");
    }
}

#[test]
fn no_link_is_followed_and_what_a_killed_process_left_is_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, victim) = (folder.path().join("tokens"), folder.path().join("victim"));
    let tokens = TokenFile::new(&path);
    let create = || tokens.create("ci", AccessScope::Read, Timestamp::UNIX_EPOCH);
    fs::write(&victim, "mine").expect("written");
    std::os::unix::fs::symlink(&victim, folder.path().join("tokens.tmp")).expect("linked");
    create().expect("made");
    assert_eq!(fs::read_to_string(&victim).expect("read"), "mine");
    fs::write(folder.path().join("tokens.tmp"), "half").expect("written");
    create().expect("made");
    assert_eq!(tokens.list().expect("read").len(), 2);
    fs::remove_file(folder.path().join("tokens.lock")).expect("removed");
    std::os::unix::fs::symlink(&victim, folder.path().join("tokens.lock")).expect("linked");
    assert_eq!(create().expect_err("a link").code(), "io");
    assert_eq!(tokens.list().expect("read").len(), 2);
}

#[test]
fn names_with_control_characters_are_refused_and_tokens_made_at_once_are_all_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens");
    let tokens = TokenFile::new(&path);
    for name in ["", "a\nb", "\u{1b}[2J", &"x".repeat(65)] {
        let refused = tokens.create(name, AccessScope::Read, Timestamp::UNIX_EPOCH);
        assert_eq!(refused.expect_err(name).code(), "invalid_name");
    }
    std::thread::scope(|scope| {
        for number in 0..8 {
            let path = &path;
            scope.spawn(move || {
                TokenFile::new(path).create(&number.to_string(), AccessScope::Read, Timestamp::UNIX_EPOCH)
            });
        }
    });
    assert_eq!(tokens.list().expect("read").len(), 8);
}
