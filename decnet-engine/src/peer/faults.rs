//! Finds out why a connection failed.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

use super::PeerError;
use crate::causes;

/// Returns the error of a request that has no answer.
pub(super) fn of(address: &str, error: &(dyn Error + 'static)) -> PeerError {
    let found = tls_error(error);
    if is_greeted(error) && found == Some(rustls::Error::AlertReceived(AlertDescription::CertificateRevoked)) {
        let address = address.into();
        return PeerError::Revoked { address };
    }
    if matches!(found, Some(rustls::Error::InvalidMessage(_))) {
        let address = address.into();
        return PeerError::NotTls { address };
    }
    match found.and_then(|error| distrust(&error)) {
        Some(reason) => PeerError::Untrusted {
            address: address.into(),
            reason,
        },
        None => PeerError::Unreachable {
            address: address.into(),
            reason: causes::with_causes(error),
        },
    }
}

/// Returns whether the server had proved who it is: with TLS 1.3, it refuses the certificate of a client after that. Before, anybody on
/// the way can send an alert.
fn is_greeted(error: &(dyn Error + 'static)) -> bool {
    let of_client = error.downcast_ref::<hyper_util::client::legacy::Error>();
    of_client.is_some_and(|error| !error.is_connect())
}

/// Finds the error of TLS among the causes of an error.
fn tls_error(error: &(dyn Error + 'static)) -> Option<rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found.clone());
    }
    // The source of an I/O error skips the error that it wraps.
    let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
    let wrapped = wrapped.and_then(|error| tls_error(error));
    wrapped.or_else(|| error.source().and_then(tls_error))
}

/// Returns who refused which certificate; none if the error is about something else.
fn distrust(error: &rustls::Error) -> Option<String> {
    Some(match error {
        rustls::Error::InvalidCertificate(refused) => format!("its certificate is refused: {}", words(refused)),
        rustls::Error::AlertReceived(alert) => {
            let why = match alert {
                AlertDescription::CertificateExpired => "it has expired or is not valid yet, by its clock",
                AlertDescription::CertificateRevoked => "it was revoked",
                AlertDescription::UnknownCA | AlertDescription::DecryptError => "another authority issued it",
                AlertDescription::AccessDenied => "it is for another role or another host",
                AlertDescription::CertificateRequired => "there is none",
                AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnsupportedCertificate => "it was not made for this fleet",
                _ => return None,
            };
            format!("it refuses the certificate of this program: {why}")
        }
        _ => return None,
    })
}

fn words(refused: &CertificateError) -> String {
    match refused {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "it has expired, by this clock".into(),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet, by this clock: the clocks differ by more than ten minutes".into()
        }
        CertificateError::Revoked => "it was revoked".into(),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => "another authority issued it".into(),
        CertificateError::ApplicationVerificationFailure
        | CertificateError::NotValidForName
        | CertificateError::NotValidForNameContext { .. } => "it is for another role or another host".into(),
        other => other.to_string(),
    }
}
