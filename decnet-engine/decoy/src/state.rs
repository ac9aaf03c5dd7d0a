//! Brings the namespace to a state, and the commands `state set`, `state check` and `state show`.

use std::{fmt, io, process::ExitCode};

use rustix::io::Errno;

use crate::{
    change::{changes, deviations},
    containment,
    namespace::{Namespace, has_table, replace_table},
    program::{Failure, print_line},
    protocol::{Deviation, EXIT_DEVIATES, EXIT_DONE, EXIT_UNCONTAINED, NetState, StateReport},
    state_file::StateFile,
};

/// One round does all; a second one removes what hid behind a replaced route.
const ROUNDS: usize = 3;

/// Why a state could not be applied at all.
#[derive(Debug)]
pub(crate) enum NotApplied {
    /// Nothing can be read or changed.
    Namespace(io::Error),
    /// There is a way out, and no containment.
    Uncontained(io::Error),
}

impl fmt::Display for NotApplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(error) => write!(f, "{error}"),
            Self::Uncontained(error) => {
                write!(
                    f,
                    "no nf_tables, so what has a default route cannot be contained: {error}"
                )
            }
        }
    }
}

impl std::error::Error for NotApplied {}

impl From<io::Error> for NotApplied {
    fn from(error: io::Error) -> Self {
        Self::Namespace(error)
    }
}

impl NotApplied {
    /// Says it with the code that tells the two apart.
    pub(crate) fn failure(self, context: &'static str) -> Failure {
        let uncontained = matches!(self, Self::Uncontained(_));
        let failure = Failure::new(context, self);
        if uncontained {
            failure.with_code(EXIT_UNCONTAINED)
        } else {
            failure
        }
    }
}

fn is_forbidden(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::PERM.raw_os_error())
}

/// Brings this process's namespace to `state` as far as the kernel lets it, containment before all else.
///
/// A change that the kernel refuses (a neighbour that is out of reach because a network is gone, say) is reported and
/// the rest still made. It is an error only when nothing can be read or changed at all, or when what has a way out cannot be
/// contained.
pub(crate) fn apply(state: &NetState) -> Result<StateReport, NotApplied> {
    let uncontained = match contain(state) {
        Ok(()) => None,
        Err(error) if state.has_way_out() && !is_forbidden(&error) => return Err(NotApplied::Uncontained(error)),
        Err(error) if is_forbidden(&error) => return Err(error.into()),
        Err(error) => Some(format!("contain: {error}")),
    };
    let mut namespace = Namespace::open()?;
    let mut refused = Vec::new();
    for _ in 0..ROUNDS {
        let changes = changes(state, &namespace.observe()?);
        refused.clear();
        for change in &changes {
            match namespace.make(change) {
                Ok(()) => {}
                Err(error) if is_forbidden(&error) => return Err(error.into()),
                Err(error) => refused.push(format!("{change}: {error}")),
            }
        }
        if refused.len() == changes.len() {
            break;
        }
    }
    refused.extend(uncontained);
    Ok(StateReport {
        deviations: all_deviations(state, &mut namespace)?,
        refused,
    })
}

/// Puts the containment in place, unless it is.
fn contain(state: &NetState) -> io::Result<()> {
    let table = containment::table(state);
    if has_table(&table)? {
        return Ok(());
    }
    replace_table(&table)
}

/// Lists where the namespace that this thread is in is not what a state declares, and changes nothing; takes `NET_ADMIN` there.
///
/// It is what `state check` finds, for a thread that came in from outside.
pub fn deviations_here(state: &NetState) -> io::Result<Vec<Deviation>> {
    all_deviations(state, &mut Namespace::open()?)
}

fn all_deviations(state: &NetState, namespace: &mut Namespace) -> io::Result<Vec<Deviation>> {
    let mut deviations = deviations(state, &namespace.observe()?);
    match has_table(&containment::table(state)) {
        Ok(true) => {}
        Err(error) if is_forbidden(&error) => return Err(error),
        Ok(false) | Err(_) => deviations.push(Deviation::Uncontained),
    }
    Ok(deviations)
}

/// Applies a state and keeps it; on failure the state of before is put back and stays kept.
pub(crate) fn set(json: &str) -> Result<ExitCode, Failure> {
    let state = NetState::parse(json).map_err(|error| Failure::usage("the state cannot be read", error))?;
    let file = StateFile::of_base().map_err(|error| Failure::new("the state file cannot be locked", error))?;
    let report = apply(&state).and_then(|report| Ok(file.write(&state).map(|()| report)?));
    match report {
        Ok(report) => Ok(told(&report)),
        Err(error) => {
            let put_back = match file.read() {
                Ok(Some(old)) => apply(&old).is_ok(),
                Ok(None) => true,
                Err(_) => false,
            };
            let context = if put_back {
                "the state cannot be set; the one of before stands"
            } else {
                "the state cannot be set, nor the one of before put back"
            };
            Err(error.failure(context))
        }
    }
}

/// Compares the namespace with the kept state and changes nothing.
pub(crate) fn check() -> Result<ExitCode, Failure> {
    let state = kept()?;
    let deviations = Namespace::open()
        .and_then(|mut namespace| all_deviations(&state, &mut namespace))
        .map_err(|error| Failure::new("the namespace cannot be read", error))?;
    Ok(told(&StateReport {
        deviations,
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
