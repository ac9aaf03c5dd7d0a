//! PID 1 of a base: sets the state, gives up its power, holds the namespace open, and hands services their sockets.

use std::{
    io::{self, Read as _},
    os::{fd::AsFd as _, unix::net::UnixStream},
    path::Path,
    process::ExitCode,
};

use rustix::{
    process::{Resource, Rlimit, WaitOptions, setrlimit, wait},
    thread::{
        CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set,
        set_capabilities, set_no_new_privs,
    },
};
use signal_hook::consts::{SIGCHLD, SIGINT, SIGTERM};

use crate::{
    failure::Failure,
    lines::log,
    ports::Desk,
    protocol::{EXIT_DONE, NetState, PORTS_SOCKET},
    scan::Detector,
    signals::signals,
    state::{apply, sees_scans},
    state_file::StateFile,
};

/// Runs until told to stop.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    // PID 1 ignores every signal that it does not ask for, so this comes before anything that takes time.
    let stop = signals(&[SIGTERM, SIGINT])?;
    let mut ended = signals(&[SIGCHLD])?;
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
    let no_desk = |error| Failure::new("services cannot be handed their sockets", error);
    let mut desk = Desk::open(Path::new(PORTS_SOCKET)).map_err(no_desk)?;
    loop {
        let ready = desk.serve(&[stop.as_fd(), ended.as_fd()]).map_err(no_desk)?;
        if ready[0] {
            break;
        }
        if ready[1] {
            reap(&mut ended);
        }
    }
    if let Ok(scans) = scans {
        scans.close();
    }
    Ok(ExitCode::from(EXIT_DONE))
}

/// Reaps the processes that ended.
fn reap(ended: &mut UnixStream) {
    let mut bytes = [0; 64];
    while ended.read(&mut bytes).is_ok_and(|read| read > 0) {}
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
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
    // Root may write in the folder of its socket, which is on the host's disk: nothing that has a size.
    let no_bytes = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Fsize, no_bytes)?;
    Ok(())
}
