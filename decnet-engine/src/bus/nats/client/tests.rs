use super::*;

#[test]
fn pauses_grow_to_five_seconds() {
    let pauses: Vec<u128> = (0..12).map(|attempt| pause(attempt).as_millis()).collect();
    assert_eq!(pauses, [0, 0, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
    assert_eq!(pause(usize::MAX), LONGEST);
}

#[tokio::test]
async fn a_bus_that_is_printed_shows_no_credentials() {
    let url: NatsUrl = "nats://ada:secret@127.0.0.1:1".parse().expect("a URL");
    let bus = NatsBus::new(&url, "test");
    assert!(!format!("{bus:?}").contains("secret"));
}
