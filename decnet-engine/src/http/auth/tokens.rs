//! Tokens in a file: only their digests are stored.

pub(crate) mod error;
mod stored;

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use async_trait::async_trait;
use axum::http::{header, request::Parts};
use decnet_topology::rng;
use jiff::Timestamp;

use super::{
    Authenticator,
    error::AuthError,
    scope::{AccessScope, Principal},
};
use crate::decoy;
use error::TokenError;
pub use stored::AccessToken;
use stored::{Stamp, Stored};

/// How a token begins, so that people and scanners of leaked secrets recognize it.
const PREFIX: &str = "decnet_";

/// The longest name of a token.
const LONGEST_NAME: usize = 64;

/// Bearer tokens, whose digests are in a file.
///
/// Each use checks whether the file has changed, so a revoked token is refused at once, by other processes too. Nobody but the owner may
/// write to the file, and it is created so that nobody else can read it.
///
/// ```
/// use decnet_engine::{AccessScope, TokenFile};
///
/// # let folder = tempfile::tempdir()?;
/// let tokens = TokenFile::new(folder.path().join("decnet.tokens"));
/// let secret = tokens.create("ci", AccessScope::Write, "2030-01-01T00:00:00Z".parse()?)?;
/// assert!(secret.starts_with("decnet_"));
/// let listed = tokens.list()?;
/// assert_eq!((listed[0].name.as_str(), listed[0].scope), ("ci", AccessScope::Write));
/// tokens.revoke(&listed[0].id)?;
/// assert!(tokens.list()?.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    read: Mutex<Option<(Stamp, Arc<Vec<AccessToken>>)>>,
}

impl TokenFile {
    /// Names the file. A file that does not exist has no tokens.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            read: Mutex::default(),
        }
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a token for an actor, and returns its secret, which is stored nowhere.
    ///
    /// # Errors
    ///
    /// If the name is empty, longer than 64 bytes or has control characters, or if the file cannot be read or written.
    pub fn create(&self, name: &str, scope: AccessScope, at: Timestamp) -> Result<String, TokenError> {
        if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(TokenError::Name { name: name.into() });
        }
        let mut secret = PREFIX.to_owned();
        for _ in 0..4 {
            // Writing to a String does not fail.
            let _ = write!(secret, "{:016x}", rng::os_seed());
        }
        let new_id = || format!("{:08x}", rng::os_seed() >> 32);
        let mut token = AccessToken {
            id: new_id(),
            name: name.into(),
            scope,
            created_at: at,
            digest: digest(&secret),
        };
        Stored::change(&self.path, |tokens| {
            // Two tokens with one id would be the same sender, and would be revoked together.
            while tokens.iter().any(|other| other.id == token.id) {
                token.id = new_id();
            }
            tokens.push(token);
        })?;
        Ok(secret)
    }

    /// Lists the tokens, oldest first.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub fn list(&self) -> Result<Vec<AccessToken>, TokenError> {
        Ok(Stored::read(&self.path)?
            .map(|stored| stored.tokens)
            .unwrap_or_default())
    }

    /// Removes a token by its id.
    ///
    /// # Errors
    ///
    /// [`TokenError::NotFound`] if there is none; or if the file cannot be read or written.
    pub fn revoke(&self, id: &str) -> Result<AccessToken, TokenError> {
        let mut removed = None;
        Stored::change(&self.path, |tokens| {
            let at = tokens.iter().position(|token| token.id == id);
            removed = at.map(|at| tokens.remove(at));
        })?;
        removed.ok_or_else(|| TokenError::NotFound { id: id.into() })
    }

    /// Returns the tokens for a request.
    fn readable(&self) -> Result<Arc<Vec<AccessToken>>, AuthError> {
        self.current().map_err(|error| AuthError::Unavailable {
            reason: crate::causes::with_causes(&error),
        })
    }

    /// Returns the tokens of the file as it is now. It is read again only if it has changed.
    fn current(&self) -> Result<Arc<Vec<AccessToken>>, TokenError> {
        let stamp = Stamp::of(&self.path)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        match &*read {
            Some((known, tokens)) if *known == stamp => Ok(Arc::clone(tokens)),
            _ => {
                let tokens = Arc::new(self.list()?);
                *read = Some((stamp, Arc::clone(&tokens)));
                Ok(tokens)
            }
        }
    }
}

#[async_trait]
impl Authenticator for TokenFile {
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
        let mut values = request.headers.get_all(header::AUTHORIZATION).iter();
        let invalid = |reason: &str| AuthError::Invalid { reason: reason.into() };
        let value = values.next().ok_or(AuthError::Missing)?;
        if values.next().is_some() {
            return Err(invalid("the request has several"));
        }
        let text = value.to_str().map_err(|_| invalid("it has bytes that are not ASCII"))?;
        let (scheme, secret) = text.split_once(' ').unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(invalid("the scheme is not Bearer"));
        }
        let tokens = self.readable()?;
        // The digests are compared, so the time that it takes says nothing about a secret.
        let digest = digest(secret.trim());
        let found = tokens.iter().find(|token| token.digest == digest);
        let found = found.ok_or_else(|| invalid("it is unknown or was revoked"))?;
        Ok(found.principal())
    }

    async fn renew(&self, principal: &Principal) -> Result<Principal, AuthError> {
        let tokens = self.readable()?;
        let found = tokens.iter().find(|token| token.id == principal.id);
        let found = found.ok_or_else(|| AuthError::Invalid {
            reason: "it was revoked".into(),
        })?;
        Ok(found.principal())
    }
}

/// Returns the digest of a secret. A secret has 256 random bits, so it needs no slow hash.
fn digest(secret: &str) -> String {
    format!("sha256:{}", decoy::digest(secret.as_bytes()))
}

#[cfg(test)]
mod tests;
