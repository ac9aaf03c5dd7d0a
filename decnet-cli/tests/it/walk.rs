//! Walks the README and every page in `docs/`: runs each command in order, in terminals of 80 and of 120 columns, and compares
//! what is printed with what the page shows.

mod blocks;
mod compare;
mod fields;
pub(crate) mod page;
mod prose;
pub(crate) mod terminal;

use std::{collections::BTreeSet, fs, path::Path, process::Command, time::Duration};

use page::{Page, Step, pages, root};

use crate::command::Sandbox;

/// The widths of the terminals.
pub(crate) const WIDTHS: [u16; 2] = [80, 120];

/// The pages whose commands need Docker. `docker::walking` walks them.
pub(crate) const ON_DOCKER: [&str; 6] = [
    "README.md",
    "docs/daily.md",
    "docs/http.md",
    "docs/log-targets.md",
    "docs/maze-file.md",
    "docs/tutorial.md",
];

/// The page whose commands need several hosts. `docker::hosts` walks it.
pub(crate) const ON_HOSTS: &str = "docs/hosts.md";

/// What the walk does with a command that it cannot simply run.
enum Exception {
    /// Nothing, for this reason.
    Left(&'static str),
    /// It runs another command, for this reason.
    Instead(&'static str, &'static str),
    /// It runs the command, and repeats another one until that ends, for this reason.
    Meanwhile(&'static str, &'static str),
    /// It interrupts the command after a while, because it does not end by itself.
    Interrupted,
}
use Exception::{Instead, Interrupted, Left, Meanwhile};

/// All exceptions: the page, the start of the command, and what the walk does.
const EXCEPTIONS: &[(&str, &str, Exception)] = &[
    (
        "README.md",
        "make demo",
        Left("it builds a release, and does what the next section does"),
    ),
    ("README.md", "make test", Left("it runs this test")),
    (
        "README.md",
        "ssh -p 2222 root@127.0.0.1",
        Instead(
            "echo \"root@127.0.0.1's password:\"; printf '#!/bin/sh\\necho toor\\n' >answer; chmod +x answer; SSH_ASKPASS_REQUIRE=force SSH_ASKPASS=./answer \
             ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o NumberOfPasswordPrompts=1 \
             -p 2222 root@127.0.0.1; test $? = 255",
            "a person types the password",
        ),
    ),
    (
        "docs/daily.md",
        "decnet exec -it",
        Instead(
            "printf 'ls /srv/shop; exit\\n' | script --quiet --return --command 'decnet exec -it shop web-01.cart sh' /dev/null | grep 'shop[.]ini'",
            "a person types into the shell; a prompt that comes late is in front of the answer",
        ),
    ),
    (
        "docs/daily.md",
        "decnet capture shop office",
        Meanwhile(
            "decnet exec shop web-01 ping desk-01 >/dev/null",
            "a person pings in another terminal",
        ),
    ),
    (
        "docs/daily.md",
        "decnet capture shop web-01 ",
        Meanwhile(
            "curl --silent --output page.html http://127.0.0.1:8080/",
            "a person visits the decky in another terminal",
        ),
    ),
    (
        "docs/daily.md",
        "decnet capture shop web-01.dmz",
        Instead(
            "decnet capture shop web-01.dmz --duration 3s >packets.pcap && test -s packets.pcap",
            "the machine may have no tcpdump",
        ),
    ),
    (
        "docs/http.md",
        "decnet serve --no-auth",
        Instead(
            "setsid -f sh -c 'echo $$ >pid; exec timeout 230 decnet serve --no-auth >served 2>&1'; until grep -s serving served; do sleep 0.1; done",
            "it runs in another terminal while the next commands use it",
        ),
    ),
    (
        "docs/http.md",
        "(umask 077; decnet token create",
        Instead(
            "kill $(cat pid); (umask 077; decnet token create ci --scope write >token)",
            "it also stops the server of this page",
        ),
    ),
    ("docs/hardening.md", "echo net.ipv4", Left("it changes the machine")),
    (
        "docs/hosts.md",
        "decnet host serve",
        Instead(
            "setsid -f decnet host serve >served 2>&1; until grep -s serving served; do sleep 0.1; done",
            "it runs in another terminal while the next commands use it",
        ),
    ),
    (
        "docs/hosts.md",
        "ssh west systemctl is-active",
        Instead(
            "boot west && ssh west systemctl is-active docker decnet-agent",
            "a person turns the host on",
        ),
    ),
    (
        "docs/log-targets.md",
        "decnet logs --follow --to https",
        Left("it needs a web server with a certificate"),
    ),
    ("docs/log-targets.md", "decnet logs --follow", Interrupted),
    (
        "docs/maze-file.md",
        "decnet deploy",
        Instead(
            r#"printf '[services.cowrie]\nimage = { build = "examples/mazes/shop" }\ncommand = ["sleep", "1000000"]\n' >stand-in.toml
            decnet deploy -f cowrie.yaml --catalog examples/catalog/high-interaction.toml --catalog stand-in.toml"#,
            "the image is in a registry, so another one takes its place",
        ),
    ),
    ("docs/podman.md", "systemctl", Left("it starts a daemon")),
    (
        "docs/tutorial.md",
        "ssh -p 2222 root@127.0.0.1",
        Instead(
            "printf '#!/bin/sh\\necho toor\\n' >answer; chmod +x answer; SSH_ASKPASS_REQUIRE=force SSH_ASKPASS=./answer \
             ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
             -p 2222 root@127.0.0.1 'id; uname -n'",
            "a person types the password",
        ),
    ),
    (
        "docs/podman.md",
        "DOCKER_HOST=",
        Left("`make test-engines` deploys on Podman"),
    ),
    (
        "docs/python.md",
        "pip install",
        Left("`scripts/test-python` installs the wheel and the source distribution"),
    ),
];

fn exception(page: &Page, step: &Step) -> Option<&'static (&'static str, &'static str, Exception)> {
    EXCEPTIONS
        .iter()
        .find(|(name, start, _)| *name == page.name && step.command.starts_with(start))
}

