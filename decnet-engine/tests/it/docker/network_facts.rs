//! Which packets the engine's networks let through, measured from inside, on any engine.

use std::{
    collections::BTreeSet,
    io::Read,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use decnet_decoy::protocol::{self, Probe, Published, Target};
use decnet_engine::{ContainerName, Desired, DesiredContext, PortMapping};
use decnet_topology::{Catalog, DeploySettings, InstallationSecret, Protocol, RuleSet, Topology};

use super::lab::docker_lab;
use decnet_engine::testing::contract::{Lab, create_base, create_network, create_service};

/// The DMZ, whose name sorts last, and two LANs behind it. `gate` and `router` forward; `wall` is also on both inner
/// LANs, but does not forward.
fn maze(lab: &Lab) -> Topology {
    let ip = |number, host| lab.ip(number, host).to_string();
    let single = |lan: &'static str, number: u8, host: u8| (lan, ip(number, host));
    let mut builder = Topology::builder()
        .dmz("zone", &lab.subnet(0))
        .lan("near", &lab.subnet(1))
        .lan("far", &lab.subnet(2))
        .decky("gate", |decky| {
            decky.on("zone", &ip(0, 2)).on("near", &ip(1, 2)).forwards()
        })
        .decky("router", |decky| {
            decky.on("near", &ip(1, 3)).on("far", &ip(2, 3)).forwards()
        })
        .decky("wall", |decky| decky.on("near", &ip(1, 4)).on("far", &ip(2, 4)));
    for (name, (lan, ip)) in [
        ("outer", single("zone", 0, 9)),
        ("inner", single("near", 1, 9)),
        ("deep", single("far", 2, 9)),
    ] {
        builder = builder.decky(name, |decky| decky.on(lan, &ip));
    }
    builder.build().expect("maze")
}

async fn reached(lab: &Lab, from: &ContainerName, addresses: &[Ipv4Addr]) -> Vec<bool> {
    let probe = Probe {
        targets: addresses
            .iter()
            .map(|address| Target::Icmp { address: *address })
            .collect(),
        timeout_ms: 700,
        attempts: 2,
    };
    let result = lab.runtime.probe(lab.instance, from, &probe).await.expect("probed");
    result.targets.iter().map(|target| target.reached).collect()
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn routed_packets_pass_and_the_host_is_not_reachable() {
    let lab = docker_lab(192).await;
    let catalog = Catalog::builtin();
    let valid = maze(&lab).validate(&catalog, RuleSet::deploy()).expect("valid");
    let context = DesiredContext {
        instance: lab.instance,
        secret: &InstallationSecret::new([7; 32]),
        topology: lab.topology,
        catalog: &catalog,
        decoy: &lab.decoy,
        api: lab.runtime.info().await.expect("info").api,
        settings: &DeploySettings::default(),
        host_addresses: &[],
        fleet: None,
    };
    let mut desired = Desired::new(&valid, &context).expect("desired");
    let gate = desired.bases.get_mut(&lab.base_name("gate")).expect("gate");
    gate.publish = BTreeSet::from([PortMapping {
        host_ip: Ipv4Addr::LOCALHOST.into(),
        host_port: 42_032,
        port: 2323,
        protocol: Protocol::Tcp,
    }]);
    gate.state.published = vec![Published {
        address: lab.ip(0, 2),
        port: 2323,
        protocol: protocol::Protocol::Tcp,
        host_only: true,
    }];
    lab.ensure_decoy().await;
    for network in desired.networks.values() {
        lab.change(&create_network(network)).await;
    }
    for base in desired.bases.values() {
        lab.change(&create_base(base)).await;
    }

    let [outer, inner, deep] = ["outer", "inner", "deep"].map(|decky| lab.base_name(decky));
    let everyone = [lab.ip(0, 9), lab.ip(1, 9), lab.ip(2, 9)];
    for from in [&outer, &inner, &deep] {
        assert_eq!(reached(&lab, from, &everyone).await, [true; 3], "from {from}");
    }

    // The host has an address only on the DMZ, and there the deckies' own containment blocks them.
    assert_eq!(reached(&lab, &outer, &[lab.ip(0, 1)]).await, [false]);
    assert_eq!(reached(&lab, &inner, &[lab.ip(1, 1)]).await, [false]);
    assert_eq!(reached(&lab, &deep, &[lab.ip(2, 1)]).await, [false]);

    // A bridge decky that does not forward is not a path, although it is on both networks.
    let mut state = desired.bases[&inner].state.clone();
    for route in &mut state.routes {
        route.via = lab.ip(1, 4);
    }
    lab.change(&decnet_engine::Action::SetState {
        container: inner.clone(),
        state,
    })
    .await;
    assert_eq!(
        reached(&lab, &inner, &[lab.ip(1, 4), lab.ip(2, 9)]).await,
        [true, false]
    );

    // Its answers leave by the DMZ, although other networks of the gateway sort before it.
    let service = lab.service("gate", "telnet");
    lab.change(&create_service(&service)).await;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 42_032));
    let mut banner = [0; 5];
    for attempt in 1.. {
        // The port is open before the service listens.
        let read = TcpStream::connect_timeout(&address, Duration::from_secs(5))
            .and_then(|mut stream| stream.read_exact(&mut banner));
        match read {
            Ok(()) => break,
            Err(error) => assert!(attempt < 50, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(&banner, b"hello");
}
