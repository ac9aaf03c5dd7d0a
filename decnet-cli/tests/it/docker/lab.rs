//! A maze on Docker that is removed when the test ends, however it ends.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, ExitStatus, Stdio},
};

use crate::command::{Ran, Sandbox};

/// A sandbox with a maze whose subnets no other test uses.
pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    instance: String,
}

impl Lab {
    /// Generates a maze of five LANs, named `lab`, in `10.204.<number>.0/24`.
    pub(crate) fn generate(number: u8) -> Self {
        let sandbox = Sandbox::with_docker();
        let base = format!("10.204.{number}.0/24");
        let size = [
            "--name",
            "lab",
            "--depth",
            "2",
            "--branching-factor",
            "2",
            "--lan-prefix",
            "28",
            "--seed",
            "2",
        ];
        sandbox
            .run(&[&["generate", "--subnet-base-prefix", &base], &size[..]].concat())
            .exits(0);
        Self::of(sandbox)
    }

    /// Stores a maze file whose subnets are in `10.204.<number>.0/24`.
    pub(crate) fn apply(document: &str) -> Self {
        let sandbox = Sandbox::with_docker();
        sandbox.write("lab.yaml", document);
        sandbox.run(&["apply", "-f", "lab.yaml"]).exits(0);
        Self::of(sandbox)
    }

    /// Creates a store without mazes.
    pub(crate) fn empty() -> Self {
        let sandbox = Sandbox::with_docker();
        sandbox.run(&["list"]).exits(0);
        Self::of(sandbox)
    }

    /// Stores a maze file, with a catalogue in `own.toml`, after the sandbox was prepared.
    pub(crate) fn apply_with(document: &str, catalog: &str, prepare: impl FnOnce(&Sandbox)) -> Self {
        let sandbox = Sandbox::with_docker();
        prepare(&sandbox);
        sandbox.write("lab.yaml", document);
        sandbox.write("own.toml", catalog);
        sandbox
            .run(&["apply", "-f", "lab.yaml", "--catalog", "own.toml"])
            .exits(0);
        Self::of(sandbox)
    }

    fn of(sandbox: Sandbox) -> Self {
        let instance = sandbox.run(&["db", "check", "--json"]).exits(0).json()["instance"]
            .as_str()
            .expect("an id")
            .to_owned();
        Self { sandbox, instance }
    }

    /// Runs the program.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.sandbox.run(arguments)
    }

    /// Returns the status of the maze.
    pub(crate) fn status(&self) -> String {
        let shown = self.run(&["show", "lab", "--json"]).exits(0).json();
        shown["status"].as_str().expect("a status").to_owned()
    }

    /// Returns the id of the store.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    fn label(&self) -> String {
        format!("label=decnet.instance={}", self.instance)
    }

    /// Lists all resources of the store on Docker: containers with their ids and start times, and networks.
    pub(crate) fn on_docker(&self) -> Vec<String> {
        let ids = docker(&["ps", "--all", "--quiet", "--no-trunc", "--filter", &self.label()]);
        let mut found = docker(&[
            "network",
            "ls",
            "--no-trunc",
            "--filter",
            &self.label(),
            "--format",
            "{{.ID}} {{.Name}}",
        ]);
        if !ids.is_empty() {
            let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
            let format = [
                "inspect",
                "--format",
                "{{.Id}} {{.Name}} {{.State.StartedAt}} {{.State.Running}}",
            ];
            found.extend(docker(&[&format[..], &ids].concat()));
        }
        found.sort();
        found
    }

    /// Asserts that no resource of the store is on Docker.
    #[track_caller]
    pub(crate) fn assert_nothing_left(&self) {
        assert_eq!(self.on_docker(), Vec::<String>::new());
        let volumes = docker(&["volume", "ls", "--quiet", "--filter", &self.label()]);
        assert_eq!(volumes, Vec::<String>::new());
    }

    /// Starts the program and waits until it has printed a text on stderr.
    pub(crate) fn start(&self, arguments: &[&str], until: &str) -> Running {
        Running::start(&self.sandbox, arguments, until)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let label = self.label();
        for id in quietly(&["ps", "--all", "--quiet", "--filter", &label]) {
            quietly(&["rm", "--force", "--volumes", &id]);
        }
        for id in quietly(&["network", "ls", "--quiet", "--filter", &label]) {
            quietly(&["network", "rm", &id]);
        }
        for name in quietly(&["volume", "ls", "--quiet", "--filter", &label]) {
            quietly(&["volume", "rm", &name]);
        }
    }
}

/// The running program. It is killed when the test ends.
pub(crate) struct Running {
    child: Child,
    stderr: BufReader<std::process::ChildStderr>,
    said: String,
}

impl Running {
    /// Starts the program and waits until it has printed a text on stderr.
    pub(crate) fn start(sandbox: &Sandbox, arguments: &[&str], until: &str) -> Self {
        let mut child = sandbox.spawn(arguments, Stdio::null());
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut running = Self {
            child,
            stderr,
            said: String::new(),
        };
        running.until(until);
        running
    }

    /// Waits until it has printed a text on stderr.
    #[track_caller]
    pub(crate) fn until(&mut self, words: &str) {
        while !self.said.contains(words) {
            let mut line = String::new();
            let read = self.stderr.read_line(&mut line).expect("text");
            assert!(read > 0, "it ended without `{words}`: {}", self.said);
            self.said.push_str(&line);
        }
    }

    /// Sends it a signal: INT, TERM or KILL.
    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(status.is_ok_and(|status| status.success()));
    }

    /// Waits for its end; returns its exit status and its stderr.
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        std::io::Read::read_to_string(&mut self.stderr, &mut self.said).expect("text");
        (self.child.wait().expect("ended"), std::mem::take(&mut self.said))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `docker` and returns the printed lines.
#[track_caller]
pub(crate) fn docker(arguments: &[&str]) -> Vec<String> {
    let output = Command::new("docker")
        .args(arguments)
        .output()
        .expect("docker is installed");
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    lines(&output.stdout)
}

/// Runs `docker` and ignores failures.
pub(crate) fn quietly(arguments: &[&str]) -> Vec<String> {
    Command::new("docker")
        .args(arguments)
        .output()
        .map(|output| lines(&output.stdout))
        .unwrap_or_default()
}

fn lines(text: &[u8]) -> Vec<String> {
    String::from_utf8_lossy(text).lines().map(ToOwned::to_owned).collect()
}
