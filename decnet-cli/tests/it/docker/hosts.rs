//! Walks the page on several hosts: a master without Docker and two hosts, each in a network namespace.

mod building;
mod returning;
mod serving;

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    process::{Command, Output},
};

use crate::{
    command::Sandbox,
    walk::{ON_HOSTS, WIDTHS, assert_none, page::Page, page::root, prepare, walk_by},
};

/// Starts a program on the master that goes on, and waits until it serves.
const BACKGROUND: &str = "setsid -f CMD >LOG 2>&1; until grep -qs serving LOG; do sleep 0.1; done";

/// Three hosts. They are stopped when the test ends, even with a failure.
struct Stage {
    sandbox: Sandbox,
}

impl Stage {
    fn start() -> Self {
        let stage = Self {
            sandbox: Sandbox::new(),
        };
        prepare(&stage.sandbox);
        let commands = stage.sandbox.path("bin");
        fs::create_dir(&commands).expect("a folder");
        for verb in ["ssh", "boot"] {
            let path = commands.join(verb);
            let text = format!("#!/bin/sh\nexec '{}' {verb} \"$@\"\n", Self::script().display());
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("executable");
        }
        stage.must(&["start"]);
        stage
    }

    fn script() -> PathBuf {
        root().join("decnet-cli/tests/it/docker/hosts/stage")
    }

    /// Prepares a line for a shell on the master, as a person there would type it.
    fn shell(&self, line: &str) -> Command {
        let commands = self.sandbox.path("bin");
        let on_master = "PATH=$COMMANDS:$PATH exec nsenter --net=/var/run/netns/decnet-walk-master sh -c \"$LINE\"";
        let mut command = self.sandbox.shell(on_master);
        command
            .env("COMMANDS", commands)
            .env("LINE", line)
            .env("STAGE", self.sandbox.path("."))
            .env("ENGINES", root().join("scripts/engines"));
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(Self::script());
        command
            .args(arguments)
            .env("STAGE", self.sandbox.path("."))
            .env("ENGINES", root().join("scripts/engines"));
        command.output().expect("the script of the stage")
    }

    #[track_caller]
    fn must(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

/// What tests do on the stage that walk no page.
impl Stage {
    /// Runs a line on the master, and returns what it prints.
    #[track_caller]
    fn on_master(&self, line: &str) -> String {
        let output = self.shell(line).output().expect("a shell");
        assert!(output.status.success(), "{line}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    fn in_background(&self, command: &str, log: &str) {
        self.on_master(&BACKGROUND.replace("CMD", command).replace("LOG", log));
    }

    /// Lets a host join, with the label `public`.
    #[track_caller]
    fn join(&self, host: &str) {
        self.on_master(&format!(
            "(umask 077; decnet host enroll {host} --label public >{host}.token)"
        ));
        let join = "decnet agent --state /var/lib/decnet/agent --join - --join-only";
        self.on_master(&format!(
            "ssh {host} {join} --name {host} --master 192.0.2.1:7379 <{host}.token"
        ));
        self.on_master(&format!("ssh {host} systemctl enable --quiet --now decnet-agent"));
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.run(&["stop"]);
    }
}

#[test]
#[ignore = "needs Docker"]
fn the_page_on_several_hosts_shows_what_its_commands_print() {
    let stage = Stage::start();
    // A reader looks at the list some seconds after the agents have started, and a test at once.
    let wait = "for _ in $(seq 40); do decnet host list | grep -q joined || break; sleep 0.25; done; ";
    let differences = walk_by(&Page::read(ON_HOSTS), WIDTHS[1], |line| {
        let before = if line.starts_with("decnet host list") { wait } else { "" };
        stage.shell(&format!("{before}{line}"))
    });
    assert_none(&differences);
    for host in ["east", "west"] {
        assert_eq!(stage.must(&["left", host]), "", "{host}");
    }
}
