//! The address of a database: `postgres://user:password@host:port/database?sslmode=verify-full`.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};
use url::form_urlencoded;

use crate::repo::RepoError;

/// How the server proves who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It does not: the connection is encrypted, or not, without a check of the certificate.
    None,
    /// An authority signed its certificate.
    Authority,
    /// An authority signed its certificate, which names the host.
    Host,
}

/// The files with certificates, as named in the address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    /// The authorities that sign servers' certificates; those of the system if none is named.
    pub(super) authorities: Option<PathBuf>,
    /// The own certificate.
    pub(super) own: Option<PathBuf>,
    /// The key of the own certificate.
    pub(super) key: Option<PathBuf>,
}

/// Where a database is, and how to connect to it.
#[derive(Debug, Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) proof: Proof,
    pub(super) certificates: Certificates,
    /// The address without its password.
    pub(super) shown: String,
}

impl Address {
    /// Reads an address. No part of it that may be a password is repeated in the error.
    pub(super) fn parse(text: &str, timeout: Duration) -> Result<Self, RepoError> {
        let refused = |what: String| RepoError::DatabaseAddress { what };
        let Some(rest) = ["postgres://", "postgresql://"]
            .into_iter()
            .find_map(|scheme| text.strip_prefix(scheme))
        else {
            return Err(refused("it does not start with postgres://".into()));
        };
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // Otherwise a part of the password would be taken for the host or the database.
        if place.matches('@').count() > 1 || place.split_once('/').is_some_and(|(_, name)| name.contains('@')) {
            return Err(refused(
                "it has an `@` or `/` in the user's name or password: write them as %40 and %2F".into(),
            ));
        }
        let mut mode = None;
        let mut certificates = Certificates::default();
        let mut others = form_urlencoded::Serializer::new(String::new());
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "sslmode" => mode = Some(value.into_owned()),
                "sslrootcert" if value == "system" => {}
                "sslrootcert" => certificates.authorities = Some(PathBuf::from(value.into_owned())),
                "sslcert" => certificates.own = Some(PathBuf::from(value.into_owned())),
                "sslkey" => certificates.key = Some(PathBuf::from(value.into_owned())),
                _ => drop(others.append_pair(&key, &value)),
            }
        }
        if certificates.own.is_some() != certificates.key.is_some() {
            return Err(refused("sslcert and sslkey belong together".into()));
        }
        // PostgreSQL reads `+` as it is.
        let others = others.finish().replace('+', "%20");
        let plain = format!("postgres://{place}?{others}");
        let mut config: Config = plain.parse().map_err(|error: tokio_postgres::Error| {
            let cause = error.into_source().map(|cause| cause.to_string());
            refused(cause.unwrap_or_else(|| "it is not complete".into()))
        })?;
        if config.get_hosts().is_empty() {
            return Err(refused("it names no host".into()));
        }
        if config.get_user().is_none() {
            return Err(refused("it names no user".into()));
        }
        if config.get_dbname().is_none_or(str::is_empty) {
            return Err(refused("it names no database".into()));
        }
        let (encryption, proof) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Proof::None),
            Some("allow" | "prefer") | None => (SslMode::Prefer, Proof::None),
            // As in PostgreSQL's own clients: a file of authorities is used even if it is not asked for.
            Some("require") if certificates.authorities.is_none() => (SslMode::Require, Proof::None),
            Some("require" | "verify-ca") => (SslMode::Require, Proof::Authority),
            Some("verify-full") => (SslMode::Require, Proof::Host),
            Some(other) => {
                return Err(refused(format!(
                    "`{other}` is not an sslmode: disable, prefer, require, verify-ca or verify-full"
                )));
            }
        };
        config.ssl_mode(encryption);
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(timeout);
        }
        if config.get_application_name().is_none() {
            config.application_name("decnet");
        }
        // A host that vanished is noticed within a minute.
        config.keepalives_idle(Duration::from_secs(30));
        config.keepalives_interval(Duration::from_secs(10));
        config.keepalives_retries(3);
        config.tcp_user_timeout(Duration::from_mins(1));
        Ok(Self {
            shown: shown(&config),
            config,
            proof,
            certificates,
        })
    }
}

