//! One maze on two daemons, each in a network namespace of its own, which are joined by a cable.

use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Output, Stdio},
    time::Duration,
};

use decnet_engine::{Fleet, Outcome};
use decnet_topology::{DeploySettings, Member, Mutation, MutationState, NewMutation};

use super::*;
use crate::engine::twelve_on;

mod moving;

/// The underlay, a network for documentation (RFC 5737).
const ADDRESSES: [&str; 2] = ["192.0.2.1", "192.0.2.2"];

/// The underlay within an encrypted tunnel, which needs 80 bytes of each packet.
const ENCRYPTED: [&str; 2] = ["10.209.255.1", "10.209.255.2"];
const ENCRYPTED_MTU: u16 = 1420;

/// Two daemons. They are stopped when the test ends, even with a failure.
struct Hosts {
    name: &'static str,
    sockets: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run(program: &str, arguments: &[&str]) -> Output {
    let output = Command::new(program).args(arguments).current_dir(root()).output();
    output.unwrap_or_else(|error| panic!("{program}: {error}"))
}

#[track_caller]
fn must(program: &str, arguments: &[&str]) -> String {
    let output = run(program, arguments);
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

impl Hosts {
    fn start(name: &'static str) -> Self {
        let mut hosts = Self {
            name,
            sockets: Vec::new(),
        };
        for at in 0..2 {
            let socket = must("scripts/engines", &["start", &hosts.engine(at)]);
            hosts.sockets.push(socket);
        }
        let (east, west) = (hosts.namespace(0), hosts.namespace(1));
        must(
            "ip",
            &[
                "-n", &east, "link", "add", "cable", "mtu", "1500", "type", "veth", "peer", "name", "cable", "netns",
                &west,
            ],
        );
        for (namespace, address) in [east, west].iter().zip(ADDRESSES) {
            must(
                "ip",
                &[
                    "-n",
                    namespace,
                    "address",
                    "add",
                    &format!("{address}/24"),
                    "dev",
                    "cable",
                ],
            );
            must("ip", &["-n", namespace, "link", "set", "cable", "up"]);
        }
        hosts
    }

    fn engine(&self, at: usize) -> String {
        format!("installed/{}-{}", self.name, ["east", "west"][at])
    }

    fn namespace(&self, at: usize) -> String {
        format!("decnet-installed-{}-{}", self.name, ["east", "west"][at])
    }

    fn socket(&self, at: usize) -> &str {
        self.sockets[at].trim_start_matches("unix://")
    }

    /// Asks a daemon, as a person would.
    fn docker(&self, at: usize, arguments: &[&str]) -> String {
        let host = ["--host", &self.sockets[at]];
        must("docker", &[&host[..], arguments].concat())
    }

    /// Stops a daemon without ending it, or lets it go on.
    fn signal(&self, at: usize, signal: &str) {
        let pid = std::path::Path::new(self.socket(at)).with_file_name("pid");
        let pid = std::fs::read_to_string(pid).expect("the id of the process");
        must("kill", &[signal, pid.trim()]);
    }

    /// Cuts the cable between the hosts, or mends it.
    fn cable(&self, state: &str) {
        must("ip", &["-n", &self.namespace(0), "link", "set", "cable", state]);
    }

    fn crash(&self, at: usize) {
        must("scripts/engines", &["crash", &self.engine(at)]);
    }

    /// Lets the hosts encrypt what they send to the encrypted addresses.
    fn add_wireguard(&self) {
        let keys = [0, 1].map(|_| must("wg", &["genkey"]));
        for at in 0..2 {
            let (namespace, other) = (self.namespace(at), 1 - at);
            let mut key = tempfile::NamedTempFile::new().expect("a file");
            writeln!(key, "{}", keys[at]).expect("written");
            let ip = |arguments: &[&str]| must("ip", &[&["-n", &namespace][..], arguments].concat());
            let mtu = ENCRYPTED_MTU.to_string();
            ip(&["link", "add", "wg0", "mtu", &mtu, "type", "wireguard"]);
            ip(&["address", "add", &format!("{}/24", ENCRYPTED[at]), "dev", "wg0"]);
            let set = [
                "netns",
                "exec",
                &namespace,
                "wg",
                "set",
                "wg0",
                "listen-port",
                "51820",
                "private-key",
            ];
            let (path, peer) = (key.path().to_string_lossy().into_owned(), public_key(&keys[other]));
            let allowed = format!("{}/32", ENCRYPTED[other]);
            let endpoint = format!("{}:51820", ADDRESSES[other]);
            let rest: [&str; 7] = [&path, "peer", &peer, "allowed-ips", &allowed, "endpoint", &endpoint];
            must("ip", &[&set[..], &rest[..]].concat());
            ip(&["link", "set", "wg0", "up"]);
        }
    }

    /// Returns the VXLAN devices and the tables of the packet filter of a host.
    fn links(&self, at: usize) -> String {
        let devices = must(
            "ip",
            &["-n", &self.namespace(at), "-o", "link", "show", "type", "vxlan"],
        );
        let tables = must("ip", &["netns", "exec", &self.namespace(at), "nft", "list", "tables"]);
        let ours: Vec<&str> = tables.lines().filter(|table| table.contains("decnet")).collect();
        devices + &ours.concat()
    }

    /// Checks that nothing is left on the hosts.
    fn assert_nothing_left(&self) {
        for at in 0..2 {
            self.assert_nothing_on(at);
        }
    }

    #[track_caller]
    fn assert_nothing_on(&self, at: usize) {
        assert_eq!(self.docker(at, &["ps", "--all", "--quiet"]), "");
        let networks = self.docker(at, &["network", "ls", "--quiet", "--filter", "type=custom"]);
        assert_eq!(networks, "");
        assert_eq!(self.docker(at, &["volume", "ls", "--quiet"]), "");
        assert_eq!(self.docker(at, &["image", "ls", "--all", "--quiet"]), "");
        assert_eq!(self.links(at), "");
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for at in 0..2 {
            run("scripts/engines", &["stop", &self.engine(at)]);
        }
    }
}

/// A store, and an engine on the hosts.
struct FleetLab {
    repo: Arc<dyn Repo>,
    engine: Engine,
}

impl FleetLab {
    /// Each host has room for so many deckies.
    async fn new(hosts: &Hosts, room: u32) -> Self {
        Self::over(hosts, room, ADDRESSES, 1500).await
    }

    /// The hosts have these addresses for each other.
    async fn over(hosts: &Hosts, room: u32, addresses: [&str; 2], mtu: u16) -> Self {
        let image = Arc::new(DecoyImage::pack(
            DecoyImage::embedded_program().expect("the decoy is built for Linux"),
        ));
        let mut fleet = Fleet::new().answer_within(Duration::from_secs(5));
        for (at, name) in ["east", "west"].into_iter().enumerate() {
            let host = DockerHost::Unix(hosts.socket(at).into());
            let options = DockerOptions::default().host(host).decoy(image.clone()).member();
            let docker = Docker::connect(options).await.expect("a daemon that answers");
            let address = addresses[at].parse().expect("an address");
            let member = Member::new(name.parse().expect("a name"), room, address, mtu);
            let member = member.labelled("public".parse().expect("a label"));
            fleet = fleet.with(member, Arc::new(docker));
        }
        let repo: Arc<dyn Repo> = Arc::new(MemoryRepo::new());
        let options = EngineOptions::new(Catalog::builtin()).image(image);
        let engine = Engine::new(repo.clone(), Arc::new(fleet), options);
        Self { repo, engine }
    }

    async fn deploy(&self, topology: Topology) -> TopologyId {
        self.deploy_with(topology, DeploySettings::default()).await
    }

    async fn deploy_with(&self, topology: Topology, settings: DeploySettings) -> TopologyId {
        let new = NewTopology::new("maze".parse().expect("a name"), topology);
        let id = self.repo.create(new, Timestamp::now()).await.expect("stored").row.id;
        let options = DeployOptions::default().settings(settings);
        let deployed = self.engine.deploy(id, options, &CancellationToken::new()).await;
        let deployed = deployed.unwrap_or_else(|error| panic!("{error}: {error:?}"));
        assert_eq!((deployed.row.status, deployed.reason), (Status::Active, None));
        id
    }

    async fn observe(&self) -> Observed {
        let instance = self.repo.instance().await.expect("an instance");
        let observed = self.engine.runtime().inspect(Scope::Instance(instance)).await;
        observed.expect("it answers")
    }

    async fn reconcile(&self, id: TopologyId) -> Outcome {
        let cancel = CancellationToken::new();
        self.engine.reconcile(id, false, &cancel).await.expect("reconciled")
    }

    /// Proves that the reach is the declared one, on both hosts and between them.
    async fn verify(&self, id: TopologyId) {
        let report = self
            .engine
            .verify(id, &CancellationToken::new())
            .await
            .expect("verified");
        assert!(report.deviations.is_empty(), "{:#?}", report.deviations);
        assert!(report.drift.is_empty(), "{:#?}", report.drift);
    }

    async fn apply(&self, id: TopologyId, json: &str) {
        let new = NewMutation::new(Mutation::from_json(json).expect("a mutation"));
        self.engine.submit(id, new, None).await.expect("queued");
        let drained = self.engine.drain(id, &CancellationToken::new()).await.expect("drained");
        assert_eq!(drained[0].state, MutationState::Applied, "{:?}", drained[0].reason);
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_maze_of_twelve_lans_runs_over_two_daemons() {
    let hosts = Hosts::start("twelve");
    let lab = FleetLab::new(&hosts, 14).await;
    let id = lab.deploy(twelve_on("10.207")).await;
    let placement = lab.repo.get(id).await.expect("a row").placement.expect("placed");
    assert_eq!(placement.members().len(), 2);
    assert!(!placement.stretched.is_empty());
    lab.verify(id).await;

    // A change across hosts leaves all other containers alone.
    let before = lab.observe().await;
    let count = |host: &str| {
        placement
            .deckies
            .values()
            .filter(|placed| placed.as_str() == host)
            .count()
    };
    let room = if count("east") < 14 { "east" } else { "west" };
    let named = |here: bool| {
        let mut lans = placement
            .lans
            .iter()
            .filter(|(_, host)| (host.as_str() == room) == here);
        format!("lan-{:02}", lans.next_back().expect("one").0.ordinal())
    };
    let (home, away) = (named(true), named(false));
    let add = format!(r#"{{"op": "add_decky", "payload": {{"name": "late", "services": ["ssh"], "lan": "{home}"}}}}"#);
    lab.apply(id, &add).await;
    let attach = format!(r#"{{"op": "attach_decky", "payload": {{"decky": "late", "lan": "{away}"}}}}"#);
    lab.apply(id, &attach).await;
    let after = lab.observe().await;
    for old in &before.containers {
        let now = after
            .containers
            .iter()
            .find(|now| now.name == old.name)
            .expect("it stays");
        assert_eq!((&now.id, now.started_at), (&old.id, old.started_at), "{}", old.name);
    }
    lab.verify(id).await;

    // A daemon that was killed comes back with its containers; a lost link is healed.
    hosts.crash(1);
    let devices = must(
        "ip",
        &["-n", &hosts.namespace(0), "-br", "link", "show", "type", "vxlan"],
    );
    let device = devices.split_whitespace().next().expect("one").to_owned();
    must("ip", &["-n", &hosts.namespace(0), "link", "delete", &device]);
    let healed = lab.reconcile(id).await;
    assert_eq!((healed.row.status, healed.reason), (Status::Active, None));
    lab.verify(id).await;

    // A daemon that hangs is unseen, and the rest goes on. Nothing is lost when it answers again.
    let before = lab.observe().await;
    hosts.signal(1, "-STOP");
    let silent = lab.reconcile(id).await;
    let reason = silent.reason.unwrap_or_default();
    hosts.signal(1, "-CONT");
    assert_eq!(silent.row.status, Status::Degraded);
    assert!(reason.starts_with("host west is unseen: "), "{reason}");
    let back = lab.reconcile(id).await;
    assert_eq!((back.row.status, back.changed), (Status::Active, 0));
    assert_eq!(lab.observe().await.containers, before.containers);

    // Without the cable, packets do not arrive, and the verification says so.
    hosts.cable("down");
    let cut = lab
        .engine
        .verify(id, &CancellationToken::new())
        .await
        .expect("verified");
    hosts.cable("up");
    assert!(!cut.deviations.is_empty());
    lab.verify(id).await;

    let down = lab
        .engine
        .teardown(id, &CancellationToken::new())
        .await
        .expect("torn down");
    assert_eq!(down.row.status, Status::TornDown);
    hosts.assert_nothing_left();
}

fn public_key(key: &str) -> String {
    let mut child = Command::new("wg")
        .arg("pubkey")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command wg");
    let mut input = child.stdin.take().expect("piped");
    input.write_all(key.as_bytes()).expect("written");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "wg pubkey");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Returns why tunnels cannot be encrypted on this machine, if they cannot.
fn without_wireguard() -> Option<String> {
    const TRIED: &str = "decnet-wg-try";
    if Command::new("wg").arg("--version").output().is_err() {
        return Some("the command `wg` is missing (package wireguard-tools)".into());
    }
    let made = run("ip", &["link", "add", TRIED, "type", "wireguard"]);
    if !made.status.success() {
        let error = String::from_utf8_lossy(&made.stderr).trim().to_owned();
        return Some(format!("the kernel does not have it: {error}"));
    }
    must("ip", &["link", "delete", TRIED]);
    None
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_maze_runs_over_wireguard_where_the_kernel_has_it() {
    if let Some(why) = without_wireguard() {
        eprintln!("skipped: no WireGuard here: {why}");
        return;
    }
    let hosts = Hosts::start("wireguard");
    hosts.add_wireguard();
    let lab = FleetLab::over(&hosts, 14, ENCRYPTED, ENCRYPTED_MTU).await;
    let id = lab.deploy(twelve_on("10.208")).await;
    let placement = lab.repo.get(id).await.expect("a row").placement.expect("placed");
    assert!(!placement.stretched.is_empty());
    assert_eq!(placement.mtu, Some(ENCRYPTED_MTU - 50));
    for (at, local) in ENCRYPTED.into_iter().enumerate() {
        let devices = must(
            "ip",
            &["-n", &hosts.namespace(at), "-d", "link", "show", "type", "vxlan"],
        );
        assert!(devices.contains(&format!("local {local} ")), "{devices}");
    }
    lab.verify(id).await;

    // All packets between the hosts are encrypted, so without WireGuard none arrives.
    must("ip", &["-n", &hosts.namespace(0), "link", "set", "wg0", "down"]);
    let cut = lab.engine.verify(id, &CancellationToken::new()).await;
    assert!(!cut.expect("verified").deviations.is_empty());
    must("ip", &["-n", &hosts.namespace(0), "link", "set", "wg0", "up"]);
    lab.verify(id).await;

    let down = lab.engine.teardown(id, &CancellationToken::new()).await;
    assert_eq!(down.expect("torn down").row.status, Status::TornDown);
    hosts.assert_nothing_left();
}
