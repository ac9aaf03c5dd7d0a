use std::{
    collections::BTreeMap,
    fs, io,
    path::Path,
    sync::{Arc, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker as Client, models::SystemVersion};

use super::{
    Docker, DockerHost, failure,
    storage::{self, Storage},
    tolerant::tolerant,
};
use crate::{
    api::ApiVersion,
    decoy::DecoyImage,
    desired::seccomp_profile,
    host,
    runtime::{Resource, RuntimeError, RuntimeInfo},
};

/// How long a description of the daemon is valid: shorter than it takes to replace a daemon.
const DESCRIPTION_LIFETIME: Duration = Duration::from_secs(30);

/// Podman's name among its components.
const PODMAN: &str = "Podman Engine";

/// The options of a connection to a daemon.
#[derive(Debug, Clone)]
#[must_use]
#[non_exhaustive]
pub struct DockerOptions {
    /// The address of the daemon.
    pub host: DockerHost,
    /// The timeout of one answer, or of one part of a streamed answer (pull, build). 2 min unless set. A daemon that does not
    /// answer a ping within 10 s counts as unreachable.
    pub timeout: Duration,
    /// The image for [`ImageSpec::Decoy`](crate::ImageSpec::Decoy).
    pub decoy: Option<Arc<DecoyImage>>,
    /// Whether it is a member of a [`Fleet`](crate::Fleet): it can have links.
    pub member: bool,
    /// Whether its network may not be that of this process, although its address is local.
    pub elsewhere: bool,
}

impl DockerOptions {
    /// Sets the address of the daemon.
    pub fn host(mut self, host: DockerHost) -> Self {
        self.host = host;
        self
    }

    /// Makes it a member of a [`Fleet`](crate::Fleet), whose network may not be that of this process.
    pub fn member(mut self) -> Self {
        self.elsewhere = true;
        self.of_agent()
    }

    /// Makes it the daemon of an agent: a member of a [`Fleet`](crate::Fleet) on the machine of this process.
    pub fn of_agent(mut self) -> Self {
        self.member = true;
        self
    }

    /// Sets the timeout of one answer, or of one part of a streamed answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the image for [`ImageSpec::Decoy`](crate::ImageSpec::Decoy).
    pub fn decoy(mut self, decoy: impl Into<Option<Arc<DecoyImage>>>) -> Self {
        self.decoy = decoy.into();
        self
    }
}

impl Default for DockerOptions {
    fn default() -> Self {
        Self {
            host: DockerHost::default(),
            timeout: Duration::from_mins(2),
            decoy: None,
            member: false,
            elsewhere: false,
        }
    }
}

impl Docker {
    /// The oldest supported API: Docker 20.10.
    pub const OLDEST_API: ApiVersion = ApiVersion::v1(41);

    /// Connects to a daemon and negotiates a version of the API.
    pub async fn connect(options: DockerOptions) -> Result<Self, RuntimeError> {
        let DockerOptions {
            host,
            timeout,
            decoy,
            member,
            elsewhere,
        } = options;
        let client = open(&host, timeout)?;
        let mut docker = Self {
            client,
            host,
            api: Self::OLDEST_API,
            podman: false,
            timeout,
            decoy,
            member,
            elsewhere,
            described: Arc::default(),
            refused: Arc::default(),
            profile: seccomp_profile().into(),
        };
        // A ping has a short timeout, so a stuck daemon is found soon.
        docker.ping().await?;
        let version = docker.ask("get the version", docker.client.version()).await?;
        docker.podman = is_podman(&version);
        let found = version.api_version.unwrap_or_default();
        let newest = ApiVersion {
            major: API_DEFAULT_VERSION.major_version.try_into().unwrap_or(1),
            minor: API_DEFAULT_VERSION.minor_version.try_into().unwrap_or(u16::MAX),
        };
        match parse_api(&found) {
            Some(api) if api >= Self::OLDEST_API => docker.api = api.min(newest),
            _ => {
                return Err(RuntimeError::TooOld {
                    endpoint: docker.host.to_string(),
                    found,
                    needed: format!("{}.{}", Self::OLDEST_API.major, Self::OLDEST_API.minor),
                });
            }
        }
        let ApiVersion { major, minor } = docker.api;
        docker.client = docker
            .client
            .with_request_modifier(move |request| pin(request, major, minor));
        Ok(docker)
    }

    /// Describes the daemon. This request takes the daemon about 20 ms, because it runs other programs to find their versions.
    /// So the last description is valid for a while if the daemon answers.
    pub(super) async fn describe(&self) -> Result<RuntimeInfo, RuntimeError> {
        let known = self.described().clone();
        if let Some((_, info)) = known.filter(|(since, _)| since.elapsed() < DESCRIPTION_LIFETIME) {
            self.ping().await?;
            return Ok(info);
        }
        let info = self.ask_description().await?;
        *self.described() = Some((Instant::now(), info.clone()));
        Ok(info)
    }

    /// Returns the last description, whatever its age. The parts of it that containers depend on do not change.
    pub(super) async fn description(&self) -> Result<RuntimeInfo, RuntimeError> {
        let known = self.described().clone();
        match known {
            Some((_, info)) => Ok(info),
            None => self.describe().await,
        }
    }

    /// Returns whether its network is that of this process.
    pub(super) fn is_here(&self) -> bool {
        self.host.is_local() && !self.elsewhere
    }

    fn described(&self) -> MutexGuard<'_, Option<(Instant, RuntimeInfo)>> {
        self.described.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask_description(&self) -> Result<RuntimeInfo, RuntimeError> {
        let info = self.ask("describe yourself", tolerant(self.client.info())).await?;
        let security = info.security_options.unwrap_or_default();
        let has = |name: &str| security.iter().any(|option| option.split(',').any(|part| part == name));
        // A daemon that does not report a controller is assumed to have it.
        let controllers = [
            (Resource::Memory, info.memory_limit),
            (Resource::Processes, info.pids_limit),
            (Resource::Cpu, info.cpu_cfs_quota),
        ];
        let unlimited = controllers
            .into_iter()
            .filter_map(|(resource, limits)| (limits == Some(false)).then_some(resource))
            .collect();
        let driver = info.driver.unwrap_or_default();
        let storage = Storage {
            filesystem: storage::filesystem(info.driver_status.unwrap_or_default()),
            driver,
        };
        let root = info.docker_root_dir.unwrap_or_default();
        let mut addresses = self.gateways().await?;
        let mut interfaces = BTreeMap::new();
        if self.is_here() {
            interfaces = host::machine::interfaces();
            interfaces.retain(|address, _| !addresses.contains(address));
            addresses.extend(host::addresses());
        }
        addresses.sort_unstable();
        addresses.dedup();
        Ok(RuntimeInfo {
            version: format!(
                "{}{}",
                if self.podman { "Podman " } else { "" },
                info.server_version.unwrap_or_default()
            ),
            podman: self.podman,
            api: self.api,
            endpoint: self.host.to_string(),
            local: self.is_here(),
            cpus: info.ncpu.and_then(|cpus| cpus.try_into().ok()).unwrap_or(1),
            live_restore: info.live_restore_enabled.unwrap_or_default(),
            rootless: has("name=rootless"),
            architecture: info.architecture.unwrap_or_default(),
            // Podman takes the text of a profile for the path of a file.
            seccomp: has("name=seccomp") && !self.podman,
            limits_roots: storage.limits_roots(self.host.is_local().then(|| Path::new(&root))),
            storage: storage.to_string(),
            unlimited,
            addresses,
            interfaces,
            members: BTreeMap::new(),
            has_local: false,
        })
    }
}

/// Adds the negotiated version to a request. bollard omits it, which means the latest version of the daemon.
fn pin(mut request: BollardRequest, major: u16, minor: u16) -> BollardRequest {
    let mut parts = request.uri().clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    let pinned = format!("/v{major}.{minor}{path}")
        .parse()
        .map(|path| parts.path_and_query = Some(path));
    if pinned.is_ok()
        && let Ok(uri) = parts.try_into()
    {
        *request.uri_mut() = uri;
    }
    request
}

/// Returns whether the daemon is Podman.
fn is_podman(version: &SystemVersion) -> bool {
    let components = version.components.iter().flatten();
    components.into_iter().any(|component| component.name == PODMAN)
}

fn parse_api(text: &str) -> Option<ApiVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ApiVersion {
        major: major.parse().ok()?,
        minor: minor.parse().ok()?,
    })
}

