//! Two daemons of their own in network namespaces with agents, connected by a cable, and a master.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

pub(crate) const HOSTS: [&str; 2] = ["east", "west"];
const ADDRESSES: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// Two LANs with deckies of their own, so that each host gets one of them.
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
  - name: mail-01
    services: [smtp]
    attachments: [{lan: dmz, ip: 10.71.0.20}]
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
pub(crate) fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {error}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Two hosts with agents, and a master on the first one. All of it ends with the test, even with a failure.
pub(crate) struct Stage {
    name: &'static str,
    folder: tempfile::TempDir,
    pub(crate) sockets: Vec<String>,
    agents: Vec<Option<Child>>,
    listener: Option<Child>,
}

impl Stage {
    pub(crate) fn start(name: &'static str) -> Self {
        let mut stage = Self {
            name,
            folder: tempfile::tempdir().expect("a folder"),
            sockets: Vec::new(),
            agents: vec![None, None],
            listener: None,
        };
        for host in HOSTS {
            let socket = must("scripts/engines", &["start", &format!("installed/{name}-{host}")]);
            stage.sockets.push(socket);
        }
        let [east, west] = HOSTS.map(|host| stage.namespace(host));
        let cable = [
            "link", "add", "cable", "type", "veth", "peer", "name", "cable", "netns", &west,
        ];
        must("ip", &[&["-n", &east][..], &cable].concat());
        for (host, address) in HOSTS.iter().zip(ADDRESSES) {
            let space = stage.namespace(host);
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
        let space = self.namespace(HOSTS[at]);
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

    pub(crate) fn master(&self, arguments: &[&str]) -> Vec<String> {
        self.command(0, "unix:///nonexistent/docker.sock", arguments)
    }

    fn agent(&self, at: usize, arguments: &[&str]) -> Vec<String> {
        let state = self.folder.path().join(HOSTS[at]);
        let state = state.to_str().expect("text");
        let start = ["agent", "--state", state];
        self.command(at, &self.sockets[at], &[&start[..], arguments].concat())
    }

    /// Starts a command whose output goes to a file.
    pub(crate) fn begin(&self, command: &[String]) -> Child {
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

    /// Runs a command of the master once.
    pub(crate) fn output(&self, arguments: &[&str]) -> Output {
        let command = self.master(arguments);
        let mut process = Command::new(&command[0]);
        process.args(&command[1..]).current_dir(self.folder.path());
        process.output().expect("it runs")
    }

    /// Runs a command of the master until it succeeds, and returns what it prints.
    pub(crate) fn complete(&self, arguments: &[&str]) -> String {
        let begun = Instant::now();
        loop {
            let output = self.output(arguments);
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
    pub(crate) fn hosts_are(&self, wanted: impl Fn(&str) -> bool, count: usize) {
        let begun = Instant::now();
        loop {
            let listed: Value = serde_json::from_str(&self.complete(&["--json", "host", "list"])).expect("JSON");
            let hosts = listed["hosts"].as_array().expect("hosts");
            let states = hosts.iter().filter_map(|host| host["state"].as_str());
            if states.filter(|state| wanted(state)).count() == count {
                return;
            }
            assert!(begun.elapsed() < Duration::from_mins(1), "{listed:#}\n{}", self.log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills the agent of a host, and starts it again after a moment.
    pub(crate) fn kill_agent(&mut self, at: usize) {
        self.stop_agent(at);
        thread::sleep(Duration::from_millis(100));
        self.start_agent(at);
    }

    /// Kills the agent of a host.
    pub(crate) fn stop_agent(&mut self, at: usize) {
        if let Some(mut agent) = self.agents[at].take() {
            kill(&mut agent);
        }
    }

    /// Starts the agent of a host that has joined.
    pub(crate) fn start_agent(&mut self, at: usize) {
        self.agents[at] = Some(self.begin(&self.agent(at, &[])));
    }

    /// Copies the store of an agent that does not run.
    pub(crate) fn save_store(&self, at: usize) {
        let saved = self.folder.path().join("saved");
        let _ = fs::remove_dir_all(&saved);
        fs::create_dir(&saved).expect("created");
        for file in self.store_files(at) {
            fs::copy(&file, saved.join(file.file_name().expect("a name"))).expect("copied");
        }
    }

    /// Gives an agent that does not run the store that was copied: it has an older version of its maze then.
    pub(crate) fn restore_store(&self, at: usize) {
        for file in self.store_files(at) {
            fs::remove_file(file).expect("removed");
        }
        for file in fs::read_dir(self.folder.path().join("saved")).expect("it was saved") {
            let file = file.expect("a file");
            fs::copy(file.path(), self.folder.path().join(HOSTS[at]).join(file.file_name())).expect("copied");
        }
    }

    /// Returns the files of the store of an agent.
    fn store_files(&self, at: usize) -> Vec<PathBuf> {
        let files = fs::read_dir(self.folder.path().join(HOSTS[at])).expect("the state of the agent");
        let files = files.map(|file| file.expect("a file").path());
        files
            .filter(|path| {
                path.file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("topology.db"))
            })
            .collect()
    }

    /// Returns what a command of the master prints as JSON, once it succeeds.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.complete(&[&["--json"], arguments].concat());
        serde_json::from_str(&text).expect("JSON")
    }

    /// Returns whether the agent of a host reports the stored version of the maze, which is active and needs no resync.
    pub(crate) fn is_in_step(&self, at: usize) -> bool {
        let shown = self.json(&["show", "corp"]);
        let reported = self.json(&["host", "show", HOSTS[at]]);
        shown["status"] == "active"
            && shown["needs_resync"] != true
            && shown["hash"] == reported["report"]["version_hash"]
            && shown["id"] == reported["report"]["topology"]
    }

    /// Waits until a condition holds.
    pub(crate) fn wait(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !is_so(self) {
            assert!(begun.elapsed() < Duration::from_mins(2), "never {what}: {}", self.log());
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Returns what all programs in the background have printed.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Returns the network namespace of a host.
    pub(crate) fn namespace(&self, host: &str) -> String {
        format!("decnet-installed-{}-{host}", self.name)
    }

    /// Returns whether both hosts have a part of the maze.
    pub(crate) fn is_spread(&self) -> bool {
        let has_part = |socket: &String| !must("docker", &["--host", socket, "ps", "--quiet"]).is_empty();
        self.sockets.iter().all(has_part)
    }

    /// Asserts that no container, network, volume, image, tunnel or table is left.
    pub(crate) fn assert_nothing_left(&self) {
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
            let space = self.namespace(host);
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
            run("scripts/engines", &["stop", &format!("installed/{}-{host}", self.name)]);
        }
    }
}

/// Kills a process with SIGKILL. `ip netns exec` and `env` replace themselves, so it is the program itself.
pub(crate) fn kill(child: &mut Child) {
    // It may have ended already.
    let _ = child.kill();
    let _ = child.wait();
}
