//! The sockets of the services.

mod changes;
mod connection;
mod connections;
mod conversation;
mod datagram_socket;
mod datagrams;
mod offers;
mod shared;
mod stream;

use std::{
    io::{self, Write},
    os::unix::net,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use tokio::{
    net::{UnixListener, UnixStream},
    runtime,
    sync::watch,
    task::JoinSet,
    time::interval,
};

use self::{changes::Changes, offers::Offers, shared::Shared};
use super::{limits::Limits, secret::Secret};
use crate::{
    failure::Failure,
    journal::Journal,
    lines::log,
    ports::{Obtained, Supplier, read_interfaces},
    protocol::{EXIT_DONE, EXIT_FAILED, EndReason, ServiceState},
};

/// Serves the services of one decky.
pub(super) struct Server {
    shared: Arc<Shared>,
    offers: Arc<Mutex<Offers>>,
    /// The socket for requests to add and remove services.
    control: Option<net::UnixListener>,
    runtime: runtime::Runtime,
}

impl Server {
    pub(super) fn new(
        state: &ServiceState,
        supplier: Supplier,
        limits: Limits,
        log: Box<dyn Write + Send>,
    ) -> Result<Self, Failure> {
        let secret = secret(&state.secret).ok_or_else(|| Failure::usage("the secret is not 64 hex digits", ""))?;
        let offers = Offers::new(state, secret)?;
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::new("the runtime cannot be started", error))?;
        let journal = Journal::new(state.decky.clone(), log);
        Ok(Self {
            offers: Arc::new(Mutex::new(offers)),
            shared: Arc::new(Shared::new(supplier, limits, journal, state.passwords)),
            control: None,
            runtime,
        })
    }

    /// Handles requests to add and remove services on this socket.
    pub(super) fn controlled_by(&mut self, control: net::UnixListener) {
        self.control = Some(control);
    }

    /// Serves until `stop` is readable, with the sockets of one base after another. Returns the exit code.
    pub(super) fn run(&mut self, stop: &net::UnixStream) -> Result<u8, Failure> {
        let code = self.serve_bases(stop);
        self.shared.journal().finish(Instant::now());
        code
    }

    /// Serves sockets of a test until `stop` is readable or `base` ends.
    #[cfg(test)]
    pub(super) fn run_on(&mut self, obtained: Obtained, stop: &net::UnixStream) -> EndReason {
        let reason = self.runtime.block_on(self.serve(obtained, stop));
        self.shared.journal().finish(Instant::now());
        reason.expect("sockets that can be watched")
    }

    fn serve_bases(&mut self, stop: &net::UnixStream) -> Result<u8, Failure> {
        loop {
            let mut logged = String::new();
            let shared = &self.shared;
            let listen = self.offers.lock().unwrap_or_else(PoisonError::into_inner).listen();
            let obtained = shared.supplier.obtain(&listen, stop, |error| {
                shared.journal().tick(Instant::now());
                let cause = error.to_string();
                if cause != logged {
                    shared.complain("the base provides no sockets", &cause);
                }
                logged = cause;
            });
            let Some(obtained) = obtained else {
                return Ok(EXIT_DONE);
            };
            let served = self.runtime.block_on(self.serve(obtained, stop));
            match served {
                Ok(EndReason::Stopped) => return Ok(EXIT_DONE),
                // The base ended. Its sockets are useless.
                Ok(_) => {}
                Err(error) => {
                    log(
                        "error",
                        "waiting for contacts failed",
                        &serde_json::json!(error.to_string()),
                    );
                    return Ok(EXIT_FAILED);
                }
            }
        }
    }

    /// Serves the sockets of a base until the base ends or `stop` is readable, and returns which of these happened.
    async fn serve(&self, obtained: Obtained, stop: &net::UnixStream) -> io::Result<EndReason> {
        let base = watched(obtained.base.try_clone()?.into())?;
        let offers = || self.offers.lock().unwrap_or_else(PoisonError::into_inner);
        offers().serve(obtained, &self.shared)?;
        let end = watch::Sender::new(None);
        let mut changing = JoinSet::new();
        if let Some(control) = &self.control {
            let changes = Changes {
                offers: Arc::clone(&self.offers),
                shared: Arc::clone(&self.shared),
                stop: stop.try_clone()?,
            };
            let control = UnixListener::from_std(control.try_clone()?)?;
            changing.spawn(changes.run(control, end.subscribe()));
        }
        let stop = watched(stop.try_clone()?)?;
        let mut tick = interval(self.shared.limits.tick);
        let reason = loop {
            tokio::select! {
                biased;
                _ = stop.readable() => break EndReason::Stopped,
                _ = base.readable() => match read_interfaces(|buffer| base.try_read(buffer)) {
                    Ok(Some(interfaces)) => drop(self.shared.interfaces.send_replace(interfaces)),
                    Ok(None) => {}
                    // The base ended.
                    Err(_) => break EndReason::Broken,
                },
                _ = tick.tick() => self.shared.journal().tick(Instant::now()),
            }
        };
        // A request that is handled now is handled to its end.
        end.send_replace(Some(reason));
        while changing.join_next().await.is_some() {}
        let running = offers().take_running();
        for running in &running {
            running.end(reason);
        }
        for running in running {
            running.stop(reason).await;
        }
        Ok(reason)
    }
}

/// Returns a socket whose end or input can be waited for.
fn watched(socket: net::UnixStream) -> io::Result<UnixStream> {
    socket.set_nonblocking(true)?;
    UnixStream::from_std(socket)
}

/// Reads 64 hex digits.
fn secret(hex: &str) -> Option<Secret> {
    let mut bytes = [0; 32];
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()?;
    }
    Some(Secret::new(bytes))
}
