use serde_json::json;

use super::super::{
    dialogue::Next,
    event::{Auth, Event, Proof},
    testing::{Visitor, fields_have_an_effect, survives},
    wire::{
        bson::{Document, Value},
        cursor::Cursor,
    },
};

fn connect(auth: bool) -> Visitor {
    Visitor::connect(
        "mongodb",
        27017,
        json!({"server_version": "6.0.5", "auth": auth, "databases": "shop"}),
    )
}

fn frame(code: i32, body: &[u8]) -> Vec<u8> {
    let length = i32::try_from(16 + body.len()).unwrap();
    [&[length, 7, 0, code].map(i32::to_le_bytes).concat(), body].concat()
}

fn msg(document: &Document) -> Vec<u8> {
    frame(2013, &[&[0; 5], &document.encode()[..]].concat())
}

fn query(document: &Document) -> Vec<u8> {
    frame(
        2004,
        &[b"\0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff", &document.encode()[..]].concat(),
    )
}

fn command(name: &str) -> Document {
    Document::default().with(name, Value::Int32(1)).text("$db", "admin")
}

fn on(name: &str, collection: &str, database: &str) -> Document {
    Document::default().text(name, collection).text("$db", database)
}

fn sasl(name: &str, payload: &str) -> Document {
    command(name)
        .text("mechanism", "SCRAM-SHA-256")
        .with("payload", Value::Binary(payload.as_bytes().to_vec()))
}

/// Sends a command in `OP_MSG` and returns the document of the answer.
fn ask(visitor: &mut Visitor, document: &Document) -> Document {
    let answer = visitor.send(msg(document));
    assert_eq!(answer[8..12], [7, 0, 0, 0]);
    assert_eq!(answer[12..21], [0xdd, 7, 0, 0, 0, 0, 0, 0, 0]);
    Document::read(&mut Cursor::new(&answer[21..])).unwrap()
}

fn refused(text: &str, code: i32, name: &str) -> Document {
    let document = Document::default().with("ok", Value::Double(0.0)).text("errmsg", text);
    document.with("code", Value::Int32(code)).text("codeName", name)
}

#[test]
fn ping_gets_exact_bytes() {
    let answer = b"\x26\0\0\0\x01\0\0\0\x07\0\0\0\xdd\x07\0\0\0\0\0\0\0\x11\0\0\0\x01ok\0\0\0\0\0\0\0\xf0\x3f\0";
    assert_eq!(connect(true).send(msg(&command("ping"))), answer);
}

#[test]
fn hello_describes_the_server_and_the_client_is_reported() {
    let mut visitor = connect(true);
    let driver = Document::default().text("name", "PyMongo").text("version", "4.6.1");
    let client = Document::default().with("driver", Value::Document(driver));
    let answer = visitor.send(query(
        &command("isMaster")
            .with("client", Value::Document(client))
            .with("helloOk", Value::Bool(true)),
    ));
    assert_eq!(
        answer[12..36],
        *b"\x01\0\0\0\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0"
    );
    let document = Document::read(&mut Cursor::new(&answer[36..])).unwrap();
    assert_eq!(document.get("ismaster"), Some(&Value::Bool(true)));
    assert_eq!(document.get("maxWireVersion"), Some(&Value::Int32(17)));
    assert_eq!(document.0.last(), Some(&("ok".to_owned(), Value::Double(1.0))));
    assert!(
        matches!(&visitor.events[..], [Event::Fingerprint(one), Event::Request(_)] if one.value.as_str() == "PyMongo 4.6.1")
    );
}

#[test]
fn commands_need_a_login() {
    let mut visitor = connect(true);
    assert_eq!(
        ask(&mut visitor, &command("listDatabases")),
        refused("command listDatabases requires authentication", 13, "Unauthorized")
    );
    assert_eq!(
        ask(&mut visitor, &command("foo")),
        refused("no such command: 'foo'", 59, "CommandNotFound")
    );
    assert_eq!(
        ask(&mut visitor, &command("buildInfo")).get("version"),
        Some(&Value::String("6.0.5".into()))
    );
    assert_eq!(visitor.events.len(), 3);
}

