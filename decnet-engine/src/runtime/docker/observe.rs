use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::Ipv4Addr,
};

use bollard::{
    models::{
        ContainerInspectResponse, ContainerStateStatusEnum as Status, ContainerSummary,
        ContainerSummaryStateEnum as Listed, EndpointSettings, MountPoint,
    },
    query_parameters::{ListContainersOptionsBuilder, ListImagesOptionsBuilder},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use super::{Docker, containers, endpoints, images, labels, links, networks, tolerant::tolerant};
use crate::{
    decoy::DecoyImage,
    naming::{self, ContainerName, NetworkName, VolumeName},
    observe::{Activity, Observed, ObservedContainer, ObservedImage, ObservedNetwork, Scope},
    runtime::RuntimeError,
};

/// How many containers are inspected at once.
pub(super) const WIDTH: usize = 8;

/// Returns Docker's filters for a scope. They select by label, but [`Scope::holds`] decides.
pub(super) fn filters(scope: Scope) -> Vec<String> {
    match scope {
        Scope::Topology(instance, topology) => vec![
            format!("{}={instance}", naming::INSTANCE),
            format!("{}={topology}", naming::TOPOLOGY),
        ],
        Scope::Instance(instance) => vec![format!("{}={instance}", naming::INSTANCE)],
        Scope::Everyone => vec![naming::INSTANCE.into()],
    }
}

impl Docker {
    pub(super) async fn inspect_resources(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        let (networks, containers, volumes, images) = futures_util::try_join!(
            self.observe_networks(scope),
            self.observe_containers(scope),
            self.list_volumes(scope),
            self.observe_images(scope)
        )?;
        Ok(Observed {
            links: self.observe_links(scope, &networks).await?,
            networks,
            volumes: self.observed_volumes(scope, volumes, &containers).await?,
            containers,
            images,
            unseen: BTreeMap::new(),
        })
    }

    pub(super) async fn list_resources(&self, scope: Scope) -> Result<Observed, RuntimeError> {
        if self.podman {
            // Podman's list has neither the shared network nor the mounts of a container.
            let observed = self.inspect_resources(scope).await?;
            return Ok(Observed {
                images: Vec::new(),
                ..observed
            });
        }
        let (networks, listed, volumes) = futures_util::try_join!(
            self.observe_networks(scope),
            self.list_containers(scope),
            self.list_volumes(scope)
        )?;
        let mut containers: Vec<_> = listed
            .into_iter()
            .map(from_summary)
            .filter(|container| scope.holds(&container.labels))
            .collect();
        containers.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(Observed {
            networks,
            volumes: self.observed_volumes(scope, volumes, &containers).await?,
            containers,
            images: Vec::new(),
            links: None,
            unseen: BTreeMap::new(),
        })
    }

    async fn list_containers(&self, scope: Scope) -> Result<Vec<ContainerSummary>, RuntimeError> {
        let labels = filters(scope);
        let filters = HashMap::from([("label", labels)]);
        let options = ListContainersOptionsBuilder::default()
            .all(true)
            .filters(&filters)
            .build();
        let request = tolerant(self.client.list_containers(Some(options)));
        let mut listed = self.ask("list containers", request).await?;
        let now = Timestamp::now().as_second();
        listed.retain(|container| !is_busy_helper(container, now));
        Ok(listed)
    }

    pub(super) async fn observe_networks(&self, scope: Scope) -> Result<Vec<ObservedNetwork>, RuntimeError> {
        let labels = filters(scope);
        let filters = HashMap::from([("label", labels.iter().map(String::as_str).collect())]);
        let mut observed = Vec::new();
        for network in self.list_networks(&filters).await? {
            let subnet = networks::subnets(&network).first().copied();
            let labels = labels::read(network.labels);
            if scope.holds(&labels) {
                observed.push(ObservedNetwork {
                    id: network.id.unwrap_or_default(),
                    name: NetworkName::from_docker(network.name.unwrap_or_default()),
                    labels,
                    subnet,
                });
            }
        }
        observed.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(observed)
    }

    async fn observe_containers(&self, scope: Scope) -> Result<Vec<ObservedContainer>, RuntimeError> {
        let listed = self.list_containers(scope).await?;
        let ids = listed.into_iter().filter_map(|container| container.id);
        let found = stream::iter(ids.map(|id| async move { self.find(&id).await })).buffer_unordered(WIDTH);
        let found = found.try_filter_map(|found| async {
            // A container that was removed after it was listed is skipped.
            Ok(found.map(observed).filter(|container| scope.holds(&container.labels)))
        });
        let mut observed: Vec<_> = found.try_collect().await?;
        observed.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
        Ok(observed)
    }

    async fn observe_images(&self, scope: Scope) -> Result<Vec<ObservedImage>, RuntimeError> {
        let mut references = Vec::new();
        // The decoy's image is shared: if it is missing, it is loaded again. A built image belongs to its store only.
        let mut built = vec![images::BUILT_LABEL.to_owned()];
        if let Scope::Topology(instance, _) | Scope::Instance(instance) = scope {
            built.push(format!("{}={instance}", naming::INSTANCE));
        }
        for labels in [vec![DecoyImage::LABEL.to_owned()], built] {
            let filters = HashMap::from([("label", labels)]);
            let options = ListImagesOptionsBuilder::default().filters(&filters).build();
            let listed = self.ask("list images", self.client.list_images(Some(options))).await?;
            let tags = listed.into_iter().flat_map(|image| image.repo_tags);
            let tags = tags.filter(|tag| !tag.starts_with("<none>"));
            references.extend(tags.map(|tag| short(&tag).to_owned()));
        }
        references.sort_unstable();
        references.dedup();
        let images = references
            .into_iter()
            .map(|reference| ObservedImage { reference, host: None });
        Ok(images.collect())
    }
}

/// Returns whether a container changes or lists links now: it removes itself. One that was not started within a moment is left over.
fn is_busy_helper(container: &ContainerSummary, now: i64) -> bool {
    let is_new = container.created.is_some_and(|created| now - created <= 2);
    links::is_helper(container) && (is_new || container.state == Some(Listed::RUNNING))
}

/// Returns a reference as it was given. Podman adds the registry to an image without one.
fn short(tag: &str) -> &str {
    let local = tag.strip_prefix("localhost/");
    local.or_else(|| tag.strip_prefix("docker.io/library/")).unwrap_or(tag)
}

pub(super) fn observed(container: ContainerInspectResponse) -> ObservedContainer {
    let labels = labels::of_container(&container);
    let state = container.state.unwrap_or_default();
    let mode = container
        .host_config
        .and_then(|host| host.network_mode)
        .unwrap_or_default();
    let networks = container
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default();
    let activity = match state.status {
        Some(Status::RUNNING | Status::STOPPING) => Activity::Running,
        Some(Status::RESTARTING) => Activity::Restarting,
        Some(Status::CREATED) => Activity::Created,
        Some(Status::PAUSED) => Activity::Paused,
        _ => Activity::Exited,
    };
    let ended = matches!(activity, Activity::Restarting | Activity::Exited);
    let id = container.id.unwrap_or_default();
    let name = ContainerName::from_docker(container.name.unwrap_or_default().trim_start_matches('/'));
    ObservedContainer {
        image: container
            .config
            .and_then(|config| config.image)
            .as_deref()
            .and_then(reference),
        activity,
        started_at: state.started_at.as_deref().and_then(containers::instant),
        restarts: container
            .restart_count
            .and_then(|count| count.try_into().ok())
            .unwrap_or_default(),
        exit_code: state.exit_code.filter(|_| ended),
        networks: addresses(networks),
        shares: mode.strip_prefix("container:").map(Into::into),
        volumes: mounted(container.mounts),
        pid: state.pid.and_then(|pid| pid.try_into().ok()).filter(|pid| *pid > 0),
        ..ObservedContainer::running(id, name, labels)
    }
}

/// Converts a container from a list, which lacks the start time.
pub(super) fn from_summary(container: ContainerSummary) -> ObservedContainer {
    let names = container.names.unwrap_or_default();
    // Links of other containers to it are names with two slashes.
    let own = names
        .iter()
        .filter_map(|name| name.strip_prefix('/'))
        .find(|name| !name.contains('/'));
    let mode = container
        .host_config
        .and_then(|host| host.network_mode)
        .unwrap_or_default();
    let networks = container
        .network_settings
        .and_then(|settings| settings.networks)
        .unwrap_or_default();
    let id = container.id.unwrap_or_default();
    let name = ContainerName::from_docker(own.unwrap_or_default());
    ObservedContainer {
        image: container.image.as_deref().and_then(reference),
        activity: match container.state {
            Some(Listed::RUNNING | Listed::STOPPING) => Activity::Running,
            Some(Listed::RESTARTING) => Activity::Restarting,
            Some(Listed::CREATED) => Activity::Created,
            Some(Listed::PAUSED) => Activity::Paused,
            _ => Activity::Exited,
        },
        networks: addresses(networks),
        shares: mode.strip_prefix("container:").map(Into::into),
        volumes: mounted(container.mounts),
        ..ObservedContainer::running(id, name, labels::read(container.labels))
    }
}

/// Returns the reference of a container's image. Docker lists the id of an image whose reference names another one now.
fn reference(image: &str) -> Option<String> {
    (!image.starts_with("sha256:")).then(|| short(image).to_owned())
}

/// Returns the volumes that are mounted in a container.
pub(super) fn mounted(mounts: Option<Vec<MountPoint>>) -> BTreeSet<VolumeName> {
    let mounts = mounts.unwrap_or_default().into_iter();
    mounts
        .filter(|mount| mount.typ.as_deref() == Some("volume"))
        .filter_map(|mount| mount.name.map(VolumeName::from_docker))
        .collect()
}

/// Returns the networks of a container with its addresses. Docker puts a container without a network on one named `none`.
fn addresses(networks: HashMap<String, EndpointSettings>) -> BTreeMap<NetworkName, Option<Ipv4Addr>> {
    networks
        .into_iter()
        .filter(|(network, _)| network != "none")
        .map(|(network, endpoint)| (NetworkName::from_docker(network), endpoints::address(&endpoint)))
        .collect()
}
