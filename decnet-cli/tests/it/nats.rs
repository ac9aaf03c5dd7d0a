//! The bus on a NATS server, between processes.

#[path = "../../../decnet-engine/tests/it/bus/nats/server.rs"]
mod server;

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
};

use serde_json::json;

use self::server::NatsServer;
use crate::{
    command::Sandbox,
    events::{Following, became, id},
};

/// Connects without the library.
fn plain(server: &NatsServer) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).expect("connected");
    write!(stream, "CONNECT {{}}\r\nSUB decnet.event.> 1\r\nPING\r\n").expect("written");
    let mut lines = BufReader::new(stream);
    until(&mut lines, "PONG");
    lines
}

/// Reads lines until one has a text.
fn until(lines: &mut BufReader<TcpStream>, wanted: &str) -> String {
    let mut line = String::new();
    while !line.contains(wanted) {
        line.clear();
        assert_ne!(lines.read_line(&mut line).expect("text"), 0, "closed before {wanted}");
    }
    line
}

#[test]
fn a_change_of_one_process_is_seen_by_another() {
    let Some(mut server) = NatsServer::start("") else {
        return;
    };
    let (sandbox, url) = (Sandbox::new(), server.url().to_string());
    let mut heard = plain(&server);
    let mut events = Following::start(&sandbox, &["events", "--json", "--bus", &url]);
    events.until(|value| value["type"] == "snapshot");
    sandbox.run(&["create", "lab", "--bus", &url]).exits(0);
    let lab = id(&sandbox, "lab");
    until(&mut heard, &format!("MSG decnet.event.topology.{lab}.status 1 "));
    events.until(became(&lab, "pending"));

    // The steps of operations are only on the bus.
    let planned = |heard: &mut BufReader<TcpStream>, events: &mut Following, steps: u64| {
        let topic = format!("topology.{lab}.step.planned");
        let id = format!("0191b9f0-0000-7000-8000-00000000000{steps}");
        let payload = json!({ "topology": lab, "steps": steps });
        let event = json!({
            "v": 1, "id": id, "topic": topic, "type": "planned", "ts": "2030-01-01T00:00:00Z", "payload": payload,
        });
        let text = event.to_string();
        write!(heard.get_mut(), "PUB decnet.event.{topic} {}\r\n{text}\r\n", text.len()).expect("written");
        events.until(|value| value["type"] == "planned" && value["payload"]["steps"] == steps);
    };
    planned(&mut heard, &mut events, 3);

    server.kill();
    events.until_printed(&format!("no bus at {url}; reading the database every second instead"));
    sandbox.run(&["create", "second", "--bus", &url]).exits(0);
    events.until(became(&id(&sandbox, "second"), "pending"));
    server.begin();
    events.until_printed(&format!("found the bus at {url}"));
    planned(&mut plain(&server), &mut events, 4);
}

#[test]
fn the_credentials_of_the_server_are_never_printed() {
    let settings = "authorization { users = [{ user: ada, password: \"hunter2\" }] }";
    let Some(server) = NatsServer::start(settings) else {
        return;
    };
    let sandbox = Sandbox::new();
    let port = server.port();
    for (name, url) in [
        ("right", format!("nats://ada:hunter2@127.0.0.1:{port}")),
        ("wrong", format!("nats://ada:hunter21@127.0.0.1:{port}")),
        ("token", format!("nats://hunter2@127.0.0.1:{port}")),
        ("gone", "nats://ada:hunter2@127.0.0.1:1".to_owned()),
    ] {
        let mut command = sandbox.command(&["create", name, "-vvv"]);
        let output = command.env("DECNET_BUS", &url).output().expect("it runs");
        let (out, said) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{name}: {said}");
        assert!(
            !out.contains("hunter2") && !said.contains("hunter2"),
            "{name}: {out}{said}"
        );
    }
}

#[test]
fn a_url_that_is_invalid_is_refused_without_its_credentials() {
    let sandbox = Sandbox::new();
    for url in [
        "nats://ada:hunter2@",
        "nats://ada:hunter2@host/path",
        "tls://ada:hunter2@host:99999",
    ] {
        let ran = sandbox.run(&["list", "--bus", url]).exits(2);
        assert!(ran.stderr.contains("the URL of the NATS server is invalid"), "{ran:#?}");
        assert!(!ran.stderr.contains("hunter2"), "{ran:#?}");
        let error = sandbox.run(&["list", "--bus", url, "--json"]).exits(2).error();
        assert_eq!(error["code"], "invalid_nats_url");
    }
    let ran = sandbox.run(&["bus", "--bus", "nats://ada:hunter2@127.0.0.1"]).exits(2);
    assert!(
        ran.stderr.contains("the bus is on the server nats://127.0.0.1\n"),
        "{ran:#?}"
    );
}