fn open(host: &DockerHost, timeout: Duration) -> Result<Client, RuntimeError> {
    // The timeout of this module expires first; that of bollard is later.
    let seconds = timeout.as_secs().saturating_add(5);
    let opened = match host {
        DockerHost::Unix(path) => {
            let unreadable = |error: io::Error| failure::unreachable(host, failure::explain(&error));
            fs::metadata(path).map_err(unreadable)?;
            Client::connect_with_unix(&path.to_string_lossy(), seconds, API_DEFAULT_VERSION)
        }
        DockerHost::Tcp { address } => Client::connect_with_http(address, seconds, API_DEFAULT_VERSION),
        DockerHost::Tls { address, certificates } => {
            // rustls panics if two providers exist and none is chosen. If one is already chosen, that is fine.
            let _ = rustls::crypto::ring::default_provider().install_default();
            let [key, certificate, authority] = ["key.pem", "cert.pem", "ca.pem"].map(|file| certificates.join(file));
            for file in [&key, &certificate, &authority] {
                readable(file).map_err(|reason| failure::unreachable(host, reason))?;
            }
            Client::connect_with_ssl(address, &key, &certificate, &authority, seconds, API_DEFAULT_VERSION)
        }
    };
    opened.map_err(|error| failure::unreachable(host, error.to_string()))
}

fn readable(file: &Path) -> Result<(), String> {
    match fs::File::open(file) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("cannot read the certificate {}: {error}", file.display())),
    }
}
