//! What the shell makes of the lines that intruders type.

use super::*;

#[test]
fn lines_of_scripts_are_answered() {
    let host = Arc::new(host::Host::new(&context("ssh", 22, Protocol::Tcp, json!({}))));
    for (lines, output) in [
        (&["echo $(whoami)@`hostname` '$(id)'"][..], "root@web-01 $(id)\n"),
        (&["echo $(echo $(echo deep))"], "deep\n"),
        (&["echo $(echo 'a;id')"], "a;id\n"),
        (&["echo $(echo)x$("], "x$(\n"),
        (
            &["touch /tmp/a; mkdir /tmp/d", "ls /tmp", "rm -rf /tmp/a", "ls /tmp"],
            "a\nd\nd\n",
        ),
        (
            &[
                "echo one > /tmp/x",
                "echo two >> /tmp/x",
                "cat /tmp/x",
                "cd /tmp && cat x | wc -l",
            ],
            "one\ntwo\n2\n",
        ),
        (&["echo x > /nowhere/x; cat /nowhere/x"], ""),
        (&["if true; then echo yes; else echo no; fi; echo end"], "yes\nend\n"),
        (&["for i in 1 2 3; do echo round; done"], "round\n"),
        (&["while true; do uname -m; done"], "x86_64\n"),
        (&["sh -c 'id -u'; bash -c \"whoami\""], "0\nroot\n"),
        (&["which ls wget uname"], "/usr/bin/ls\n/usr/bin/uname\n"),
        (&["printf"], ""),
        (&["echo 'a b c' | awk '{print $3,$1}'"], "c a\n"),
        (&["df -h | awk 'NR==1 {print $2}'"], "Size\n"),
        (&["head -1 /etc/passwd | awk -F: '{print $1}'"], "root\n"),
        (&["sudo -l", "sudo whoami"], "root\n"),
        (&["cat /etc/debian_version"], "12.8\n"),
        (&["echo \"it's $(whoami)\" \\$(id)"], "it's root $(id)\n"),
        (&["echo $((1337*2)) $((7 / 0)) $((-3 + 5))"], "2674 $((7 / 0)) 2\n"),
        (&["echo old > /tmp/x; echo new > /tmp/x; cat /tmp/x"], "new\n"),
    ] {
        let mut shell = shell::Shell::new(Arc::clone(&host), "root", "10.9.0.9:40000".parse().unwrap(), false);
        let shown = lines
            .iter()
            .map(|line| shell.run(line, true, jiff::Timestamp::UNIX_EPOCH).output);
        assert_eq!(shown.collect::<String>(), output, "{lines:?}");
    }
}

#[test]
fn a_line_that_contains_itself_ends() {
    let host = Arc::new(host::Host::new(&context("ssh", 22, Protocol::Tcp, json!({}))));
    let mut shell = shell::Shell::new(host, "root", "10.9.0.9:40000".parse().unwrap(), false);
    for line in [
        format!("echo {}", "$(echo ".repeat(500) + &")".repeat(500)),
        "sh -c 'sh -c \"sh -c id\"'".repeat(100),
        format!("echo {}", "`cat /etc/passwd` ".repeat(250)),
    ] {
        let reply = shell.run(&line, true, jiff::Timestamp::UNIX_EPOCH);
        assert!(reply.output.len() < 1024 * 1024, "{}", reply.output.len());
    }
    shell.run(
        "echo '$(sh -c \"$(cat /tmp/f)\")' > /tmp/f",
        true,
        jiff::Timestamp::UNIX_EPOCH,
    );
    for _ in 0..9 {
        shell.run(
            "cat /tmp/f /tmp/f >> /tmp/g; cat /tmp/g > /tmp/f",
            true,
            jiff::Timestamp::UNIX_EPOCH,
        );
    }
    shell.run("sh -c \"$(cat /tmp/f)\"", true, jiff::Timestamp::UNIX_EPOCH);
    shell.run("rm /tmp/f /tmp/g", true, jiff::Timestamp::UNIX_EPOCH);
    for number in 0..200 {
        shell.run(
            &format!("echo {} > /tmp/{number}", "x".repeat(1000)),
            true,
            jiff::Timestamp::UNIX_EPOCH,
        );
    }
    // Long output, many files, and parentheses that nothing closes.
    let wide = format!("awk '{{print {}}}'", vec!["$0"; 400].join(","));
    shell.run(
        "rm /tmp/0 /tmp/1 /tmp/2 /tmp/3 /tmp/4",
        true,
        jiff::Timestamp::UNIX_EPOCH,
    );
    for line in [
        format!("echo x | {wide} | {wide} | {wide} | {wide}"),
        format!(
            "echo '{}' > /tmp/f; ls -l {}",
            "/ ".repeat(1500),
            "$(cat /tmp/f) ".repeat(200)
        ),
        format!("sh -c \"{}\"", "$(".repeat(100_000)),
        format!("mkdir {}; ls /tmp", "x".repeat(300)),
    ] {
        let reply = shell.run(&line, true, jiff::Timestamp::UNIX_EPOCH);
        assert!(
            reply.output.len() + reply.errors.len() < 1024 * 1024,
            "{}",
            reply.output.len()
        );
        assert!(!reply.output.contains("xxx"), "a name of 300 bytes");
    }
    shell.run("rm /tmp/f", true, jiff::Timestamp::UNIX_EPOCH);
    let kept = shell.run("cat /tmp/*; ls /tmp | wc -l", true, jiff::Timestamp::UNIX_EPOCH);
    let files: usize = kept.output.trim().parse().unwrap();
    assert!((10..20).contains(&files), "{files} files");
}
