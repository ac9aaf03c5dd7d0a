//! Debian's server, with settings of a test.

use std::{
    fs,
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use decnet_engine::NatsUrl;
use tempfile::TempDir;

/// Where `scripts/nats-up` unpacks Debian's package.
const UNPACKED: &str = "/var/cache/decnet/nats/usr/sbin/nats-server";

/// A server that is killed at the end of the test.
pub(crate) struct NatsServer {
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts a server with more lines of its configuration. Returns none if there is no server on this machine.
    pub(crate) fn start(settings: &str) -> Option<Self> {
        let mut server = Self::prepare(settings)?;
        server.begin();
        Some(server)
    }

    /// Prepares a server, without starting it.
    pub(crate) fn prepare(settings: &str) -> Option<Self> {
        if program().is_none() {
            eprintln!("skipped: there is no nats-server; scripts/nats-up unpacks it");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        // Nobody else gets the port meanwhile, unless many are drawn.
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let port = port.expect("a free port").port();
        let config = format!("listen: 127.0.0.1:{port}\n{settings}\n");
        fs::write(folder.path().join("nats.conf"), config).expect("written");
        Some(Self {
            folder,
            port,
            child: None,
        })
    }

    /// Starts it, and waits until it accepts connections.
    pub(crate) fn begin(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).expect("a file");
        let mut command = Command::new(program().expect("it was there"));
        command.arg("-c").arg(self.folder.path().join("nats.conf"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.expect("started"));
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < until, "{}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Kills it, like a power failure.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().and_then(|()| child.wait()).expect("killed");
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> NatsUrl {
        self.url_with("nats://")
    }

    /// Returns the URL with a scheme, and with credentials if the text has them.
    pub(crate) fn url_with(&self, before: &str) -> NatsUrl {
        format!("{before}127.0.0.1:{}", self.port).parse().expect("a URL")
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).map(|folder| folder.join("nats-server"));
    installed.chain([UNPACKED.into()]).find(|program| program.is_file())
}
