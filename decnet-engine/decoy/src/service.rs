//! The built-in services: they answer like the servers that they imitate, and log what visitors do.
//!
//! [`serve`], [`limits`] and [`tls`] do all input and output. A protocol is a [`dialogue`], which has no socket and no clock, and
//! [`registry`] has the protocols by name. The exception is [`ssh`], whose library wants a stream.

mod certificate;
mod conpot;
mod context;
mod control;
mod crowd;
mod dialogue;
mod dns;
mod docker_api;
mod elasticsearch;
mod event;
mod ftp;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod http;
mod https;
mod imap;
mod k8s;
mod ldap;
mod limits;
mod linux;
mod llmnr;
mod mongodb;
mod mqtt;
mod mssql;
mod mysql;
mod persona;
mod plain;
mod pop3;
mod postgres;
mod rdp;
mod redis;
mod registry;
#[cfg(test)]
mod scanners;
mod secret;
mod serve;
mod sip;
mod smb;
mod smtp;
mod smtp_relay;
mod snmp;
mod ssh;
mod stream;
mod telnet;
#[cfg(test)]
mod testing;
mod tftp;
mod tls;
mod vnc;
mod wire;

pub(crate) use self::control::{add, list, remove};

use std::{env, io, process::ExitCode};

use signal_hook::consts::{SIGINT, SIGTERM};

use self::{limits::Limits, serve::Server};
use crate::{
    failure::Failure,
    lines::log,
    ports::Supplier,
    protocol::{PORTS_SOCKET, SERVICE_VARIABLE, ServiceState},
    signals::signals,
};

/// Runs until a stop signal.
pub(crate) fn run() -> Result<ExitCode, Failure> {
    let stop = signals(&[SIGTERM, SIGINT])?;
    let json = env::var(SERVICE_VARIABLE).map_err(|error| Failure::usage("no state in SERVICE_STATE", error))?;
    let state: ServiceState =
        serde_json::from_str(&json).map_err(|error| Failure::usage("SERVICE_STATE cannot be read", error))?;
    let supplier = Supplier::new(PORTS_SOCKET.into());
    let mut server = Server::new(&state, supplier, Limits::default(), Box::new(io::stdout()))?;
    match control::listen(&control::address()?) {
        Ok(control) => server.controlled_by(control),
        // The services answer anyway.
        Err(error) => log(
            "warn",
            "the services cannot be changed",
            &serde_json::json!(error.to_string()),
        ),
    }
    let code = server.run(&stop)?;
    Ok(ExitCode::from(code))
}

#[cfg(test)]
mod tests;
