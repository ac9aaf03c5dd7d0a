//! An intruder with a shell in a service container, of a built-in service and of an own image: reaches nothing outside of the maze, gains
//! nothing, and cannot harm a neighbour.
//!
//! The only addresses are those of the maze, the host's on the maze's networks, and 192.0.2.0/24 (RFC 5737), which nobody has.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    os::unix::fs::PermissionsExt as _,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use decnet_topology::{DeploySettings, ServiceName};
use rustix::io::Errno;

use super::{
    namespace::{connect, inside},
    stand_in::StandIn,
    verifying::{base_of, verify},
    *,
};

/// A shell in a service's container: `docker exec` has its user, capabilities, system calls, namespaces and limits.
struct Shell {
    container: String,
    program: &'static str,
}

impl Shell {
    /// In an own image, which has the program.
    fn in_image(container: String) -> Self {
        Self {
            container,
            program: "/intruder",
        }
    }

    /// In a built-in service. Its image has no shell, and no folder in it is both writable and executable: the test makes `/tmp`
    /// executable and puts the program there.
    fn in_builtin(container: String, stand_in: &StandIn) -> Self {
        let pid = docker(&["inspect", "--format", "{{.State.Pid}}", &container]);
        let opened = Command::new(stand_in.program())
            .args(["open-tmp", &format!("/proc/{pid}/ns/mnt")])
            .output()
            .expect("the program");
        assert_eq!(String::from_utf8_lossy(&opened.stdout), "0\n");
        let path = format!("/proc/{pid}/root/tmp/intruder");
        fs::copy(stand_in.program(), &path).expect("copied");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("set");
        Self {
            container,
            program: "/tmp/intruder",
        }
    }

    fn start(&self, attempt: &str) -> Child {
        let mut command = Command::new("docker");
        command
            .args(["exec", &self.container, self.program])
            .args(attempt.split(' '));
        command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker")
    }

    /// Returns the words that an attempt printed and its exit code.
    fn end(child: Child) -> (Vec<String>, Option<i32>) {
        let output = child.wait_with_output().expect("docker");
        let words = String::from_utf8_lossy(&output.stdout);
        (words.split_whitespace().map(Into::into).collect(), output.status.code())
    }

    /// Returns the numbers that an attempt printed; the last is its error.
    fn attempt(&self, attempt: &str) -> Vec<i64> {
        let (words, code) = Self::end(self.start(attempt));
        assert_eq!(code, Some(0), "{attempt}: {words:?}");
        words.iter().map(|word| word.parse().expect("a number")).collect()
    }

    fn error_of(&self, attempt: &str) -> Option<Errno> {
        let numbers = self.attempt(attempt);
        let error = i32::try_from(*numbers.last().expect("an error")).expect("an errno");
        assert_ne!(error, -1, "{attempt} is not an attempt");
        (error != 0).then(|| Errno::from_raw_os_error(error))
    }

    /// Asserts that attempts fail for the intended reason.
    fn assert_refused(&self, attempts: &[(&str, &[Errno])]) {
        for (attempt, reasons) in attempts {
            let error = self.error_of(attempt);
            let is_refused = error.is_some_and(|error| reasons.contains(&error));
            assert!(
                is_refused,
                "{attempt} in {}: {error:?}, not {reasons:?}",
                self.container
            );
        }
    }

    fn started(&self) -> String {
        docker(&[
            "inspect",
            "--format",
            "{{.State.StartedAt}} {{.RestartCount}}",
            &self.container,
        ])
    }
}

/// What no service may do, whatever its network.
const GAINS: &[(&str, &[Errno])] = &[
    ("raw", &[Errno::PERM]),
    ("packet", &[Errno::PERM]),
    ("route", &[Errno::PERM]),
    ("address", &[Errno::PERM]),
    ("filter", &[Errno::PERM]),
    ("mount", &[Errno::PERM]),
    ("unshare", &[Errno::PERM]),
    ("setns", &[Errno::PERM, Errno::BADF]),
    ("chroot", &[Errno::PERM]),
    ("mknod", &[Errno::PERM]),
    ("root", &[Errno::PERM]),
    ("write /file", &[Errno::ROFS, Errno::ACCESS]),
    ("write /etc/hosts", &[Errno::ROFS, Errno::ACCESS]),
    ("write /proc/sys/net/ipv4/ip_forward", &[Errno::ROFS, Errno::ACCESS]),
    ("write /proc/sysrq-trigger", &[Errno::ROFS, Errno::ACCESS, Errno::NOENT]),
    (
        "write /sys/fs/cgroup/pids/pids.max",
        &[Errno::ROFS, Errno::ACCESS, Errno::NOENT],
    ),
    (
        "write /var/run/docker.sock",
        &[Errno::ROFS, Errno::ACCESS, Errno::NOENT],
    ),
];

