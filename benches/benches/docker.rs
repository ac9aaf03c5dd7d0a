//! A maze on Docker compared with the equivalent bare API calls: deploy, teardown, and a reconcile without work.
//!
//! The floor creates the containers from the daemon's description of the engine's containers, so that both are identical. It uses
//! the fastest of several concurrency levels, and creates networks in one lane in parallel with the containers. Without a daemon,
//! it prints a message and exits.

use std::{
    collections::{BTreeMap, HashMap},
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use bollard::{
    Docker as Client,
    models::{ContainerCreateBody, EndpointIpamConfig, EndpointSettings, NetworkConnectRequest, NetworkCreateRequest},
    query_parameters::{
        CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListNetworksOptionsBuilder,
        RemoveContainerOptionsBuilder,
    },
};
use decnet_benches::{
    Limit, Table, median,
    running::{Result, Running, Services, maze_for_docker, nanoseconds, wanted},
};
use decnet_engine::naming;
use futures_util::{StreamExt as _, TryStreamExt as _, future, stream};
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How often each of them deploys a maze and tears it down.
const ROUNDS: usize = 3;
/// How often each of them observes it.
const OBSERVATIONS: usize = 31;
/// The concurrency levels that the floor tries for its inspections.
const WIDTHS: [usize; 4] = [2, 4, 8, 16];

const DEPLOY: &str = "deploy on Docker";
const TEARDOWN: &str = "teardown on Docker";
const RECONCILE: &str = "reconcile on Docker, nothing to do";

fn main() -> Result<()> {
    if ![DEPLOY, TEARDOWN, RECONCILE].into_iter().any(wanted) {
        return Ok(());
    }
    tokio::runtime::Runtime::new()?.block_on(async {
        let Some(running) = Running::reach(env!("CARGO_TARGET_TMPDIR")).await? else {
            return Ok(());
        };
        let client = Client::connect_with_defaults()?;
        let measured = measure(&running, &client).await;
        running.finish(measured).await
    })
}

async fn measure(running: &Running, client: &Client) -> Result<()> {
    running.keep_image().await?;
    if [DEPLOY, TEARDOWN].into_iter().any(wanted) {
        deploy_and_tear_down(running, client).await?;
    }
    if !wanted(RECONCILE) {
        return Ok(());
    }
    let floor = "one list of networks, one of containers, and an inspection of each";
    let mut table = Table::new(RECONCILE, floor).limit(Limit::Ratio(1.5));
    for (lans, services) in [(10, Services::One), (20, Services::None)] {
        reconcile(running, client, lans, services, &mut table).await?;
    }
    Ok(table.finish()?)
}

async fn deploy_and_tear_down(running: &Running, client: &Client) -> Result<()> {
    let floor = "the bare calls for the same containers, in the best of three widths, and for the networks in one lane in parallel";
    let [mut up, mut down] = [DEPLOY, TEARDOWN].map(|subject| Table::new(subject, floor).limit(Limit::Ratio(1.1)));
    let maze = maze_for_docker(0, 20, Services::One)?;
    // The first round is not counted: the floor reads from it which containers to create.
    let id = running.store("bench", maze.clone()).await?;
    running.deploy(id).await?;
    let bare = Bare::learn(client.clone(), &id.to_string()).await?;

    running.teardown(id).await?;
    let mut found: [Vec<f64>; 2] = Default::default();
    // The concurrency levels that the floor tries for deploy and teardown.
    let widths = [running.width / 2, running.width, 2 * running.width];
    let mut floors: [[Vec<f64>; 2]; 3] = Default::default();
    for round in 0..ROUNDS {
        for subject in [round % 2 == 0, round % 2 != 0] {
            if subject {
                let id = running.store("bench", maze.clone()).await?;
                found[0].push(running.deploy(id).await?);
                found[1].push(running.teardown(id).await?);
                continue;
            }
            for (width, [deploying, tearing_down]) in widths.into_iter().zip(&mut floors) {
                let since = Instant::now();
                bare.deploy(width).await?;
                deploying.push(nanoseconds(since));
                let since = Instant::now();
                bare.teardown(width).await?;
                tearing_down.push(nanoseconds(since));
            }
        }
    }
    let [deploy, teardown] = found.map(median);
    let (mut bare_deploy, mut bare_teardown) = (f64::INFINITY, f64::INFINITY);
    for (width, times) in widths.into_iter().zip(floors) {
        let [deploying, tearing_down] = times.map(median);
        println!(
            "{width} containers at a time: up in {:.1} s, down in {:.1} s",
            deploying / 1e9,
            tearing_down / 1e9
        );
        bare_deploy = bare_deploy.min(deploying);
        bare_teardown = bare_teardown.min(tearing_down);
    }
    let what = format!("{} LANs, {} containers", maze.lans().len(), bare.containers());
    up.push(&what, bare.containers(), deploy, Some(bare_deploy));
    down.push(&what, bare.containers(), teardown, Some(bare_teardown));
    up.finish()?;
    Ok(down.finish()?)
}

/// Reconciles a maze that has no drift.
async fn reconcile(running: &Running, client: &Client, lans: u8, services: Services, table: &mut Table) -> Result<()> {
    let maze = maze_for_docker(0, lans, services)?;
    let id = running.store("bench", maze.clone()).await?;
    running.deploy(id).await?;
    let label = format!("{}={id}", naming::TOPOLOGY);
    let mut widths = Vec::new();
    for width in WIDTHS {
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(inspect_all(client, &label, width).await?.1);
        }
        widths.push((median(times), width));
    }
    for (took, width) in &widths {
        println!("{width} inspections at a time: {:.1} ms", took / 1e6);
    }
    let width = widths.into_iter().min_by(|one, other| one.0.total_cmp(&other.0));
    let width = width.map_or(1, |(_, width)| width);
    let (mut found, mut bare, mut containers) = (Vec::new(), Vec::new(), 0);
    for round in 0..OBSERVATIONS {
        for subject in [round % 2 == 0, round % 2 != 0] {
            if subject {
                let since = Instant::now();
                let outcome = running.engine.reconcile(id, false, &CancellationToken::new()).await?;
                found.push(nanoseconds(since));
                if let Some(reason) = outcome
                    .reason
                    .or((outcome.changed > 0).then(|| "it was changed".into()))
                {
                    return Err(reason.into());
                }
            } else {
                let (count, took) = inspect_all(client, &label, width).await?;
                containers = count;
                bare.push(took);
            }
        }
    }
    running.teardown(id).await?;
    let what = format!("{containers} containers, {} of them bases", maze.deckies().len());
    table.push(what, containers, median(found), Some(median(bare)));
    Ok(())
}

