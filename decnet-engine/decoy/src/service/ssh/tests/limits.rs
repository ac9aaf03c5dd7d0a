//! What one visitor can make the server keep, and what is reported at any end.

use tokio::time::timeout;

use super::*;

/// A program on a terminal, or without one.
fn program(terminal: Option<&str>) -> program::Program {
    let host = Arc::new(host::Host::new(&context("ssh", 22, Protocol::Tcp, json!({}))));
    program::Program::new(&host, "root", "10.9.0.9:40000".parse().unwrap(), terminal)
}

fn files(events: &[Event]) -> Vec<(&str, u64)> {
    let files = events.iter().filter_map(|event| match event {
        Event::File(file) => Some((file.name.as_str(), file.bytes)),
        _ => None,
    });
    files.collect()
}

#[test]
fn one_piece_of_input_gets_a_limited_answer() {
    let mut shell = program(Some("xterm"));
    shell.receive(&[b'x'; 4000]);
    let answer = shell.receive(&b"\x0c".repeat(32 * 1024)).output.len();
    assert!((256 * 1024..300 * 1024).contains(&answer), "{answer} bytes");
    let mut shell = program(None);
    let answer = shell.receive(&b"x\n".repeat(32 * 1024)).errors.len();
    assert!((256 * 1024..300 * 1024).contains(&answer), "{answer} bytes");
}

#[test]
fn one_command_has_a_limited_length_and_a_limited_answer() {
    let line = format!("echo {}", "x".repeat(64 * 1024));
    assert_eq!(program(None).run_command(line.as_bytes()).output.len(), 4096 - 4);
    // The shell itself reads no more than the first files.
    let host = Arc::new(host::Host::new(&context("ssh", 22, Protocol::Tcp, json!({}))));
    let mut shell = shell::Shell::new(host, "root", "10.9.0.9:40000".parse().unwrap(), false);
    let line = format!("cat{} | wc -l", " /etc/passwd".repeat(100_000));
    let lines: usize = shell
        .run(&line, true, jiff::Timestamp::UNIX_EPOCH)
        .output
        .trim()
        .parse()
        .unwrap();
    assert!((1000..10_000).contains(&lines), "{lines} lines");
}

#[test]
fn a_file_that_control_c_ends_is_reported() {
    let mut shell = program(Some("xterm"));
    shell.receive(b"cat > /tmp/x\rone\rtwo\rthr");
    let sent = shell.receive(b"\x03");
    assert_eq!(files(&sent.events), [("/tmp/x", 8)]);
    assert_eq!(
        shell.receive(b"echo $?\r").output,
        b"echo $?\r\n\x1b[?2004l\r130\r\n\x1b[?2004hroot@web-01:~# "
    );
    assert!(shell.finish().events.is_empty());
}

#[tokio::test]
async fn a_file_is_reported_when_the_connection_ends() {
    let (server, client) = log_in(json!({})).await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.exec(true, "cat > /tmp/x").await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Success)));
    channel.data(&b"abc"[..]).await.unwrap();
    client.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
    let Server { events, task } = server;
    assert_eq!(task.await.unwrap(), EndReason::Closed);
    assert_eq!(files(&events.lock().unwrap()), [("/tmp/x", 3)]);
}

#[tokio::test]
async fn a_silent_visitor_is_disconnected() {
    let pace = Pace {
        silence: Duration::from_millis(100),
        ..PACE
    };
    let (server, near) = Server::start(context("ssh", 22, Protocol::Tcp, fields(json!({}))), pace);
    let config = Arc::new(client::Config::default());
    let mut client = client::connect_stream(config, near, Client::default()).await.unwrap();
    assert!(client.authenticate_password("root", "hunter2").await.unwrap().success());
    let end = timeout(Duration::from_secs(10), server.task).await.expect("an end");
    assert_eq!(end.unwrap(), EndReason::Idle);
}

#[tokio::test]
async fn a_visitor_who_takes_nothing_is_disconnected_when_more_follows() {
    let (server, near) = Server::start(context("ssh", 22, Protocol::Tcp, fields(json!({}))), PACE);
    // This client never opens its window.
    let config = client::Config {
        window_size: 0,
        ..client::Config::default()
    };
    let config = Arc::new(config);
    let mut client = client::connect_stream(config, near, Client::default()).await.unwrap();
    assert!(client.authenticate_password("root", "hunter2").await.unwrap().success());
    let channel = client.channel_open_session().await.unwrap();
    channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_shell(false).await.unwrap();
    channel.data(&[b'x'; 4000][..]).await.unwrap();
    channel.data(&[0x0c; 20][..]).await.unwrap();
    channel.data(&b"y"[..]).await.unwrap();
    let end = timeout(Duration::from_secs(10), server.task).await.expect("an end");
    assert_eq!(end.unwrap(), EndReason::Closed);
}

#[tokio::test]
async fn the_library_stops_with_the_conversation_while_it_waits_for_the_visitor() {
    let (server, near) = Server::start(context("ssh", 22, Protocol::Tcp, fields(json!({}))), PACE);
    let (stream, middle) = duplex(64 * 1024);
    let (mut from_server, mut to_server) = io::split(near);
    let (mut from_client, mut to_client) = io::split(middle);
    let down = tokio::spawn(async move { io::copy(&mut from_server, &mut to_client).await });
    let _up = tokio::spawn(async move { io::copy(&mut from_client, &mut to_server).await });
    let config = Arc::new(client::Config::default());
    let mut client = client::connect_stream(config, stream, Client::default()).await.unwrap();
    assert!(client.authenticate_password("root", "hunter2").await.unwrap().success());
    let channel = client.channel_open_session().await.unwrap();
    channel.request_pty(false, "xterm", 80, 24, 0, 0, &[]).await.unwrap();
    channel.request_shell(false).await.unwrap();
    // Nobody reads any more.
    down.abort();
    channel.data(&[b'x'; 4000][..]).await.unwrap();
    channel.data(&[0x0c; 50][..]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    let Server { events, task } = server;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let stopped = async {
        while Arc::strong_count(&events) > 1 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(10), stopped).await.expect("an end");
}
