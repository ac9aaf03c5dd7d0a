//! The default image: a static program of this workspace, packed from scratch without a registry.

use std::fmt::Write as _;

use decnet_decoy::protocol::{KEEPER, PORTS_FOLDER, STATE_FOLDER};
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

const REPOSITORY: &str = "decnet-decoy";

/// The folders of the image except [`STATE_FOLDER`], parents first. Engines mount to most of them.
/// They exist in the image so that engines need not create them as root.
const FOLDERS: [&str; 7] = ["./", "dev", "etc", "proc", "sbin", "sys", "var"];

/// The program is executable and not readable, even for its owner. So the kernel refuses access to its processes and to their
/// root through `/proc` without `SYS_PTRACE`.
const PROGRAM_MODE: u32 = 0o111;

/// An image with one program, ready to load.
///
/// The image has one file, `/sbin/init`, whose name does not reveal this project, and the folders that engines mount to. It is the same on every machine: its dates,
/// order and owners are fixed. So its id is a digest of the program, and loading it is idempotent.
///
/// Everything except [`PORTS_FOLDER`] belongs to [`KEEPER`], a user that no process with intruders runs as: root without
/// capabilities cannot write files of another user. A volume mounted on [`STATE_FOLDER`] takes its owners from the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoyImage {
    /// The digest of the image's configuration, `sha256:` and 64 hex digits. Engines with the classic image store use it as the
    /// image's id; those with containerd's store use another digest, so look for the [`reference`](Self::reference) there.
    pub id: String,
    /// `decnet-decoy:` and the first 12 hex digits of the program's digest.
    pub reference: String,
    /// The digest of the program, 64 hex digits.
    pub program_digest: String,
    /// A tar as `docker save` writes it, for `POST /images/load`.
    pub archive: Vec<u8>,
}

impl DecoyImage {
    /// The path of the program in the image.
    pub const PROGRAM_PATH: &str = "/sbin/init";

    /// The label of the engine's own images.
    pub const LABEL: &str = "decnet.decoy";

    /// Returns the program that was built with this crate. Returns `None` if the target is not Linux.
    pub fn embedded_program() -> Option<&'static [u8]> {
        let program: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/decnet-decoy"));
        (!program.is_empty()).then_some(program)
    }

    /// Packs a program. The same bytes give the same image on every machine.
    pub fn pack(program: &[u8]) -> Self {
        let mut layer = Archive::of(KEEPER);
        for folder in FOLDERS.into_iter().chain([STATE_FOLDER.trim_start_matches('/')]) {
            layer.folder(folder);
        }
        layer.owner = 0;
        layer.folder(PORTS_FOLDER.trim_start_matches('/'));
        layer.owner = KEEPER;
        layer.file(Self::PROGRAM_PATH.trim_start_matches('/'), PROGRAM_MODE, program);
        let layer = layer.end();
        let layer_digest = digest(&layer);
        let config = bytes(&json!({
            "architecture": architecture(program),
            "config": {"Entrypoint": [Self::PROGRAM_PATH], "Labels": {Self::LABEL: "true"}},
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": REPOSITORY}],
            "os": "linux",
            "rootfs": {"diff_ids": [format!("sha256:{layer_digest}")], "type": "layers"},
        }));
        let config_digest = digest(&config);
        let program_digest = digest(program);
        let reference = reference_of(&program_digest);
        let (config_path, layer_path) = (format!("{config_digest}.json"), format!("{layer_digest}/layer.tar"));
        let manifest = bytes(&json!([{"Config": config_path, "Layers": [layer_path], "RepoTags": [reference]}]));
        let mut archive = Archive::of(0);
        archive.file(&config_path, 0o644, &config);
        archive.file(&layer_path, 0o644, &layer);
        archive.file("manifest.json", 0o644, &manifest);
        Self {
            id: format!("sha256:{config_digest}"),
            reference,
            program_digest,
            archive: archive.end(),
        }
    }
}

/// Returns the reference of the image of a program with this digest.
fn reference_of(program_digest: &str) -> String {
    format!("{REPOSITORY}:{}", &program_digest[..12])
}

/// Returns whether a file is the program of the image with this reference. If `known` is that image, it compares the files.
#[cfg(feature = "docker")]
pub(crate) fn is_program(content: &[u8], reference: &str, known: Option<&DecoyImage>) -> bool {
    let digest = digest(content);
    match known.filter(|image| image.reference == reference) {
        Some(image) => image.program_digest == digest,
        None => reference_of(&digest) == reference,
    }
}

/// Returns Docker's name of the program's processor, from the ELF header, or that of this build.
fn architecture(program: &[u8]) -> &'static str {
    let machine = program.starts_with(b"\x7fELF").then(|| program.get(18..20)).flatten();
    match machine {
        Some([62, 0]) => "amd64",
        Some([183, 0]) => "arm64",
        Some([243, 0]) => "riscv64",
        Some([40, 0]) => "arm",
        Some([3, 0]) => "386",
        _ => match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            "x86" => "386",
            other => other,
        },
    }
}

/// A reproducible tar in memory.
struct Archive {
    owner: u32,
    builder: tar::Builder<Vec<u8>>,
}

impl Archive {
    fn of(owner: u32) -> Self {
        Self {
            owner,
            builder: tar::Builder::new(Vec::new()),
        }
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) {
        self.append(path, tar::EntryType::Regular, mode, content);
    }

    fn folder(&mut self, path: &str) {
        self.append(path, tar::EntryType::Directory, 0o755, &[]);
    }

    fn append(&mut self, path: &str, kind: tar::EntryType, mode: u32, content: &[u8]) {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(mode);
        header.set_uid(self.owner.into());
        header.set_gid(self.owner.into());
        header.set_mtime(0);
        header.set_entry_type(kind);
        self.builder
            .append_data(&mut header, path, content)
            .expect("short paths written to memory");
    }

    fn end(self) -> Vec<u8> {
        self.builder.into_inner().expect("written to memory")
    }
}

/// Writes JSON. The keys above are written in sorted order, so `serde_json`'s `preserve_order` changes nothing.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain JSON prints")
}

/// Returns the SHA-256 of bytes in hex digits.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests;
