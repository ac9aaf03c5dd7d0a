//! What happens after the login.

use super::*;

#[tokio::test]
async fn commands_are_answered_and_reported() {
    let (server, client) = log_in(json!({})).await;
    let ok = |output: &str| (output.to_owned(), String::new(), Some(0));
    assert_eq!(
        exec(&client, "id", None).await,
        ok("uid=0(root) gid=0(root) groups=0(root)\n")
    );
    assert_eq!(
        exec(&client, "cat /etc/hostname; cd /var && pwd", None).await,
        ok("web-01\n/var\n")
    );
    assert_eq!(
        exec(&client, "cat /etc/passwd | grep sshd | wc -l", None).await,
        ok("1\n")
    );
    assert_eq!(
        exec(&client, "false || echo \"$USER's\" 2>/dev/null", None).await,
        ok("root's\n")
    );
    let missing = "bash: nc: command not found\n";
    assert_eq!(
        exec(&client, "nc -l", None).await,
        (String::new(), missing.into(), Some(127))
    );
    assert_eq!(
        server.commands(),
        [
            "id",
            "cat /etc/hostname; cd /var && pwd",
            "cat /etc/passwd | grep sshd | wc -l",
            "false || echo \"$USER's\" 2>/dev/null",
            "nc -l"
        ]
    );
    assert_eq!(server.logins(), [password("password", "hunter2", true)]);
}

#[tokio::test]
async fn a_shell_shows_what_the_visitor_types() {
    let (server, client) = log_in(json!({"motd": "Welcome\n"})).await;
    let shown = shell(&client, b"whoamx\x7fi\rfoo\rexit 3\r").await;
    let prompt = "\x1b[?2004hroot@web-01:~# ";
    let end = "\r\n\x1b[?2004l\r";
    assert_eq!(
        shown,
        format!(
            "Welcome\r\n{prompt}whoamx\x08 \x08i{end}root\r\n{prompt}foo{end}-bash: foo: command not found\r\n\
             {prompt}exit 3{end}logout\r\n"
        )
    );
    assert_eq!(server.commands(), ["whoami", "foo", "exit 3"]);
}

#[tokio::test]
async fn a_file_that_the_visitor_sends_is_reported() {
    let (server, client) = log_in(json!({})).await;
    let (output, _, status) = exec(&client, "cat > /tmp/x", Some(b"abc")).await;
    assert_eq!((output.as_str(), status), ("", Some(0)));
    let file = server.events().into_iter().find_map(|event| match event {
        Event::File(file) => Some(file),
        _ => None,
    });
    let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(
        file,
        Some(File {
            name: "/tmp/x".into(),
            is_upload: true,
            bytes: 3,
            sha256: Some(digest.into())
        })
    );
}

#[tokio::test]
async fn forwarding_and_subsystems_are_refused_and_reported() {
    let (server, client) = log_in(json!({})).await;
    let refused = client.channel_open_direct_tcpip("10.0.0.1", 80, "127.0.0.1", 1).await;
    assert!(refused.is_err());
    assert!(client.tcpip_forward("0.0.0.0", 8080).await.is_err());
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_subsystem(true, "sftp").await.unwrap();
    assert!(matches!(channel.wait().await, Some(ChannelMsg::Failure)));
    let requests: Vec<Event> = server
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::Request(_)))
        .collect();
    assert_eq!(
        requests,
        [
            Event::request("direct-tcpip", "10.0.0.1:80"),
            Event::request("tcpip-forward", "0.0.0.0:8080"),
            Event::request("subsystem", "sftp")
        ]
    );
    client.disconnect(Disconnect::ByApplication, "", "").await.unwrap();
    assert_eq!(server.task.await.unwrap(), EndReason::Closed);
}

#[tokio::test]
async fn windows_has_its_own_prompt() {
    let (_server, client) = log_in_on(Os::WindowsServer2022, json!({"motd": ""})).await;
    let shown = shell(&client, b"foo\rexit\r").await;
    let prompt = "root@WEB-01 C:\\Users\\root>";
    assert_eq!(
        shown,
        format!(
            "{prompt}foo\r\n'foo' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n\
             {prompt}exit\r\n"
        )
    );
}

#[tokio::test]
async fn no_line_makes_a_command_panic_or_grow() {
    let host = Arc::new(host::Host::new(&context("ssh", 22, Protocol::Tcp, json!({}))));
    let remote = "10.9.0.9:40000".parse().unwrap();
    let words = [
        "ls",
        "-la",
        "/etc",
        "cat",
        "/etc/shadow",
        "|",
        "grep",
        "-v",
        "head",
        "-n",
        "99999999999999999999",
        ";",
        "&&",
        "||",
        ">",
        "2>&1",
        "'",
        "\"",
        "\\",
        "$?",
        "$",
        "ä",
        "ps",
        "-ef",
        "cd",
        "..",
        "tee",
        "&",
        "#",
        "uname",
        "-",
        "=",
    ];
    for first in words {
        for second in words {
            for third in words {
                let mut shell = shell::Shell::new(Arc::clone(&host), "root", remote, false);
                let line = [first, second, third].join(" ").repeat(3);
                let reply = shell.run(&line, true, jiff::Timestamp::UNIX_EPOCH);
                assert!(reply.output.len() < 64 * 1024, "{line}");
            }
        }
    }
    let mut program = program::Program::new(&host, "root", remote, Some("xterm"));
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    assert!(program.receive(&all).output.len() < 4 * 1024 * 1024);
}

#[test]
fn the_address_of_the_decky_is_shown() {
    let host = Arc::new(host::Host::new(&context("ssh", 22, Protocol::Tcp, json!({}))));
    assert_eq!(host.address, Ipv4Addr::new(10, 9, 0, 2));
    let mut shell = shell::Shell::new(host, "root", "10.9.0.9:40000".parse().unwrap(), true);
    let reply = shell.run("ip a", false, jiff::Timestamp::UNIX_EPOCH);
    assert!(reply.output.contains("inet 10.9.0.2/24 "), "{}", reply.output);
}

#[tokio::test]
async fn the_eleventh_session_is_refused() {
    let (_server, client) = log_in(json!({})).await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(client.channel_open_session().await.unwrap());
    }
    assert!(client.channel_open_session().await.is_err());
    open[0].exec(true, "id").await.unwrap();
    while open[0].wait().await.is_some() {}
    assert!(client.channel_open_session().await.is_ok());
}

#[tokio::test]
async fn a_shell_without_a_terminal_reads_lines() {
    let (server, client) = log_in(json!({"motd": ""})).await;
    let mut channel = client.channel_open_session().await.unwrap();
    channel.request_shell(true).await.unwrap();
    channel.data(&b"id -u\nfoo\n"[..]).await.unwrap();
    channel.eof().await.unwrap();
    let (mut shown, mut status) = (Vec::new(), None);
    while let Some(message) = channel.wait().await {
        match message {
            ChannelMsg::Data { data } | ChannelMsg::ExtendedData { data, .. } => shown.extend(&data[..]),
            ChannelMsg::ExitStatus { exit_status } => status = Some(exit_status),
            _ => {}
        }
    }
    let expected = "0\n-bash: line 2: foo: command not found\n";
    assert_eq!(
        (String::from_utf8(shown).unwrap().as_str(), status),
        (expected, Some(127))
    );
    assert_eq!(server.commands(), ["id -u", "foo"]);
}
