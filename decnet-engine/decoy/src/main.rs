//! The program inside every decky; see the library of this package.

/// Runs the command that the arguments name.
#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    decnet_decoy::program::run(std::env::args().skip(1))
}

/// Says that there is nothing to run: deckies live on Linux.
#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("decnet-decoy runs in Linux containers only");
    std::process::ExitCode::from(2)
}
