//! Heartbeats, and the certificates that they renew.

use decnet_topology::{AgentRunId, rng};

use super::*;

#[tokio::test]
async fn a_certificate_is_renewed_when_two_thirds_are_over_or_the_authority_is_another() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let joined = joined(&fleet, at).await;
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
async fn a_certificate_that_is_renewed_after_the_clock_was_set_back_is_accepted() {
    let (fleet, _) = fleet().await;
    // The clock of the master was nine minutes ahead when the host joined.
    let at = now();
    let joined = joined(&fleet, at + MINUTE * 9).await;
    let read = |pem: &str| crate::pki::Identity::read_certificate(pem).expect("a certificate");
    let first = read(&joined.certificate);
    let next = Authority::create(at).expect("an authority");
    fleet.credentials().set_authority(next, at).expect("a certificate");
    let answer = fleet.hear(&first, joined.host, beat(&fleet, true), at).await;
    let renewed = read(&answer.expect("heard").certificate.expect("a new certificate"));
    assert!(renewed.is_valid_at(at) && renewed.serial != first.serial);
    let again = fleet.hear(&renewed, joined.host, beat(&fleet, false), at).await;
    assert!(!again.expect("heard").renew);
}

#[tokio::test]
async fn a_heartbeat_that_was_made_before_the_last_one_is_answered_and_not_stored() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let joined = joined(&fleet, at).await;
    let info = crate::pki::Identity::read_certificate(&joined.certificate).expect("a certificate");
    let hear = async |run: AgentRunId, made: i64, arrives: i64| {
        let mut beat = beat(&fleet, false);
        beat.report.run = Some(run);
        beat.report.made_at = Some(at + SignedDuration::from_secs(made));
        beat.report.address = format!("10.0.0.7:{arrives}");
        let address = beat.report.address.clone();
        let arrival = at + SignedDuration::from_secs(arrives);
        fleet.hear(&info, joined.host, beat, arrival).await.expect("answered");
        let row = repo.hosts().await.expect("hosts").remove(0);
        (row.address == address, row.heard_at == Some(arrival))
    };
    let stored = (true, true);
    let (first, again) = (rng::agent_run_id(), rng::agent_run_id());
    assert_eq!(hear(first, 100, 100).await, stored);
    assert_eq!(hear(first, 90, 101).await, (false, false), "it was made before");
    assert_eq!(hear(first, 100, 102).await, stored, "the same, with another request");
    assert_eq!(hear(first, 110, 103).await, stored);
    // The clock of the host was set back by half a minute, and then its agent was started again.
    assert_eq!(hear(again, 80, 104).await, stored);
    assert_eq!(hear(again, 79, 105).await, (false, false));
}

#[tokio::test]
async fn a_second_machine_with_the_certificate_of_a_host_is_found() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let joined = joined(&fleet, at).await;
    let info = crate::pki::Identity::read_certificate(&joined.certificate).expect("a certificate");
    let hear = async |run: AgentRunId, address: &str| {
        let mut beat = beat(&fleet, false);
        beat.report.run = Some(run);
        beat.report.address = address.into();
        fleet.hear(&info, joined.host, beat, at).await
    };
    let (first, copy) = (rng::agent_run_id(), rng::agent_run_id());
    hear(first, "10.0.0.7:1").await.expect("heard");
    hear(copy, "10.0.0.8:1").await.expect("it may be the same machine");
    for _ in 0..2 {
        let refused = hear(first, "10.0.0.7:1").await.expect_err("it is still there");
        assert_eq!(refused.code(), "host_cloned");
        assert!(refused.to_string().contains("10.0.0.8:1"), "{refused}");
        hear(copy, "10.0.0.8:1").await.expect("heard");
    }
    assert_eq!(repo.hosts().await.expect("hosts")[0].address, "10.0.0.8:1");
    // It is started again, after the copy was stopped.
    hear(rng::agent_run_id(), "10.0.0.7:1").await.expect("heard");
}

#[tokio::test]
async fn a_heartbeat_cannot_give_a_host_an_address_that_is_not_of_a_machine() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let joined = joined(&fleet, at).await;
    let info = crate::pki::Identity::read_certificate(&joined.certificate).expect("a certificate");
    let before = repo.hosts().await.expect("hosts").remove(0).address;
    for (address, code) in [
        ("224.0.0.9:1", "underlay_unknown"),
        ("255.255.255.255:1", "underlay_unknown"),
        ("0.0.0.0:1", "underlay_unknown"),
        ("10.0.0.7:0", "peer_address"),
        (":7378", "peer_address"),
    ] {
        let mut beat = beat(&fleet, false);
        beat.report.address = address.into();
        let refused = fleet.hear(&info, joined.host, beat, at).await.expect_err("refused");
        assert_eq!(refused.code(), code, "{address}");
    }
    let mut beat = beat(&fleet, false);
    beat.report.health.detail = "x".repeat(60_000);
    fleet.hear(&info, joined.host, beat, at).await.expect("heard");
    let row = repo.hosts().await.expect("hosts").remove(0);
    assert_eq!(row.address, before);
    assert_eq!(HostReport::of(&row).expect("a report").health.detail.len(), 200);
}

#[tokio::test]
async fn a_host_stays_ready_if_the_clock_of_its_master_jumps() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let joined = joined(&fleet, at).await;
    let info = crate::pki::Identity::read_certificate(&joined.certificate).expect("a certificate");
    let mut report = beat(&fleet, false).report;
    report.health.answers = true;
    for seconds in [10, 3610, 3570, 3580, 30, 0, -3600, -3590] {
        let at = at + SignedDuration::from_secs(seconds);
        let beat = BeatRequest {
            report: report.clone(),
            ..beat(&fleet, false)
        };
        let answer = fleet.hear(&info, joined.host, beat, at).await;
        assert!(!answer.expect("heard").renew, "after {seconds} seconds");
        let host = &repo.hosts().await.expect("hosts")[0];
        assert_eq!(HostState::of(host, at), HostState::Ready, "after {seconds} seconds");
    }
}

#[tokio::test]
async fn a_machine_whose_name_was_given_to_another_one_is_not_heard_any_more() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let first = joined(&fleet, at).await;
    trusts(&fleet, &first, at + MINUTE).await;
    repo.change_host(first.host, HostChange::Drain, at + MINUTE)
        .await
        .expect("drained");
    let later = at + MINUTE * 60;
    let second = joined(&fleet, later).await;
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
