//! Who sends a request, and what it may do.

pub(crate) mod error;
pub(crate) mod open;
pub(crate) mod scope;
pub(crate) mod tokens;

use std::fmt::Debug;

use async_trait::async_trait;
use axum::http::request::Parts;

use error::AuthError;
use scope::Principal;

/// Decides who sends a request.
///
/// ```
/// use decnet_engine::{AccessScope, AuthError, Authenticator, Principal};
/// use decnet_topology::async_trait;
///
/// #[derive(Debug)]
/// struct BehindProxy;
///
/// #[async_trait]
/// impl Authenticator for BehindProxy {
///     async fn authenticate(&self, request: &axum::http::request::Parts) -> Result<Principal, AuthError> {
///         let user = request.headers.get("x-user").and_then(|user| user.to_str().ok());
///         Ok(Principal::new(user.ok_or(AuthError::Missing)?, AccessScope::Write))
///     }
/// }
/// ```
#[async_trait]
pub trait Authenticator: Send + Sync + Debug {
    /// Returns the sender of a request.
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError>;

    /// Returns a principal that was admitted before, as it is now; an error if it is not admitted any more.
    ///
    /// It is called while a stream is open, and when a ticket is used. Without an implementation, a principal stays what it was.
    async fn renew(&self, principal: &Principal) -> Result<Principal, AuthError> {
        Ok(principal.clone())
    }

    /// Returns whether a server with it may only listen on a loopback address, because it asks for no proof.
    fn needs_loopback(&self) -> bool {
        false
    }
}
