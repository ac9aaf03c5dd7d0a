//! TLS, with a certificate of the test. The trusted authorities are those of the machine, or of the file in `SSL_CERT_FILE`, which is set
//! for a process of its own.

use std::{env, path::Path, process::Command};

use decnet_engine::{Connectivity, NatsBus, NatsUrl, Pattern};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::{NatsServer, TIMEOUT, becomes};
use crate::bus::arrives;

const URL: &str = "DECNET_TEST_URL";
const EXPECTED: &str = "DECNET_TEST_EXPECTED";

#[tokio::test]
#[ignore = "is the child process of other tests"]
async fn child() {
    let Ok(url) = env::var(URL) else { return };
    let url: NatsUrl = url.parse().expect("a URL");
    let bus = NatsBus::new(&url, "child");
    if env::var(EXPECTED).expect("what to expect") == "Lost" {
        return becomes(&bus, Connectivity::Lost).await;
    }
    let mut heard = decnet_engine::Bus::subscribe(&bus, &[Pattern::everything()]);
    arrives(&bus, &mut heard, async |bus| bus.flush(TIMEOUT).await).await;
}

/// Connects in a process that trusts an authority.
#[track_caller]
fn check(url: &NatsUrl, authority: &Path, expected: Connectivity) {
    let mut command = Command::new(env::current_exe().expect("this program"));
    command
        .args(["--exact", "bus::nats::tls::child", "--ignored"])
        .env(URL, url.to_string())
        .env(EXPECTED, format!("{expected:?}"))
        .env("SSL_CERT_FILE", authority)
        .env_remove("SSL_CERT_DIR");
    let ran = command.output().expect("it runs");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stdout));
}

#[test]
fn a_server_with_a_trusted_certificate_is_used_and_another_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: String| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    };
    let made = |host: &str| generate_simple_self_signed([host.to_owned()]).expect("a certificate");
    let CertifiedKey { cert, signing_key } = made("127.0.0.1");
    let own = write("own.pem", cert.pem());
    let key = write("key.pem", signing_key.serialize_pem());
    let other = write("other.pem", made("127.0.0.1").cert.pem());
    let settings = format!("tls {{ cert_file: {own:?}, key_file: {key:?} }}");
    let Some(server) = NatsServer::start(&settings) else {
        return;
    };
    check(&server.url_with("tls://"), &own, Connectivity::Connected);
    // The server requires TLS.
    check(&server.url_with("nats://"), &own, Connectivity::Connected);
    check(&server.url_with("tls://"), &other, Connectivity::Lost);
    check(&server.url_with("nats://"), &other, Connectivity::Lost);
    let named: NatsUrl = format!("tls://localhost:{}", server.port()).parse().expect("a URL");
    check(&named, &own, Connectivity::Lost);
}
