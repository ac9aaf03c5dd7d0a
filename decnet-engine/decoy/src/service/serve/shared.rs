//! What all conversations share.

use std::{
    net::{Ipv4Addr, SocketAddrV4},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::sync::watch;

use crate::{
    journal::{Bucket, Journal},
    lines::log,
    ports::{Interfaces, Supplier},
    protocol::{EndReason, Protocol},
    service::{
        context::{Context, Service, Session},
        crowd::Crowd,
        limits::Limits,
        secret::Secret,
        tls::Configurations,
    },
};

/// What all conversations share.
pub(super) struct Shared {
    journal: Mutex<Journal>,
    crowd: Mutex<Crowd>,
    /// The limit of answers to datagrams, so that forged senders cannot cause a flood, or a loop between two deckies.
    answers: Mutex<Bucket>,
    /// The limit of log lines about a lack of resources.
    complaints: Mutex<Bucket>,
    pub(super) limits: Limits,
    pub(super) tls: Configurations,
    pub(super) supplier: Supplier,
    /// The interfaces of the base.
    pub(super) interfaces: watch::Sender<Interfaces>,
    /// Whether the log has the passwords of visitors.
    pub(super) passwords: bool,
}

/// Waits for the end of a service.
pub(super) async fn ended(end: &mut watch::Receiver<Option<EndReason>>) -> EndReason {
    match end.wait_for(Option::is_some).await {
        Ok(reason) => reason.unwrap_or(EndReason::Stopped),
        Err(_) => EndReason::Stopped,
    }
}

impl Shared {
    pub(super) fn new(supplier: Supplier, limits: Limits, journal: Journal, passwords: bool) -> Self {
        let now = Instant::now();
        let answers = Bucket::new(
            limits.answers_per_second,
            Duration::from_secs(1) / limits.answers_per_second,
            now,
        );
        Self {
            journal: Mutex::new(journal),
            crowd: Mutex::default(),
            answers: Mutex::new(answers),
            complaints: Mutex::new(Bucket::new(4, Duration::from_mins(10), now)),
            limits,
            tls: Configurations::default(),
            supplier,
            interfaces: watch::Sender::default(),
            passwords,
        }
    }

    pub(super) fn journal(&self) -> MutexGuard<'_, Journal> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn crowd(&self) -> MutexGuard<'_, Crowd> {
        self.crowd.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether another datagram may be sent now.
    pub(super) fn may_answer(&self) -> bool {
        let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.take(Instant::now())
    }

    pub(super) fn complain(&self, event: &str, cause: &str) {
        let mut complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner);
        if complaints.take(Instant::now()) {
            log("warn", event, &serde_json::json!(cause));
        }
    }

    /// Returns the surroundings of a new conversation.
    pub(super) fn context(
        &self,
        service: &Arc<Service>,
        transport: Protocol,
        remote: SocketAddrV4,
        local: SocketAddrV4,
        group: Option<Ipv4Addr>,
    ) -> Context {
        let mut random = [0; 32];
        // It fails only before the kernel has its first random bytes. Challenges are then those of the secret.
        if getrandom(&mut random, GetRandomFlags::empty()).is_err() {
            random = service.secret.derive("conversation");
        }
        Context {
            service: Arc::clone(service),
            session: Session {
                transport,
                remote,
                local: *local.ip(),
                mac: self.interfaces.borrow().get(local.ip()).copied(),
                group,
                port: local.port(),
                random: Secret::new(random),
            },
        }
    }
}
