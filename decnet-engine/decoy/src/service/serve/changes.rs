//! Adds and removes services while others are served.

use std::{
    io,
    os::unix::net,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::watch,
    task::spawn_blocking,
    time::timeout,
};

use super::{
    offers::Offers,
    shared::{Shared, ended},
};
use crate::{
    protocol::{BuiltinService, EndReason},
    service::control::{Answer, REQUEST_BYTES, Refusal, Request, fault},
};

/// The timeout for a command to send its request, and to take the answer.
const STEP: Duration = Duration::from_secs(2);

/// Handles requests, one after another.
pub(super) struct Changes {
    pub(super) offers: Arc<Mutex<Offers>>,
    pub(super) shared: Arc<Shared>,
    /// Is readable when the process must stop.
    pub(super) stop: net::UnixStream,
}

impl Changes {
    /// Handles requests until the base ends or the process stops.
    pub(super) async fn run(self, listener: UnixListener, mut end: watch::Receiver<Option<EndReason>>) {
        loop {
            let accepted = tokio::select! {
                biased;
                _ = ended(&mut end) => return,
                accepted = listener.accept() => accepted,
            };
            if let Ok((stream, _)) = accepted {
                // A command that leaves, or sends nothing, does not matter to the next one.
                let _ = self.handle(BufReader::new(stream)).await;
            } else {
                // Out of file descriptors: a retry at once would only spin.
                tokio::time::sleep(self.shared.limits.accept_pause).await;
            }
        }
    }

    async fn handle(&self, mut stream: BufReader<UnixStream>) -> io::Result<()> {
        let mut line = Vec::new();
        let most = u64::try_from(REQUEST_BYTES).unwrap_or(u64::MAX);
        timeout(STEP, (&mut stream).take(most).read_until(b'\n', &mut line)).await??;
        let answer = match serde_json::from_slice(&line) {
            Ok(Request::List) => Some(Answer::Services(self.offers().list())),
            Ok(Request::Remove(name)) => Some(self.remove(&name).await),
            Ok(Request::Add(service)) => self.add(service, stream.get_ref()).await,
            Err(error) => Some(Answer::Refused(Refusal::Malformed(error.to_string()))),
        };
        let Some(answer) = answer else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        timeout(STEP, stream.write_all(&line)).await?
    }

    /// Adds a service. Returns none if nobody waits for the answer any more; then nothing was changed.
    async fn add(&self, service: BuiltinService, asker: &UnixStream) -> Option<Answer> {
        if let Some(fault) = fault(&service) {
            return Some(Answer::Refused(Refusal::Malformed(fault)));
        }
        if let Some(refusal) = self.offers().refusal(&service) {
            return Some(Answer::Refused(refusal));
        }
        let obtained = match self.stop.try_clone() {
            Ok(stop) => {
                let (shared, ports) = (Arc::clone(&self.shared), service.listen.clone());
                let obtaining = spawn_blocking(move || shared.supplier.try_to_obtain(&ports, Some(&stop)));
                obtaining.await.unwrap_or_else(|error| Err(io::Error::other(error)))
            }
            Err(error) => Err(error),
        };
        let obtained = match obtained {
            Ok(obtained) => obtained?,
            Err(error) => return Some(Answer::Refused(Refusal::Base(error.to_string()))),
        };
        if has_left(asker) {
            return None;
        }
        let name = service.name.clone();
        let mut offers = self.offers();
        offers.insert(service);
        if let Err(error) = offers.serve(obtained, &self.shared) {
            // Its tasks have no conversations yet, so they can be dropped.
            let _ = offers.remove(&name);
            return Some(Answer::Refused(Refusal::Base(error.to_string())));
        }
        Some(Answer::Done)
    }

    async fn remove(&self, name: &str) -> Answer {
        let removed = self.offers().remove(name);
        match removed {
            Ok(running) => {
                if let Some(running) = running {
                    running.stop(EndReason::Stopped).await;
                }
                self.shared.tls.forget(name);
                Answer::Done
            }
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    fn offers(&self) -> MutexGuard<'_, Offers> {
        self.offers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a command has ended. It sends one line and nothing more.
fn has_left(asker: &UnixStream) -> bool {
    !matches!(asker.try_read(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}
