//! What tokens are accepted, and when certificates are renewed.

mod hearing;
mod rotating;

use std::{collections::BTreeSet, sync::Arc};

use decnet_topology::{
    HostChange, HostProfile, HostStore as _, MemoryRepo, Name, PostgresRepo, testing::PostgresDatabase,
};
use jiff::SignedDuration;

use super::{
    inviting::InviteOptions,
    messages::*,
    state::HostState,
    summary::{HostSummary, find_host},
    *,
};
use crate::{
    pki::{Authority, CertificateInfo, KeyRequest},
    pushed::HostReport,
};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

async fn fleet() -> (FleetMaster, Arc<MemoryRepo>) {
    let repo = Arc::new(MemoryRepo::new());
    let fleet = FleetMaster::open(repo.clone(), name("first"), now()).await;
    (fleet.expect("a fleet"), repo)
}

async fn invite(fleet: &FleetMaster, host: &str, at: jiff::Timestamp) -> JoinToken {
    let token = fleet.invite(name(host), HostProfile::default(), at).await;
    token.expect("a token")
}

fn request(token: &JoinToken, host: &str) -> EnrollRequest {
    EnrollRequest {
        token: token.id(),
        secret: token.secret(),
        name: name(host),
        address: "10.0.0.7:4433".into(),
        request: KeyRequest::new().expect("a key").request_pem().into(),
    }
}

/// Lets `host-1` join.
async fn joined(fleet: &FleetMaster, at: jiff::Timestamp) -> EnrollAnswer {
    let token = invite(fleet, "host-1", at).await;
    fleet.enroll(request(&token, "host-1"), at).await.expect("it joins")
}

async fn refused(fleet: &FleetMaster, request: EnrollRequest, at: jiff::Timestamp) -> String {
    fleet.enroll(request, at).await.expect_err("refused").code().to_owned()
}

#[tokio::test]
async fn a_token_works_once_for_its_name_and_in_time() {
    let (fleet, repo) = fleet().await;
    let invited = now();
    let token = invite(&fleet, "Host-1", invited).await;
    let parsed: JoinToken = token.to_string().parse().expect("a token");
    assert_eq!(parsed, token);
    assert_eq!(parsed.authority(), fleet.authority().fingerprint());

    assert_eq!(refused(&fleet, request(&token, "host-2"), invited).await, "token_name");
    assert_eq!(
        refused(&fleet, request(&token, "host-1"), invited + MINUTE * 15).await,
        "token_expired"
    );
    let mut wrong = request(&token, "host-1");
    wrong.secret = "0".repeat(64);
    assert_eq!(refused(&fleet, wrong, invited).await, "token_unknown");
    let (foreign, _) = self::fleet().await;
    assert_eq!(
        refused(&foreign, request(&token, "host-1"), invited).await,
        "token_unknown"
    );
    let mut malformed = request(&token, "host-1");
    malformed.request = "text".into();
    assert_eq!(refused(&fleet, malformed, invited).await, "invalid_request");

    // None of these has used it up.
    let joined = fleet
        .enroll(request(&token, "HOST-1"), invited + MINUTE * 14)
        .await
        .expect("it joins");
    let known = repo.hosts().await.expect("hosts");
    assert_eq!((known[0].id, known[0].name.as_str()), (joined.host, "Host-1"));
    assert_eq!(
        refused(&fleet, request(&token, "host-1"), invited + MINUTE * 14).await,
        "token_used"
    );
}

#[tokio::test]
async fn of_many_hosts_with_one_token_one_joins() {
    let (fleet, repo) = fleet().await;
    let token = invite(&fleet, "host-1", now()).await;
    let join = || fleet.enroll(request(&token, "host-1"), now());
    let results = futures_util::future::join_all((0..8).map(|_| join())).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(repo.hosts().await.expect("hosts").len(), 1);
}

#[tokio::test]
async fn a_name_belongs_to_one_host_which_may_join_again() {
    let (fleet, repo) = fleet().await;
    let token = invite(&fleet, "host-1", now()).await;
    let first = fleet.enroll(request(&token, "host-1"), now()).await.expect("it joins");
    let token = invite(&fleet, "HOST-1", now()).await;
    let again = fleet
        .enroll(request(&token, "host-1"), now())
        .await
        .expect("it joins again");
    assert_eq!(again.host, first.host);
    let hosts = repo.hosts().await.expect("hosts");
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(names, ["host-1"], "mazes have this case of the name");

    let late = invite(&fleet, "host-1", now()).await;
    repo.change_host(first.host, HostChange::Revoke, now())
        .await
        .expect("revoked");
    fleet.refresh(now()).await.expect("read");
    assert!(fleet.credentials().trust().revoked.hosts.contains(&first.host));
    let new = invite(&fleet, "Host-1", now()).await;
    let new = fleet
        .enroll(request(&new, "host-1"), now())
        .await
        .expect("another host joins");
    assert_ne!(new.host, first.host);
    let hosts = repo.hosts().await.expect("hosts");
    let names: Vec<&str> = hosts.iter().map(|host| host.name.as_str()).collect();
    assert_eq!(
        names, ["host-1"; 2],
        "a maze of the revoked host is pushed to the new one"
    );
    assert_eq!(
        refused(&fleet, request(&late, "host-1"), now()).await,
        "token_unknown",
        "the host of the token was revoked"
    );
}

