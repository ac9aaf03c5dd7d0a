use super::*;
use crate::{
    protocol::{Os, Protocol},
    service::testing::{NOW, context_on},
};

fn host(os: Os) -> Host {
    Host::new(context_on(os, "smb", 445, Protocol::Tcp, serde_json::json!({})).persona())
}

#[test]
fn the_key_and_the_response_are_those_of_ms_nlmp() {
    // Section 4.2.4: NTLMv2 with the user "User", the password "Password", the domain "Domain".
    let challenge = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
    let info = [
        &[2, 0, 12, 0][..],
        &utf16("Domain"),
        &[1, 0, 12, 0],
        &utf16("Server"),
        &[0; 4],
    ]
    .concat();
    let blob = [
        &[1, 1, 0, 0, 0, 0, 0, 0][..],
        &[0; 8],
        &[0xaa; 8],
        &[0; 4],
        &info,
        &[0; 4],
    ]
    .concat();
    let proof = [
        0x68, 0xcd, 0x0a, 0xb8, 0x51, 0xe5, 0x1c, 0x96, 0xaa, 0xbc, 0x92, 0x7b, 0xeb, 0xef, 0x6a, 0x1c,
    ];
    let mut message = Authenticate {
        user: "User".into(),
        domain: "Domain".into(),
        nt: [&proof[..], &blob].concat(),
        key: vec![
            0xc5, 0xda, 0xd2, 0x54, 0x4f, 0xc9, 0x79, 0x90, 0x94, 0xce, 0x1c, 0xe9, 0x0b, 0xc9, 0xd0, 0x3e,
        ],
        ..Authenticate::default()
    };
    let base = [
        0x8d, 0xe4, 0x0c, 0xca, 0xdb, 0xc1, 0x4a, 0x82, 0xf1, 0x5c, 0xb0, 0xad, 0x0d, 0xe9, 0x5c, 0xa3,
    ];
    assert_eq!(message.verify(challenge, "Password"), Some(base));
    assert_eq!(message.verify(challenge, "password"), None);
    message.flags = flag::KEY_EXCHANGE;
    assert_eq!(message.verify(challenge, "Password"), Some([0x55; 16]));
}

#[test]
fn the_challenge_names_the_host_and_the_release_of_windows() {
    let now = NOW.parse().unwrap();
    let challenge = host(Os::WindowsServer2019)
        .challenge(&client::negotiate(), [1, 2, 3, 4, 5, 6, 7, 8], now)
        .unwrap();
    let expected = [
        &b"NTLMSSP\0\x02\0\0\0\x08\0\x08\0\x38\0\0\0\x15\x82\x89\xe2\x01\x02\x03\x04\x05\x06\x07\x08"[..],
        b"\0\0\0\0\0\0\0\0\x82\0\x82\0\x40\0\0\0\x0a\0\x63\x45\0\0\0\x0f",
        b"C\0O\0R\0P\0",
        b"\x02\0\x08\0C\0O\0R\0P\0",
        b"\x01\0\x0c\0W\0E\0B\0-\x000\x001\0",
        b"\x04\0\x14\0c\0o\0r\0p\0.\0l\0o\0c\0a\0l\0",
        b"\x03\0\x22\0w\0e\0b\0-\x000\x001\0.\0c\0o\0r\0p\0.\0l\0o\0c\0a\0l\0",
        b"\x05\0\x14\0c\0o\0r\0p\0.\0l\0o\0c\0a\0l\0",
        b"\x07\0\x08\0\x80\x49\xb3\x9b\x94\xab\xdc\x01",
        b"\0\0\0\0",
    ]
    .concat();
    assert_eq!(challenge, expected);
    let samba = host(Os::Debian12).challenge(&client::negotiate(), [0; 8], now).unwrap();
    assert_eq!(samba[48..56], [6, 1, 0, 0, 0, 0, 0, 15]);
    assert_eq!(samba[56..68], *utf16("WEB-01"));
}

#[test]
fn a_response_is_reported_in_the_format_of_hashcat() {
    let challenge = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
    let message = Authenticate::parse(&client::authenticate("bob", "CORP", "hunter2", challenge, 0xe288_8215)).unwrap();
    assert_eq!((message.workstation.as_str(), message.protects()), ("KALI", true));
    let Auth {
        method,
        user,
        domain,
        proof: Proof::Hash(hash),
        accepted,
    } = message.attempt(challenge, false)
    else {
        panic!("no hash");
    };
    assert_eq!((method, accepted), ("ntlmv2", false));
    assert_eq!((user, domain), (Some("bob".into()), Some("CORP".into())));
    let parts: Vec<&str> = hash.as_str().split(':').collect();
    assert_eq!(parts[..4], ["bob", "", "CORP", "1122334455667788"]);
    assert_eq!(parts[4].len(), 32);
    assert!(parts[5].starts_with("0101000000000000"));
    let old = Authenticate {
        user: "bob".into(),
        lm: vec![1; 24],
        nt: vec![2; 24],
        ..Authenticate::default()
    };
    let expected = format!("bob:::{}:{}:1122334455667788", "01".repeat(24), "02".repeat(24));
    assert_eq!(
        old.attempt(challenge, false).proof,
        Proof::Hash(expected.as_str().into())
    );
    let nobody = Authenticate::parse(&client::anonymous()).unwrap();
    assert!(nobody.is_anonymous());
    assert_eq!(nobody.attempt(challenge, true).proof, Proof::None);
}

#[test]
fn messages_that_are_cut_or_lie_about_places_are_none() {
    let whole = client::authenticate("bob", "CORP", "hunter2", [0; 8], 1);
    for length in 0..whole.len() {
        let message = Authenticate::parse(&whole[..length]);
        assert!(message.is_none() || length >= 72, "{length}");
    }
    let mut lying = whole.clone();
    lying[40..44].copy_from_slice(&[0xff; 4]);
    assert_eq!(Authenticate::parse(&lying), None);
    let now = NOW.parse().unwrap();
    assert_eq!(host(Os::Windows11).challenge(&whole, [0; 8], now), None);
    assert_eq!(
        host(Os::Windows11).challenge(&client::negotiate()[..14], [0; 8], now),
        None
    );
}
