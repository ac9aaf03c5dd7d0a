//! Replacements of the authority.

use super::*;

#[tokio::test]
async fn a_rotation_waits_for_all_hosts_and_the_old_authority_is_trusted_for_eight_days() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let joined = joined(&fleet, at).await;
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
async fn a_host_joins_at_a_master_that_has_not_heard_of_the_replacement() {
    let (fleet, repo) = fleet().await;
    let at = now();
    let second = FleetMaster::open(repo, name("second"), at).await.expect("a master");
    second.begin_rotation(at).await.expect("it begins");
    second.finish_rotation(false, at).await.expect("it finishes");
    let token = invite(&second, "host-1", at).await;
    assert_ne!(token.authority(), fleet.authority().fingerprint(), "it has not read it");
    let joined = fleet.enroll(request(&token, "host-1"), at).await.expect("it joins");
    assert!(joined.trust.fingerprints().expect("two").contains(&token.authority()));
    assert!(
        !trusts(&second, &joined, at).await.renew,
        "the new one has issued the certificate"
    );
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
    let joined = joined(&fleet, at).await;
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
