//! The answers to the messages of one visitor, after the key exchange.

mod delivery;

use std::{
    collections::BTreeMap,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use russh::{
    Channel, ChannelId, ChannelOpenFailure, Disconnect, Error, MethodKind, MethodSet, Pty,
    client::GexParams,
    kex::dh::groups::DhGroup,
    keys::{HashAlg, PublicKey},
    server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Response, Session, VerifiedPublicKey},
};
use tokio::time::sleep;

use super::{config, host::Host, program::Program};
use crate::service::{
    context::Context,
    event::{self, Event, Proof},
};

/// Failed attempts after which sshd disconnects (`MaxAuthTries`).
const MOST_FAILURES: u32 = 6;

/// Open sessions of one connection (`MaxSessions`).
const MOST_CHANNELS: usize = 10;

/// One visitor.
pub(super) struct Visitor<R: Fn(Event)> {
    context: Context,
    report: R,
    host: Arc<Host>,
    methods: MethodSet,
    pause: Duration,
    failures: u32,
    attempts: u32,
    /// Set once the library runs.
    handle: Arc<OnceLock<Handle>>,
    is_in: Arc<AtomicBool>,
    user: String,
    channels: BTreeMap<ChannelId, Option<Program>>,
    terminals: BTreeMap<ChannelId, String>,
    /// The bytes that the sessions sent.
    sent: usize,
    /// The bytes of the channels whose window was too small for all of them.
    waiting: BTreeMap<ChannelId, usize>,
}

impl<R: Fn(Event)> Visitor<R> {
    /// Creates the handler of a connection. `pause` is the mean pause after a wrong password. `is_in` becomes true with the
    /// login.
    pub(super) fn new(
        context: Context,
        report: R,
        pause: Duration,
        handle: Arc<OnceLock<Handle>>,
        is_in: Arc<AtomicBool>,
    ) -> Self {
        Self {
            host: Arc::new(Host::new(&context)),
            methods: config::methods(&context),
            context,
            report,
            pause,
            failures: 0,
            attempts: 0,
            handle,
            is_in,
            user: String::new(),
            channels: BTreeMap::new(),
            terminals: BTreeMap::new(),
            sent: 0,
            waiting: BTreeMap::new(),
        }
    }

    fn report_login(&self, method: &'static str, user: &str, proof: Proof, accepted: bool) {
        (self.report)(Event::Auth(event::Auth {
            method,
            user: Some(user.into()),
            proof,
            accepted,
            ..event::Auth::default()
        }));
    }

    /// Counts a failed attempt, and disconnects after too many.
    async fn refuse(&mut self) -> Auth {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= MOST_FAILURES
            && let Some(handle) = self.handle.get()
        {
            let text = "Too many authentication failures".to_owned();
            let _ = handle.disconnect(Disconnect::ProtocolError, text, String::new()).await;
        }
        self.rejection()
    }

    fn rejection(&self) -> Auth {
        Auth::Reject {
            proceed_with_methods: Some(self.methods.clone()),
            partial_success: false,
        }
    }

    /// Checks a password, and pauses after a wrong one.
    async fn check(&mut self, method: &'static str, kind: MethodKind, user: &str, password: &[u8]) -> Auth {
        let is_offered = self.methods.contains(&kind);
        let accepted = is_offered && self.context.fields().admits("root", user.as_bytes(), password);
        self.report_login(method, user, Proof::Password(password.into()), accepted);
        if accepted {
            user.clone_into(&mut self.user);
            return Auth::Accept;
        }
        if is_offered {
            self.attempts = self.attempts.saturating_add(1);
            sleep(self.wrong_password_pause()).await;
        }
        self.refuse().await
    }

    /// Returns the pause of PAM: the mean, up to half of it longer or shorter. PAM takes the mean of three random numbers.
    fn wrong_password_pause(&self) -> Duration {
        let random: [u8; 6] = self.context.fresh(&format!("ssh pause {}", self.attempts));
        let sum: u32 = random
            .chunks_exact(2)
            .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
            .sum();
        let share = f64::from(sum) / f64::from(3 * u32::from(u16::MAX)) + 0.5;
        self.pause.mul_f64(share)
    }

    fn refuse_request(&self, method: &'static str, target: String) {
        (self.report)(Event::request(method, target));
    }
}

/// Returns the refusal of sshd with `AllowTcpForwarding no`.
fn prohibited() -> ChannelOpenFailure {
    ChannelOpenFailure::Other {
        code: 1,
        reason: "open failed".into(),
    }
}

