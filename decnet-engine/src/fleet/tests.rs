//! What tokens are accepted, and when certificates are renewed.

use std::sync::Arc;

use decnet_topology::Name;
use jiff::SignedDuration;

use super::{memory::MemoryHosts, messages::*, *};
use crate::pki::{Authority, CertificateInfo, CertificateSubject, Credentials, KeyRequest, Trust};

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn fleet() -> (FleetMaster, Arc<MemoryHosts>) {
    let authority = Authority::create(now()).expect("an authority");
    let subject = CertificateSubject::Master { name: name("first") };
    let identity = authority.identity(&subject, now()).expect("an identity");
    let credentials = Credentials::new(identity, Trust::of(&authority)).expect("credentials");
    let hosts = Arc::new(MemoryHosts::default());
    (
        FleetMaster::new(authority, credentials, hosts.clone(), hosts.clone()),
        hosts,
    )
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

async fn refused(fleet: &FleetMaster, request: EnrollRequest, at: jiff::Timestamp) -> &'static str {
    fleet.enroll(request, at).await.expect_err("refused").code()
}

#[tokio::test]
async fn a_token_works_once_for_its_name_and_in_time() {
    let (fleet, hosts) = fleet();
    let invited = now();
    let token = fleet.invite(name("Host-1"), None, invited).await.expect("a token");
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
    let (foreign, _) = self::fleet();
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
    let known = hosts.hosts();
    assert_eq!((known[0].0.id, known[0].0.name.as_str()), (joined.host, "Host-1"));
    assert_eq!(
        refused(&fleet, request(&token, "host-1"), invited + MINUTE * 14).await,
        "token_used"
    );
}

#[tokio::test]
async fn of_many_hosts_with_one_token_one_joins() {
    let (fleet, hosts) = fleet();
    let token = fleet.invite(name("host-1"), None, now()).await.expect("a token");
    let join = || fleet.enroll(request(&token, "host-1"), now());
    let results = futures_util::future::join_all((0..8).map(|_| join())).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(hosts.hosts().len(), 1);
}

#[tokio::test]
async fn a_name_belongs_to_one_host_which_may_join_again() {
    let (fleet, hosts) = fleet();
    let token = fleet.invite(name("host-1"), None, now()).await.expect("a token");
    let first = fleet.enroll(request(&token, "host-1"), now()).await.expect("it joins");
    let token = fleet.invite(name("HOST-1"), None, now()).await.expect("a token");
    assert_eq!(
        refused(&fleet, request(&token, "host-1"), now()).await,
        "host_name_taken"
    );
    let token = fleet
        .invite(name("host-1"), Some(first.host), now())
        .await
        .expect("a token");
    let again = fleet
        .enroll(request(&token, "host-1"), now())
        .await
        .expect("it joins again");
    assert_eq!(again.host, first.host);
    assert_eq!(hosts.hosts().len(), 1);
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
        report: HostReport::default(),
        trust: fleet.credentials().trust().digest(),
        request: with_request.then(|| KeyRequest::new().expect("a key").request_pem().into()),
    }
}

#[tokio::test]
async fn a_certificate_is_renewed_when_two_thirds_are_over_or_the_authority_is_another() {
    let (fleet, hosts) = fleet();
    let at = now();
    let token = fleet.invite(name("host-1"), None, at).await.expect("a token");
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
    fleet.set_authority(next);
    assert!(hear(beat(&fleet, false), at).await.expect("heard").renew);

    assert!(hosts.hosts()[0].1.is_some());
    hosts.remove(joined.host);
    let error = hear(beat(&fleet, false), at).await.expect_err("it was removed");
    assert_eq!(error.code(), "host_unknown");
}
