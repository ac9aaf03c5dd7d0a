//! Brings the namespace to a state, and the commands `state set`, `state check` and `state show`.

use std::{io, process::ExitCode};

use rustix::io::Errno;

use crate::{
    change::{changes, deviations},
    namespace::Namespace,
    program::{Failure, print_line},
    protocol::{EXIT_DEVIATES, EXIT_DONE, NetState, StateReport},
    state_file::StateFile,
};

/// One round does all; a second one removes what hid behind a replaced route.
const ROUNDS: usize = 3;

/// Brings this process's namespace to `state` as far as the kernel lets it.
///
/// A change that the kernel refuses (a neighbour that is out of reach because a network is gone, say) is reported and
/// the rest still made. It is an error only when nothing can be read or changed at all.
pub(crate) fn apply(state: &NetState) -> io::Result<StateReport> {
    let mut namespace = Namespace::open()?;
    let mut refused = Vec::new();
    for _ in 0..ROUNDS {
        let changes = changes(state, &namespace.observe()?);
        refused.clear();
        for change in &changes {
            match namespace.make(change) {
                Ok(()) => {}
                Err(error) if error.raw_os_error() == Some(Errno::PERM.raw_os_error()) => return Err(error),
                Err(error) => refused.push(format!("{change}: {error}")),
            }
        }
        if refused.len() == changes.len() {
            break;
        }
    }
    Ok(StateReport {
        deviations: deviations(state, &namespace.observe()?),
        refused,
    })
}

/// Applies a state and keeps it; on failure the state of before is put back and stays kept.
pub(crate) fn set(json: &str) -> Result<ExitCode, Failure> {
    let state = NetState::parse(json).map_err(|error| Failure::usage("the state cannot be read", error))?;
    let file = StateFile::of_base().map_err(|error| Failure::new("the state file cannot be locked", error))?;
    let report = apply(&state).and_then(|report| file.write(&state).map(|()| report));
    match report {
        Ok(report) => Ok(told(&report)),
        Err(error) => {
            let put_back = file
                .read()
                .and_then(|old| old.map_or(Ok(()), |old| apply(&old).map(|_| ())));
            let context = if put_back.is_ok() {
                "the state cannot be set; the one of before stands"
            } else {
                "the state cannot be set, nor the one of before put back"
            };
            Err(Failure::new(context, error))
        }
    }
}

/// Compares the namespace with the kept state and changes nothing.
pub(crate) fn check() -> Result<ExitCode, Failure> {
    let state = kept()?;
    let observed = Namespace::open()
        .and_then(|mut namespace| namespace.observe())
        .map_err(|error| Failure::new("the namespace cannot be read", error))?;
    Ok(told(&StateReport {
        deviations: deviations(&state, &observed),
        refused: Vec::new(),
    }))
}

/// Compares the namespace, and the kept state, with one that is given, and changes nothing.
pub(crate) fn check_against(json: &str) -> Result<ExitCode, Failure> {
    let state = NetState::parse(json).map_err(|error| Failure::usage("the state cannot be read", error))?;
    if kept()? == state {
        return check();
    }
    print_line(&StateReport {
        deviations: Vec::new(),
        refused: vec!["another state is kept".into()],
    });
    Ok(ExitCode::from(EXIT_DEVIATES))
}

/// Prints the kept state.
pub(crate) fn show() -> Result<ExitCode, Failure> {
    print_line(&kept()?);
    Ok(ExitCode::from(EXIT_DONE))
}

fn kept() -> Result<NetState, Failure> {
    StateFile::of_base()
        .and_then(|file| file.read())
        .and_then(|state| state.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound)))
        .map_err(|error| Failure::new("no state is kept", error))
}

fn told(report: &StateReport) -> ExitCode {
    print_line(report);
    ExitCode::from(if report.deviations.is_empty() {
        EXIT_DONE
    } else {
        EXIT_DEVIATES
    })
}
