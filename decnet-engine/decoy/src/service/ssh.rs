//! SSH (RFC 4251 to 4254), as OpenSSH of the decky's system.
//!
//! The library does the key exchange and the encryption. It closes silently where sshd explains, so the exchange of
//! identifications is done here, and the library gets a stream on which it is over.

mod awk;
mod config;
mod files;
mod hassh;
mod host;
mod ident;
mod line;
mod names;
mod node;
mod outcome;
mod program;
mod reading;
mod shell;
mod sizes;
mod stream;
#[cfg(test)]
mod tests;
mod tools;
mod visitor;
mod windows;
mod words;

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use russh::server::run_stream;
use tokio::{
    io::{self, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};

use self::{hassh::Start, ident::Ident, stream::Wrapped, visitor::Visitor};
use super::{
    context::Context,
    event::{Event, Fingerprint},
};
use crate::protocol::EndReason;

/// How long sshd waits.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// The mean pause after a wrong password (`pam_unix`).
    wrong_password: Duration,
    /// The time for the login (`LoginGraceTime`).
    grace: Duration,
    /// The time for which the visitor may be silent. This one is not of sshd: it keeps no connection that nobody uses.
    silence: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            wrong_password: Duration::from_secs(2),
            grace: Duration::from_mins(2),
            silence: Duration::from_hours(1),
        }
    }
}

/// Talks to a visitor until one of them ends the connection.
pub(super) async fn converse<S>(
    stream: S,
    context: Context,
    report: impl Fn(Event) + Clone + Send + Sync + Unpin + 'static,
) -> EndReason
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    converse_at(Pace::default(), stream, context, report).await
}

async fn converse_at<S>(
    pace: Pace,
    mut stream: S,
    context: Context,
    report: impl Fn(Event) + Clone + Send + Sync + Unpin + 'static,
) -> EndReason
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let deadline = Instant::now() + pace.grace;
    let own = ident::own(&context);
    let exchanged = tokio::select! {
        exchanged = exchange(&mut stream, &own) => exchanged,
        () = sleep_until(deadline) => return EndReason::Idle,
    };
    let ident = match exchanged {
        Ok(Ident::Version2(line)) => line,
        Ok(Ident::Closed(line)) => {
            if !line.is_empty() {
                report(Event::probe("not this protocol", &line));
            }
            return EndReason::Closed;
        }
        Ok(Ident::Scanner(line) | Ident::OtherVersion(line)) => {
            report(client_name(&line));
            return EndReason::Ended;
        }
        Ok(Ident::Invalid(line)) => {
            report(Event::probe("not this protocol", &line));
            return EndReason::Ended;
        }
        Err(error) => return end(&error),
    };
    report(client_name(&ident));
    run(pace, deadline, stream, context, (&own, ident), report).await
}

/// Exchanges the identifications, and answers to bad ones.
async fn exchange(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), own: &str) -> io::Result<Ident> {
    stream.write_all(format!("{own}\r\n").as_bytes()).await?;
    stream.flush().await?;
    let ident = Ident::read(stream).await?;
    let error = match ident {
        Ident::Invalid(_) => "Invalid SSH identification string.\r\n",
        Ident::OtherVersion(_) => "Protocol major versions differ.\r\n",
        Ident::Version2(_) | Ident::Scanner(_) | Ident::Closed(_) => return Ok(ident),
    };
    stream.write_all(error.as_bytes()).await?;
    stream.shutdown().await?;
    // Bytes that nobody reads would reset the connection before the answer arrives.
    let mut rest = [0; 1024];
    let drain = async { while stream.read(&mut rest).await.is_ok_and(|count| count > 0) {} };
    let _ = timeout(Duration::from_millis(100), drain).await;
    Ok(ident)
}

/// Runs the library on a stream with exchanged identifications.
async fn run<S>(
    pace: Pace,
    deadline: Instant,
    stream: S,
    context: Context,
    (own, ident): (&str, Vec<u8>),
    report: impl Fn(Event) + Clone + Send + Sync + Unpin + 'static,
) -> EndReason
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let config = Arc::new(config::config(&context, own, pace.silence));
    let (handle, is_in) = (Arc::new(OnceLock::new()), Arc::new(AtomicBool::new(false)));
    let observe = {
        let report = report.clone();
        move |start: &Start, packets: &[u8]| match start {
            Start::Hassh(hassh) => report(Event::Fingerprint(Fingerprint {
                method: "hassh",
                value: hassh.as_str().into(),
                server_name: None,
            })),
            _ => report(Event::probe("not this protocol", packets)),
        }
    };
    // The library goes on in a task of its own. It ends when this sender is dropped, with this function.
    let (_running, end_of_this) = oneshot::channel();
    let wrapped = Wrapped::new(stream, library_line(ident), own.len() + 2, observe, end_of_this);
    let visitor = Visitor::new(
        context,
        report,
        pace.wrong_password,
        Arc::clone(&handle),
        Arc::clone(&is_in),
    );
    let mut session = match run_stream(config, wrapped, visitor).await {
        Ok(session) => session,
        Err(error) => return end_of(&error),
    };
    let _ = handle.set(session.handle());
    let ended = tokio::select! {
        ended = &mut session => ended,
        () = sleep_until(deadline) => {
            if !is_in.load(Ordering::Relaxed) {
                return EndReason::Idle;
            }
            session.await
        }
    };
    match ended {
        Ok(()) => EndReason::Closed,
        Err(error) => end_of(&error),
    }
}

/// Returns the line that the library reads. It refuses some that sshd accepts; such a visitor cannot complete the key exchange,
/// but gets the algorithm lists as from sshd.
fn library_line(mut ident: Vec<u8>) -> Vec<u8> {
    let is_known = ident.starts_with(b"SSH-2.0-") || ident.starts_with(b"SSH-1.99-");
    if !is_known || ident.len() > 253 || str::from_utf8(&ident).is_err() {
        ident = b"SSH-2.0-unknown".to_vec();
    }
    ident.extend(b"\r\n");
    ident
}

/// Reports the name that the visitor's program gives itself.
fn client_name(ident: &[u8]) -> Event {
    Event::Fingerprint(Fingerprint {
        method: "client-name",
        value: ident.into(),
        server_name: None,
    })
}

fn end_of(error: &russh::Error) -> EndReason {
    match error {
        russh::Error::IO(error) => end(error),
        russh::Error::InactivityTimeout => EndReason::Idle,
        russh::Error::Disconnect | russh::Error::HUP => EndReason::Closed,
        _ => EndReason::Ended,
    }
}

fn end(error: &io::Error) -> EndReason {
    match error.kind() {
        io::ErrorKind::FileTooLarge => EndReason::Size,
        io::ErrorKind::TimedOut => EndReason::Idle,
        io::ErrorKind::UnexpectedEof => EndReason::Closed,
        io::ErrorKind::InvalidData => EndReason::Ended,
        _ => EndReason::Broken,
    }
}
