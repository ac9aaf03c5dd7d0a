use std::time::Duration;

use decnet_topology::Name;
use jiff::Timestamp;

use super::AgentPlace;
use crate::{
    fleet::{
        JoinToken,
        messages::{AUTHORITY, AuthorityAnswer, ENROLL, EnrollAnswer, EnrollRequest},
    },
    peer::{PeerClient, PeerError, PeerOptions},
    pki::{
        Credentials, Fingerprint, Identity, KeyRequest, Peers, PkiError, Trust, anonymous_config, parse_certificate,
        untrusting_config,
    },
};

/// How long a connection and a sign of life may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Reports why a host could not join a fleet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The master has another authority than the token says: it is another fleet, its authority was replaced after the token was made, or
    /// somebody is in between.
    #[error(
        "the authority at {address} has the fingerprint {found}, and the token is for {expected}: this is another fleet, its \
         authority was replaced after the token was made, or somebody intercepts the connection"
    )]
    OtherAuthority {
        /// The address of the master.
        address: String,
        /// The fingerprint in the token.
        expected: Fingerprint,
        /// The fingerprint that was found.
        found: Fingerprint,
    },
    /// The master does not answer, or it refused.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The key or the certificate cannot be used.
    #[error(transparent)]
    Pki(#[from] PkiError),
}

impl JoinError {
    /// Returns a stable code for programs. For a refusal, it is the code of the master.
    pub fn code(&self) -> &str {
        match self {
            Self::OtherAuthority { .. } => "other_authority",
            Self::Peer(error) => error.code(),
            Self::Pki(error) => error.code(),
        }
    }
}

/// Joins a fleet with a token, and returns the credentials of the agent.
///
/// The certificate of the authority is read without trust, and compared with the hash in the token. Only then is the secret sent, to a
/// master whose certificate that authority issued. The key of the agent never leaves this host.
///
/// # Errors
///
/// [`JoinError::OtherAuthority`] if the hash differs; [`JoinError::Peer`] if the master does not answer or refuses the token;
/// [`PkiError::ClockOff`] if the certificate is not valid by this clock, and then the token is used up.
pub async fn join(
    token: &JoinToken,
    name: &Name,
    place: &AgentPlace,
    now: Timestamp,
) -> Result<Credentials, JoinError> {
    let address = &place.master;
    let connect = |tls| {
        PeerClient::new(PeerOptions {
            address: address.clone(),
            tls,
            name: Peers::Masters.server_name(),
            timeout: TIMEOUT,
        })
    };
    let stranger = connect(untrusting_config()?)?;
    let AuthorityAnswer { certificate } = stranger.get(AUTHORITY).await?;
    let found = Fingerprint::of(&parse_certificate("the authority", &certificate)?);
    let expected = token.authority();
    if found != expected {
        return Err(JoinError::OtherAuthority {
            address: address.clone(),
            expected,
            found,
        });
    }
    let master = connect(anonymous_config(Trust::new(&certificate)?, Peers::Masters)?)?;
    let key = KeyRequest::new()?;
    let request = EnrollRequest {
        token: token.id(),
        secret: token.secret(),
        name: name.clone(),
        address: place.address.clone(),
        request: key.request_pem().into(),
    };
    let answer: EnrollAnswer = master.post(ENROLL, &request).await?;
    let identity: Identity = key.certified(&answer.certificate)?;
    identity.check_clock(now)?;
    Ok(Credentials::new(identity, answer.trust)?)
}
