//! A real server.

use std::{
    fs,
    net::{Ipv4Addr, TcpStream},
    os::unix::{
        fs::{PermissionsExt as _, chown},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, getuid, kill_process_group};

use crate::ports::tests::free;

/// Where `scripts/servers-up` unpacks Debian's packages.
const ROOT: &str = "/var/cache/decnet/servers";
/// The user and group without rights.
const NOBODY: u32 = 65534;

/// A running server, which ends with this value, and with the test's thread.
pub(super) struct Real {
    pub(super) port: u16,
    child: Child,
    _folder: tempfile::TempDir,
}

/// A server that is not started yet.
pub(super) struct Plan {
    pub(super) port: u16,
    pub(super) folder: tempfile::TempDir,
}

impl Plan {
    /// Prepares a folder and a port. Returns none if the program is missing, or if the test may not start it.
    pub(super) fn new(program: &str) -> Option<Self> {
        if !getuid().is_root() || !Path::new(ROOT).join("complete").exists() || !path(program).exists() {
            println!("skipped: root and {program} of scripts/servers-up are needed");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        Some(Self { port: free(), folder })
    }

    /// Returns a path in the folder.
    pub(super) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Writes a file that the server may read.
    pub(super) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(NOBODY), Some(NOBODY)).unwrap();
        path
    }

    /// Runs a program to its end, as the user without rights.
    pub(super) fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program, arguments, true).output().unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    }

    /// Starts the server, and waits until it listens.
    pub(super) fn start(self, program: &str, arguments: &[&str]) -> Real {
        self.start_as(program, arguments, true)
    }

    /// As [`start`](Self::start), as root: for a server that changes its user itself.
    pub(super) fn start_as(self, program: &str, arguments: &[&str], is_nobody: bool) -> Real {
        let log = self.path("output");
        let file = fs::File::create(&log).unwrap();
        let mut child = self
            .command(program, arguments, is_nobody)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return Real {
                    port: self.port,
                    child,
                    _folder: self.folder,
                };
            }
            if child.try_wait().unwrap().is_some() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = child.kill();
        panic!(
            "{program} does not listen: {}",
            fs::read_to_string(log).unwrap_or_default()
        );
    }

    /// Returns a command in a namespace for processes, so that all of them end with the first one, which ends with this thread.
    fn command(&self, program: &str, arguments: &[&str], is_nobody: bool) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "unshare", "--pid", "--fork", "--kill-child"]);
        if is_nobody {
            // A change of the user cancels the signal, so it is set again.
            command.args(["setpriv", "--pdeathsig", "KILL"]);
            command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        }
        command
            .arg(path(program))
            .args(arguments)
            .current_dir(self.folder.path());
        command.env("LD_LIBRARY_PATH", libraries());
        command
    }
}

impl Drop for Real {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.child.id())
            && let Some(group) = Pid::from_raw(id)
        {
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// Returns the path of a program or file of a package.
pub(super) fn path(name: &str) -> PathBuf {
    Path::new(ROOT).join(name)
}

/// Returns the folders of the packages' libraries.
fn libraries() -> String {
    let machine = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = [
        format!("usr/lib/{machine}"),
        format!("lib/{machine}"),
        "usr/lib/postfix".into(),
    ];
    folders.map(|folder| path(&folder).display().to_string()).join(":")
}
