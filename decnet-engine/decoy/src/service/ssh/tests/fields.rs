//! The fields of the catalogue.

use super::*;

/// What a visitor sees with these fields, one of which may be a pinned `version`: the first line, the methods, the login of `ops` with `x`, and a shell of `root`.
async fn seen(mut fields: Value) -> String {
    let pinned = fields.as_object_mut().and_then(|fields| fields.remove("version"));
    let mut context = context("ssh", 22, Protocol::Tcp, fields);
    if let Some(Value::String(version)) = pinned {
        let service = Arc::make_mut(&mut context.service);
        service.persona.versions.insert("ssh".into(), version);
    }
    let line = ident::own(&context);
    let (_server, mut client) = connect(context).await;
    let offered = client.authenticate_none("root").await.unwrap();
    let mut seen = format!("{line} {offered:?}");
    for (user, password) in [("ops", "x"), ("root", "hunter3"), ("root", "hunter2")] {
        if client.authenticate_password(user, password).await.unwrap().success() {
            seen = format!("{seen} {user} is in with {password} ");
            seen.push_str(&shell(&client, b"exit\r").await);
            break;
        }
    }
    seen
}

#[tokio::test]
async fn every_field_of_the_catalogue_has_an_effect() {
    let cases = [
        ("banner", json!("SSH-2.0-x")),
        ("user", json!("ops")),
        ("password", json!("hunter3")),
        ("auth_methods", json!(["keyboard-interactive"])),
        ("motd", json!("Hello")),
        ("hostname", json!("gate")),
        ("version", json!("OpenSSH_8.1")),
    ];
    let catalogue = include_str!("../../../../../../decnet-topology/src/catalog/builtin.toml");
    let catalogue: toml::Table = toml::from_str(catalogue).unwrap();
    let declared: BTreeSet<&str> = catalogue["services"]["ssh"]["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["key"].as_str().unwrap())
        .chain(catalogue["services"]["ssh"].get("version").map(|_| "version"))
        .collect();
    assert_eq!(cases.iter().map(|(key, _)| *key).collect::<BTreeSet<_>>(), declared);
    let base = json!({"password": "hunter2", "motd": "Hi"});
    for (key, value) in cases {
        let mut with = base.clone();
        with[key] = value;
        assert_ne!(seen(with).await, seen(base.clone()).await, "the field {key}");
    }
}