#[tokio::test]
async fn masters_whose_clocks_differ_agree_on_when_a_token_expires_and_when_a_host_joined() {
    let Some(server) = std::env::var("DECNET_TEST_POSTGRES").ok().filter(|url| !url.is_empty()) else {
        println!("skipped: DECNET_TEST_POSTGRES names no server; see scripts/postgres-up");
        return;
    };
    let database = PostgresDatabase::create(&server);
    let repo = PostgresRepo::open(database.url()).await.expect("a store");
    let (slow, fast) = (now() - MINUTE * 60, now() + MINUTE * 60);
    let fleet = FleetMaster::open(Arc::new(repo), name("first"), slow).await;
    let fleet = fleet.expect("a fleet");
    for (host, invited, joined) in [("east", slow, fast), ("west", fast, slow)] {
        let token = invite(&fleet, host, invited).await;
        let answer = fleet.enroll(request(&token, host), joined).await;
        answer.expect("the token was made a moment ago");
        let row = find_host(fleet.repo(), host).await.expect("it has joined");
        let seen = fleet.repo().now(joined).await.expect("the time of the server");
        assert_eq!(HostState::of(&row, seen), HostState::Joined);
    }
}

#[tokio::test]
async fn a_host_without_an_address_for_links_is_refused_and_can_join_with_one() {
    let (fleet, _) = fleet().await;
    let token = invite(&fleet, "host-1", now()).await;
    let mut named = request(&token, "host-1");
    named.address = "agent.example:7378".into();
    assert_eq!(refused(&fleet, named.clone(), now()).await, "underlay_unknown");
    let profile = HostProfile::default().underlay(std::net::Ipv4Addr::new(192, 0, 2, 7));
    let token = fleet.invite(name("host-1"), profile, now()).await.expect("a token");
    named = EnrollRequest {
        address: named.address,
        ..request(&token, "host-1")
    };
    fleet.enroll(named, now()).await.expect("it joins");
}

#[tokio::test]
async fn a_profile_that_no_host_can_have_is_refused() {
    let (fleet, _) = fleet().await;
    let good = HostProfile::default;
    let underlay = |text: &str| good().underlay(text.parse::<std::net::Ipv4Addr>().expect("an address"));
    let bad = [
        good().capacity(0),
        good().mtu(117),
        underlay("0.0.0.0"),
        underlay("127.0.0.1"),
        underlay("224.0.0.1"),
        underlay("255.255.255.255"),
    ];
    for profile in bad {
        let refused = fleet.invite(name("east"), profile.clone(), now()).await;
        assert_eq!(refused.expect_err("refused").code(), "host_profile", "{profile:?}");
    }
    let smallest = underlay("10.0.0.1").mtu(118).capacity(1);
    fleet.invite(name("east"), smallest, now()).await.expect("a token");
}

#[tokio::test]
async fn a_host_that_is_invited_again_keeps_what_is_not_given() {
    let (fleet, repo) = fleet().await;
    let options = InviteOptions::default()
        .labels(Some([name("public")].into()))
        .capacity(7);
    let first = fleet
        .invite_with(name("host-1"), options, now())
        .await
        .expect("a token");
    assert!(!first.is_again);
    let request_of = |token: &JoinToken| request(token, "host-1");
    fleet.enroll(request_of(&first.token), now()).await.expect("it joins");
    let again = InviteOptions::default().mtu(9000);
    let again = fleet.invite_with(name("HOST-1"), again, now()).await.expect("a token");
    assert!(again.is_again);
    fleet
        .enroll(request_of(&again.token), now())
        .await
        .expect("it joins again");
    let profile = HostProfile::default().labels([name("public")]).capacity(7).mtu(9000);
    assert_eq!(repo.hosts().await.expect("hosts")[0].profile, profile);
    let none = InviteOptions::default().labels(BTreeSet::new()).capacity(0);
    let refused = fleet.invite_with(name("host-1"), none, now()).await;
    assert_eq!(refused.expect_err("refused").code(), "host_profile");
}

