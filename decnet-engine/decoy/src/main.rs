//! The program inside every decky; see the library of this package.

/// Runs the command in the arguments.
#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    decnet_decoy::program::run(std::env::args().skip(1))
}

/// Reports that deckies run only on Linux.
#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("decnet-decoy runs in Linux containers only");
    std::process::ExitCode::from(2)
}
