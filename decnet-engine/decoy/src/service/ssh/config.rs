//! The algorithms, keys and login methods of the server.
//!
//! The library has neither `sntrup761x25519-sha512@openssh.com` nor UMAC, so it cannot offer the lists of a stock OpenSSH.
//! The deckies pretend to be hardened instead: they offer the lists of well-known hardening guides, without UMAC.

use std::{borrow::Cow, time::Duration};

use p256::SecretKey;
use russh::{
    MethodKind, MethodSet, Preferred, SshId, cipher, compression,
    kex::{
        self,
        dh::groups::{DH_GROUP14, DH_GROUP16, DhGroup},
    },
    keys::{
        Algorithm, EcdsaCurve, HashAlg, PrivateKey,
        ssh_key::private::{EcdsaKeypair, Ed25519Keypair},
    },
    mac,
    server::Config,
};

use crate::{protocol::Os, service::context::Context};

/// The algorithms of a hardening guide.
struct Guide {
    kex: &'static [kex::Name],
    ciphers: &'static [cipher::Name],
    macs: &'static [mac::Name],
}

const GUIDES: [&Guide; 3] = [
    // The collection of dev-sec.io, with its lists for OpenSSH 6.6 and later.
    &Guide {
        kex: &[kex::CURVE25519_PRE_RFC_8731, kex::DH_GEX_SHA256],
        ciphers: &[
            cipher::CHACHA20_POLY1305,
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ],
        macs: &[
            mac::HMAC_SHA512_ETM,
            mac::HMAC_SHA256_ETM,
            mac::HMAC_SHA512,
            mac::HMAC_SHA256,
        ],
    },
    // The security technical implementation guides for Ubuntu.
    &Guide {
        kex: &[
            kex::ECDH_SHA2_NISTP256,
            kex::ECDH_SHA2_NISTP384,
            kex::ECDH_SHA2_NISTP521,
            kex::DH_GEX_SHA256,
        ],
        ciphers: &[
            cipher::AES_256_CTR,
            cipher::AES_256_GCM,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
            cipher::AES_128_GCM,
        ],
        macs: &[
            mac::HMAC_SHA512,
            mac::HMAC_SHA512_ETM,
            mac::HMAC_SHA256,
            mac::HMAC_SHA256_ETM,
        ],
    },
    // The guides of ssh-audit. Without the group of 8 192 bits, whose calculation takes too long for one visitor.
    &Guide {
        kex: &[
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::DH_G16_SHA512,
            kex::DH_GEX_SHA256,
        ],
        ciphers: &[
            cipher::AES_256_GCM,
            cipher::AES_128_GCM,
            cipher::AES_256_CTR,
            cipher::AES_192_CTR,
            cipher::AES_128_CTR,
        ],
        macs: &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM],
    },
];

/// The algorithms of user keys, in the order of OpenSSH's `server-sig-algs`.
const KEYS: &[Algorithm] = &[
    Algorithm::Ed25519,
    Algorithm::SkEd25519,
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP256,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP384,
    },
    Algorithm::Ecdsa {
        curve: EcdsaCurve::NistP521,
    },
    Algorithm::SkEcdsaSha2NistP256,
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha256),
    },
    Algorithm::Rsa {
        hash: Some(HashAlg::Sha512),
    },
];

/// Returns the configuration of a server with this identification. `silence` is how long it waits for a silent visitor.
pub(super) fn config(context: &Context, ident: &str, silence: Duration) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Owned(ident.to_owned())),
        methods: methods(context),
        // The handler pauses by itself, and counts failed attempts.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: None,
        max_auth_attempts: 0,
        inactivity_timeout: Some(silence),
        keys: host_keys(context),
        preferred: preferred(context),
        ..Config::default()
    }
}

/// Returns the login methods that are offered, in the order of sshd.
pub(super) fn methods(context: &Context) -> MethodSet {
    let chosen = context.fields().options("auth_methods");
    let chosen = chosen.unwrap_or_else(|| vec!["publickey", "password"]);
    let known = [
        ("publickey", MethodKind::PublicKey),
        ("password", MethodKind::Password),
        ("keyboard-interactive", MethodKind::KeyboardInteractive),
    ];
    let offered: Vec<MethodKind> = known
        .into_iter()
        .filter(|(name, _)| chosen.contains(name))
        .map(|(_, kind)| kind)
        .collect();
    MethodSet::from(&offered[..])
}

/// Returns the group of a key exchange in which the client asks for sizes. It is one of those that sshd has built in, for the case
/// that it finds no file of groups. Larger ones would take too long.
pub(super) fn group(least: usize, wanted: usize) -> Option<DhGroup> {
    let groups = [DH_GROUP14, DH_GROUP16];
    let group = groups.into_iter().find(|group| group.bit_size() >= least.max(wanted));
    let group = group.unwrap_or(DH_GROUP16);
    (group.bit_size() >= least).then_some(group)
}

fn preferred(context: &Context) -> Preferred {
    let guide = context.pick("ssh algorithms", &GUIDES);
    let mut kex = guide.kex.to_vec();
    // Packages since the attack "Terrapin" announce the counter-measure, and OpenSSH 9.6 announces RFC 8308.
    let os = context.persona().os;
    if os == Os::Ubuntu2404 {
        kex.push(kex::EXTENSION_SUPPORT_AS_SERVER);
    }
    if matches!(os, Os::Debian11 | Os::Debian12 | Os::Ubuntu2204 | Os::Ubuntu2404) {
        kex.push(kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER);
    }
    Preferred {
        kex: Cow::Owned(kex),
        key: Cow::Borrowed(KEYS),
        cipher: Cow::Borrowed(guide.ciphers),
        mac: Cow::Borrowed(guide.macs),
        // `Compression no`.
        compression: Cow::Borrowed(&[compression::NONE]),
        ..Preferred::DEFAULT
    }
}

/// Returns the keys of the host, which are always the same on one decky.
fn host_keys(context: &Context) -> Vec<PrivateKey> {
    let ed25519 = Ed25519Keypair::from_seed(&context.stable("ssh host key ed25519"));
    let mut keys = vec![PrivateKey::from(ed25519)];
    // One of 2^32 secrets is no scalar of the curve. That host has no such key.
    if let Ok(secret) = SecretKey::from_slice(&context.stable::<32>("ssh host key ecdsa")) {
        let pair = EcdsaKeypair::NistP256 {
            public: secret.public_key().into(),
            private: secret.into(),
        };
        keys.push(PrivateKey::from(pair));
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use serde_json::json;

    use super::*;
    use crate::{
        protocol::Protocol,
        service::{secret::Secret, testing},
    };

    #[test]
    fn groups_are_not_larger_than_4096_bits() {
        for (least, wanted, bits) in [
            (1024, 2048, Some(2048)),
            (2048, 3072, Some(4096)),
            (2048, 8192, Some(4096)),
            (8192, 8192, None),
        ] {
            assert_eq!(group(least, wanted).map(|group| group.bit_size()), bits);
        }
    }

    #[test]
    fn deckies_follow_different_guides_but_each_always_the_same() {
        let mut lists = BTreeSet::new();
        for number in 0..20 {
            let mut context = testing::context("ssh", 22, Protocol::Tcp, json!({}));
            Arc::make_mut(&mut context.service).secret = Secret::new([number; 32]);
            let names = |context: &Context| -> Vec<String> {
                let preferred = preferred(context);
                preferred.kex.iter().map(|name| name.as_ref().to_owned()).collect()
            };
            assert_eq!(names(&context), names(&context));
            lists.insert(names(&context));
        }
        assert_eq!(lists.len(), GUIDES.len());
    }
}
