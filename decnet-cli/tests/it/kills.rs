//! Masters and agents that are killed at random, on two daemons of their own. After each kill, the same command completes what was begun,
//! and at the end nothing is left. `DECNET_KILLS` is the number of rounds; the default is 100.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use decnet_topology::rng;
use serde_json::Value;

const HOSTS: [&str; 2] = ["east", "west"];
const ADDRESSES: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// Two LANs, one on each host.
const MAZE: &str = "
format: decnet.topology/1
name: corp
lans:
  - {name: dmz, subnet: 10.71.0.0/24, dmz: true}
  - {name: office, subnet: 10.71.1.0/24}
deckies:
  - name: web-01
    services: [ssh]
    forwards_l3: true
    attachments: [{lan: dmz, ip: 10.71.0.10}, {lan: office, ip: 10.71.1.10}]
  - name: desk-01
    services: [smb]
    attachments: [{lan: office, ip: 10.71.1.20}]
";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

#[track_caller]
fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Two hosts with agents, and a master on the first one. All of it ends with the test, even with a failure.
struct Stage {
    folder: tempfile::TempDir,
    sockets: Vec<String>,
    agents: Vec<Option<Child>>,
    listener: Option<Child>,
}

impl Stage {
    fn start() -> Self {
        let mut stage = Self {
            folder: tempfile::tempdir().expect("a folder"),
            sockets: Vec::new(),
            agents: vec![None, None],
            listener: None,
        };
        for host in HOSTS {
            let socket = must("scripts/engines", &["start", &format!("installed/kills-{host}")]);
            stage.sockets.push(socket);
        }
        let [east, west] = HOSTS.map(namespace);
        let cable = [
            "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &west,
        ];
        must("ip", &[&["-n", &east][..], &cable].concat());
        for (host, address) in HOSTS.iter().zip(ADDRESSES) {
            let space = namespace(host);
            must(
                "ip",
                &["-n", &space, "address", "add", &format!("{address}/24"), "dev", "cable"],
            );
            must("ip", &["-n", &space, "link", "set", "cable", "up"]);
            must("ip", &["-n", &space, "link", "set", "lo", "up"]);
        }
        fs::write(stage.folder.path().join("corp.yaml"), MAZE).expect("written");
        stage.listener = Some(stage.begin(&stage.master(&["host", "serve", "--listen", "192.0.2.1:7379"])));
        for (at, host) in HOSTS.iter().enumerate() {
            let token = stage.complete(&["--json", "host", "enroll", host, "--label", "public"]);
            let token: Value = serde_json::from_str(&token).expect("JSON");
            let token = token["token"].as_str().expect("a token");
            let join = ["--join", token, "--name", host, "--master", "192.0.2.1:7379"];
            stage.agents[at] = Some(stage.begin(&stage.agent(at, &join)));
            stage.hosts_are(|state| state == "ready", at + 1);
        }
        stage
    }

    /// Returns a command in the namespace of a host.
    fn command(&self, at: usize, docker: &str, arguments: &[&str]) -> Vec<String> {
        let folder = self.folder.path().display();
        let variables = [
            format!("HOME={folder}/{}", HOSTS[at]),
            format!("DECNET_DB={folder}/master.db"),
            format!("DOCKER_HOST={docker}"),
        ];
        let space = namespace(HOSTS[at]);
        let start = ["ip", "netns", "exec", &space, "env"].map(String::from);
        let program = [env!("CARGO_BIN_EXE_decnet").to_owned()];
        let arguments = arguments.iter().map(ToString::to_string);
        start
            .into_iter()
            .chain(variables)
            .chain(program)
            .chain(arguments)
            .collect()
    }

    fn master(&self, arguments: &[&str]) -> Vec<String> {
        self.command(0, "unix:///nonexistent/docker.sock", arguments)
    }

    fn agent(&self, at: usize, arguments: &[&str]) -> Vec<String> {
        let state = self.folder.path().join(HOSTS[at]);
        let state = state.to_str().expect("text");
        let start = ["agent", "--state", state];
        self.command(at, &self.sockets[at], &[&start[..], arguments].concat())
    }

    /// Starts a command whose output goes to a file.
    fn begin(&self, command: &[String]) -> Child {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .expect("opened");
        let (program, arguments) = command.split_first().expect("a program");
        let mut process = Command::new(program);
        process.args(arguments).stdin(Stdio::null());
        process.stdout(log.try_clone().expect("cloned")).stderr(log);
        process.current_dir(self.folder.path()).spawn().expect("started")
    }

