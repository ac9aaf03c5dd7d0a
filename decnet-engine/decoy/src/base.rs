//! PID 1 of a base: sets the state, gives up its power, and holds the namespace open.

use std::{io, process::ExitCode, time::Instant};

use rustix::{
    process::{WaitOptions, wait},
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_no_new_privs,
    },
};
use signal_hook::{
    consts::{SIGCHLD, SIGINT, SIGTERM},
    iterator::Signals,
};

use crate::{
    program::{Failure, log},
    protocol::{EXIT_DONE, NetState},
    scan::{Detector, lock},
    state::{apply, sees_scans},
    state_file::StateFile,
};

/// Runs until told to stop.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    // PID 1 ignores every signal that it does not ask for, so this comes before anything that takes time.
    let mut signals =
        Signals::new([SIGTERM, SIGINT, SIGCHLD]).map_err(|error| Failure::new("signals cannot be caught", error))?;
    let state = StateFile::of_base().read_or_first().map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidInput {
            Failure::usage("there is no first state", error)
        } else {
            Failure::new("the kept state cannot be read", error)
        }
    })?;
    let report = apply(&state).map_err(|error| error.failure("the state cannot be applied"))?;
    if !report.deviations.is_empty() {
        // A network that was disconnected by hand is no reason to take the decky's other networks down as well.
        log("warn", "the namespace is not as declared", &serde_json::json!(report));
    }
    let detector = detect_scans(&state);
    drop_privileges().map_err(|error| Failure::new("the capabilities cannot be dropped", error))?;
    let scans = detector.and_then(Detector::run_in_background);
    if let Err(error) = &scans {
        log("warn", "scans are not seen", &serde_json::json!(error.to_string()));
    }
    for signal in &mut signals {
        if signal != SIGCHLD {
            break;
        }
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
    }
    if let Ok(journal) = scans {
        lock(&journal).close(Instant::now());
    }
    Ok(ExitCode::from(EXIT_DONE))
}

/// Joins those to whom the kernel copies what scans send.
fn detect_scans(state: &NetState) -> io::Result<Detector> {
    if !sees_scans(state)? {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel cannot copy packets: it needs NFT_LOG and NETFILTER_NETLINK_LOG",
        ));
    }
    Detector::open()
}

/// Gives up every capability for good.
///
/// `no_new_privs` comes first and is what makes it final: with `NET_ADMIN` alone the bounding set cannot be emptied (that
/// takes `SETPCAP`), and without it a program run as root would get the bounding set back.
fn drop_privileges() -> io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    for capability in CapabilitySet::all().iter() {
        // Refused without SETPCAP, and for numbers that this kernel does not know.
        let _ = remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySet::empty();
    set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )?;
    Ok(())
}
