//! `decnet cp`.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
};

use super::shop::Shop;

#[test]
#[ignore = "needs Docker"]
fn files_are_copied_out_and_hostile_ones_stay_where_they_are() {
    let shop = Shop::deploy(68);
    let sandbox = &shop.lab.sandbox;
    let made = shop.shell(
        "mkdir -p /tmp/loot/sub && cd /tmp/loot && echo secret > a && echo two > sub/b && ln a hard && ln -s a soft \
         && ln -s /etc/shadow abs && ln -s ../../../../etc/passwd up && mkfifo pipe && echo fresh > /memory/f",
    );
    assert_eq!(made.stderr, "");
    made.exits(0);
    let copied = shop.run(&["cp", "lab", "web.shop:/tmp/loot", "got"]).exits(0);
    assert!(copied.stderr.contains("copied 3 files"), "{copied:#?}");
    for left_out in ["abs", "up", "pipe"] {
        assert!(copied.stderr.contains(left_out), "{copied:#?}");
    }
    let read = |name: &str| fs::read_to_string(sandbox.path(name)).expect("a file");
    assert_eq!(
        (read("got/a"), read("got/hard"), read("got/sub/b")),
        ("secret\n".into(), "secret\n".into(), "two\n".into())
    );
    assert_eq!(
        fs::read_link(sandbox.path("got/soft")).expect("a link"),
        std::path::Path::new("a")
    );
    for absent in ["got/abs", "got/up", "got/pipe"] {
        assert!(sandbox.path(absent).symlink_metadata().is_err(), "{absent}");
    }

    // A file, which is not executable here, into a folder and under another name.
    shop.run(&["cp", "lab", "web:/bin/ls", "got"]).exits(0);
    let copied = fs::metadata(sandbox.path("got/ls"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(copied & 0o7111, 0);
    shop.run(&["cp", "lab", "web:/tmp/loot/a", "b"]).exits(0);
    shop.run(&["cp", "lab", "web:/tmp/loot/sub/b", "b"])
        .exits(4)
        .says("--force");
    assert_eq!(read("b"), "secret\n");
    shop.run(&["cp", "lab", "web:/tmp/loot/sub/b", "b", "--force"]).exits(0);
    assert_eq!(read("b"), "two\n");

    shop.run(&["cp", "lab", "web:/bin/ls", "large", "--max-size", "100"])
        .exits(1)
        .says("more than 100 bytes");
    assert!(!sandbox.path("large").exists());
    shop.run(&["cp", "lab", "web:/tmp/nothing", "c"])
        .exits(1)
        .says("has no file or folder /tmp/nothing");
    shop.run(&["cp", "lab", "web:/memory/f", "c"])
        .exits(1)
        .says("in memory");
    assert_eq!(
        shop.run(&["exec", "lab", "web", "cat", "/memory/f"]).exits(0).stdout,
        "fresh\n"
    );
    shop.run(&["cp", "lab", "web.ssh:/etc/passwd", "c"])
        .exits(1)
        .says("built-in service");
    shop.run(&["cp", "lab", "web:/", "c"]).exits(2);
    shop.run(&["cp", "lab", "local", "web:/tmp"])
        .exits(2)
        .says("copied out of a container");
    assert!(!sandbox.path("c").exists());

    let mut tar = Command::new("tar")
        .arg("-t")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tar");
    let archive = sandbox
        .command(&["cp", "lab", "web:/tmp/loot", "-"])
        .output()
        .expect("runs");
    std::io::Write::write_all(&mut tar.stdin.take().expect("piped"), &archive.stdout).expect("written");
    let listed = String::from_utf8(tar.wait_with_output().expect("ended").stdout).expect("names");
    assert!(listed.contains("loot/sub/b"), "{listed}");
    shop.lab.run(&["teardown", "lab", "--quiet"]).exits(0);
}
