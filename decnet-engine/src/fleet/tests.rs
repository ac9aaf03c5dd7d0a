//! What tokens are accepted, and when certificates are renewed.

use std::sync::Arc;

use decnet_topology::{HostChange, HostProfile, HostStore as _, MemoryRepo, Name};
use jiff::SignedDuration;

use super::{messages::*, *};
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
    assert_eq!(repo.hosts().await.expect("hosts").len(), 1);

    let late = invite(&fleet, "host-1", now()).await;
    repo.change_host(first.host, HostChange::Revoke, now())
        .await
        .expect("revoked");
    fleet.refresh(now()).await.expect("read");
    assert!(fleet.credentials().trust().revoked.hosts.contains(&first.host));
    let new = invite(&fleet, "host-1", now()).await;
    let new = fleet
        .enroll(request(&new, "host-1"), now())
        .await
        .expect("another host joins");
    assert_ne!(new.host, first.host);
    assert_eq!(
        refused(&fleet, request(&late, "host-1"), now()).await,
        "token_unknown",
        "the host of the token was revoked"
    );
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

#[tokio::test]
async fn a_certificate_is_renewed_when_two_thirds_are_over_or_the_authority_is_another() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let token = invite(&fleet, "host-1", at).await;
    let joined = fleet.enroll(request(&token, "host-1"), at).await.expect("it joins");
    let info: CertificateInfo = crate::pki::Identity::read_certificate(&joined.certificate).expect("a certificate");
    let hear = |beat, at| fleet.hear(&info, joined.host, beat, at);

    let answer = hear(beat(&fleet, true), at + MINUTE * 60 * 24 * 4)
        .await
        .expect("heard");
    assert!(
        !answer.renew && answer.certificate.is_none() && answer.trust.is_none(),
        "it is too early"
    );
    let due = at + MINUTE * 60 * 24 * 5;
    assert!(hear(beat(&fleet, false), due).await.expect("heard").renew);
    let answer = hear(beat(&fleet, true), due).await.expect("heard");
    let renewed = answer.certificate.expect("a new certificate");
    let renewed = crate::pki::Identity::read_certificate(&renewed).expect("a certificate");
    assert!(!answer.renew && renewed.not_after > info.not_after && renewed.subject == info.subject);

    let next = Authority::create(at).expect("an authority");
    let both = fleet
        .credentials()
        .trust()
        .with_root(next.certificate_pem())
        .expect("a root");
    fleet.credentials().set_trust(both.clone()).expect("trust");
    let mut late = beat(&fleet, false);
    late.trust = "old".into();
    assert_eq!(hear(late, at).await.expect("heard").trust, Some(both));
    assert!(!hear(beat(&fleet, false), at).await.expect("heard").renew);
    fleet.credentials().set_authority(next, at).expect("a certificate");
    assert!(hear(beat(&fleet, false), at).await.expect("heard").renew);

    assert!(repo.hosts().await.expect("hosts")[0].report.is_some());
    repo.change_host(joined.host, HostChange::Revoke, at)
        .await
        .expect("revoked");
    let error = hear(beat(&fleet, false), at).await.expect_err("it was removed");
    assert_eq!(error.code(), "host_unknown");
}

#[tokio::test]
async fn a_machine_whose_name_was_given_to_another_one_is_not_heard_any_more() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let token = invite(&fleet, "host-1", at).await;
    let first = fleet.enroll(request(&token, "host-1"), at).await.expect("it joins");
    trusts(&fleet, &first, at + MINUTE).await;
    repo.change_host(first.host, HostChange::Drain, at + MINUTE)
        .await
        .expect("drained");
    let later = at + MINUTE * 60;
    let token = invite(&fleet, "host-1", later).await;
    let second = fleet.enroll(request(&token, "host-1"), later).await.expect("it joins");
    assert_eq!(second.host, first.host);
    let drained = repo.hosts().await.expect("hosts")[0].drained_at;
    assert_eq!(drained, Some(at + MINUTE), "it stays drained");
    trusts(&fleet, &second, later + MINUTE).await;

    let info = crate::pki::Identity::read_certificate(&first.certificate).expect("a certificate");
    let old = fleet
        .hear(&info, first.host, beat(&fleet, true), later + MINUTE * 2)
        .await;
    assert_eq!(old.expect_err("refused").code(), "host_unknown");
}

/// Sends a heartbeat of an agent that trusts the authorities of a master.
async fn trusts(fleet: &FleetMaster, joined: &EnrollAnswer, at: jiff::Timestamp) -> BeatAnswer {
    let info = crate::pki::Identity::read_certificate(&joined.certificate).expect("a certificate");
    let mut beat = beat(fleet, false);
    let known = fleet.credentials().trust().fingerprints().expect("authorities");
    beat.report.authorities = known.iter().map(ToString::to_string).collect();
    fleet.hear(&info, joined.host, beat, at).await.expect("heard")
}

