//! `decnet capture`.

use std::{fs, os::unix::process::CommandExt as _, process::Stdio, thread, time::Duration};

use super::shop::Shop;
use crate::docker::lab::Running;

/// The Ethernet frames of a pcap file with times in nanoseconds.
fn frames(file: &[u8]) -> Vec<Vec<u8>> {
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((number(0), number(20)), (0xa1b2_3c4d, 1), "the header of a pcap file");
    let (mut at, mut frames) = (24, Vec::new());
    while at < file.len() {
        let (captured, length) = (number(at + 8) as usize, number(at + 12) as usize);
        assert!(captured <= length && number(at) > 1_700_000_000);
        frames.push(file[at + 16..at + 16 + captured].to_vec());
        at += 16 + captured;
    }
    assert_eq!(at, file.len(), "packets are whole");
    frames
}

/// Returns how many frames are ICMP over IPv4 with this type and these addresses.
fn echoes(frames: &[Vec<u8>], kind: u8, from: [u8; 4], to: [u8; 4]) -> usize {
    let is_one = |frame: &&Vec<u8>| {
        frame.len() > 34 && frame[23] == 1 && frame[26..30] == from && frame[30..34] == to && frame[34] == kind
    };
    frames.iter().filter(is_one).count()
}

#[test]
#[ignore = "needs Docker"]
fn packets_of_a_lan_and_of_a_decky_are_captured_while_they_flow() {
    let shop = Shop::deploy(70);
    let sandbox = &shop.lab.sandbox;
    let (files, web) = ([10, 204, 70, 22], [10, 204, 70, 21]);
    for (point, times) in [("office", 1), ("web", 1), ("web.office", 1), ("gate", 0)] {
        let file = format!("{point}.pcap");
        let arguments = ["capture", "lab", point, "-o", &file, "--protocol", "icmp"];
        let running = Running::start(sandbox, &arguments, "Ctrl-C stops");
        shop.run(&["exec", "lab", "files", "ping", "web"]).exits(0);
        thread::sleep(Duration::from_millis(600));
        running.signal("INT");
        let (status, said) = running.end();
        assert_eq!(status.code(), Some(0), "{point}: {said}");
        assert!(said.contains("captured, 0 dropped by the kernel"), "{point}: {said}");
        let frames = frames(&fs::read(sandbox.path(&file)).expect("a file"));
        assert_eq!(echoes(&frames, 8, files, web), times, "requests on {point}");
        assert_eq!(echoes(&frames, 0, web, files), times, "answers on {point}");
    }

    // It goes on when a decky restarts, which gets another port on the bridge.
    let running = Running::start(
        sandbox,
        &["capture", "lab", "office", "-o", "again.pcap"],
        "Ctrl-C stops",
    );
    shop.run(&["restart", "lab", "web"]).exits(0);
    thread::sleep(Duration::from_millis(700));
    shop.run(&["exec", "lab", "web", "ping", "files"]).exits(0);
    thread::sleep(Duration::from_millis(400));
    running.signal("TERM");
    running.end();
    let seen = frames(&fs::read(sandbox.path("again.pcap")).expect("a file"));
    assert_eq!(echoes(&seen, 8, web, files), 1);

    // A limit of packets or of time ends it; stdout gets the file.
    let child = sandbox.spawn(
        &[
            "capture",
            "lab",
            "office",
            "--port",
            "445",
            "--count",
            "3",
            "--snap-length",
            "60",
            "--duration",
            "30",
        ],
        Stdio::null(),
    );
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(300));
        shop.run(&["exec", "lab", "web", "connect", "files", "445"]).exits(0);
    }
    let output = child.wait_with_output().expect("ended");
    assert!(output.status.success(), "{output:?}");
    let seen = frames(&output.stdout);
    assert_eq!(seen.len(), 3);
    assert!(seen.iter().all(|frame| frame.len() <= 60));
    let none = shop
        .run(&[
            "capture",
            "lab",
            "dmz",
            "--duration",
            "1",
            "-o",
            "none.pcap",
            "--address",
            "192.0.2.7",
        ])
        .exits(0);
    assert!(none.stderr.contains("0 packets captured"), "{none:#?}");
    assert_eq!(frames(&fs::read(sandbox.path("none.pcap")).expect("a file")).len(), 0);

    shop.run(&["capture", "lab", "offise", "-o", "x"])
        .exits(1)
        .says("did you mean `office`?");
    shop.run(&["capture", "lab", "web.dmz", "-o", "x"])
        .exits(1)
        .says("it is on office");
    shop.lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}

#[test]
#[ignore = "needs Docker"]
fn without_root_the_command_says_how_packets_can_be_captured() {
    let shop = Shop::deploy(71);
    let sandbox = &shop.lab.sandbox;
    for (point, command) in [("office", "tcpdump -i br-"), ("web", "nsenter --net=/proc/")] {
        let command_line = sandbox.command(&["capture", "lab", point, "-o", "x.pcap"]);
        // Root without the capabilities for packets and for namespaces.
        let program = command_line.get_program().to_owned();
        let arguments: Vec<_> = command_line.get_args().map(ToOwned::to_owned).collect();
        let mut dropped = std::process::Command::new("setpriv");
        dropped
            .args(["--bounding-set=-net_raw,-sys_admin", "--inh-caps=-all", "--"])
            .arg(program)
            .args(arguments);
        dropped.current_dir(sandbox.path(".")).arg0("setpriv");
        for (name, value) in command_line.get_envs() {
            match value {
                Some(value) => dropped.env(name, value),
                None => dropped.env_remove(name),
            };
        }
        let output = dropped.output().expect("setpriv(1)");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.contains("packets cannot be captured") && said.contains(command),
            "{said}"
        );
        assert!(!sandbox.path("x.pcap").exists());
    }
    shop.lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}