#[test]
fn an_old_query_is_answered_by_the_usual_versions_and_refused_by_later_ones() {
    let build = command("buildinfo");
    let version = |fields| {
        let answer = Visitor::connect("mongodb", 27017, fields).send(query(&build));
        let document = Document::read(&mut Cursor::new(&answer[36..])).unwrap();
        document.get("version").and_then(Value::as_str).map(ToOwned::to_owned)
    };
    let usual = version(json!({})).unwrap();
    assert!(usual.starts_with("5.0.") || usual.starts_with("4.4."), "{usual}");
    assert_eq!(version(json!({"server_version": "6.0.5"})), None);
}

#[test]
fn a_scram_login_is_reported_with_its_proof_and_refused() {
    let mut visitor = connect(true);
    let first = ask(&mut visitor, &sasl("saslStart", "n,,n=admin,r=abc"));
    let Some(Value::Binary(payload)) = first.get("payload") else {
        panic!("no payload")
    };
    let challenge = String::from_utf8(payload.clone()).unwrap();
    assert!(
        challenge.starts_with("r=abc") && challenge.ends_with(",i=15000"),
        "{challenge}"
    );
    assert_eq!(visitor.events, []);
    let answer = ask(&mut visitor, &sasl("saslContinue", "c=biws,r=abcdef,p=cHJvb2Y="));
    assert_eq!(answer, refused("Authentication failed.", 18, "AuthenticationFailed"));
    let attempt = Auth {
        method: "scram-sha-256",
        user: Some("admin".into()),
        domain: Some("admin".into()),
        proof: Proof::Hash(format!("n=admin,r=abc,{challenge},c=biws,r=abcdef,p=cHJvb2Y=").into()),
        accepted: false,
    };
    assert_eq!(visitor.events, [Event::Auth(attempt)]);
}

#[test]
fn a_login_that_ends_early_is_reported_once() {
    let mut visitor = connect(true);
    let start = sasl("saslStart", "n,,n=root,r=abc").text("db", "admin");
    let hello = command("hello").with("speculativeAuthenticate", Value::Document(start));
    assert!(ask(&mut visitor, &hello).document("speculativeAuthenticate").is_some());
    visitor.finish();
    assert!(
        matches!(&visitor.events[..], [Event::Request(_), Event::Auth(auth)] if auth.user == Some("root".into()) && auth.proof == Proof::None)
    );
}

#[test]
fn a_password_in_clear_text_is_reported() {
    let mut visitor = connect(true);
    let start = command("saslStart")
        .text("mechanism", "PLAIN")
        .with("payload", Value::Binary(b"\0bob\0hunter2".to_vec()));
    let text = "Received authentication for mechanism PLAIN which is not enabled";
    assert_eq!(ask(&mut visitor, &start), refused(text, 334, "MechanismUnavailable"));
    assert!(matches!(&visitor.events[..], [Event::Auth(auth)] if auth.proof == Proof::Password("hunter2".into())));
}

#[test]
fn an_open_server_lists_and_forgets_databases() {
    let mut visitor = connect(false);
    let names = |document: &Document| match document.get("databases") {
        Some(Value::Array(databases)) => databases
            .iter()
            .map(|database| match database {
                Value::Document(database) => database.get("name").unwrap().as_str().unwrap().to_owned(),
                _ => panic!("no document"),
            })
            .collect::<Vec<_>>(),
        _ => panic!("no databases"),
    };
    assert_eq!(
        names(&ask(&mut visitor, &command("listDatabases"))),
        ["admin", "config", "local", "shop"]
    );
    let dropped = ask(
        &mut visitor,
        &Document::default()
            .with("dropDatabase", Value::Int32(1))
            .text("$db", "shop"),
    );
    assert_eq!(dropped.get("dropped"), Some(&Value::String("shop".into())));
    let note = Value::Array(vec![Value::Document(Document::default().text("content", "pay"))]);
    let inserted = ask(&mut visitor, &on("insert", "README", "READ_ME").with("documents", note));
    assert_eq!(inserted.get("n"), Some(&Value::Int32(1)));
    assert_eq!(
        names(&ask(&mut visitor, &command("listDatabases"))),
        ["admin", "config", "local", "READ_ME"]
    );
    assert_eq!(
        ask(&mut visitor, &on("drop", "nope", "shop")),
        refused("ns not found", 26, "NamespaceNotFound")
    );
    assert_eq!(visitor.events.len(), 5);
}

