//! The certificate and its key, which are always the same on one decky.

use std::time::Duration;

use p256::{
    SecretKey,
    ecdsa::{DerSignature, SigningKey, signature::Signer as _},
    pkcs8::EncodePrivateKey as _,
};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyIdMethod, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::secret::Secret;

/// How long a certificate is valid: ten years without leap days.
const DAYS: Duration = Duration::from_hours(3650 * 24);

/// A self-signed certificate with its key.
pub(super) struct Certificate {
    pub(super) chain: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Signs without randomness (RFC 6979), so that the certificate is the same after a restart.
struct Key {
    signing: SigningKey,
    public: Vec<u8>,
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.signing.sign(message);
        Ok(signature.as_bytes().to_vec())
    }
}

impl Certificate {
    /// Creates the certificate of a host with this name. It is valid for ten years, as those are that Debian creates.
    pub(super) fn new(name: &str, secret: &Secret) -> Result<Self, rcgen::Error> {
        let secret_key = secret_key(secret);
        let signing = SigningKey::from(&secret_key);
        let public = signing.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        let [month, day, year]: [u8; 3] = secret.derive("certificate date");
        let second = u32::from_le_bytes(secret.derive("certificate time")) % 86_400;
        let (year, month, day) = (2024 + i32::from(year % 2), 1 + month % 12, 1 + day % 28);
        // A name for hosts is ASCII. Another one is only in the subject.
        let names = Vec::from_iter(name.is_ascii().then(|| name.to_owned()));
        let mut params = CertificateParams::new(names)?;
        params.not_before = date_time_ymd(year, month, day) + Duration::from_secs(second.into());
        params.not_after = params.not_before + DAYS;
        params.serial_number = Some(SerialNumber::from_slice(&serial(secret)));
        params.key_identifier_method = KeyIdMethod::PreSpecified(secret.derive::<20>("key identifier").to_vec());
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&Key { signing, public })?;
        let key = secret_key
            .to_pkcs8_der()
            .map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
        Ok(Self {
            chain: certificate.der().clone(),
            key: PrivateKeyDer::Pkcs8(key.as_bytes().to_vec().into()),
        })
    }
}

/// Returns the key. A derived number that is not below the order of the curve is very rare; the next one is taken.
fn secret_key(secret: &Secret) -> SecretKey {
    let mut keys = (0..).map(|number| secret.derive::<32>(&format!("certificate key {number}")));
    keys.find_map(|bytes| SecretKey::from_slice(&bytes).ok())
        .expect("one of many numbers is a key")
}

/// Returns a positive serial number of 16 bytes.
fn serial(secret: &Secret) -> [u8; 16] {
    let mut serial: [u8; 16] = secret.derive("certificate serial");
    serial[0] = serial[0] & 0x7f | 0x40;
    serial
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decky_has_one_certificate_and_another_decky_another() {
        let der = |name: &str, secret: u8| {
            let certificate = Certificate::new(name, &Secret::new([secret; 32])).unwrap();
            certificate.chain.to_vec()
        };
        assert_eq!(der("web.corp.local", 1), der("web.corp.local", 1));
        assert_ne!(der("web.corp.local", 1), der("web.corp.local", 2));
        assert_ne!(der("web.corp.local", 1), der("db.corp.local", 1));
    }

    #[test]
    fn any_name_can_be_in_a_certificate() {
        for name in ["", "bücher.example", "a b", "10.0.0.1", "\0", &"x".repeat(300)] {
            assert!(Certificate::new(name, &Secret::new([1; 32])).is_ok(), "{name}");
        }
    }
}
