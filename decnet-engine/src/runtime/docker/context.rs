//! The contexts of the `docker` command: the selected context and its daemon.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::DockerHost;
use crate::runtime::RuntimeError;

/// The context for `DOCKER_HOST` and the default socket.
const DEFAULT: &str = "default";

/// The fields of `config.json` that are read.
#[derive(Deserialize)]
struct Config {
    #[serde(default, rename = "currentContext")]
    current: String,
}

/// The fields of a context's `meta.json` that are read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Meta {
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default, rename = "Host")]
    host: String,
    #[serde(default, rename = "SkipTLSVerify")]
    skip_tls_verify: bool,
}

impl DockerHost {
    /// Finds the daemon that the `docker` command would use: `DOCKER_HOST`, or `DOCKER_CONTEXT`, or the context selected by
    /// `docker context use`, or the default socket, in this order.
    ///
    /// The caller passes functions that look up variables and read files, so this library reads neither the environment nor the
    /// home folder. The configuration is in `DOCKER_CONFIG`, by default `.docker` in `HOME`.
    pub fn find(
        variable: impl Fn(&str) -> Option<String>,
        read: impl Fn(&Path) -> Option<String>,
    ) -> Result<Self, RuntimeError> {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        if set("DOCKER_HOST").is_some() {
            return Self::from_env(variable);
        }
        let folder = set("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(Path::new(&set("HOME")?).join(".docker")));
        let named = match (set("DOCKER_CONTEXT"), &folder) {
            (Some(name), _) => Some(name),
            (None, Some(folder)) => current(&folder.join("config.json"), &read)?,
            (None, None) => None,
        };
        match named.filter(|name| name != DEFAULT) {
            None => Self::from_env(variable),
            Some(name) => context(&name, &folder.unwrap_or_default(), &read),
        }
    }
}

/// Returns the context selected by `docker context use`.
fn current(path: &Path, read: &impl Fn(&Path) -> Option<String>) -> Result<Option<String>, RuntimeError> {
    let Some(text) = read(path) else { return Ok(None) };
    let config: Config = serde_json::from_str(&text).map_err(|error| RuntimeError::Unreachable {
        endpoint: path.display().to_string(),
        reason: format!("cannot read the current Docker context: {error}"),
    })?;
    Ok(Some(config.current).filter(|name| !name.is_empty()))
}

/// Returns the daemon of a context.
fn context(name: &str, folder: &Path, read: &impl Fn(&Path) -> Option<String>) -> Result<DockerHost, RuntimeError> {
    let refuse = |reason: String| RuntimeError::Unreachable {
        endpoint: format!("Docker context `{name}`"),
        reason,
    };
    let digest = folder_of(name);
    let contexts = folder.join("contexts");
    let path = contexts.join("meta").join(&digest).join("meta.json");
    let text = read(&path).ok_or_else(|| {
        refuse(format!(
            "the context does not exist, or {} cannot be read; `docker context ls` lists them",
            path.display()
        ))
    })?;
    let meta: Meta = serde_json::from_str(&text).map_err(|error| refuse(format!("{}: {error}", path.display())))?;
    let endpoint = meta
        .endpoints
        .docker
        .ok_or_else(|| refuse("it has no Docker endpoint".into()))?;
    if endpoint.skip_tls_verify {
        return Err(refuse(
            "it skips the verification of the daemon's certificate, which is not supported".into(),
        ));
    }
    if endpoint.host.is_empty() {
        return Ok(DockerHost::default());
    }
    let certificates = contexts.join("tls").join(&digest).join("docker");
    let protected = read(&certificates.join("ca.pem")).is_some();
    Ok(match endpoint.host.parse()? {
        DockerHost::Tcp { address } if protected => DockerHost::tls(&address, certificates),
        DockerHost::Tls { address, .. } => DockerHost::tls(&address, certificates),
        host => host,
    })
}

/// Returns Docker's name for the folder of a context: the digest of the context's name.
fn folder_of(name: &str) -> String {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let (high, low) = digest.split_at(16);
    let number = |half: &[u8]| half.iter().fold(0_u128, |number, byte| number << 8 | u128::from(*byte));
    format!("{:032x}{:032x}", number(high), number(low))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn meta(name: &str) -> String {
        let digest = folder_of(name);
        format!("/h/.docker/contexts/meta/{digest}/meta.json")
    }

    fn tls(name: &str) -> String {
        meta(name)
            .replace("/meta/", "/tls/")
            .replace("meta.json", "docker/ca.pem")
    }

    #[track_caller]
    fn check(variables: &[(&str, &str)], files: &[(String, &str)], expected: &str) {
        let variables: BTreeMap<_, _> = [("HOME", "/h")].iter().chain(variables).copied().collect();
        let files: BTreeMap<_, _> = files.iter().map(|(path, text)| (path.as_str(), *text)).collect();
        let found = DockerHost::find(
            |name| variables.get(name).map(|value| (*value).to_owned()),
            |path| files.get(path.to_str()?).map(|text| (*text).to_owned()),
        );
        let found = match found {
            Ok(DockerHost::Tls { address, certificates }) => format!("{address} {}", certificates.display()),
            Ok(host) => host.to_string(),
            Err(error) => error.to_string(),
        };
        assert!(found.contains(expected), "{found}");
    }

    #[test]
    fn the_daemon_is_that_of_the_current_context_unless_a_variable_is_set() {
        let config = (
            "/h/.docker/config.json".to_owned(),
            r#"{"auths":{},"currentContext":"lab"}"#,
        );
        let lab = (
            meta("lab"),
            r#"{"Name":"lab","Metadata":{},"Endpoints":{"docker":{"Host":"unix:///run/lab.sock"}}}"#,
        );
        let far = (
            meta("far"),
            r#"{"Name":"far","Endpoints":{"docker":{"Host":"tcp://far:2376","SkipTLSVerify":false}}}"#,
        );
        let files = [config, lab, far];
        check(&[], &files[1..], "unix:///var/run/docker.sock");
        check(&[], &files, "unix:///run/lab.sock");
        check(&[("DOCKER_CONTEXT", "far")], &files, "tcp://far:2376");
        check(&[("DOCKER_CONTEXT", "default")], &files, "unix:///var/run/docker.sock");
        check(
            &[("DOCKER_CONTEXT", "far"), ("DOCKER_HOST", "unix:///run/d.sock")],
            &files,
            "unix:///run/d.sock",
        );
    }

    #[test]
    fn the_folder_of_a_context_has_docker_s_name() {
        // The output of sha256sum.
        let lab = "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7";
        assert_eq!(folder_of("lab"), lab);
    }

    #[test]
    fn the_certificates_of_a_context_are_used() {
        let far = (meta("far"), r#"{"Endpoints":{"docker":{"Host":"tcp://far:2376"}}}"#);
        let folder = tls("far").replace("/ca.pem", "");
        check(
            &[("DOCKER_CONTEXT", "far")],
            &[far, (tls("far"), "PEM")],
            &format!("far:2376 {folder}"),
        );
    }

    #[test]
    fn an_unusable_context_is_reported_with_the_reason() {
        let of = |host: &'static str| (meta("lab"), host);
        let chosen = [("DOCKER_CONTEXT", "lab")];
        check(&chosen, &[], "Docker context `lab`");
        check(&chosen, &[], "docker context ls");
        check(
            &chosen,
            &[of(r#"{"Endpoints":{"kubernetes":{}}}"#)],
            "has no Docker endpoint",
        );
        check(
            &chosen,
            &[of(r#"{"Endpoints":{"docker":{"Host":"ssh://me@lab"}}}"#)],
            "ssh -nNT -L",
        );
        check(
            &chosen,
            &[of(
                r#"{"Endpoints":{"docker":{"Host":"tcp://lab","SkipTLSVerify":true}}}"#,
            )],
            "not supported",
        );
        check(&[], &[("/h/.docker/config.json".into(), "{")], "/h/.docker/config.json");
    }
}
