//! A maze with a service of an own image, which has this machine's shell and some programs.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use crate::{command::Ran, docker::lab::Lab};

/// The programs of the image, as this machine has them.
const PROGRAMS: [&str; 9] = ["sh", "cat", "ln", "ls", "mkdir", "mkfifo", "sleep", "stty", "wc"];

/// The start of a Dockerfile whose image has these programs.
const BASE: &str = "FROM scratch\nCOPY root/ /\nENV PATH=/bin\n";

/// A maze that runs, with the deckies `web` (own image `shop`, and `ssh`), `desk` and `files`.
pub(super) struct Shop {
    pub(super) lab: Lab,
}

impl Shop {
    /// Deploys it in `10.204.<number>.0/24`.
    pub(super) fn deploy(number: u8) -> Self {
        let maze = format!(
            "format: decnet.topology/1\nname: lab\nlans:\n  - {{name: dmz, subnet: 10.204.{number}.0/28, dmz: true}}\n  \
             - {{name: office, subnet: 10.204.{number}.16/28}}\ndeckies:\n  \
             - {{name: gate, services: [], forwards_l3: true, attachments: [{{lan: dmz, ip: 10.204.{number}.4}}, {{lan: office, ip: 10.204.{number}.20}}]}}\n  \
             - {{name: web, services: [shop, ssh], attachments: [{{lan: office, ip: 10.204.{number}.21}}]}}\n  \
             - {{name: files, services: [smb], attachments: [{{lan: office, ip: 10.204.{number}.22}}]}}\n"
        );
        let catalog =
            "[services.shop]\nports = []\nimage = { build = \"image\" }\nwritable_root = true\ntmpfs = [\"/memory\"]\n";
        let lab = Lab::apply_with(&maze, catalog, |sandbox| image(&sandbox.path("image")));
        let shop = Self { lab };
        shop.run(&["deploy", "lab", "--quiet"]).exits(0);
        shop
    }

    /// Runs the program with the catalogue.
    pub(super) fn run(&self, arguments: &[&str]) -> Ran {
        self.lab.run(&[&["--catalog", "own.toml"], arguments].concat())
    }

    /// Runs a shell command in the service.
    pub(super) fn shell(&self, command: &str) -> Ran {
        self.run(&["exec", "lab", "web", "--", "sh", "-c", command])
    }
}

/// Writes the folder of an image: programs with their libraries.
fn image(folder: &Path) {
    programs(folder);
    let dockerfile = format!("{BASE}CMD [\"sleep\", \"1000000\"]\nUSER 65534\n");
    fs::write(folder.join("Dockerfile"), dockerfile).expect("written");
}

/// Puts the programs into an example instead of its base image, because tests reach no registry.
pub(crate) fn replace_base(folder: &Path) {
    let path = folder.join("Dockerfile");
    let text = fs::read_to_string(&path).expect("an example");
    let with_base = text.replace("FROM busybox:1.37\n", BASE);
    assert_ne!(text, with_base, "name the base of the example here");
    programs(folder);
    fs::write(path, with_base).expect("written");
}

/// Puts programs with their libraries into the folder `root`.
fn programs(folder: &Path) {
    let root = folder.join("root");
    for (name, mode) in [("bin", 0o755), ("tmp", 0o777)] {
        fs::create_dir_all(root.join(name)).expect("created");
        fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).expect("set");
    }
    let mut files = BTreeSet::new();
    for program in PROGRAMS {
        let found = Command::new("sh")
            .args(["-c", &format!("command -v {program}")])
            .output()
            .expect("a shell");
        let path = fs::canonicalize(String::from_utf8_lossy(&found.stdout).trim()).expect("a program");
        let libraries = Command::new("ldd").arg(&path).output().expect("ldd");
        let libraries = String::from_utf8_lossy(&libraries.stdout).into_owned();
        files.extend(
            libraries
                .split_whitespace()
                .filter(|word| word.starts_with('/'))
                .map(ToOwned::to_owned),
        );
        put(&path, &root.join("bin").join(program));
    }
    for file in files {
        put(Path::new(&file), &root.join(file.trim_start_matches('/')));
    }
}

fn put(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().expect("a folder")).expect("created");
    fs::copy(from, to).expect("copied");
    fs::set_permissions(to, fs::Permissions::from_mode(0o755)).expect("set");
}