/// Lists and inspects with a given concurrency; returns the number of containers and the time.
async fn inspect_all(client: &Client, label: &str, width: usize) -> Result<(usize, f64)> {
    let since = Instant::now();
    let filters = HashMap::from([("label", vec![label])]);
    let networks = ListNetworksOptionsBuilder::default().filters(&filters).build();
    let containers = ListContainersOptionsBuilder::default()
        .all(true)
        .filters(&filters)
        .build();
    let (_, listed) = future::try_join(
        client.list_networks(Some(networks)),
        client.list_containers(Some(containers)),
    )
    .await?;
    let ids = listed.into_iter().filter_map(|container| container.id);
    let inspected: Vec<_> = stream::iter(ids.map(|id| async move { client.inspect_container(&id, None).await }))
        .buffer_unordered(width)
        .try_collect()
        .await?;
    Ok((inspected.len(), nanoseconds(since)))
}

/// The bare calls for a maze.
struct Bare {
    client: Client,
    networks: Vec<NetworkCreateRequest>,
    deckies: Vec<Decky>,
}

struct Decky {
    base: Container,
    services: Vec<Container>,
}

struct Container {
    id: String,
    name: String,
    body: ContainerCreateBody,
    /// Its networks, home first.
    endpoints: Vec<(String, EndpointSettings)>,
}

impl Bare {
    /// Reads from the daemon the requests that were made for a topology.
    async fn learn(client: Client, topology: &str) -> Result<Self> {
        let label = format!("{}={topology}", naming::TOPOLOGY);
        let filters = HashMap::from([("label", vec![label.as_str()])]);
        let options = ListNetworksOptionsBuilder::default().filters(&filters).build();
        let networks = client.list_networks(Some(options)).await?.into_iter();
        let networks = networks.map(|network| NetworkCreateRequest {
            name: network.name.unwrap_or_default(),
            driver: network.driver,
            ipam: network.ipam,
            options: network.options,
            labels: network.labels,
            ..NetworkCreateRequest::default()
        });
        let options = ListContainersOptionsBuilder::default().filters(&filters).build();
        let (mut bases, mut services) = (BTreeMap::new(), Vec::new());
        for listed in client.list_containers(Some(options)).await? {
            let container = Container::learn(&client, &listed.id.unwrap_or_default()).await?;
            if container.endpoints.is_empty() {
                services.push(container);
            } else {
                bases.insert(container.name.clone(), container);
            }
        }
        let mut deckies: Vec<_> = bases.into_values().map(Decky::of_base).collect();
        for service in services {
            let of = service.base().ok_or("a container without a network")?;
            let decky = deckies.iter_mut().find(|decky| decky.base.id == of);
            decky.ok_or("a service without a base")?.services.push(service);
        }
        let mut networks: Vec<_> = networks.collect();
        networks.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(Self {
            client,
            networks,
            deckies,
        })
    }

    fn containers(&self) -> usize {
        self.deckies.iter().map(|decky| 1 + decky.services.len()).sum()
    }

