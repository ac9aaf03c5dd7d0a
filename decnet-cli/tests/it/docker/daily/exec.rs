//! `decnet exec`.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use super::shop::Shop;

#[test]
#[ignore = "needs Docker"]
fn a_command_in_an_own_image_has_input_output_and_exit_status() {
    let shop = Shop::deploy(64);
    let ran = shop.shell("echo out; echo err >&2; exit 7").exits(7);
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n", "err\n"));
    // Docker 20.10 reports 126 for a program that does not exist.
    let missing = shop.run(&["exec", "lab", "web.shop", "true-is-missing"]);
    assert!(matches!(missing.code, Some(126 | 127)), "{missing:#?}");
    shop.run(&["exec", "lab", "web", "/bin"]).exits(126);
    // Flags after the program are those of the program.
    let ran = shop.run(&["exec", "lab", "web", "ls", "--help"]).exits(0);
    assert!(ran.stdout.contains("Usage: ls"), "{ran:#?}");

    let mut child = shop
        .lab
        .sandbox
        .spawn(&["exec", "-i", "lab", "web", "wc", "-c"], Stdio::piped());
    let mut input = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || input.write_all(&vec![b'x'; 1 << 20]));
    let output = child.wait_with_output().expect("it ends with its input");
    writer.join().expect("done").expect("written");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1048576\n");
    // Without -i the input is empty.
    let ran = shop.shell("cat; echo end").exits(0);
    assert_eq!(ran.stdout, "end\n");
    shop.lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

/// Runs the program in a terminal of 33 rows and 99 columns, with input, and returns what the terminal got.
fn in_terminal(shop: &Shop, arguments: &str, input: &[u8]) -> (String, Option<i32>) {
    let program = env!("CARGO_BIN_EXE_decnet");
    let mut child = Command::new("script")
        .args(["--quiet", "--return", "--flush", "--command"])
        .arg(format!("stty rows 33 cols 99; exec {program} {arguments}"))
        .arg("/dev/null")
        .env("DECNET_DB", shop.lab.sandbox.database())
        .env("DECNET_BUS", shop.lab.sandbox.bus())
        .env("HOME", shop.lab.sandbox.path("."))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script(1)");
    child.stdin.take().expect("piped").write_all(input).expect("written");
    let output = child.wait_with_output().expect("ended");
    (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        output.status.code(),
    )
}

#[test]
#[ignore = "needs Docker"]
fn a_command_with_a_terminal_has_its_size_and_keys() {
    let shop = Shop::deploy(65);
    let (seen, code) = in_terminal(
        &shop,
        "exec -it lab web sh",
        b"stty size; printf 'a\\033[1mb\\n'; exit 5\n",
    );
    assert!(seen.contains("33 99"), "{seen:?}");
    assert!(seen.contains("a\u{1b}[1mb"), "the output passes as it is: {seen:?}");
    assert_eq!(code, Some(5), "{seen:?}");
    // Without -t, output cannot control the terminal.
    let (seen, code) = in_terminal(&shop, "exec lab web sh -c 'printf \"a\\\\033[1mb\"'", b"");
    assert!(seen.contains("a\\u{1b}[1mb"), "{seen:?}");
    assert_eq!(code, Some(0), "{seen:?}");
    shop.run(&["exec", "-it", "lab", "web", "sh"])
        .exits(2)
        .says("stdin is not a terminal");
    shop.lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn every_decky_answers_the_built_in_verbs() {
    let shop = Shop::deploy(66);
    let lines = |arguments: &[&str], code: i32| {
        let ran = shop.run(&[&["exec", "lab"], arguments].concat()).exits(code);
        ran.stdout
    };
    assert!(lines(&["files", "ping", "web"], 0).starts_with("web (10.204.66.21): answered in "));
    assert!(lines(&["files", "ping", "10.204.66.20"], 0).starts_with("10.204.66.20: answered in "));
    assert!(lines(&["web", "connect", "files", "445"], 0).starts_with("files (10.204.66.22) tcp/445: answered in "));
    assert_eq!(
        lines(&["web", "connect", "files", "444"], 1),
        "files (10.204.66.22) tcp/444: refused\n"
    );
    assert_eq!(lines(&["web", "ping", "10.204.66.30"], 1).lines().count(), 1);
    assert_eq!(
        lines(&["files", "resolve", "gate"], 0),
        "10.204.66.20 in LAN office\n10.204.66.4 in another LAN: dmz\n"
    );
    let routes = lines(&["files", "routes"], 0);
    assert!(
        routes.contains("10.204.66.16/28 in LAN office, address 10.204.66.22\n"),
        "{routes}"
    );
    assert!(
        routes.contains("10.204.66.0/28 via 10.204.66.20\n") && routes.contains("forwarding off\n"),
        "{routes}"
    );
    // A built-in service has the verbs of its decky, and nothing else.
    assert!(lines(&["web.ssh", "ping", "files"], 0).contains("answered"));
    shop.run(&["exec", "lab", "web.ssh", "sh"])
        .exits(1)
        .says("web.ssh is a built-in service");
    shop.run(&["exec", "lab", "files", "sh"])
        .exits(1)
        .says("no service of files has an image of its own");
    shop.run(&["exec", "lab", "files", "connect", "web", "http"])
        .exits(2)
        .says("`http` is not a port");
    shop.run(&["exec", "lab", "files", "ping", "weeb"])
        .exits(1)
        .says("did you mean `web`?");
    let choices = lines(&["web"], 0);
    assert!(
        choices.contains("web ping ADDRESS|DECKY\n") && choices.contains("web.shop PROGRAM"),
        "{choices}"
    );
    shop.run(&["exec", "lab", "files", "ping", "web", "--json"])
        .exits(2)
        .says("ping takes one argument");
    let answer = shop
        .run(&["--json", "exec", "lab", "files", "ping", "web"])
        .exits(0)
        .json();
    assert_eq!((&answer["verb"], &answer["reached"]), (&"ping".into(), &true.into()));
    shop.lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}