fn fingerprint(key: &PublicKey) -> Proof {
    Proof::Key(key.fingerprint(HashAlg::Sha256).to_string().into())
}

impl<R: Fn(Event) + Send + Sync> Handler for Visitor<R> {
    type Error = Error;

    async fn lookup_dh_gex_group(&mut self, wanted: &GexParams) -> Result<Option<DhGroup>, Error> {
        Ok(config::group(wanted.min_group_size(), wanted.preferred_group_size()))
    }

    async fn auth_none(&mut self, user: &str) -> Result<Auth, Error> {
        self.report_login("none", user, Proof::None, false);
        // The first one asks for the methods, and does not count.
        if self.failures == 0 && self.attempts == 0 {
            self.attempts = 1;
            return Ok(self.rejection());
        }
        Ok(self.refuse().await)
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Error> {
        Ok(self
            .check("password", MethodKind::Password, user, password.as_bytes())
            .await)
    }

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Error> {
        self.report_login("publickey", user, fingerprint(offer.public_key), false);
        Ok(self.refuse().await)
    }

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, Error> {
        // No offer is accepted, so this is not reached.
        Ok(self.refuse().await)
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        user: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Error> {
        if !self.methods.contains(&MethodKind::KeyboardInteractive) {
            return Ok(self.refuse().await);
        }
        let Some(mut response) = response else {
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Password: ".into(), false)].into(),
            });
        };
        let password = response.next().unwrap_or_default();
        let kind = MethodKind::KeyboardInteractive;
        Ok(self.check("keyboard-interactive", kind, user, &password).await)
    }

    async fn auth_succeeded(&mut self, _: &mut Session) -> Result<(), Error> {
        self.is_in.store(true, Ordering::Relaxed);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        if self.channels.len() >= MOST_CHANNELS {
            let reason = "open failed".into();
            reply.reject(ChannelOpenFailure::Other { code: 2, reason }).await;
        } else {
            self.channels.insert(channel.id(), None);
            reply.accept().await;
        }
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        host: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.refuse_request("direct-tcpip", format!("{host}:{port}"));
        reply.reject(prohibited()).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        path: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), Error> {
        self.refuse_request("direct-streamlocal", path.to_owned());
        reply.reject(prohibited()).await;
        Ok(())
    }

    async fn tcpip_forward(&mut self, address: &str, port: &mut u32, _: &mut Session) -> Result<bool, Error> {
        self.refuse_request("tcpip-forward", format!("{address}:{port}"));
        Ok(false)
    }

    async fn streamlocal_forward(&mut self, path: &str, _: &mut Session) -> Result<bool, Error> {
        self.refuse_request("streamlocal-forward", path.to_owned());
        Ok(false)
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        terminal: &str,
        _: u32,
        _: u32,
        _: u32,
        _: u32,
        _: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Error> {
        let is_new = self.channels.contains_key(&id) && !self.terminals.contains_key(&id);
        if !is_new {
            return session.channel_failure(id);
        }
        self.terminals.insert(id, terminal.chars().take(64).collect());
        session.channel_success(id)
    }

    async fn env_request(&mut self, id: ChannelId, name: &str, _: &str, session: &mut Session) -> Result<(), Error> {
        // Debian's `AcceptEnv`.
        if name == "LANG" || name.starts_with("LC_") {
            session.channel_success(id)
        } else {
            session.channel_failure(id)
        }
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _: bool,
        _: &str,
        _: &str,
        _: u32,
        session: &mut Session,
    ) -> Result<(), Error> {
        session.channel_failure(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        self.start(id, None, session)
    }

    async fn exec_request(&mut self, id: ChannelId, line: &[u8], session: &mut Session) -> Result<(), Error> {
        self.start(id, Some(line), session)
    }

    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Result<(), Error> {
        self.refuse_request("subsystem", name.to_owned());
        session.channel_failure(id)
    }

    async fn data(&mut self, id: ChannelId, bytes: &[u8], session: &mut Session) -> Result<(), Error> {
        let Some(Some(program)) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        let sent = program.receive(bytes);
        self.deliver(id, sent, session)
    }

    async fn channel_eof(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Error> {
        let Some(Some(program)) = self.channels.get_mut(&id) else {
            return Ok(());
        };
        let sent = program.finish();
        self.deliver(id, sent, session)
    }

    async fn channel_close(&mut self, id: ChannelId, _: &mut Session) -> Result<(), Error> {
        self.end(id);
        Ok(())
    }
}
