//! The default image: a static program of this workspace, packed from scratch without any registry.
//!
//! The image holds one file, `/decnet-decoy`, and is made the same everywhere: fixed dates, fixed order, owner 0. So
//! its id is a digest of the program, and loading it twice is loading it once.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Where the program is in the image.
pub const PROGRAM_PATH: &str = "/decnet-decoy";

/// The label by which the engine's own images are found.
pub const IMAGE_LABEL: &str = "decnet.decoy";

const REPOSITORY: &str = "decnet-decoy";

/// Returns the program that was built with this crate; `None` where it was built for a system other than Linux.
pub fn embedded() -> Option<&'static [u8]> {
    let program: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/decnet-decoy"));
    (!program.is_empty()).then_some(program)
}

/// An image that holds one program, ready to be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecoyImage {
    /// The digest of the image's configuration, `sha256:` and 64 hex digits. Engines with the classic image store
    /// use it as the image's id; those with containerd's store use a digest of their own, so look for the
    /// [`reference`](Self::reference) there.
    pub id: String,
    /// `decnet-decoy:` and the first 12 hex digits of the program's digest.
    pub reference: String,
    /// A tar as `docker save` writes it, for `POST /images/load`.
    pub archive: Vec<u8>,
}

impl DecoyImage {
    /// Packs a program; the same bytes give the same image on every machine.
    pub fn pack(program: &[u8]) -> Self {
        let layer = tar(&[(PROGRAM_PATH.trim_start_matches('/'), 0o755, program)]);
        let layer_digest = digest(&layer);
        let config = bytes(&json!({
            "architecture": architecture(program),
            "config": {"Entrypoint": [PROGRAM_PATH], "Labels": {IMAGE_LABEL: "true"}},
            "created": "1970-01-01T00:00:00Z",
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": REPOSITORY}],
            "os": "linux",
            "rootfs": {"diff_ids": [format!("sha256:{layer_digest}")], "type": "layers"},
        }));
        let config_digest = digest(&config);
        let reference = format!("{REPOSITORY}:{}", &digest(program)[..12]);
        let (config_path, layer_path) = (format!("{config_digest}.json"), format!("{layer_digest}/layer.tar"));
        let manifest = bytes(&json!([{"Config": config_path, "Layers": [layer_path], "RepoTags": [reference]}]));
        let archive = tar(&[
            (&config_path, 0o644, &config),
            (&layer_path, 0o644, &layer),
            ("manifest.json", 0o644, &manifest),
        ]);
        Self {
            id: format!("sha256:{config_digest}"),
            reference,
            archive,
        }
    }
}

/// Names the program's processor as Docker does, from the header of the ELF file; else that of this build.
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

fn tar(files: &[(&str, u32, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(tar::EntryType::Regular);
        archive
            .append_data(&mut header, path, *content)
            .expect("short paths written to memory");
    }
    archive.into_inner().expect("written to memory")
}

/// Prints JSON whose keys are written in sorted order above, so that `serde_json`'s `preserve_order` changes nothing.
fn bytes(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("plain JSON prints")
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

#[cfg(test)]
mod tests;