    /// Creates the networks one after the other and, in parallel, the containers with a given concurrency, each after its
    /// networks.
    async fn deploy(&self, width: usize) -> Result<()> {
        let permits = Semaphore::new(width);
        let there: BTreeMap<&str, _> = self
            .networks
            .iter()
            .map(|network| (network.name.as_str(), watch::channel(false)))
            .collect();
        let lane = async {
            for network in &self.networks {
                self.client.create_network(network.clone()).await?;
                there[network.name.as_str()].0.send_replace(true);
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        let deckies = self.deckies.iter().map(|decky| async {
            for (network, _) in &decky.base.endpoints {
                there[network.as_str()].1.clone().wait_for(|there| *there).await?;
            }
            let base = {
                let _permit = permits.acquire().await?;
                self.start(&decky.base, None).await?
            };
            for service in &decky.services {
                let _permit = permits.acquire().await?;
                self.start(service, Some(&base)).await?;
            }
            Ok(())
        });
        future::try_join(lane, future::try_join_all(deckies)).await?;
        Ok(())
    }

    /// Creates a container, connects it to its networks and starts it.
    async fn start(&self, container: &Container, base: Option<&str>) -> Result<String> {
        let mut body = container.body.clone();
        if let (Some(base), Some(host)) = (base, &mut body.host_config) {
            host.volumes_from = Some(vec![format!("{base}:ro")]);
        }
        let options = CreateContainerOptionsBuilder::default().name(&container.name).build();
        let id = self.client.create_container(Some(options), body).await?.id;
        for (network, endpoint) in container.endpoints.iter().skip(1) {
            let request = NetworkConnectRequest {
                container: id.clone(),
                endpoint_config: Some(endpoint.clone()),
            };
            self.client.connect_network(network, request).await?;
        }
        self.client.start_container(&id, None).await?;
        Ok(id)
    }

    /// Removes the containers with a given concurrency, and each network after the last container on it.
    async fn teardown(&self, width: usize) -> Result<()> {
        let permits = Semaphore::new(width);
        let mut left: BTreeMap<&str, AtomicUsize> = BTreeMap::new();
        for (network, _) in self.deckies.iter().flat_map(|decky| &decky.base.endpoints) {
            *left.entry(network).or_default().get_mut() += 1;
        }
        let (empty, mut empties) = mpsc::unbounded_channel();
        let lane = async {
            while let Some(network) = empties.recv().await {
                self.client.remove_network(network).await?;
            }
            Ok::<_, Box<dyn std::error::Error>>(())
        };
        let containers = async {
            let (permits, left, empty) = (&permits, &left, empty);
            let removals = self.deckies.iter().map(|decky| {
                let empty = empty.clone();
                async move {
                    for container in decky.services.iter().chain([&decky.base]) {
                        let _permit = permits.acquire().await?;
                        self.remove(container).await?;
                    }
                    for (network, _) in &decky.base.endpoints {
                        if left[network.as_str()].fetch_sub(1, Ordering::Relaxed) == 1 {
                            empty.send(network.as_str()).map_err(|_| "nobody removes networks")?;
                        }
                    }
                    Ok::<_, Box<dyn std::error::Error>>(())
                }
            });
            future::try_join_all(removals).await
        };
        future::try_join(lane, containers).await?;
        Ok(())
    }

    async fn remove(&self, container: &Container) -> Result<()> {
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        Ok(self.client.remove_container(&container.name, Some(options)).await?)
    }
}

impl Decky {
    fn of_base(base: Container) -> Self {
        let services = Vec::new();
        Self { base, services }
    }
}

impl Container {
    async fn learn(client: &Client, id: &str) -> Result<Self> {
        let found = client.inspect_container(id, None).await?;
        let host = found.host_config.ok_or("no host configuration")?;
        let home = host.network_mode.clone().unwrap_or_default();
        let networks = found.network_settings.and_then(|settings| settings.networks);
        let mut endpoints: Vec<_> = networks.unwrap_or_default().into_iter().map(asked_for).collect();
        endpoints.sort_by_key(|(network, _)| (*network != home, network.clone()));
        let mut body = serde_json::to_value(found.config.ok_or("no configuration")?)?;
        body["HostConfig"] = serde_json::to_value(host)?;
        let at_create: HashMap<_, _> = endpoints.iter().take(1).cloned().collect();
        body["NetworkingConfig"] = json!({ "EndpointsConfig": at_create });
        Ok(Self {
            id: id.into(),
            name: found.name.unwrap_or_default().trim_start_matches('/').into(),
            body: serde_json::from_value(body)?,
            endpoints,
        })
    }

    /// Returns the id of the base whose volume it mounts.
    fn base(&self) -> Option<&str> {
        let from = self.body.host_config.as_ref()?.volumes_from.as_ref()?;
        from.first()?.strip_suffix(":ro")
    }
}

/// The requested part of an endpoint.
fn asked_for((network, endpoint): (String, EndpointSettings)) -> (String, EndpointSettings) {
    let asked = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: endpoint.ip_address,
            ..EndpointIpamConfig::default()
        }),
        ..EndpointSettings::default()
    };
    (network, asked)
}