#[test]
fn old_messages_and_nonsense_get_what_mongod_gives() {
    let mut visitor = connect(true);
    let status = Document::default().with("serverStatus", Value::Double(1.0));
    let answer = visitor.send(query(&status));
    let text = "Unsupported OP_QUERY command: serverStatus. The client driver may require an upgrade. For more details see https://dochub.mongodb.org/core/legacy-opcode-removal";
    assert_eq!(answer[36..], refused(text, 352, "UnsupportedOpQueryCommand").encode());
    for (input, answer) in [
        (&b"GET / HTTP/1.1\r\n\r\n"[..], super::http().into_bytes()),
        (b"\r\n\r\n", Vec::new()),
        (b"\xff\xff\xff\xff", Vec::new()),
        (&frame(2012, b"x"), Vec::new()),
        (&frame(2013, b"\0\0\0\0\x09"), Vec::new()),
    ] {
        let mut visitor = connect(true);
        assert_eq!(visitor.send(input), answer);
        assert_eq!(visitor.next, Next::Close);
        assert_eq!(visitor.events.len(), 1);
    }
}

#[test]
fn a_driver_that_waits_for_changes_waits_and_is_not_reported() {
    let mut visitor = connect(true);
    let await_change = command("hello")
        .with("topologyVersion", Value::Document(Document::default()))
        .with("maxAwaitTimeMS", Value::Int32(5000));
    let mut pause = std::time::Duration::ZERO;
    visitor.turn(|dialogue, input, turn| {
        input.push(&msg(&await_change));
        dialogue.receive(input, turn);
        pause = turn.pause;
    });
    assert_eq!(pause, std::time::Duration::from_secs(5));
    assert_eq!(visitor.events, []);
    let drop = command("dropDatabase")
        .with("topologyVersion", Value::Document(Document::default()))
        .with("maxAwaitTimeMS", Value::Int32(5000));
    visitor.send(msg(&drop));
    let [Event::Request(request)] = &visitor.events[..] else {
        panic!("{:?}", visitor.events)
    };
    assert_eq!(request.method, "dropDatabase".into());
}

#[test]
fn it_survives_pieces_and_changes() {
    let start = sasl("saslStart", "n,,n=root,r=abc");
    let hello = command("hello").with("speculativeAuthenticate", Value::Document(start.clone()));
    let messages = [
        query(&command("isMaster")),
        msg(&hello),
        [msg(&start), msg(&sasl("saslContinue", "c=biws,r=abc,p=eA=="))].concat(),
        [
            msg(&command("buildInfo")),
            msg(&command("listDatabases")),
            msg(&command("serverStatus")),
        ]
        .concat(),
        [
            msg(&on("insert", "a", "b")),
            msg(&on("listCollections", "", "b")),
            msg(&command("getLog")),
        ]
        .concat(),
    ];
    let messages: Vec<&[u8]> = messages.iter().map(Vec::as_slice).collect();
    survives(&|| connect(true), &messages, 60_000);
    survives(&|| connect(false), &messages, 60_000);
}

#[test]
fn each_field_has_an_effect() {
    let (build, list) = (msg(&command("buildInfo")), msg(&command("listDatabases")));
    fields_have_an_effect(
        "mongodb",
        &json!({"auth": false}),
        &[
            ("server_version", json!("4.4.1"), 27017, &[&build]),
            ("version", json!("4.4.2"), 27017, &[&build]),
            ("auth", json!(false), 27017, &[&list]),
            ("databases", json!("shop\ncrm"), 27017, &[&list]),
        ],
    );
}
