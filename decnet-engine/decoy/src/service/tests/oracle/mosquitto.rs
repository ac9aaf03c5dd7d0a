//! `mosquitto`.

use super::{
    Step::{Finish, Part, Say},
    *,
};

/// Hides the client id that the server gives.
fn mask(bytes: &[u8]) -> String {
    let shown = text(bytes);
    match shown.split_once("auto-") {
        Some((before, after)) => format!("{before}(id){}", after.get(36..).unwrap_or(after)),
        None => shown,
    }
}

fn start(anonymous: bool) -> Option<Real> {
    let plan = real::Plan::new("usr/sbin/mosquitto")?;
    let config = format!("listener {} 127.0.0.1\nallow_anonymous {anonymous}\n", plan.port);
    let config = plan.write("mosquitto.conf", config);
    Some(plan.start("usr/sbin/mosquitto", &["-c", &config]))
}

/// Compares a broker that visitors without a login may use, or may not use.
fn check(anonymous: bool, conversations: &[&[Step]]) {
    let Some(real) = start(anonymous) else { return };
    let comparison = Comparison {
        service: "mqtt",
        fields: json!({ "anonymous": anonymous }),
        greets: false,
        at_once: 1,
        mask,
        on_purpose: &[],
    };
    comparison.check(&real, conversations);
}

/// `CONNECT` of version 3.1.1 with a client id.
const CONNECT: &[u8] = b"\x10\x0d\0\x04MQTT\x04\x02\0\x3c\0\x01a";
/// `CONNECT` of version 5 with a client id.
const CONNECT_5: &[u8] = b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01a";
/// `CONNECT` of version 3.1.1 with a user and a password.
const LOGIN: &[u8] = b"\x10\x13\0\x04MQTT\x04\xc2\0\x3c\0\x01a\0\x01u\0\x01p";
/// `CONNECT` of version 5 with a user and a password.
const LOGIN_5: &[u8] = b"\x10\x14\0\x04MQTT\x05\xc2\0\x3c\0\0\x01a\0\x01u\0\x01p";

#[test]
fn an_open_mqtt_answers_as_mosquitto_does() {
    check(
        true,
        &[
            &[
                Say(CONNECT),
                Say(b"\xc0\0"),
                Say(b"\x82\x08\0\x01\0\x03a/b\0"),
                Say(b"\xe0\0"),
            ],
            &[Say(CONNECT_5), Say(b"\xc0\0"), Say(b"\x82\x09\0\x01\0\0\x03a/b\0")],
            &[Say(b"\x10\x10\0\x04MQTT\x05\x02\0\x3c\x03\x21\0\x14\0\0")],
            &[Say(b"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"), Say(b"\xc0\0")],
            &[Say(b"\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0")],
            &[Say(b"\x10\x0f\0\x06MQIsdp\x03\x02\0\x3c\0\x01a")],
            &[Say(b"\x10\x0d\0\x04MQTT\x07\x02\0\x3c\0\x01a")],
            &[Say(b"\x10\x0d\0\x04MQTX\x04\x02\0\x3c\0\x01a")],
            &[Say(b"\xc0\0")],
            &[Say(b"GET / HTTP/1.0\r\n\r\n")],
            &[Part(&CONNECT[..5]), Say(&CONNECT[5..]), Say(CONNECT)],
            &[Part(b"\x10"), Finish],
            &[Say(CONNECT), Say(b"\x32\x0a\0\x03a/b\0\x05hey"), Say(b"\xf0\0")],
            &[Say(CONNECT_5), Say(b"\x32\x0b\0\x03a/b\0\x05\0hey"), Say(b"\xf0\0")],
            &[
                Say(CONNECT),
                Say(b"\xa2\x07\0\x02\0\x03a/b"),
                Say(b"\x82\x05\0\x01\0\0\0"),
            ],
        ],
    );
}

#[test]
fn mqtt_with_a_login_answers_as_mosquitto_does() {
    check(
        false,
        &[&[Say(CONNECT)], &[Say(CONNECT_5)], &[Say(LOGIN)], &[Say(LOGIN_5)]],
    );
}
