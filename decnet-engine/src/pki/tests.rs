//! Handshakes of TLS with all kinds of certificates, and what identities and authorities refuse.

use std::{fs, io, os::unix::fs::PermissionsExt as _, sync::Arc};

use decnet_topology::{HostId, rng};
use jiff::{SignedDuration, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::*;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

fn now() -> Timestamp {
    Timestamp::now()
}

fn authority() -> Authority {
    Authority::create(now()).expect("an authority")
}

fn master() -> CertificateSubject {
    CertificateSubject::Master {
        name: "first".parse().expect("a name"),
    }
}

fn agent(host: HostId) -> CertificateSubject {
    CertificateSubject::Agent {
        host,
        name: "Host-1".parse().expect("a name"),
    }
}

fn credentials(authority: &Authority, subject: &CertificateSubject, at: Timestamp) -> Credentials {
    let identity = authority.identity(subject, at).expect("an identity");
    Credentials::new(identity, Trust::of(authority)).expect("credentials")
}

/// Connects a client to a server, and sends one byte in each direction. Returns what each side says.
async fn connect(
    client: &Credentials,
    servers: Peers,
    server: &Credentials,
    clients: Peers,
) -> (Result<(), String>, Result<CertificateInfo, String>) {
    let acceptor = TlsAcceptor::from(Arc::new(server_config(server, clients, true).expect("a server")));
    let connector = TlsConnector::from(Arc::new(client_config(client, servers).expect("a client")));
    let (near, far) = duplex(1 << 16);
    let text = |error: io::Error| error.to_string();
    let serve = async {
        let mut stream = acceptor.accept(far).await.map_err(text)?;
        let info = Credentials::peer(stream.get_ref().1.peer_certificates());
        stream.write_all(b"s").await.map_err(text)?;
        stream.read_u8().await.map_err(text)?;
        Ok(info.expect("the client has a certificate"))
    };
    let ask = async {
        let mut stream = connector.connect(servers.server_name(), near).await.map_err(text)?;
        stream.write_all(b"c").await.map_err(text)?;
        stream.read_u8().await.map_err(text)?;
        Ok(())
    };
    tokio::join!(ask, serve)
}

#[tokio::test]
async fn a_master_and_an_agent_know_each_other() {
    let authority = authority();
    let host = rng::host_id();
    let (master, agent) = (
        credentials(&authority, &master(), now()),
        credentials(&authority, &agent(host), now()),
    );
    let (asked, served) = connect(&master, Peers::Agent(host), &agent, Peers::Masters).await;
    asked.expect("the agent is known");
    assert_eq!(served.expect("the master is known").subject.name().as_str(), "first");
    let (asked, served) = connect(&agent, Peers::Masters, &master, Peers::Agents).await;
    asked.expect("the master is known");
    assert_eq!(served.expect("the agent is known").subject.host(), Some(host));
}

#[tokio::test]
async fn an_agent_cannot_act_as_a_master_or_as_another_agent() {
    let authority = authority();
    let (host, other) = (rng::host_id(), rng::host_id());
    let (one, two) = (
        credentials(&authority, &agent(host), now()),
        credentials(&authority, &agent(other), now()),
    );
    let (asked, served) = connect(&one, Peers::Agent(other), &two, Peers::Masters).await;
    assert!(asked.expect_err("the agent refuses it").contains("AccessDenied"));
    served.expect_err("it is not a master");
    let master = credentials(&authority, &master(), now());
    let (asked, _) = connect(&master, Peers::Agent(host), &two, Peers::Masters).await;
    assert!(asked.expect_err("another agent answers").contains("not valid for name"));
    let (asked, _) = connect(&two, Peers::Masters, &one, Peers::Agents).await;
    assert!(asked.expect_err("an agent answers").contains("not valid for name"));
    let (_, served) = connect(&master, Peers::Masters, &master, Peers::Agents).await;
    served.expect_err("a master is not an agent");
}

#[tokio::test]
async fn expired_foreign_and_revoked_certificates_are_refused_in_both_directions() {
    let authority = authority();
    let host = rng::host_id();
    let good = || {
        (
            credentials(&authority, &master(), now()),
            credentials(&authority, &agent(host), now()),
        )
    };
    let check = async |master: &Credentials, agent: &Credentials, by_master: bool, word: &str| {
        let (asked, served) = connect(master, Peers::Agent(host), agent, Peers::Masters).await;
        let refused = if by_master {
            asked.expect_err("the master refuses")
        } else {
            served.expect_err("the agent refuses")
        };
        assert!(refused.to_lowercase().contains(word), "{refused}");
    };
    let old = now() - HOUR * (7 * 24 + 1);
    check(&good().0, &credentials(&authority, &agent(host), old), true, "expired").await;
    check(
        &credentials(&authority, &super::tests::master(), old),
        &good().1,
        false,
        "expired",
    )
    .await;
    let early = now() + HOUR;
    check(
        &good().0,
        &credentials(&authority, &agent(host), early),
        true,
        "not valid yet",
    )
    .await;
    check(
        &credentials(&authority, &super::tests::master(), early),
        &good().1,
        false,
        "not valid yet",
    )
    .await;

    let foreign = super::tests::authority();
    check(
        &good().0,
        &credentials(&foreign, &agent(host), now()),
        true,
        "unknownissuer",
    )
    .await;
    // The agent's certificate is good, and the master accepts it; the agent does not accept the master's.
    let stranger = credentials(&foreign, &super::tests::master(), now());
    stranger.set_trust(Trust::of(&authority)).expect("trust");
    check(&stranger, &good().1, false, "unknownissuer").await;

    let (master, agent) = good();
    let mut trust = Trust::of(&authority);
    trust.revoked.hosts.insert(host);
    master.set_trust(trust).expect("trust");
    check(&master, &agent, true, "revoked").await;
    let (master, agent) = good();
    let mut trust = Trust::of(&authority);
    trust.revoked.serials.insert(master.identity().info().serial.clone());
    agent.set_trust(trust).expect("trust");
    check(&master, &agent, false, "revoked").await;
    assert!(
        agent.refusal(master.identity().info(), now()).is_some(),
        "open connections too"
    );
}

#[tokio::test]
async fn a_clock_may_be_ten_minutes_behind_and_no_more() {
    let authority = authority();
    let host = rng::host_id();
    let master = credentials(&authority, &master(), now());
    // The authority's clock is ahead, so that of everyone else is behind.
    let agent_at = |ahead: i64| credentials(&authority, &agent(host), now() + SignedDuration::from_mins(ahead));
    let (asked, _) = connect(&master, Peers::Agent(host), &agent_at(9), Peers::Masters).await;
    asked.expect("nine minutes are tolerated");
    let behind = agent_at(11);
    let (asked, _) = connect(&master, Peers::Agent(host), &behind, Peers::Masters).await;
    asked.expect_err("eleven minutes are not");
    let error = behind.identity().check_clock(now()).expect_err("the clock is off");
    assert_eq!(error.code(), "clock_off");
}

#[tokio::test]
async fn two_authorities_are_trusted_during_a_rotation() {
    let (old, new) = (authority(), authority());
    let host = rng::host_id();
    let master = credentials(&old, &master(), now());
    let agent_credentials = credentials(&old, &agent(host), now());
    let both = Trust::of(&new).with_root(old.certificate_pem()).expect("a root");
    assert_eq!(
        both.fingerprints().expect("hashes"),
        [new.fingerprint(), old.fingerprint()]
    );
    assert_eq!(both.clone().with_root(old.certificate_pem()).expect("a root"), both);
    let works = async |when: &str| {
        let (asked, served) = connect(&master, Peers::Agent(host), &agent_credentials, Peers::Masters).await;
        asked.expect(when);
        served.expect(when);
    };
    for member in [&master, &agent_credentials] {
        member.set_trust(both.clone()).expect("trust");
        works("both are trusted").await;
    }
    agent_credentials.set_identity(new.identity(&agent(host), now()).expect("an identity"));
    works("one was renewed").await;
    master.set_identity(new.identity(&super::tests::master(), now()).expect("an identity"));
    for member in [&master, &agent_credentials] {
        let only = member.trust().without_root(old.fingerprint());
        member.set_trust(only).expect("trust");
        works("the old one is gone").await;
    }
    let late = credentials(&old, &agent(host), now());
    late.set_trust(both).expect("trust");
    let (asked, _) = connect(&master, Peers::Agent(host), &late, Peers::Masters).await;
    asked.expect_err("the old authority is not trusted any more");
}

#[test]
fn a_certificate_is_due_after_two_thirds_of_its_life() {
    let (authority, at) = (authority(), now());
    let identity = authority.identity(&agent(rng::host_id()), at).expect("an identity");
    let info = identity.info();
    assert!(!info.is_due(at + HOUR * 24 * 4));
    assert!(info.is_due(at + HOUR * 24 * 5));
    assert!(info.is_valid_at(at + HOUR * 24 * 7 - HOUR) && !info.is_valid_at(at + HOUR * 24 * 7 + HOUR));
    assert_eq!(info.subject, agent(info.subject.host().expect("a host")));
}

#[test]
fn only_the_public_key_of_a_request_counts() {
    let authority = authority();
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params = rcgen::CertificateParams::new(["master.decnet.internal".to_owned()]).expect("names");
    params
        .distinguished_name
        .push(rcgen::DnType::OrganizationalUnitName, "master");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params.serialize_request(&key).expect("a request");
    let subject = agent(rng::host_id());
    let issued = authority
        .issue(&request.pem().expect("PEM"), &subject, now())
        .expect("issued");
    let identity = Identity::from_pem(&issued, &key.serialize_pem()).expect("an identity");
    assert_eq!(*identity.subject(), subject);
    let der = identity::certificate("it", &issued).expect("a certificate");
    let (_, parsed) = x509_parser::parse_x509_certificate(&der).expect("a certificate");
    assert!(!parsed.is_ca());
}

#[test]
fn malformed_requests_certificates_and_keys_are_refused() {
    let (one, other) = (authority(), authority());
    let refused = |request: &str| one.issue(request, &master(), now()).expect_err("refused").code();
    assert_eq!(refused("text"), "invalid_request");
    let request = KeyRequest::new().expect("a request");
    let pem = request.request_pem();
    let middle = pem.len() / 2;
    let other_letter = if pem.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let forged = format!("{}{other_letter}{}", &pem[..middle], &pem[middle + 1..]);
    assert_eq!(refused(&forged), "invalid_request");

    let identity = one.identity(&master(), now()).expect("an identity");
    let certificate = identity.certificate_pem();
    for (certificate, key, code) in [
        ("text", one.key_pem(), "invalid_certificate"),
        (certificate, "text".into(), "invalid_key"),
        (certificate, other.key_pem(), "invalid_key"),
        (one.certificate_pem(), one.key_pem(), "foreign_certificate"),
    ] {
        let error = Identity::from_pem(certificate, &key).expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
    }
    for (certificate, key, code) in [
        ("text", one.key_pem(), "invalid_certificate"),
        (one.certificate_pem(), other.key_pem(), "invalid_key"),
        (certificate, one.key_pem(), "invalid_certificate"),
    ] {
        let error = Authority::from_pem(certificate, &key).expect_err("refused");
        assert_eq!(error.code(), code, "{error}");
    }
    assert_eq!(Trust::new("text").expect_err("refused").code(), "invalid_certificate");
    assert_eq!(
        "ab:cd".parse::<Fingerprint>().expect_err("short").code(),
        "invalid_fingerprint"
    );
}

#[test]
fn files_with_keys_are_private_and_are_read_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let authority = authority();
    authority.save(&path("ca.pem"), &path("ca.key")).expect("written");
    let read = Authority::load(&path("ca.pem"), &path("ca.key")).expect("read");
    assert_eq!(read.fingerprint(), authority.fingerprint());
    let printed = authority.fingerprint().to_string();
    assert_eq!(printed.parse::<Fingerprint>().expect("a hash"), authority.fingerprint());

    let identity = read.identity(&master(), now()).expect("an identity");
    identity.save(&path("master.pem")).expect("written");
    let again = Identity::load(&path("master.pem")).expect("read");
    assert_eq!(again.certificate_pem(), identity.certificate_pem());
    for name in ["ca.key", "master.pem"] {
        let mode = fs::metadata(path(name)).expect("it exists").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    fs::set_permissions(path("master.pem"), fs::Permissions::from_mode(0o640)).expect("set");
    let error = Identity::load(&path("master.pem")).expect_err("refused");
    assert_eq!(error.code(), "exposed_key");

    let mut trust = Trust::of(&authority);
    trust.revoked.hosts.insert(rng::host_id());
    trust.save(&path("trust.json")).expect("written");
    let read = Trust::load(&path("trust.json")).expect("read");
    assert_eq!((read.digest(), &read), (trust.digest(), &trust));
    fs::write(path("trust.json"), "{\"roots\":[]}").expect("written");
    assert_eq!(
        Trust::load(&path("trust.json")).expect_err("empty").code(),
        "invalid_certificate"
    );
}

#[test]
fn logs_never_have_a_key() {
    let authority = authority();
    let identity = authority.identity(&master(), now()).expect("an identity");
    let logged = format!("{authority:?} {identity:?} {:?}", KeyRequest::new().expect("a request"));
    assert!(!logged.contains("PRIVATE") && !logged.contains("key_pem"), "{logged}");
}