/// A gateway and a decky on an inner LAN, each with the own image and a built-in service, a neighbour, and a vault without a route.
fn maze() -> Topology {
    Topology::builder()
        .dmz("dmz", "10.203.140.0/24")
        .lan("office", "10.203.141.0/24")
        .lan("vault", "10.203.142.0/24")
        .decky("gate", |decky| {
            let decky = decky.on("dmz", "10.203.140.2").on("office", "10.203.141.2");
            decky.services(["pot", "ssh"]).forwards()
        })
        .decky("desk", |decky| {
            decky.on("office", "10.203.141.3").services(["pot", "http", "redis"])
        })
        .decky("neighbour", |decky| {
            decky.on("office", "10.203.141.4").services(["http"])
        })
        .decky("bridge", |decky| {
            decky.on("office", "10.203.141.5").on("vault", "10.203.142.5")
        })
        .decky("safe", |decky| decky.on("vault", "10.203.142.3").services(["http"]))
        .build()
        .expect("a topology")
}

/// The deployed maze.
struct Scene<'a> {
    lab: &'a Lab,
    topology: Topology,
    id: TopologyId,
}

impl<'a> Scene<'a> {
    async fn new(lab: &'a Lab, ports: [u16; 2]) -> Self {
        let topology = maze();
        let id = lab.store("shell", topology.clone()).await;
        let rules = ["ssh", "pot"].into_iter().zip(ports);
        let rules = rules.map(|(service, port)| format!("{service}=127.0.0.1:{port}").parse().expect("a rule"));
        let settings = DeploySettings::default().publish(rules.collect());
        let options = DeployOptions::default().settings(settings);
        let deployed = lab.engine.deploy(id, options, &CancellationToken::new()).await;
        let deployed = deployed.unwrap_or_else(|error| panic!("{error}: {error:?}"));
        assert_eq!((deployed.row.status, deployed.reason), (Status::Active, None));
        Self { lab, topology, id }
    }

    fn container(&self, decky: &str, service: &str) -> String {
        let decky = self.topology.decky_named(&decky.parse().expect("a name"));
        naming::service(self.id, decky.expect("a decky"), &ServiceName::new(service)).to_string()
    }

    fn base(&self, decky: &str) -> String {
        base_of(self.id, &self.topology, decky)
    }

    /// Asserts that services answer a visitor on the LAN within some seconds.
    fn assert_answers(&self, what: &str) {
        let what = what.to_owned();
        inside(&self.base("neighbour"), move || {
            let desk = Ipv4Addr::new(10, 203, 141, 3);
            let gate = Ipv4Addr::new(10, 203, 141, 2);
            let own = Ipv4Addr::new(10, 203, 141, 4);
            for (to, port, says, hears) in [
                (desk, 6379, "PING\r\n", "PONG"),
                (gate, 22, "", "SSH-2.0"),
                (own, 80, "GET / HTTP/1.0\r\n\r\n", "HTTP/1."),
            ] {
                let begin = Instant::now();
                let mut stream = connect((to, port));
                stream.set_read_timeout(Some(Duration::from_secs(10))).expect("set");
                stream.write_all(says.as_bytes()).expect("sent");
                let mut heard = [0; 64];
                let size = stream
                    .read(&mut heard)
                    .unwrap_or_else(|error| panic!("{to}:{port} during {what}: {error}"));
                let heard = String::from_utf8_lossy(&heard[..size]);
                assert!(heard.contains(hears), "{to}:{port} during {what}: {heard:?}");
                assert!(begin.elapsed() < Duration::from_secs(20), "{to}:{port} during {what}");
            }
        });
    }

