//! Applies a state to the namespace; the commands below `state`.

use std::{fmt, fs, io, process::ExitCode, thread, time::Duration};

use rustix::{io::Errno, process::getpid};

use crate::{
    change::{changes, deviations},
    containment::{self, Variant},
    failure::Failure,
    lines::print_line,
    namespace::{Namespace, has_table, replace_table},
    protocol::{Deviation, EXIT_DEVIATES, EXIT_DONE, EXIT_UNCONTAINED, NetState, StateReport},
    state_file::StateFile,
};

/// Why visitors see the ports on which programs listen.
const NOT_REDIRECTED: &str = "redirect ports: this kernel cannot (it needs nft_nat, nft_reject_inet and Linux 5.2), so visitors see the ports inside the containers";

/// Usually one round is enough; a second one removes routes that a replaced route had hidden.
const ROUNDS: usize = 3;

/// How often, and with which pauses, a starting base is checked: five seconds in total.
const STARTING_CHECKS: usize = 1000;
const STARTING_PAUSE: Duration = Duration::from_millis(5);

/// The reason why a state was not applied at all.
#[derive(Debug)]
pub(crate) enum NotApplied {
    /// The namespace cannot be read or changed.
    Namespace(io::Error),
    /// There is a default route and no containment.
    Uncontained(io::Error),
}

