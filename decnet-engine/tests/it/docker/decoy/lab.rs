//! The networks and containers of one test, which are all labelled and removed with it.

use std::{
    collections::BTreeMap,
    fs::File,
    io::Write,
    net::Ipv4Addr,
    os::fd::AsFd as _,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use decnet_decoy::protocol::{
    BuiltinService, KEEPER, Listen, NetState, Os, Persona, Probe, ProbeResult, Record, Route, SERVICE_VARIABLE,
    STATE_FOLDER, STATE_VARIABLE, ServiceState, StateReport, Target,
};
use decnet_engine::DecoyImage;
use ipnet::Ipv4Net;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Long enough for a busy machine; only a broken program takes this long.
const TIMEOUT: Duration = Duration::from_secs(20);

/// Returns the state of a service of a user's own catalogue, which sends its banner to each visitor.
pub(crate) fn own_service(decky: &str, listen: Vec<Listen>, banner: Option<&str>) -> ServiceState {
    let fields = banner.map(|banner| ("banner".to_owned(), banner.into()));
    ServiceState {
        decky: decky.into(),
        persona: Persona {
            hostname: decky.into(),
            domain: "corp.local".into(),
            os: Os::Debian12,
            versions: BTreeMap::new(),
        },
        secret: "07".repeat(32),
        services: vec![BuiltinService {
            name: "own".into(),
            listen,
            fields: fields.into_iter().collect(),
        }],
        passwords: true,
    }
}

/// The result of a command.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs docker and returns the result.
pub(crate) fn try_docker(arguments: &[&str], input: &[u8]) -> Done {
    let mut child = Command::new("docker")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done {
        code: output.status.code().unwrap(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Runs docker, which must succeed, and returns its output.
pub(crate) fn docker(arguments: &[&str]) -> String {
    let done = try_docker(arguments, b"");
    assert_eq!(done.code, 0, "docker {arguments:?}: {}", done.stderr);
    done.stdout.trim().to_owned()
}

/// Waits for a condition, which must hold within [`TIMEOUT`].
pub(crate) fn eventually(what: &str, mut happened: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !happened() {
        assert!(Instant::now() < deadline, "timeout: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn address(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(crate) fn leaf(own: &[&str], routes: &[(&str, &str)]) -> NetState {
    let routes = routes
        .iter()
        .map(|(to, via)| Route {
            to: to.parse().unwrap(),
            via: address(via),
        })
        .collect();
    let interfaces: Vec<Ipv4Addr> = own.iter().map(|own| address(own)).collect();
    // All networks of the tests have this prefix length.
    let lan = |own: &Ipv4Addr| Ipv4Net::new_assert(*own, 24).trunc();
    NetState {
        lans: interfaces.iter().map(lan).collect(),
        interfaces,
        routes,
        ..NetState::default()
    }
}

pub(crate) fn router(own: &[&str]) -> NetState {
    NetState {
        forward: true,
        ..leaf(own, &[])
    }
}

/// The image and the resources of one test.
pub(crate) struct Lab {
    label: String,
    image: DecoyImage,
}

impl Lab {
    /// Loads an image of this test's own, so that no other test removes it.
    pub(crate) fn new(name: &str) -> Self {
        let label = format!("decnet.test=decoy-{name}-{}", std::process::id());
        let mut program = DecoyImage::embedded_program().unwrap().to_vec();
        // Bytes after the segments of a program are ignored, but change its digest.
        program.extend_from_slice(label.as_bytes());
        let image = DecoyImage::pack(&program);
        let lab = Self { label, image };
        let loaded = try_docker(&["load"], &lab.image.archive);
        assert_eq!(loaded.code, 0, "{}", loaded.stderr);
        lab
    }

    pub(crate) fn name(&self, of: &str) -> String {
        format!("{}_{of}", self.label.trim_start_matches("decnet.test="))
    }

    /// Creates a network without the host and the outside, like those of inner LANs.
    pub(crate) fn inner(&self, name: &str, subnet: &str) {
        self.network(name, subnet, "com.docker.network.bridge.inhibit_ipv4=true");
    }

    /// Creates a network whose containers can publish ports.
    pub(crate) fn dmz(&self, name: &str, subnet: &str) {
        self.network(name, subnet, "com.docker.network.bridge.enable_ip_masquerade=false");
    }

    fn network(&self, name: &str, subnet: &str, option: &str) {
        let mut arguments = vec![
            "network",
            "create",
            "--label",
            &self.label,
            "--subnet",
            subnet,
            "-o",
            option,
        ];
        let server = docker(&["version", "--format", "{{.Server.APIVersion}}"]);
        // Engines since API 1.48 drop routed packets by default.
        if server
            .split_once('.')
            .and_then(|(_, minor)| minor.parse().ok())
            .is_some_and(|minor: u32| minor >= 48)
        {
            arguments.extend(["-o", "com.docker.network.bridge.gateway_mode_ipv4=nat-unprotected"]);
        }
        let name = self.name(name);
        arguments.push(&name);
        docker(&arguments);
    }

    /// Creates and starts a base, home first.
    pub(crate) fn base(&self, name: &str, state: &NetState, networks: &[(&str, &str)]) {
        self.base_with(name, state, networks, &[]);
    }

    pub(crate) fn base_with(&self, name: &str, state: &NetState, networks: &[(&str, &str)], more: &[&str]) {
        let variable = format!("{STATE_VARIABLE}={}", serde_json::to_string(state).unwrap());
        let own = self.name(name);
        let home = self.name(networks[0].0);
        let mut arguments = vec![
            "create",
            "--pull",
            "never",
            "--name",
            &own,
            "--label",
            &self.label,
            "--env",
            &variable,
        ];
        arguments.extend([
            "--network",
            &home,
            "--ip",
            networks[0].1,
            "--restart",
            "always",
            "--dns",
            "127.0.0.1",
        ]);
        arguments.extend([
            "--cap-drop",
            "ALL",
            "--cap-add",
            "NET_ADMIN",
            "--security-opt",
            "no-new-privileges",
            "--read-only",
            "--mount",
        ]);
        let state = format!("type=volume,dst={STATE_FOLDER}");
        arguments.push(&state);
        arguments.extend([
            "--sysctl",
            "net.ipv4.ip_forward=0",
            "--sysctl",
            "net.ipv4.conf.all.rp_filter=2",
        ]);
        arguments.extend(more);
        arguments.extend([self.image.reference.as_str(), "base"]);
        docker(&arguments);
        for (network, ip) in &networks[1..] {
            docker(&["network", "connect", "--ip", ip, &self.name(network), &own]);
        }
        docker(&["start", &own]);
    }

    /// Starts a service, which gets its sockets from a base.
    pub(crate) fn service(&self, name: &str, base: &str, state: &ServiceState) {
        self.service_with(name, base, state, &[]);
    }

    pub(crate) fn service_with(&self, name: &str, base: &str, state: &ServiceState, more: &[&str]) {
        let variable = format!("{SERVICE_VARIABLE}={}", serde_json::to_string(state).unwrap());
        let (own, folder) = (self.name(name), format!("{}:ro", self.name(base)));
        let mut arguments = vec![
            "run",
            "--pull",
            "never",
            "--detach",
            "--name",
            &own,
            "--label",
            &self.label,
            "--env",
            &variable,
        ];
        arguments.extend([
            "--network",
            "none",
            "--volumes-from",
            &folder,
            "--restart",
            "always",
            "--user",
            "65534:65534",
            "--read-only",
        ]);
        arguments.extend(["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
        arguments.extend(more);
        arguments.extend([self.image.reference.as_str(), "service"]);
        docker(&arguments);
    }

    /// Starts the program in a container with only these options.
    pub(crate) fn start(&self, name: &str, options: &[&str], command: &str) {
        let mut all = vec![
            "run",
            "--pull",
            "never",
            "--detach",
            "--name",
            name,
            "--label",
            &self.label,
        ];
        all.extend(options);
        all.extend([self.image.reference.as_str(), command]);
        docker(&all);
    }

    /// Runs the program in its own container until it ends.
    pub(crate) fn run(&self, arguments: &[&str], command: &str) -> Done {
        self.run_all(arguments, &[command])
    }

    pub(crate) fn run_all(&self, arguments: &[&str], command: &[&str]) -> Done {
        let mut all = vec![
            "run",
            "--pull",
            "never",
            "--rm",
            "--label",
            &self.label,
            "--cap-drop",
            "ALL",
        ];
        all.extend(arguments);
        all.push(self.image.reference.as_str());
        all.extend(command);
        try_docker(&all, b"")
    }

    /// Runs the program in a running base.
    pub(crate) fn exec(&self, base: &str, arguments: &[&str]) -> Done {
        let name = self.name(base);
        try_docker(&[&["exec", &name, "/sbin/init"], arguments].concat(), b"")
    }

    /// Runs the program in a running base as the keeper of its files.
    pub(crate) fn exec_as_keeper(&self, base: &str, arguments: &[&str]) -> Done {
        let (name, keeper) = (self.name(base), KEEPER.to_string());
        try_docker(
            &[&["exec", "--user", &keeper, &name, "/sbin/init"], arguments].concat(),
            b"",
        )
    }

    /// Sets and keeps a state, which must be reached completely.
    pub(crate) fn set(&self, base: &str, state: &NetState) {
        let json = serde_json::to_string(state).unwrap();
        let done = self.exec(base, &["state", "set", &json]);
        assert_eq!(
            (done.code, done.stdout.trim()),
            (0, r#"{"deviations":[],"refused":[]}"#),
            "{}",
            done.stderr
        );
        let kept = self.exec_as_keeper(base, &["state", "keep", &json]);
        assert_eq!(kept.code, 0, "{}", kept.stderr);
    }

    /// Returns the output of `state check`.
    pub(crate) fn check(&self, base: &str) -> StateReport {
        let done = self.exec(base, &["state", "check"]);
        serde_json::from_str(&done.stdout).unwrap_or_else(|_| panic!("{}{}", done.stdout, done.stderr))
    }

    /// Waits until a base has set its state completely.
    pub(crate) fn settled(&self, base: &str) {
        eventually("the state is set", || {
            let done = self.exec(base, &["state", "check"]);
            done.code == 0
        });
    }

    pub(crate) fn reaches(&self, from: &str, target: Target) -> bool {
        let probe = Probe {
            targets: vec![target],
            timeout_ms: 1000,
            attempts: 2,
        };
        let done = self.exec(from, &["probe", &serde_json::to_string(&probe).unwrap()]);
        let result: ProbeResult = serde_json::from_str(&done.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}{}", done.stdout, done.stderr));
        result.targets[0].reached
    }

    pub(crate) fn pings(&self, from: &str, to: &str) -> bool {
        self.reaches(from, Target::Icmp { address: address(to) })
    }

    /// Runs a function in a base's network namespace. This requires root on the daemon's host.
    pub(crate) fn inside<T: Send + 'static>(&self, base: &str, act: impl FnOnce() -> T + Send + 'static) -> T {
        let pid = self.inspect(base, "{{.State.Pid}}");
        let acting = thread::spawn(move || {
            enter(&pid);
            act()
        });
        acting.join().unwrap()
    }

    pub(crate) fn inspect(&self, name: &str, format: &str) -> String {
        docker(&["inspect", "--format", format, &self.name(name)])
    }

    pub(crate) fn inspect_image(&self, format: &str) -> String {
        docker(&["image", "inspect", "--format", format, &self.image.reference])
    }

    pub(crate) fn logs(&self, name: &str) -> Vec<String> {
        try_docker(&["logs", &self.name(name)], b"")
            .stdout
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Returns the log lines of visitors.
    pub(crate) fn records(&self, name: &str) -> Vec<Record> {
        let lines = self.logs(name).into_iter();
        lines
            .map(|line| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }
}

/// Moves this thread into the network namespace of a process.
pub(crate) fn enter(pid: &str) {
    let namespace = File::open(format!("/proc/{pid}/ns/net")).unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

impl Drop for Lab {
    fn drop(&mut self) {
        let filter = format!("label={}", self.label);
        let ids = |kind: &[&str]| try_docker(&[kind, &["--quiet", "--filter", &filter]].concat(), b"").stdout;
        for id in ids(&["ps", "--all"]).lines() {
            try_docker(&["rm", "--force", "--volumes", id], b"");
        }
        for id in ids(&["network", "ls"]).lines() {
            try_docker(&["network", "rm", id], b"");
        }
        try_docker(&["image", "rm", &self.image.reference], b"");
    }
}
