//! Visits of real containers are kept and sent.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::Stdio,
    time::Duration,
};

use super::lab::Lab;

/// Visits a published service, and waits for its banner.
fn visit(port: u16) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it is published");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let mut banner = [0; 4];
    stream.read_exact(&mut banner).expect("a banner");
    assert_eq!(&banner, b"SSH-");
    stream.write_all(b"not an ident\r\n").expect("sent");
}

#[test]
#[ignore = "needs Docker"]
fn visits_outlive_their_containers_and_reach_a_syslog_server() {
    let lab = Lab::apply(
        "format: decnet.topology/1\nname: lab\nlans:\n  - {name: dmz, subnet: 10.204.41.0/28, dmz: true}\n\
         deckies:\n  - {name: gate, services: [ssh], forwards_l3: true, attachments: [{lan: dmz}]}\n",
    );
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = free.local_addr().expect("bound").port();
    drop(free);
    lab.run(&[
        "deploy",
        "lab",
        "--quiet",
        "--publish",
        &format!("ssh=127.0.0.1:{port}"),
    ])
    .exits(0);
    visit(port);
    let store = ["logs", "lab", "--store", "--cursor-file", "cursor.json"];
    // The line of the visit may come a moment later.
    let stored = || lab.run(&["logs", "lab", "--stored", "--json"]).exits(0).stdout;
    for _ in 0..50 {
        let ran = lab.run(&store).exits(0);
        assert_eq!(ran.stdout, "");
        if stored().contains("session.close") {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let before = stored();
    assert!(
        before.contains("session.open") && before.contains("session.close"),
        "{before}"
    );
    assert_eq!(
        lab.run(&["logs", "lab", "--json"]).exits(0).stdout,
        before,
        "each line once"
    );

    let server = TcpListener::bind("127.0.0.1:0").expect("bound");
    let target = format!("syslog+tcp://{}", server.local_addr().expect("an address"));
    let follow = [
        "logs",
        "lab",
        "--follow",
        "--cursor-file",
        "cursor.json",
        "--store",
        "--to",
        &target,
    ];
    let mut collector = lab.sandbox.spawn(&follow, Stdio::null());
    let mut stream = BufReader::new(server.accept().expect("accepted").0);
    stream
        .get_ref()
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("set");
    visit(port);
    let mut length = Vec::new();
    stream.read_until(b' ', &mut length).expect("a frame");
    let length = String::from_utf8_lossy(&length).trim().parse().expect("a length");
    let mut line = vec![0; length];
    stream.read_exact(&mut line).expect("a line");
    let line = String::from_utf8(line).expect("UTF-8");
    assert!(line.contains("session.open") && line.contains("gate"), "{line}");
    for _ in 0..50 {
        if stored().matches("session.close").count() == 2 {
            break;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    collector.kill().expect("it runs");
    let _ = collector.wait();

    let all = stored();
    assert_eq!(all.matches("session.close").count(), 2, "{all}");
    assert!(all.starts_with(&before), "the first visit is still there");
    lab.run(&["teardown", "lab", "--quiet"]).exits(0);
    lab.assert_nothing_left();
    assert_eq!(stored(), all, "they outlive their containers");
    let paths = lab.run(&["logs", "lab", "--stored", "--paths"]).exits(0).stdout;
    assert!(
        paths.contains("-> gate (last seen ") && paths.contains("ssh  2 sessions"),
        "{paths}"
    );
    lab.run(&["delete", "lab"]).exits(0);
    assert_eq!(lab.run(&["logs", "--stored"]).exits(0).stdout, "");
}