#[tokio::test]
async fn a_host_is_found_by_its_name_or_id_until_it_is_revoked() {
    let (fleet, repo) = fleet().await;
    let id = joined(&fleet, now()).await.host;
    for text in ["host-1", "HOST-1", &id.to_string()] {
        let found = find_host(&*repo, text).await.expect("found");
        let summary = HostSummary::new(&found, 3, now());
        assert_eq!((summary.id, summary.state, summary.deckies), (id, HostState::Joined, 3));
        assert_eq!(summary.heard_at, None, "it sent no heartbeat yet");
    }
    let unknown = find_host(&*repo, "host-2").await.expect_err("there is none");
    assert_eq!(
        (unknown.code(), unknown.to_string().as_str()),
        ("no_host", "no host has the name or id `host-2`")
    );
    repo.change_host(id, HostChange::Revoke, now()).await.expect("revoked");
    let revoked = find_host(&*repo, "host-1").await.expect_err("it was revoked");
    assert!(revoked.to_string().ends_with("; it was revoked"), "{revoked}");
}

#[tokio::test]
async fn masters_with_one_store_have_one_authority() {
    let (first, repo) = fleet().await;
    let second = FleetMaster::open(repo.clone(), name("second"), now())
        .await
        .expect("the same fleet");
    assert_eq!(first.authority().fingerprint(), second.authority().fingerprint());
    let token = invite(&first, "host-1", now()).await;
    second.enroll(request(&token, "host-1"), now()).await.expect("it joins");
    assert_eq!(first.hosts().await.expect("hosts").len(), 1);
    let due = now() + MINUTE * 60 * 24 * 5;
    let before = first.credentials().identity().info().not_after;
    first.refresh(due).await.expect("read");
    assert!(
        first.credentials().identity().info().not_after > before,
        "it renews its certificate"
    );
    let stored = repo.fleet_authority().await.expect("read").expect("one");
    repo.set_fleet_authority(Some(&stored), "{}").await.expect("set");
    let damaged = FleetMaster::open(repo, name("third"), now())
        .await
        .expect_err("damaged");
    assert_eq!(damaged.code(), "authority_damaged");
}

#[tokio::test]
async fn an_authority_of_a_newer_program_is_named_as_such_and_is_not_overwritten() {
    let (fleet, repo) = fleet().await;
    let stored = repo.fleet_authority().await.expect("read").expect("one");
    let mut last = stored.clone();
    for (field, value, what) in [
        ("format", serde_json::json!(2), "format 2"),
        ("signer", serde_json::json!({}), "the field `signer`"),
    ] {
        let mut newer: serde_json::Value = serde_json::from_str(&stored).expect("JSON");
        newer[field] = value;
        let newer = newer.to_string();
        repo.set_fleet_authority(Some(&last), &newer).await.expect("set");
        let opened = FleetMaster::open(repo.clone(), name("older"), now()).await;
        let rotated = fleet.begin_rotation(now()).await;
        for error in [opened.expect_err("newer"), rotated.expect_err("newer")] {
            assert_eq!(error.code(), "authority_newer");
            assert!(error.to_string().contains(what), "{error}");
        }
        assert_eq!(repo.fleet_authority().await.expect("read"), Some(newer.clone()));
        last = newer;
    }
    // The first format has no number, so that programs that know no numbers can read it.
    assert!(!stored.contains("format"), "{stored}");
}

#[test]
fn a_text_that_is_no_whole_token_is_refused() {
    let token = JoinToken::draw(crate::pki::Fingerprint::new([7; 32]));
    let text = token.to_string();
    assert_eq!(text.len(), 126);
    let other = if text.ends_with('A') { "B" } else { "A" };
    for wrong in [
        "",
        "decnet_join_",
        "decnet_join_*",
        &text[1..],
        &text[..text.len() - 1],
        &text[..text.len() - 8],
        &format!("{}{other}{}", &text[..40], &text[41..]).replace(&text, ""),
        &format!("{text}AAAA"),
    ] {
        let error = wrong.parse::<JoinToken>().expect_err(wrong);
        assert_eq!(error.code(), "token_malformed");
    }
    assert!(!format!("{token:?}").contains(&text[60..70]));
    assert_eq!(format!(" {text}\n").parse::<JoinToken>().expect("a token"), token);
}

/// Sends a heartbeat of an agent that trusts the authorities of a master.
async fn trusts(fleet: &FleetMaster, joined: &EnrollAnswer, at: jiff::Timestamp) -> BeatAnswer {
    let info = crate::pki::Identity::read_certificate(&joined.certificate).expect("a certificate");
    let mut beat = beat(fleet, false);
    let known = fleet.credentials().trust().fingerprints().expect("authorities");
    beat.report.authorities = known.iter().map(ToString::to_string).collect();
    fleet.hear(&info, joined.host, beat, at).await.expect("heard")
}

fn beat(fleet: &FleetMaster, with_request: bool) -> BeatRequest {
    BeatRequest {
        report: HostReport {
            address: "10.0.0.7:4433".into(),
            ..HostReport::default()
        },
        trust: fleet.credentials().trust().digest(),
        request: with_request.then(|| KeyRequest::new().expect("a key").request_pem().into()),
    }
}
