/// The reason why a request was refused before it was looked at.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
#[non_exhaustive]
pub enum AuthError {
    /// The request does not say who sends it.
    #[error("the request has no token")]
    #[strum(serialize = "unauthorized")]
    Missing,
    /// The token is wrong, expired or revoked.
    #[error("the token is not valid: {reason}")]
    #[strum(serialize = "unauthorized")]
    Invalid {
        /// The reason.
        reason: String,
    },
    /// The request was sent to another host name. A web page may do that with a name of its own that leads to this machine.
    #[error("the host `{host}` is not a loopback name")]
    ForeignHost {
        /// The host of the request.
        host: String,
    },
    /// The tokens cannot be read.
    #[error("tokens cannot be checked: {reason}")]
    #[strum(serialize = "auth_unavailable")]
    Unavailable {
        /// The reason.
        reason: String,
    },
}

impl AuthError {
    /// Returns a stable code for programs.
    pub fn code(&self) -> &'static str {
        self.into()
    }
}
