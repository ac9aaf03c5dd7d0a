//! The commands below `link`.

use std::process::ExitCode;

use super::host::Host;
use crate::{
    failure::Failure,
    lines::print_line,
    protocol::{EXIT_DONE, OwnedDevice, Vxlan},
};

/// Creates a link or changes what differs, and prints whether anything changed.
pub(crate) fn ensure(json: &str) -> Result<ExitCode, Failure> {
    let wanted = Vxlan::parse(json).map_err(|error| Failure::usage("the link cannot be read", error))?;
    let done = Host::open().and_then(|mut host| host.ensure(&wanted));
    print_line(&done.map_err(|error| error.failure("the link cannot be set"))?);
    Ok(ExitCode::from(EXIT_DONE))
}

/// Removes a link, and prints whether there was one.
pub(crate) fn remove(json: &str) -> Result<ExitCode, Failure> {
    let named = OwnedDevice::parse(json).map_err(|error| Failure::usage("the link cannot be read", error))?;
    let done = Host::open().and_then(|mut host| host.remove(&named));
    print_line(&done.map_err(|error| error.failure("the link cannot be removed"))?);
    Ok(ExitCode::from(EXIT_DONE))
}

/// Prints all links of this host.
pub(crate) fn list() -> Result<ExitCode, Failure> {
    let links = Host::open().and_then(|mut host| host.list());
    print_line(&links.map_err(|error| error.failure("the links cannot be read"))?);
    Ok(ExitCode::from(EXIT_DONE))
}
