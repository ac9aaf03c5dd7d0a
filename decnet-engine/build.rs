//! Builds `decnet-decoy`, the static Linux program in the engine's image, and puts it into `OUT_DIR`, where `src/decoy.rs`
//! embeds it. For other targets than Linux, and on docs.rs, the file is empty.

use std::{
    env,
    error::Error,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The variables that the inner build keeps, in addition to those of the linkers: the path of cargo, its caches, registries and
/// network settings, and the job slots of the outer build. Other variables (flags, profiles, target folder, wrappers of
/// `rustc`) would change the program or its path.
const KEPT: [&str; 5] = [
    "CARGO_HOME",
    "CARGO_HTTP_",
    "CARGO_MAKEFLAGS",
    "CARGO_NET_",
    "CARGO_REGISTR",
];

/// Names a decoy program that was built before. Then none is built: `scripts/dist` has one program in all that it packs, and
/// links the wheel with another linker.
const BUILT: &str = "DECNET_DECOY";

fn main() -> Result<(), Box<dyn Error>> {
    let out = PathBuf::from(required("OUT_DIR")?);
    let package = Path::new(decnet_decoy::MANIFEST_DIR);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", package.join("src").display());
    println!("cargo::rerun-if-changed={}", package.join("Cargo.toml").display());
    println!("cargo::rerun-if-env-changed=DOCS_RS");
    println!("cargo::rerun-if-env-changed={BUILT}");

    let embedded = out.join("decnet-decoy");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") || env::var_os("DOCS_RS").is_some() {
        fs::write(embedded, [])?;
        return Ok(());
    }
    let program = match env::var_os(BUILT) {
        Some(built) => {
            let program = PathBuf::from(built);
            println!("cargo::rerun-if-changed={}", program.display());
            program
        }
        None => build(package, &out)?,
    };
    fs::copy(&program, embedded).map_err(|error| format!("{}: {error}", program.display()))?;
    Ok(())
}

/// Builds the program and returns its path.
fn build(package: &Path, out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    let target = env::var("TARGET")?;
    let folder = inner_target(out)?;
    // The engine needs the same dependencies, so they are downloaded already; the network would only cost time, or fail. If the
    // caller's lock file has other versions, the second attempt downloads them.
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

/// Returns the target folder of the inner build.
///
/// Cargo runs this script once for each set of features, each time with another `OUT_DIR`. The program is the same, so these runs share a
/// folder beside theirs: it takes a minute and 350 MB to fill. The inner cargo locks it.
fn inner_target(out: &Path) -> Result<PathBuf, Box<dyn Error>> {
    // `OUT_DIR` is `<profile>/build/<package>-<hash>/out`.
    let profile = out.ancestors().nth(3).unwrap_or(out);
    let version = env::var("CARGO_PKG_VERSION")?;
    Ok(profile.join(format!("decnet-decoy-{version}")))
}

/// Returns the inner cargo command, without the choice about the network.
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
    // What cargo sets for this script only. The script of `ring` watches `OUT_DIR`: with another one for each set of features, the program
    // would be compiled again each time.
    for name in ["OUT_DIR", "TARGET", "HOST", "PROFILE", "OPT_LEVEL", "DEBUG", "NUM_JOBS"] {
        cargo.env_remove(name);
    }
    cargo
        // It is usually below the caller's target folder, so that a vendored registry in the caller's configuration is
        // found.
        .current_dir(required("OUT_DIR")?)
        .args([
            "build",
            "--release",
            "--bin",
            "decnet-decoy",
            "--features",
            "services",
            "--target",
            target,
            "--manifest-path",
        ])
        .arg(package.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(folder)
        .env("CARGO_ENCODED_RUSTFLAGS", flags(package, folder))
        // Empty values also override the configuration file.
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

/// Returns the flags of the compiler. They make the program static and keep paths of this machine out of it, because
/// the image's id is a digest of the program.
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
    // For members of a workspace, cargo passes paths that start at the root of the workspace.
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
