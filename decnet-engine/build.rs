//! Builds `decnet-decoy`, the static Linux program that the engine packs into an image, and leaves it in `OUT_DIR` for
//! `src/decoy.rs` to embed. Where the target is not Linux, and on docs.rs, it leaves an empty file.

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// What of cargo's environment the inner build keeps, beside the linkers: where cargo is, its caches, registries and
/// network settings, and the outer build's job slots. The rest (flags, profiles, target folder, what clippy and caches
/// wrap `rustc` in) would change the program or put it elsewhere.
const KEPT: [&str; 5] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTR",
];

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(required("OUT_DIR")?);
    let package = Path::new(decnet_decoy::MANIFEST_DIR);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", package.join("src").display());
    println!("cargo::rerun-if-changed={}", package.join("Cargo.toml").display());
    println!("cargo::rerun-if-env-changed=DOCS_RS");

    let embedded = out.join("decnet-decoy");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") || env::var_os("DOCS_RS").is_some() {
        fs::write(embedded, [])?;
        return Ok(());
    }
    fs::copy(build(package, &out)?, embedded)?;
    Ok(())
}

/// Builds the program and says where it is.
fn build(package: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let folder = out.join("decoy");
    // What the program needs, the engine needed too, so it is there already; asking the network would only cost time, and
    // fail where there is none. Should the caller's lock file have chosen other versions, the second try fetches.
    let offline = inner(package, &folder, &target)?
        .args(["--locked", "--offline"])
        .output()?;
    if !offline.status.success() {
        let online = inner(package, &folder, &target)?.output()?;
        if !online.status.success() {
            let said = String::from_utf8_lossy(&online.stderr);
            return Err(format!("decnet-decoy does not build for {target}:\n{said}").into());
        }
    }
    Ok(folder.join(target).join("release/decnet-decoy"))
}

/// The inner cargo, up to whether it may use the network.
fn inner(package: &Path, folder: &Path, target: &str) -> Result<Command, Box<dyn Error>> {
    let mut cargo = Command::new(required("CARGO")?);
    for (name, _) in env::vars_os() {
        let name = name.to_string_lossy();
        let is_kept = name.ends_with("_LINKER") || KEPT.iter().any(|kept| name.starts_with(kept));
        let is_cargos = name.starts_with("CARGO_") && !is_kept;
        let is_flags = name.ends_with("RUSTFLAGS");
        if is_cargos || is_flags {
            cargo.env_remove(&*name);
        }
    }
    cargo
        // Below the caller's target folder, mostly, so that a vendored registry in the caller's configuration is found.
        .current_dir(required("OUT_DIR")?)
        .args([
            "build",
            "--release",
            "--bin",
            "decnet-decoy",
            "--target",
            target,
            "--manifest-path",
        ])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(package, folder))
        // Empty ones also overrule the configuration file's.
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env("CARGO_INCREMENTAL", "0")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "s")
        .env("CARGO_PROFILE_RELEASE_PANIC", "abort")
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false");
    Ok(cargo)
}

/// Static, and without the paths of this machine: the image's id is a digest of the program.
fn flags(package: &Path, folder: &Path) -> OsString {
    let mut flags = OsString::from("-Ctarget-feature=+crt-static");
    let mut remap = |from: &Path, to: &str| {
        flags.push("\u{1f}--remap-path-prefix=");
        flags.push(from);
        flags.push("=");
        flags.push(to);
    };
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
    if let Some(home) = home {
        remap(&home, "/cargo");
    }
    remap(package, "/decoy");
    // Cargo calls the compiler for members of a workspace with paths that begin at the workspace's root.
    for ancestor in package
        .ancestors()
        .skip(1)
        .take(2)
        .filter(|ancestor| ancestor.join("Cargo.toml").is_file())
    {
        remap(ancestor, "/decnet");
    }
    remap(folder, "/target");
    flags
}

fn required(name: &str) -> Result<OsString, Box<dyn Error>> {
    env::var_os(name).ok_or_else(|| format!("cargo did not set {name}").into())
}
