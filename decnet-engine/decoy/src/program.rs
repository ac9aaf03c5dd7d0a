//! The command line of `decnet-decoy`.

use std::process::ExitCode;

#[cfg(feature = "services")]
use crate::service;
use crate::{base, failure::Failure, lines::log, link, probe, state};

const USAGE: &str = "decnet-decoy base | state set JSON | state keep JSON | state restore | state check [JSON] | state show | service | service add JSON | service remove NAME | service list | link ensure JSON | link remove JSON | link list | probe JSON";

/// Runs the command in `arguments` (without the name of the program) and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let arguments: Vec<String> = arguments.into_iter().collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["base"] => base::run(),
        ["state", "set", json] => state::set(json),
        ["state", "keep", json] => state::keep(json),
        ["state", "restore"] => state::restore(),
        ["state", "check"] => state::check(),
        ["state", "check", json] => state::check_against(json),
        ["state", "show"] => state::show(),
        #[cfg(feature = "services")]
        ["service"] => service::run(),
        #[cfg(feature = "services")]
        ["service", "add", json] => service::add(json),
        #[cfg(feature = "services")]
        ["service", "remove", name] => service::remove(name),
        #[cfg(feature = "services")]
        ["service", "list"] => service::list(),
        ["link", "ensure", json] => link::ensure(json),
        ["link", "remove", json] => link::remove(json),
        ["link", "list"] => link::list(),
        ["probe", json] => probe::run(json),
        _ => Err(Failure::usage("unknown command", USAGE)),
    };
    done.unwrap_or_else(|failure| {
        log("error", failure.context, &serde_json::json!(failure.cause));
        ExitCode::from(failure.code)
    })
}
