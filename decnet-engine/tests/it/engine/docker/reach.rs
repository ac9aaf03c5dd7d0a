//! Packets take the declared paths and no others.

use decnet_engine::DeployOptions;
use decnet_topology::{Catalog, DeploySettings, Topology, TopologyConfig, generate};
use tokio_util::sync::CancellationToken;

use super::on_docker;

/// The seed of a maze of 12 LANs and 31 deckies, with bridges that forward and bridges that do not.
pub(super) const SEED: u64 = 19;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn packets_take_the_declared_paths_and_no_others() {
    on_docker(async |lab| {
        let config = TopologyConfig::builder("reach", 3, 2)
            .subnet_base_prefix("10.205.0.0/16")
            .deckies_per_lan(1, 4)
            .bridge_forward_probability(0.7)
            .cross_edge_probability(0.3)
            .seed(SEED)
            .build()
            .expect("a config");
        let topology = generate(&config, &Catalog::builtin(), &[]).expect("a maze");
        assert_eq!((topology.lans().len(), topology.deckies().len()), (12, 31));
        let bridges = topology.deckies().iter().filter(|decky| decky.is_bridge());
        let (routers, mute): (Vec<_>, Vec<_>) = bridges.partition(|decky| decky.is_router());
        assert!(
            !routers.is_empty() && !mute.is_empty(),
            "routers and bridges that do not forward"
        );
        let id = lab.store("reach", topology.clone()).await;
        lab.deploy(id).await;
        lab.check_reach(id, &topology).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_gateway_answers_on_loopback_although_its_dmz_sorts_last() {
    on_docker(async |lab| {
        let topology = Topology::builder()
            .lan("aaa", "10.205.1.0/24")
            .dmz("zzz", "10.205.0.0/24")
            .decky("gate", |decky| {
                decky
                    .on("zzz", "10.205.0.2")
                    .on("aaa", "10.205.1.2")
                    .services(["ssh"])
                    .forwards()
                    .config("ssh", "banner", "SSH-2.0-maze")
            })
            .decky("host", |decky| decky.on("aaa", "10.205.1.3").services(["http"]))
            .build()
            .expect("a topology");
        let id = lab.store("gateway", topology).await;
        let publish = ["ssh=127.0.0.1:20522".parse().expect("a rule")].into_iter().collect();
        let settings = DeploySettings::default().publish(publish);
        let options = DeployOptions::default().settings(settings);
        lab.engine
            .deploy(id, options, &CancellationToken::new())
            .await
            .expect("deployed");
        let answer = tokio::task::spawn_blocking(|| {
            use std::io::Read as _;
            let mut banner = [0; 12];
            let read = |banner: &mut [u8]| {
                let mut stream = std::net::TcpStream::connect("127.0.0.1:20522")?;
                stream.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
                stream.read_exact(banner)
            };
            // The port is open before the service listens.
            for attempt in 1.. {
                match read(&mut banner) {
                    Ok(()) => break,
                    Err(error) => assert!(attempt < 50, "{error}"),
                }
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
            String::from_utf8_lossy(&banner).into_owned()
        });
        assert_eq!(
            answer.await.expect("joined"),
            "SSH-2.0-maze",
            "our own banner, not that of an outside host"
        );
    })
    .await;
}
