//! A stand-in for public images, which no test can pull: an image of one static program, which is also what an intruder runs.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command};

use decnet_topology::Catalog;
use tempfile::TempDir;

/// The program, and a folder that the daemon builds the image from.
pub(super) struct StandIn {
    folder: TempDir,
}

impl StandIn {
    /// Compiles the program.
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let source = folder.path().join("intruder.c");
        fs::write(&source, include_str!("intruder.c")).expect("written");
        let stand_in = Self { folder };
        let mut compiler = Command::new("cc");
        compiler.args(["-D_GNU_SOURCE", "-O1", "-static", "-w", "-o"]);
        let built = compiler.arg(stand_in.program()).arg(&source).status();
        assert!(built.expect("a C compiler").success());
        let mode = fs::Permissions::from_mode(0o755);
        fs::set_permissions(stand_in.program(), mode).expect("set");
        let dockerfile =
            "FROM scratch\nCOPY intruder /intruder\nENTRYPOINT [\"/intruder\"]\nCMD [\"serve\", \"2222\"]\n";
        fs::write(stand_in.folder.path().join("Dockerfile"), dockerfile).expect("written");
        stand_in
    }

    pub(super) fn program(&self) -> PathBuf {
        self.folder.path().join("intruder")
    }

    /// Returns the built-in catalogue with a service `pot` of this image, which has these keys too.
    pub(super) fn catalog(&self, more: &str) -> Catalog {
        self.catalog_at("2222/tcp", more)
    }

    /// The same with another port, on which the image listens inside as 2222.
    pub(super) fn catalog_at(&self, port: &str, more: &str) -> Catalog {
        let folder = self.folder.path().display();
        let text = format!("[services.pot]\nports = [\"{port}\"]\nimage = {{ build = \"{folder}\" }}\n{more}\n");
        Catalog::builtin().extend_from_toml(text).expect("a catalogue")
    }
}