#[tokio::test]
async fn a_rotation_waits_for_all_hosts_and_the_old_authority_is_trusted_for_eight_days() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let token = invite(&fleet, "host-1", at).await;
    let joined = fleet.enroll(request(&token, "host-1"), at).await.expect("it joins");
    let code = |error: FleetError| error.code().to_owned();
    let early = fleet.finish_rotation(true, at).await.expect_err("none has begun");
    assert_eq!(code(early), "rotation_not_begun");

    let old = fleet.authority().fingerprint();
    let begun = fleet.begin_rotation(at).await.expect("it begins");
    let next = begun.next.expect("the next one");
    assert_eq!((begun.current, &*begun.waits_for), (old, &[name("host-1")][..]));
    let again = fleet.begin_rotation(at).await.expect_err("it has begun");
    assert_eq!(code(again), "rotation_pending");
    let waits = fleet.finish_rotation(false, at).await.expect_err("it waits");
    assert_eq!(waits.to_string(), "host-1 does not trust the next authority yet");
    assert_eq!(code(waits), "rotation_waits");

    // Another master follows.
    let second = FleetMaster::open(repo.clone(), name("second"), at)
        .await
        .expect("a master");
    assert!(!trusts(&fleet, &joined, at).await.renew, "the old one still issues");
    assert!(second.rotation(at).await.expect("read").waits_for.is_empty());
    let finished = fleet.finish_rotation(false, at).await.expect("it finishes");
    let until = at + MINUTE * 60 * 24 * 8;
    assert_eq!((finished.current, finished.next), (next, None));
    assert_eq!(finished.retired, [(old, until)]);
    second.refresh(at).await.expect("read");
    for master in [&fleet, &second] {
        assert_eq!(master.authority().fingerprint(), next);
        assert!(master.authority().has_issued(master.credentials().identity().info()));
        assert_eq!(master.credentials().trust().fingerprints().expect("two"), [next, old]);
    }
    assert!(trusts(&fleet, &joined, at).await.renew, "the new one issues");
    second.refresh(until).await.expect("read");
    assert_eq!(second.credentials().trust().fingerprints().expect("one"), [next]);

    // With force, nobody is waited for. A revoked host is not waited for either.
    let at = at + MINUTE;
    fleet.begin_rotation(at).await.expect("another rotation");
    fleet.finish_rotation(true, at).await.expect("forced");
    fleet.begin_rotation(at).await.expect("another rotation");
    repo.change_host(joined.host, HostChange::Revoke, at)
        .await
        .expect("revoked");
    let all = fleet.finish_rotation(false, at).await.expect("it finishes");
    assert_eq!(all.retired.len(), 3);
}

#[tokio::test]
async fn a_token_works_between_the_steps_of_a_rotation_and_not_after_it() {
    let (fleet, _) = fleet().await;
    let at = now();
    let [first, second] = [invite(&fleet, "host-1", at).await, invite(&fleet, "host-2", at).await];
    let begun = fleet.begin_rotation(at).await.expect("it begins");
    let next = begun.next.expect("the next one");
    // An agent compares the token with the authority of the master.
    assert_eq!(first.authority(), fleet.authority().fingerprint());
    let joined = fleet.enroll(request(&first, "host-1"), at).await.expect("it joins");
    let trusted = joined.trust.fingerprints().expect("two");
    assert_eq!(trusted, [begun.current, next], "the host trusts both");
    let waits = fleet.rotation(at).await.expect("read").waits_for;
    assert_eq!(waits, [name("host-1")], "its first heartbeat says so");
    trusts(&fleet, &joined, at).await;
    fleet.finish_rotation(false, at).await.expect("it finishes");
    assert_ne!(second.authority(), fleet.authority().fingerprint());
}

#[tokio::test]
async fn a_master_that_was_off_during_a_rotation_follows_it() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let token = invite(&fleet, "host-1", at).await;
    let joined = fleet.enroll(request(&token, "host-1"), at).await.expect("it joins");
    // It reads nothing meanwhile, as if its machine slept.
    let asleep = FleetMaster::open(repo.clone(), name("second"), at)
        .await
        .expect("a master");
    let old = asleep.authority().fingerprint();
    fleet.begin_rotation(at).await.expect("it begins");
    trusts(&fleet, &joined, at).await;
    let next = fleet.finish_rotation(false, at).await.expect("it finishes").current;
    let own = asleep.credentials().identity();
    assert!(fleet.credentials().trust().fingerprints().expect("two").contains(&old));
    asleep.refresh(at).await.expect("read");
    assert_eq!(asleep.authority().fingerprint(), next);
    assert_ne!(
        asleep.credentials().identity().info().serial,
        own.info().serial,
        "it has a new certificate"
    );
    // A start after the retirement of the old one needs nothing of it.
    let late = at + MINUTE * 60 * 24 * 9;
    let started = FleetMaster::open(repo, name("third"), late).await.expect("a master");
    assert_eq!(started.credentials().trust().fingerprints().expect("one"), [next]);
}

#[tokio::test]
async fn of_masters_that_rotate_at_the_same_time_one_begins() {
    let (fleet, _) = fleet().await;
    let begun = futures_util::future::join_all((0..8).map(|_| fleet.begin_rotation(now()))).await;
    assert_eq!(begun.iter().filter(|begun| begun.is_ok()).count(), 1);
}