    /// The start times of all containers except one.
    async fn others(&self, container: &str) -> BTreeMap<String, String> {
        let observed = self.lab.observe(self.id).await.containers.into_iter();
        let others = observed.filter(|other| other.name.as_str() != container);
        others
            .map(|other| (other.name.to_string(), format!("{:?}", other.started_at)))
            .collect()
    }

    /// Waits until nothing deviates. A service that restarted must run for a while before it counts as healthy.
    async fn assert_whole(&self) {
        let mut deviations = Vec::new();
        for _ in 0..30 {
            deviations = verify(self.lab, self.id).await.deviations;
            if deviations.is_empty() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(deviations, []);
        let plan = crate::planned(&self.lab.engine, self.id, None).await.expect("planned");
        assert!(plan.is_empty(), "{plan:#?}");
    }
}

/// Returns how many packets a base has sent on all its interfaces except loopback.
fn sent(base: &str) -> u64 {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", base]);
    let devices = fs::read_to_string(format!("/proc/{pid}/net/dev")).expect("this machine's daemon");
    let counted = devices.lines().filter_map(|line| line.split_once(':'));
    let counted = counted.filter(|(name, _)| name.trim() != "lo");
    counted
        .filter_map(|(_, numbers)| numbers.split_whitespace().nth(9)?.parse::<u64>().ok())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_shell_reaches_no_host_no_outside_and_no_undeclared_lan() {
    let stand_in = StandIn::new();
    on_docker_with_catalog(stand_in.catalog(""), async |lab| {
        let scene = Scene::new(lab, [20341, 20342]).await;
        let none: &[Errno] = &[Errno::NETUNREACH];
        let filtered: &[Errno] = &[Errno::PERM];
        // What a filter drops, or what nobody answers.
        let silent: &[Errno] = &[Errno::PERM, Errno::TIMEDOUT, Errno::HOSTUNREACH, Errno::NETUNREACH];

        // A built-in service has loopback only.
        let builtin = Shell::in_builtin(scene.container("desk", "http"), &stand_in);
        builtin.assert_refused(GAINS);
        builtin.assert_refused(&[
            ("udp 192.0.2.1 53", none),
            ("tcp 192.0.2.1 80", none),
            ("udp 10.203.140.1 53", none),
            ("tcp 10.203.141.1 80", none),
            ("tcp 10.203.142.3 80", none),
            ("tcp 10.203.141.4 80", none),
            ("tcp 127.0.0.1 6379", &[Errno::CONNREFUSED, Errno::NETUNREACH]),
        ]);

        // The host listens on its address on the DMZ, and hears nothing.
        let host = TcpListener::bind(("10.203.140.1", 0)).expect("the host's address");
        host.set_nonblocking(true).expect("set");
        let port = host.local_addr().expect("an address").port();
        let (to_host, datagram) = (format!("tcp 10.203.140.1 {port}"), format!("udp 10.203.140.1 {port}"));

        // An own image is in the network of its base. That of an inner LAN has no route to the outside or to the vault.
        let inner = Shell::in_image(scene.container("desk", "pot"));
        assert_eq!(inner.error_of("tcp 10.203.141.4 80"), None, "a declared neighbour");
        inner.assert_refused(GAINS);
        inner.assert_refused(&[
            ("udp 192.0.2.1 53", none),
            ("tcp 192.0.2.1 80", none),
            ("udp 10.203.142.3 80", none),
            ("tcp 10.203.142.3 80", none),
            ("udp 10.203.141.1 53", filtered),
            ("tcp 10.203.141.1 80", silent),
            (to_host.as_str(), silent),
        ]);

        // That of a gateway has a default route for its answers to visitors; the filter drops all else before it is sent.
        let gate = Shell::in_image(scene.container("gate", "pot"));
        assert_eq!(gate.error_of("tcp 10.203.141.4 80"), None, "a declared neighbour");
        gate.assert_refused(GAINS);
        let before = sent(&scene.base("gate"));
        gate.assert_refused(&[
            ("udp 192.0.2.1 53", filtered),
            ("udp 192.0.2.1 4444", filtered),
            ("tcp 192.0.2.1 80", silent),
            ("udp 10.203.142.3 80", filtered),
            ("tcp 10.203.142.3 80", silent),
            (datagram.as_str(), filtered),
            (to_host.as_str(), silent),
        ]);
        let after = sent(&scene.base("gate"));
        assert!(after - before < 3, "{} packets left the gateway", after - before);
        let heard = host.accept().expect_err("nobody reached the host");
        assert_eq!(heard.kind(), std::io::ErrorKind::WouldBlock);
        scene.assert_whole().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_shell_that_uses_up_processes_memory_and_disk_harms_no_neighbour() {
    let stand_in = StandIn::new();
    let catalog = stand_in.catalog("tmpfs = [\"/var/log/pot\"]");
    on_docker_with_catalog(catalog, async |lab| {
        let scene = Scene::new(lab, [20343, 20344]).await;
        for (service, pids, tmpfs) in [("http", 64, None), ("pot", 512, Some("/var/log/pot/file"))] {
            let container = scene.container("desk", service);
            let shell = match service {
                "pot" => Shell::in_image(container),
                _ => Shell::in_builtin(container, &stand_in),
            };
            let others = scene.others(&shell.container).await;

            let processes = shell.attempt("processes 0");
            let [count, error] = processes[..] else {
                panic!("{processes:?}")
            };
            assert_eq!(error, i64::from(Errno::AGAIN.raw_os_error()), "{processes:?}");
            assert!(count > 8 && count < pids, "{count} processes in {service}");

            // The kernel ends the largest process of the container.
            let memory = shell.start("memory");
            scene.assert_answers("full memory");
            let (words, code) = Shell::end(memory);
            assert!(words.is_empty() && code == Some(137), "killed: {words:?} {code:?}");

            let disk = shell.attempt("fill /tmp/file");
            let full = i64::from(Errno::NOSPC.raw_os_error());
            assert!(disk.last() == Some(&full) && disk[0] <= 16, "{disk:?}");
            scene.assert_answers("a full /tmp");
            assert_eq!(shell.error_of("remove /tmp/file"), None);
            shell.assert_refused(&[("fill /file", &[Errno::ROFS, Errno::ACCESS])]);
            if let Some(file) = tmpfs {
                let disk = shell.attempt(&format!("fill {file}"));
                assert!(disk.last() == Some(&full) && disk[0] <= 256, "{disk:?}");
                scene.assert_answers("a full folder in memory");
                assert_eq!(shell.error_of(&format!("remove {file}")), None);
            }

            // The kernel frees the memory of a failed attempt later. A container without any left ends and restarts.
            let begun = Instant::now();
            let bomb = shell.start("processes 8");
            while begun.elapsed() < Duration::from_secs(6) {
                scene.assert_answers("a fork bomb");
            }
            let (words, code) = Shell::end(bomb);
            assert!([Some(0), Some(137)].contains(&code), "{words:?} {code:?}");
            assert_eq!(
                scene.others(&shell.container).await,
                others,
                "no other container restarted"
            );
            scene.assert_whole().await;
            scene.assert_answers("what comes after");
        }
        // The service itself still answers, restarted or not.
        inside(&scene.base("neighbour"), || {
            let mut stream = connect((Ipv4Addr::new(10, 203, 141, 3), 2222));
            let mut hello = [0; 6];
            stream.read_exact(&mut hello).expect("an answer");
            assert_eq!(&hello, b"hello\n");
        });
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_shell_that_ends_its_service_only_restarts_it() {
    let stand_in = StandIn::new();
    on_docker_with_catalog(stand_in.catalog(""), async |lab| {
        let scene = Scene::new(lab, [20345, 20346]).await;
        for service in ["http", "pot"] {
            let container = scene.container("desk", service);
            let shell = match service {
                "pot" => Shell::in_image(container),
                _ => Shell::in_builtin(container, &stand_in),
            };
            let (before, others) = (shell.started(), scene.others(&shell.container).await);
            // It ends with the service, so it prints nothing.
            Shell::end(shell.start("end"));
            for _ in 0..100 {
                if shell.started() != before {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert_ne!(shell.started(), before, "{service} restarted");
            assert_eq!(scene.others(&shell.container).await, others);
            scene.assert_whole().await;
            scene.assert_answers("a restart");
        }
    })
    .await;
}
