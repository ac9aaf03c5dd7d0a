//! Targets of logs, with real servers on the loopback.

mod syslog;
mod webhook;

use std::{path::PathBuf, time::Duration};

use decnet_engine::{LogFormat, LogItem, LogTarget, LogTargetError, LogWriter, LogWriterOptions};
use tempfile::TempDir;
use tokio::time::timeout;

/// How long a test waits for something that must happen.
const LONG: Duration = Duration::from_mins(1);

/// Returns an item with a text in it.
fn item(text: &str) -> LogItem {
    LogItem::Disconnected { reason: text.into() }
}

fn options() -> LogWriterOptions {
    LogWriterOptions::default().retry_for(LONG)
}

fn open(target: &str, options: &LogWriterOptions) -> LogWriter {
    try_open(target, options).expect("it opens")
}

fn try_open(target: &str, options: &LogWriterOptions) -> Result<LogWriter, LogTargetError> {
    let target: LogTarget = target.parse().expect("a target");
    LogWriter::open(&target, options)
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    timeout(LONG, work).await.expect("it happens in time")
}

/// A certificate for `localhost` in a file, and its key.
struct Identity {
    folder: TempDir,
    pair: rcgen::CertifiedKey<rcgen::KeyPair>,
}

impl Identity {
    fn new() -> Self {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("ca.pem"), pair.cert.pem()).expect("written");
        Self { folder, pair }
    }

    fn ca(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    fn acceptor(&self) -> tokio_rustls::TlsAcceptor {
        use rustls::pki_types::PrivatePkcs8KeyDer;
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivatePkcs8KeyDer::from(self.pair.signing_key.serialize_der());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![self.pair.cert.der().clone()], key.into())
            .expect("a certificate");
        std::sync::Arc::new(config).into()
    }
}

#[tokio::test]
async fn options_that_do_not_fit_a_target_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("visits.log");
    let file = file.to_str().expect("UTF-8");
    let rotation = || options().rotation(decnet_engine::LogRotation::new(1, std::num::NonZero::<u32>::MIN));
    let header = || options().headers(["A: b".parse().expect("a header")]);
    let ca = || options().ca(PathBuf::from("ca.pem"));
    for (target, options, option) in [
        ("syslog+udp://localhost", rotation(), "rotation"),
        ("http://localhost", rotation(), "rotation"),
        (file, header(), "headers"),
        ("syslog+tls://localhost", header(), "headers"),
        ("syslog+tcp://localhost", ca(), "an authority for TLS"),
        ("http://localhost", ca(), "an authority for TLS"),
        (file, ca(), "an authority for TLS"),
    ] {
        let error = try_open(target, &options).expect_err("refused");
        assert_eq!(error.code(), "wrong_option");
        assert!(
            error.to_string().contains(&format!(" cannot have {option}; only ")),
            "{error}"
        );
    }
    let error = try_open("https://localhost", &ca()).expect_err("no file");
    assert_eq!(error.code(), "invalid_ca");
}

#[tokio::test]
async fn a_file_gets_one_line_for_each_item_and_a_full_disk_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("visits.log");
    let mut writer = open(path.to_str().expect("UTF-8"), &options());
    for text in ["one", "two"] {
        writer.put(&item(text)).await.expect("written");
        assert!(writer.is_flushed() && writer.due().is_none());
    }
    writer.close().await.expect("closed");
    let text = std::fs::read_to_string(&path).expect("a file");
    assert_eq!(text.lines().count(), 2, "{text}");
    let error = open("/dev/full", &options()).put(&item("one")).await.expect_err("full");
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        ("io", "/dev/full cannot be written")
    );
    let error = try_open("/nonexistent/visits.log", &options()).expect_err("no folder");
    assert_eq!(error.code(), "io");
}