    /// Runs a command of the master until it succeeds, and returns what it prints.
    fn complete(&self, arguments: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let command = self.master(arguments);
            let output = Command::new(&command[0])
                .args(&command[1..])
                .current_dir(self.folder.path())
                .output()
                .expect("it runs");
            if output.status.success() {
                return String::from_utf8_lossy(&output.stdout).into_owned();
            }
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "{arguments:?} never succeeds: {error}"
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until the first hosts are in a state.
    fn hosts_are(&self, wanted: impl Fn(&str) -> bool, count: usize) {
        let begun = Instant::now();
        loop {
            let listed: Value = serde_json::from_str(&self.complete(&["--json", "host", "list"])).expect("JSON");
            let hosts = listed["hosts"].as_array().expect("hosts");
            let states = hosts.iter().filter_map(|host| host["state"].as_str());
            if states.filter(|state| wanted(state)).count() == count {
                return;
            }
            let log = fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(begun.elapsed() < Duration::from_mins(1), "{listed:#}\n{log}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills the agent of a host, and starts it again after a moment.
    fn kill_agent(&mut self, at: usize) {
        if let Some(mut agent) = self.agents[at].take() {
            kill(&mut agent);
        }
        thread::sleep(Duration::from_millis(100));
        self.agents[at] = Some(self.begin(&self.agent(at, &[])));
    }

    /// Asserts that no container, network, volume, image, tunnel or table is left.
    fn assert_nothing_left(&self) {
        for (at, host) in HOSTS.iter().enumerate() {
            let docker = |arguments: &[&str]| must("docker", &[&["--host", &self.sockets[at]][..], arguments].concat());
            assert_eq!(docker(&["ps", "--all", "--quiet"]), "", "{host}");
            assert_eq!(
                docker(&["network", "ls", "--quiet", "--filter", "type=custom"]),
                "",
                "{host}"
            );
            assert_eq!(docker(&["volume", "ls", "--quiet"]), "", "{host}");
            assert_eq!(docker(&["image", "ls", "--all", "--quiet"]), "", "{host}");
            let space = namespace(host);
            assert_eq!(
                must("ip", &["-n", &space, "-o", "link", "show", "type", "vxlan"]),
                "",
                "{host}"
            );
            let tables = must("ip", &["netns", "exec", &space, "nft", "list", "tables"]);
            assert!(!tables.contains("decnet"), "{host}: {tables}");
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for child in self.agents.iter_mut().chain([&mut self.listener]).flatten() {
            kill(child);
        }
        for host in HOSTS {
            run("scripts/engines", &["stop", &format!("installed/kills-{host}")]);
        }
    }
}

fn namespace(host: &str) -> String {
    format!("decnet-installed-kills-{host}")
}

/// Kills a process with SIGKILL. `ip netns exec` and `env` replace themselves, so it is the program itself.
fn kill(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Returns a random number below a limit.
fn below(limit: u64) -> u64 {
    let bytes = rng::secret_bytes();
    u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) % limit
}

#[test]
#[ignore = "needs Docker"]
fn masters_and_agents_that_are_killed_at_random_leave_nothing_and_lose_nothing() {
    let rounds = std::env::var("DECNET_KILLS").ok().and_then(|text| text.parse().ok());
    let rounds: u64 = rounds.unwrap_or(100);
    let mut stage = Stage::start();
    // Over both hosts, and pushed as a whole to the agent of one, in turn.
    let deploys: [&[&str]; 2] = [
        &["deploy", "-f", "corp.yaml", "--spread", "--yes"],
        &["deploy", "-f", "corp.yaml", "--agent", "east", "--yes"],
    ];
    let operations: [&[&str]; 3] = [
        &["reconcile", "corp", "--force"],
        &[
            "mutate",
            "corp",
            "add_lan",
            "--name",
            "extra",
            "--subnet",
            "10.71.9.0/24",
            "--wait",
        ],
        &["teardown", "corp", "--yes"],
    ];
    let mut output = std::io::stderr();
    for round in 0..rounds {
        let (cycle, step) = (round / 4 % 2, round % 4);
        let at = |number: u64| usize::try_from(number).expect("small");
        let operation = match step {
            0 => deploys[at(cycle)],
            step => operations[at(step - 1)],
        };
        let mut master = stage.begin(&stage.master(operation));
        thread::sleep(Duration::from_millis(below(1800)));
        match below(3) {
            0 => kill(&mut master),
            victim => {
                stage.kill_agent(at(victim - 1));
                // The command reports what it could not do, or goes on.
                if below(2) == 0 {
                    kill(&mut master);
                }
            }
        }
        let ended = master.wait().expect("it ends");
        let _ = writeln!(output, "round {round}: {} ended with {ended}", operation[0]);
        match operation[0] {
            "teardown" => {
                stage.complete(operation);
                stage.assert_nothing_left();
            }
            // What was queued is applied by a reconcile of the maze or by the next deploy; it is never half stored.
            "mutate" => drop(stage.complete(&["reconcile", "corp", "--force"])),
            _ => drop(stage.complete(operation)),
        }
        if operation[0] != "teardown" {
            let shown: Value = serde_json::from_str(&stage.complete(&["--json", "show", "corp"])).expect("JSON");
            assert_eq!(shown["status"], "active", "{shown:#}");
        }
    }
    stage.complete(&["teardown", "corp", "--yes"]);
    stage.assert_nothing_left();
}
