use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use crate::runtime::RuntimeError;

const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The address of a Docker daemon.
///
/// It parses and prints the format of `DOCKER_HOST`: `unix:///var/run/docker.sock`, `tcp://host:2375`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DockerHost {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port without protection.
    Tcp {
        /// Host and port.
        address: String,
    },
    /// A TCP port with TLS and certificates on both sides.
    Tls {
        /// Host and port.
        address: String,
        /// The folder with `ca.pem`, `cert.pem` and `key.pem`.
        certificates: PathBuf,
    },
}

impl Default for DockerHost {
    /// The default socket of Docker's packages.
    fn default() -> Self {
        Self::Unix(DEFAULT_SOCKET.into())
    }
}

impl DockerHost {
    /// Reads the variables of the `docker` command: `DOCKER_HOST`, `DOCKER_TLS_VERIFY`, and `DOCKER_CERT_PATH`, by default
    /// `.docker` in `HOME`. The caller passes a function that looks up variables, so this library does not read the
    /// environment.
    ///
    /// [`find`](Self::find) also reads the contexts of `docker context`.
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

    /// Returns the address of a port with TLS and the certificates in a folder.
    pub fn tls(address: &str, certificates: impl Into<PathBuf>) -> Self {
        Self::Tls {
            // TLS has another default port.
            address: with_port(address.trim_end_matches(":2375"), 2376),
            certificates: certificates.into(),
        }
    }

    /// Returns whether the daemon is certainly on this machine.
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Unix(_))
    }
}

fn with_port(address: &str, port: u16) -> String {
    // An IPv6 address is in brackets, so the port follows the last bracket.
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
            return Err(refuse("expected unix://PATH or tcp://HOST:PORT"));
        };
        let rest = rest.trim_end_matches('/');
        if rest.is_empty() {
            return Err(refuse("the address after the scheme is missing"));
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
            _ => Err(refuse("only unix, tcp, http and https are supported")),
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
    fn a_daemon_is_found_like_docker_finds_it() {
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
    fn an_unsupported_address_is_reported() {
        for text in ["ssh://lab", "lab:2375", "unix://", "tcp:///"] {
            let said = from(&[("DOCKER_HOST", text)]);
            assert!(said.contains(text), "{said}");
        }
    }
}
