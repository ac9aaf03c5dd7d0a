//! A server of a test's own, which it may stop.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use decnet_topology::testing::PostgresDatabase;

/// A running server, which ends with this value.
pub(super) struct Server {
    folder: PathBuf,
    url: String,
}

impl Server {
    /// Starts a server with some settings, if there is one for tests.
    pub(super) fn start(settings: &[&str]) -> Option<Self> {
        super::server()?;
        // The server's user must be able to enter the folder.
        let folder = tempfile::Builder::new().prefix("decnet-server").tempdir_in("/tmp");
        let folder = folder.expect("a folder").keep();
        let mut server = Self {
            folder,
            url: String::new(),
        };
        server.url = server.up(settings);
        Some(server)
    }

    /// Starts a standby, which has everything that this server has acknowledged.
    pub(super) fn standby(&self) -> Self {
        let folder = tempfile::Builder::new().prefix("decnet-standby").tempdir_in("/tmp");
        let mut standby = Self {
            folder: folder.expect("a folder").keep(),
            url: String::new(),
        };
        let folders = [&self.folder, &standby.folder].map(|folder| folder.to_str().expect("a path"));
        let output = script("postgres-standby", &folders).output().expect("it ran");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout)
            .expect("a text")
            .trim()
            .clone_into(&mut standby.url);
        standby
    }

    /// Lets this standby take over.
    pub(super) fn promote(&self) {
        let folder = self.folder.to_str().expect("a path");
        let promoted = script("postgres-standby", &["--promote", folder]).status();
        assert!(promoted.expect("it ran").success());
    }

    /// Returns the address of the server.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the folder of its files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn database(&self) -> PostgresDatabase {
        PostgresDatabase::create(&self.url)
    }

    /// Stops the server as a crash would, and starts it again.
    pub(super) fn crash(&self) {
        self.down("immediate");
        self.up(&[]);
    }

    /// Stops the server.
    pub(super) fn down(&self, mode: &str) {
        let folder = self.folder.to_str().expect("a path");
        assert!(
            script("postgres-down", &[folder, mode])
                .status()
                .expect("it ran")
                .success()
        );
    }

    /// Starts the server, with more settings.
    pub(super) fn up(&self, settings: &[&str]) -> String {
        let folder = self.folder.to_str().expect("a path");
        let mut arguments = vec![folder];
        arguments.extend(settings);
        let output = script("postgres-up", &arguments).output().expect("it ran");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("a text").trim().to_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let folder = self.folder.to_str().unwrap_or_default();
        let _ = script("postgres-down", &[folder]).status();
    }
}

fn script(name: &str, arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name);
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}
