use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::runtime::RuntimeError;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Where a Docker daemon is.
///
/// It is read from and printed as what `DOCKER_HOST` holds: `unix:///var/run/docker.sock`, `tcp://host:2375`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DockerHost {
    /// A socket of this machine.
    Unix(PathBuf),
    /// A port, unprotected.
    Tcp {
        /// Host and port.
        address: String,
    },
    /// A port, with TLS and certificates of both sides.
    Tls {
        /// Host and port.
        address: String,
        /// The folder with `ca.pem`, `cert.pem` and `key.pem`.
        certificates: PathBuf,
    },
}

impl Default for DockerHost {
    /// The socket that every package of Docker sets up.
    fn default() -> Self {
        Self::Unix(DEFAULT_SOCKET.into())
    }
}

impl DockerHost {
    /// Reads what `docker` reads: `DOCKER_HOST`, `DOCKER_TLS_VERIFY`, and `DOCKER_CERT_PATH`, which is `.docker` in `HOME` by
    /// default. The caller says how a variable is looked up, so that this library reads no environment.
    ///
    /// The contexts of `docker context` are looked at by [`find`](Self::find).
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Result<Self, RuntimeError> {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let Some(text) = set("DOCKER_HOST") else {
            return Ok(Self::default());
        };
        let certificates = || match set("DOCKER_CERT_PATH") {
            Some(path) => PathBuf::from(path),
            None => Path::new(&set("HOME").unwrap_or_default()).join(".docker"),
        };
        Ok(match text.parse()? {
            Self::Tcp { address } if set("DOCKER_TLS_VERIFY").is_some() => Self::tls(&address, certificates()),
            Self::Tls { address, .. } => Self::tls(&address, certificates()),
            host => host,
        })
    }

    /// Says that a port is protected with the certificates in a folder.
    pub fn tls(address: &str, certificates: impl Into<PathBuf>) -> Self {
        Self::Tls {
            // The default port of the two differs.
            address: with_port(address.trim_end_matches(":2375"), 2376),
            certificates: certificates.into(),
        }
    }

    /// Returns whether the daemon is on this machine for certain.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

fn with_port(address: &str, port: u16) -> String {
    // An IPv6 address is in brackets, so that what follows the last of them is the port.
    let host = address.rsplit(']').next().unwrap_or(address);
    if host.contains(':') {
        address.into()
    } else {
        format!("{address}:{port}")
    }
}

impl FromStr for DockerHost {
    type Err = RuntimeError;

    fn from_str(text: &str) -> Result<Self, RuntimeError> {
        let refuse = |reason: &str| RuntimeError::Unreachable {
            endpoint: text.into(),
            reason: reason.into(),
        };
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(refuse("no address of the form unix://PATH or tcp://HOST:PORT"));
        };
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() {
            return Err(refuse("nothing follows the scheme"));
        }
        match scheme {
            "unix" => Ok(Self::Unix(rest.into())),
            "tcp" | "http" => Ok(Self::Tcp {
                address: with_port(rest, 2375),
            }),
            "https" => Ok(Self::tls(rest, PathBuf::new())),
            "ssh" => Err(refuse(&format!(
                "ssh is not supported; forward the daemon's socket: `ssh -nNT -L 127.0.0.1:2375:/var/run/docker.sock {rest}`, \
                 then DOCKER_HOST=tcp://127.0.0.1:2375"
            ))),
            _ => Err(refuse("only unix, tcp, http and https can be spoken")),
        }
    }
}

impl fmt::Display for DockerHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::Tcp { address } => write!(f, "tcp://{address}"),
            Self::Tls { address, .. } => write!(f, "https://{address}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        match DockerHost::from_env(variable) {
            Ok(DockerHost::Tls { address, certificates }) => format!("{address} {}", certificates.display()),
            Ok(host) => host.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_daemon_is_found_where_docker_itself_would_look() {
        assert_eq!(from(&[]), "unix:///var/run/docker.sock");
        assert_eq!(from(&[("DOCKER_HOST", "")]), "unix:///var/run/docker.sock");
        assert_eq!(from(&[("DOCKER_HOST", "unix:///run/d.sock")]), "unix:///run/d.sock");
        assert_eq!(from(&[("DOCKER_HOST", "tcp://lab")]), "tcp://lab:2375");
        assert_eq!(from(&[("DOCKER_HOST", "tcp://[::1]:99/")]), "tcp://[::1]:99");
        let tls = [("DOCKER_HOST", "tcp://lab"), ("DOCKER_TLS_VERIFY", "1"), ("HOME", "/h")];
        assert_eq!(from(&tls), "lab:2376 /h/.docker");
        let https = [("DOCKER_HOST", "https://lab:9"), ("DOCKER_CERT_PATH", "/c")];
        assert_eq!(from(&https), "lab:9 /c");
    }

    #[test]
    fn an_address_that_cannot_be_spoken_is_named() {
        for text in ["ssh://lab", "lab:2375", "unix://", "tcp:///"] {
            let said = from(&[("DOCKER_HOST", text)]);
            assert!(said.contains(text), "{said}");
        }
    }
}
