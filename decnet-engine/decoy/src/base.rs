//! PID 1 of a base: sets the state, drops its capabilities, keeps the namespace open, and passes sockets to services.

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
    namespace::{Namespace, changes_of_interfaces},
    ports::SocketServer,
    protocol::{EXIT_DONE, NetState, PORTS_SOCKET},
    scan::Detector,
    signals::signals,
    state::{apply, sees_scans},
    state_file::StateFile,
};

/// Runs until a stop signal.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    // PID 1 ignores every signal without a handler, so this comes before anything slow.
    let stop = signals(&[SIGTERM, SIGINT])?;
    let mut ended = signals(&[SIGCHLD])?;
    let state = StateFile::of_base().read_or_first().map_err(|error| {
        if error.kind() == io::ErrorKind::InvalidInput {
            Failure::usage("the first state is missing", error)
        } else {
            Failure::new("the kept state cannot be read", error)
        }
    })?;
    let report = apply(&state).map_err(|error| error.failure("the state cannot be applied"))?;
    if !report.deviations.is_empty() {
        // If a network was disconnected manually, the decky's other networks must stay up.
        log("warn", "the namespace is not as declared", &serde_json::json!(report));
    }
    let detector = detect_scans(&state);
    drop_privileges().map_err(|error| Failure::new("the capabilities cannot be dropped", error))?;
    let scans = detector.and_then(Detector::run_in_background);
    if let Err(error) = &scans {
        log("warn", "scans are not seen", &serde_json::json!(error.to_string()));
    }
    let no_server = |error| Failure::new("the sockets of services cannot be provided", error);
    let mut server = SocketServer::open(Path::new(PORTS_SOCKET)).map_err(no_server)?;
    let mut changes = changes_of_interfaces().map_err(no_server)?;
    publish_interfaces(&mut server);
    loop {
        let others = [stop.as_fd(), ended.as_fd(), changes.as_fd()];
        let ready = server.serve(&others).map_err(no_server)?;
        if ready[0] {
            break;
        }
        if ready[1] {
            reap(&mut ended);
        }
        if ready[2] {
            changes.discard();
            publish_interfaces(&mut server);
        }
    }
    if let Ok(scans) = scans {
        scans.close();
    }
    Ok(ExitCode::from(EXIT_DONE))
}

/// Reports the interfaces to the services.
fn publish_interfaces(server: &mut SocketServer) {
    match Namespace::open().and_then(|mut namespace| namespace.interfaces()) {
        Ok(interfaces) => server.publish(interfaces),
        Err(error) => log(
            "warn",
            "the interfaces cannot be read",
            &serde_json::json!(error.to_string()),
        ),
    }
}

/// Reaps ended processes.
fn reap(ended: &mut UnixStream) {
    let mut bytes = [0; 64];
    while ended.read(&mut bytes).is_ok_and(|read| read > 0) {}
    while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
}

/// Joins the group to which the kernel copies scan packets.
fn detect_scans(state: &NetState) -> io::Result<Detector> {
    if !sees_scans(state)? {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kernel cannot copy packets: it needs NFT_LOG and NETFILTER_NETLINK_LOG",
        ));
    }
    Detector::open(state)
}

/// Drops every capability permanently.
///
/// `no_new_privs` comes first and makes it permanent: with only `NET_ADMIN` the bounding set cannot be emptied (this requires
/// `SETPCAP`), and without `no_new_privs` a program run as root would regain the bounding set.
fn drop_privileges() -> io::Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    for capability in CapabilitySet::all().iter() {
        // Fails without SETPCAP, and for numbers that this kernel does not know.
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
    // Root may write to the folder of its socket, which is on the host's disk. With this limit, files stay empty.
    let no_bytes = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Fsize, no_bytes)?;
    Ok(())
}