/// Returns a folder like a checkout, in which the commands of a page run.
pub(crate) fn prepare(sandbox: &Sandbox) {
    copy(&root().join("examples"), &sandbox.path("examples"));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), &to).expect("copied");
        }
    }
}

/// Runs the commands of a page, and returns what differs.
pub(crate) fn walk(page: &Page, sandbox: &Sandbox, columns: u16) -> Vec<String> {
    walk_by(page, columns, |line| sandbox.shell(line))
}

/// Runs the commands of a page by this shell, and returns what differs.
pub(crate) fn walk_by(page: &Page, columns: u16, shell: impl Fn(&str) -> Command) -> Vec<String> {
    let mut differences = Vec::new();
    for step in page.steps() {
        let place = format!("{}:{} ({columns} columns)", page.name, step.line);
        let mut command = step.command.clone();
        let mut interrupt_after = None;
        match exception(page, &step).map(|(_, _, exception)| exception) {
            Some(Left(_)) => continue,
            Some(Instead(other, _)) => (*other).clone_into(&mut command),
            Some(Meanwhile(other, _)) => {
                command = format!("(\n{command}\n) &\nwhile kill -0 $! 2>/dev/null; do\n{other}\ndone\nwait $!");
            }
            Some(Interrupted) => {
                // The exit status is that of the program, not that of an interrupted shell.
                command = format!("exec {command}");
                interrupt_after = Some(Duration::from_secs(5));
            }
            None => {}
        }
        if step.as_root {
            differences.push(format!("{place}: a command for root must be an exception: {command}"));
            continue;
        }
        let seen = terminal::run(&mut shell(&command), columns, interrupt_after);
        let mut text = seen.text;
        if interrupt_after.is_some() {
            text = text
                .lines()
                .filter(|line| !line.starts_with("interrupted: "))
                .collect::<Vec<_>>()
                .join("\n");
        }
        let was_interrupted = interrupt_after.is_some() && seen.code == Some(130);
        let ended_well =
            seen.code == Some(0) || was_interrupted || step.shown.iter().any(|line| line.starts_with("error: "));
        if !ended_well || !compare::matches(&step.shown, &text) {
            let shown = step.shown.join("\n");
            differences.push(format!(
                "{place}: `{command}` exits with {:?} and prints:\n{}\n--- the page shows:\n{shown}\n",
                seen.code, text
            ));
        }
    }
    differences
}

#[track_caller]
pub(crate) fn assert_none(differences: &[String]) {
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}

#[test]
fn every_page_without_docker_shows_what_its_commands_print() {
    let mut differences = Vec::new();
    let needs_docker = |page: &&Page| page.name == ON_HOSTS || ON_DOCKER.contains(&page.name.as_str());
    for page in pages().iter().filter(|page| !needs_docker(page)) {
        for columns in WIDTHS {
            let sandbox = Sandbox::new();
            prepare(&sandbox);
            differences.extend(walk(page, &sandbox, columns));
        }
    }
    assert_none(&differences);
}

#[test]
fn every_exception_is_for_a_command_of_a_page() {
    let pages = pages();
    let mut used = BTreeSet::new();
    for page in &pages {
        for step in page.steps() {
            used.extend(exception(page, &step).map(|(name, start, _)| (*name, *start)));
        }
    }
    let listed: BTreeSet<_> = EXCEPTIONS.iter().map(|(name, start, _)| (*name, *start)).collect();
    assert_eq!(used, listed);
    for (_, start, exception) in EXCEPTIONS {
        if let Left(reason) | Instead(_, reason) | Meanwhile(_, reason) = exception {
            assert!(reason.len() > 10, "{start} needs a reason");
        }
    }
    let names: BTreeSet<_> = pages.iter().map(|page| page.name.as_str()).collect();
    assert!(ON_DOCKER.iter().chain(&[ON_HOSTS]).all(|name| names.contains(name)));
}
