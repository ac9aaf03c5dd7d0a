//! A separate Docker daemon for one test, which may be killed.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    thread,
    time::Duration,
};

use tempfile::TempDir;

const PAUSE: Duration = Duration::from_millis(50);
/// How often, with a pause in between, to check for a starting or stopping daemon.
const ATTEMPTS: usize = 600;

/// A daemon in its own namespaces: network, mounts and processes, which all end with it.
pub(crate) struct Daemon {
    folder: TempDir,
    /// Keeps the namespaces alive.
    holder: Child,
    /// The first process in them, as this process sees it.
    init: String,
    server: Option<Child>,
}

impl Daemon {
    /// Creates the namespaces and starts the daemon.
    pub(crate) fn start() -> Self {
        // The path of a socket must be short.
        let folder = tempfile::Builder::new().prefix("dockerd-").tempdir_in("/tmp");
        let folder = folder.expect("a folder");
        // The machine's containerd is hidden: it would mount containers where this daemon does not see them. If the test is
        // killed, the end of its input stops this process.
        let script =
            "ip link set lo up && mkdir -p /run/containerd && mount -t tmpfs none /run/containerd && echo ready && cat";
        let unshare = [
            "--net",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ];
        let mut holder = Command::new("unshare")
            .args(unshare)
            .args(["sh", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is installed");
        let mut line = String::new();
        let stdout = holder.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("text");
        assert_eq!(line, "ready\n", "namespaces need root");
        let children = format!("/proc/{0}/task/{0}/children", holder.id());
        let init = fs::read_to_string(children).expect("children").trim().to_owned();
        let mut daemon = Self {
            folder,
            holder,
            init,
            server: None,
        };
        daemon.start_server();
        daemon
    }

    /// Returns the value for `DOCKER_HOST`.
    pub(crate) fn host(&self) -> String {
        format!("unix://{}", self.path("docker.sock").display())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Prepares a command in the namespaces.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.init, "--net", "--mount", "--pid", program]);
        command
    }

    /// Starts the daemon and waits until it answers.
    pub(crate) fn start_server(&mut self) {
        // An unrelated process may have the id now.
        let _ = fs::remove_file(self.path("pid"));
        let log = File::options().create(true).append(true).open(self.path("log"));
        let log = log.expect("a log");
        let mut server = self.inside("dockerd");
        for (flag, name) in [("--data-root", "root"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            server.arg(flag).arg(self.path(name));
        }
        server.args(["--host", &self.host(), "--cgroup-parent", &self.cgroup()]);
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.server = Some(server.spawn().expect("nsenter is installed"));
        self.wait("answer", |daemon| daemon.try_docker(&["version"]).status.success());
    }

    /// Sends the daemon a signal and waits until it has exited.
    pub(crate) fn end(&mut self, signal: &str) {
        let pid = fs::read_to_string(self.path("pid")).expect("a pid");
        let killed = self.inside("kill").args(["-s", signal, pid.trim()]).status();
        assert!(killed.is_ok_and(|status| status.success()));
        self.wait("end", |daemon| {
            let server = daemon.server.as_mut().expect("it was started");
            server.try_wait().expect("a child").is_some()
        });
        self.server = None;
    }

    fn wait(&mut self, to: &str, is_done: impl Fn(&mut Self) -> bool) {
        for _ in 0..ATTEMPTS {
            if is_done(self) {
                return;
            }
            thread::sleep(PAUSE);
        }
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let last: Vec<_> = log.lines().rev().take(10).collect();
        panic!("the daemon does not {to}: {last:#?}");
    }

    /// Runs `docker` on it and returns the printed lines.
    #[track_caller]
    pub(crate) fn docker(&self, arguments: &[&str]) -> Vec<String> {
        let output = self.try_docker(arguments);
        assert!(output.status.success(), "docker {arguments:?}: {output:?}");
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines().map(ToOwned::to_owned).collect()
    }

    fn try_docker(&self, arguments: &[&str]) -> Output {
        Command::new("docker")
            .args(["--host", &self.host()])
            .args(arguments)
            .output()
            .expect("docker is installed")
    }

    /// Returns the cgroup of all its containers.
    fn cgroup(&self) -> String {
        let name = self.folder.path().file_name().expect("a name");
        format!("/decnet-{}", name.display())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // When the first process ends, the kernel ends all others in the namespace, including containers, and removes its mounts.
        let _ = Command::new("kill").args(["-s", "KILL", &self.init]).status();
        let _ = self.holder.wait();
        if let Some(mut server) = self.server.take() {
            let _ = server.wait();
        }
        for root in ["/sys/fs/cgroup", "/sys/fs/cgroup/*"] {
            let folder = format!("{root}{}", self.cgroup());
            let remove = format!("find {folder} -depth -type d -exec rmdir {{}} + 2>/dev/null");
            let _ = Command::new("sh").args(["-c", &remove]).status();
        }
    }
}