/// Returns an address without its password.
fn shown(config: &Config) -> String {
    let mut shown = String::from("postgres://");
    let user = config.get_user().unwrap_or_default();
    let name = config.get_dbname().unwrap_or_default();
    shown.extend([user, "@"]);
    for (at, host) in config.get_hosts().iter().enumerate() {
        let host = match host {
            Host::Tcp(host) => host.clone(),
            #[cfg(unix)]
            Host::Unix(folder) => folder.display().to_string(),
        };
        let ports = config.get_ports();
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(shown, "{comma}{host}:{port}");
    }
    shown.extend(["/", name]);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, Duration::from_secs(10)).map_err(|error| {
            assert_eq!(error.code(), "database_address");
            error.to_string()
        })
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (text, shown) in [
            ("postgres://ann:s3cret@db/maze", "postgres://ann@db:5432/maze"),
            ("postgresql://ann:s3cret@db:5433/maze", "postgres://ann@db:5433/maze"),
            ("postgres://ann:s3cret@a:1,b:2/maze", "postgres://ann@a:1,b:2/maze"),
            (
                "postgres://ann:s3cret@%2Frun%2Fpg/maze",
                "postgres://ann@/run/pg:5432/maze",
            ),
            ("postgres://ann@db/maze?password=s3cret", "postgres://ann@db:5432/maze"),
            ("postgres://ann:a%40b%2Fc@db/maze", "postgres://ann@db:5432/maze"),
        ] {
            let address = parse(text).expect(text);
            assert_eq!(address.shown, shown);
            assert!(!format!("{address:?}").contains("s3cret"), "{address:?}");
        }
    }

    #[test]
    fn an_invalid_address_is_refused_without_its_password() {
        for (text, expected) in [
            ("mysql://ann:s3cret@db/maze", "it does not start with postgres://"),
            ("postgres://ann:s3cret@db", "it names no database"),
            ("postgres://ann:s3cret@db/", "it names no database"),
            ("postgres:///maze", "it names no host"),
            ("postgres://db/maze", "it names no user"),
            ("postgres://ann:s3cret@db:port/maze", "invalid value for option `port`"),
            (
                "postgres://ann:s3@cret@db/maze",
                "it has an `@` or `/` in the user's name or password",
            ),
            (
                "postgres://ann:s3/cret@db/maze",
                "it has an `@` or `/` in the user's name or password",
            ),
            ("postgres://ann:s3cret@db/maze?colour=red", "unknown option `colour`"),
            (
                "postgres://ann:s3cret@db/maze?sslmode=maybe",
                "`maybe` is not an sslmode",
            ),
            (
                "postgres://ann:s3cret@db/maze?sslcert=a.pem",
                "sslcert and sslkey belong together",
            ),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
            assert!(!error.contains("s3") && !error.contains("cret"), "{error}");
        }
    }

    #[test]
    fn the_mode_of_tls_says_what_the_server_must_prove() {
        for (query, encryption, proof) in [
            ("", SslMode::Prefer, Proof::None),
            ("?sslmode=disable", SslMode::Disable, Proof::None),
            ("?sslmode=require", SslMode::Require, Proof::None),
            (
                "?sslmode=require&sslrootcert=ca.pem",
                SslMode::Require,
                Proof::Authority,
            ),
            ("?sslmode=verify-ca", SslMode::Require, Proof::Authority),
            ("?sslmode=verify-full", SslMode::Require, Proof::Host),
        ] {
            let address = parse(&format!("postgres://ann@db/maze{query}")).expect(query);
            assert_eq!((address.config.get_ssl_mode(), address.proof), (encryption, proof));
        }
    }
}