impl fmt::Display for NotApplied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(error) => write!(f, "{error}"),
            Self::Uncontained(error) => {
                write!(
                    f,
                    "no nf_tables, so a namespace with a default route cannot be contained: {error}"
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
    /// Converts it to a failure with the exit code for its reason.
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

/// Applies a state to the namespace of this process, starting with the containment.
///
/// A change that the kernel refuses is reported, and the rest is still applied; for instance, a neighbour is unreachable
/// because its network is missing. It is an error if nothing can be read or changed, or if a namespace with a default route
/// cannot be contained.
pub(crate) fn apply(state: &NetState) -> Result<StateReport, NotApplied> {
    let lacking = match contain(state) {
        Ok(redirects) => (!redirects).then(|| NOT_REDIRECTED.into()),
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
    refused.extend(lacking);
    Ok(StateReport {
        deviations: all_deviations(state, &mut namespace)?,
        refused,
    })
}

/// Applies the containment unless it is in place.
///
/// Returns whether it redirects the ports of the state.
fn contain(state: &NetState) -> io::Result<bool> {
    let variants = containment::variants(state);
    // A table that does not redirect is replaced if the kernel can do more now, for instance because a module was loaded.
    if current(&variants)?.is_some_and(|variant| variant.redirects) {
        return Ok(true);
    }
    let mut refused = io::Error::from(io::ErrorKind::Unsupported);
    for variant in &variants {
        match replace_table(&variant.table) {
            Ok(()) => return Ok(variant.redirects),
            // Some kernels cannot copy packets, mark connections or redirect ports.
            Err(error) if is_unsupported(&error) => refused = error,
            Err(error) => return Err(error),
        }
    }
    Err(refused)
}

/// Returns whether the kernel lacks a feature of the table, for instance because of a missing module.
fn is_unsupported(error: &io::Error) -> bool {
    let unsupported = [Errno::NOENT, Errno::OPNOTSUPP].map(Errno::raw_os_error);
    error.raw_os_error().is_some_and(|errno| unsupported.contains(&errno))
}

/// Finds the table that the kernel has.
fn current(variants: &[Variant]) -> io::Result<Option<&Variant>> {
    for variant in variants {
        if has_table(&variant.table)? {
            return Ok(Some(variant));
        }
    }
    Ok(None)
}

/// Returns whether the kernel copies scan packets to the base.
pub(crate) fn sees_scans(state: &NetState) -> io::Result<bool> {
    let variants = containment::variants(state);
    Ok(current(&variants)?.is_some_and(|variant| variant.watches))
}

/// Returns the differences between the namespace of this thread and a state. Changes nothing. Requires `NET_ADMIN` in that
/// namespace.
///
/// It is the result of `state check`, for a thread that entered from outside.
pub fn deviations_here(state: &NetState) -> io::Result<Vec<Deviation>> {
    all_deviations(state, &mut Namespace::open()?)
}

fn all_deviations(state: &NetState, namespace: &mut Namespace) -> io::Result<Vec<Deviation>> {
    let mut deviations = deviations(state, &namespace.observe()?);
    match current(&containment::variants(state)) {
        Ok(Some(variant)) if variant.redirects => {}
        Ok(Some(_)) => deviations.push(Deviation::NotRedirected),
        Err(error) if is_forbidden(&error) => return Err(error),
        Ok(None) | Err(_) => deviations.push(Deviation::Uncontained),
    }
    Ok(deviations)
}

/// Applies a state, which `state keep` then keeps. If this fails, the kept state is restored.
pub(crate) fn set(json: &str) -> Result<ExitCode, Failure> {
    let state = parse(json)?;
    await_start()?;
    match apply(&state) {
        Ok(report) => Ok(print_report(&report)),
        Err(error) => {
            let kept = StateFile::of_base().read_or_first();
            Err(error.failure(if kept.is_ok_and(|kept| apply(&kept).is_ok()) {
                "the state cannot be set; the previous state is unchanged"
            } else {
                "the state cannot be set, and the previous state cannot be restored"
            }))
        }
    }
}

/// Keeps a state across restarts. Only the keeper of the base's files can do this.
pub(crate) fn keep(json: &str) -> Result<ExitCode, Failure> {
    let kept = StateFile::of_base().write(&parse(json)?);
    kept.map_err(|error| Failure::new("the state cannot be kept", error))?;
    Ok(ExitCode::from(EXIT_DONE))
}

/// Applies the kept state again, replacing one that was set and not kept.
pub(crate) fn restore() -> Result<ExitCode, Failure> {
    let kept = kept()?;
    await_start()?;
    let report = apply(&kept).map_err(|error| error.failure("the previous state cannot be restored"))?;
    Ok(print_report(&report))
}

/// Waits until the base has set its state and dropped its capabilities. Otherwise it could set the previous state after ours.
fn await_start() -> Result<(), Failure> {
    if getpid().is_init() {
        return Ok(());
    }
    for _ in 0..STARTING_CHECKS {
        let Ok(status) = fs::read_to_string("/proc/1/status") else {
            return Ok(());
        };
        let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
        if capabilities.is_none_or(|set| set.trim().bytes().all(|digit| digit == b'0')) {
            return Ok(());
        }
        thread::sleep(STARTING_PAUSE);
    }
    Err(Failure::new(
        "the state cannot be set; the previous state is unchanged",
        "the base is still starting",
    ))
}

fn parse(json: &str) -> Result<NetState, Failure> {
    NetState::parse(json).map_err(|error| Failure::usage("the state cannot be read", error))
}

/// Compares the namespace with the kept state. Changes nothing.
pub(crate) fn check() -> Result<ExitCode, Failure> {
    let state = kept()?;
    let deviations = Namespace::open()
        .and_then(|mut namespace| all_deviations(&state, &mut namespace))
        .map_err(|error| Failure::new("the namespace cannot be read", error))?;
    Ok(print_report(&StateReport {
        deviations,
        refused: Vec::new(),
    }))
}

/// Compares the namespace and the kept state with a given state. Changes nothing.
pub(crate) fn check_against(json: &str) -> Result<ExitCode, Failure> {
    if kept()? == parse(json)? {
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
    let kept = StateFile::of_base().read_or_first();
    kept.map_err(|error| Failure::new("no state is kept", error))
}

fn print_report(report: &StateReport) -> ExitCode {
    print_line(report);
    ExitCode::from(if report.deviations.is_empty() {
        EXIT_DONE
    } else {
        EXIT_DEVIATES
    })
}
