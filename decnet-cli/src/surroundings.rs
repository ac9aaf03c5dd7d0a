//! Which subnets are taken: by stored mazes, and, where a daemon answers, by Docker and by this machine's routes.

use std::time::Duration;

use decnet_engine::runtime::Runtime;
use decnet_topology::{Repo, TopologyId, net};
use ipnet::Ipv4Net;

use crate::{context::Context, exit::CommandError};

/// How long a daemon may take to answer when it is only looked at for what to avoid.
const PATIENCE: Duration = Duration::from_secs(3);

/// Lists the subnets that a new maze should avoid; `except` leaves one topology out.
///
/// That no daemon answers is no error: what it has is looked at once more before a deploy.
pub(crate) async fn taken(
    context: &Context,
    repo: &dyn Repo,
    except: Option<TopologyId>,
) -> Result<Vec<Ipv4Net>, CommandError> {
    let mut taken: Vec<Ipv4Net> = repo.claims(except).await?.into_iter().map(|claim| claim.subnet).collect();
    let instance = repo.instance().await?;
    match context.look_at_docker(PATIENCE).await {
        Ok(docker) => {
            let looked = tokio::time::timeout(PATIENCE, look(&docker, instance)).await;
            taken.extend(looked.ok().into_iter().flatten());
        }
        Err(error) => tracing::info!(%error, "no Docker to ask for its networks"),
    }
    Ok(taken)
}

async fn look(docker: &dyn Runtime, instance: decnet_topology::InstanceId) -> Vec<Ipv4Net> {
    let mut taken = Vec::new();
    match docker.foreign_networks(instance).await {
        Ok(networks) => taken.extend(networks.into_iter().map(|network| network.subnet)),
        Err(error) => tracing::info!(%error, "Docker does not name its networks"),
    }
    if docker.info().await.is_ok_and(|info| info.local) {
        taken.extend(host_routes());
    }
    taken
}

/// Reads the routes of this machine, but for the default route, which overlaps nothing.
///
/// The table is that of `/proc/net/route`: addresses in hexadecimal, in the order of the machine (proc(5)).
fn host_routes() -> Vec<Ipv4Net> {
    let text = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
    let ours = |name: &str| name.starts_with("br-");
    text.lines().skip(1).filter_map(|line| read_route(line).filter(|(device, _)| !ours(device))).map(|(_, net)| net).collect()
}

fn read_route(line: &str) -> Option<(&str, Ipv4Net)> {
    let columns: Vec<&str> = line.split_ascii_whitespace().collect();
    let word = |at: usize| Some(u32::from_str_radix(columns.get(at)?, 16).ok()?.to_ne_bytes());
    let (destination, mask) = (word(1)?, word(7)?);
    let route = Ipv4Net::with_netmask(destination.into(), mask.into()).ok()?;
    (route.prefix_len() > 0).then(|| (columns[0], route.trunc()))
}

/// Tells whether a subnet overlaps one of those taken.
pub(crate) fn is_taken(subnet: Ipv4Net, taken: &[Ipv4Net]) -> bool {
    taken.iter().any(|other| net::overlaps(subnet, *other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_as_the_kernel_prints_them() {
        // The kernel prints the bytes of the address as one number of the machine.
        let number = |bytes: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(bytes));
        let line = format!("eth0\t{}\t00000000\t0001\t0\t0\t0\t{}\t0\t0\t0", number([10, 1, 2, 0]), number([255, 255, 255, 0]));
        assert_eq!(read_route(&line), Some(("eth0", "10.1.2.0/24".parse().expect("a subnet"))));
        let default = format!("eth0\t{}\t0101010A\t0003\t0\t0\t0\t{}\t0\t0\t0", number([0; 4]), number([0; 4]));
        assert_eq!(read_route(&default), None);
        assert_eq!(read_route("nonsense"), None);
    }
}
