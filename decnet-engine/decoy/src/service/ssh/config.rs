//! The algorithms, keys and login methods of the server.
//!
//! The library has neither `sntrup761x25519-sha512@openssh.com` nor UMAC, so it cannot offer the lists of a stock OpenSSH.
//! The deckies pretend to be hardened instead: they offer the lists of well-known hardening guides, without UMAC.

use std::{borrow::Cow, time::Duration};

use p256::SecretKey;
use russh::{
    MethodKind, MethodSet, Preferred, SshId, cipher, compression, kex,
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
    // The guides of ssh-audit.
    &Guide {
        kex: &[
            kex::CURVE25519,
            kex::CURVE25519_PRE_RFC_8731,
            kex::DH_G16_SHA512,
            kex::DH_G18_SHA512,
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

/// Returns the configuration of a server with this identification.
pub(super) fn config(context: &Context, ident: &str) -> Config {
    Config {
        server_id: SshId::Standard(Cow::Owned(ident.to_owned())),
        methods: methods(context),
        // The handler pauses by itself, and counts failed attempts.
        auth_rejection_time: Duration::ZERO,
        auth_rejection_time_initial: None,
        max_auth_attempts: 0,
        inactivity_timeout: None,
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
