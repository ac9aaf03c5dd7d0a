//! What the machines of a fleet have besides containers is checked before a deploy.

use std::net::Ipv4Addr;

use decnet_engine::{
    AddressInterface, CancellationToken, DeployOptions, EngineError, MachineFacts, simulated::Simulated,
};
use decnet_topology::{DeploySettings, HostRoute, Lan, Listener, Status, TopologyId, TopologyStore as _};

use super::{FleetLab, twelve, two_lans};

fn listener(port: &str) -> Listener {
    Listener {
        address: None,
        port: port.parse().expect("a port"),
        owner: None,
        host: None,
    }
}

fn route(subnet: &str) -> HostRoute {
    HostRoute {
        subnet: subnet.parse().expect("a subnet"),
        owner: "interface vpn0".into(),
        host: None,
    }
}

fn machine(listeners: &[&str], routes: &[&str]) -> MachineFacts {
    MachineFacts {
        routes: routes.iter().map(|subnet| route(subnet)).collect(),
        listeners: listeners.iter().map(|port| listener(port)).collect(),
        neighbours: 1024,
    }
}

fn interface(name: &str, mtu: u16) -> AddressInterface {
    AddressInterface {
        name: name.into(),
        mtu,
        is_wireguard: false,
    }
}

/// The addresses of the hosts of the lab.
const EAST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const WEST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);

/// Deploys an invalid maze, and returns the errors.
async fn refused_findings(lab: &FleetLab, id: TopologyId) -> Vec<String> {
    findings_of(refused(lab, id).await)
}

fn findings_of(error: EngineError) -> Vec<String> {
    match error {
        EngineError::Invalid(error) => error.report.errors().map(|finding| finding.message.clone()).collect(),
        error => panic!("another error: {error}"),
    }
}

/// Deploys a maze that is refused, and returns the error. Nothing is changed.
async fn refused(lab: &FleetLab, id: TopologyId) -> EngineError {
    let error = lab.deploy(id).await.expect_err("refused");
    lab.assert_nothing_left();
    assert_eq!(lab.repo.get(id).await.expect("a row").status, Status::Pending);
    error
}

#[tokio::test]
async fn a_port_or_a_subnet_that_a_host_uses_is_refused_with_the_name_of_the_host() {
    let lab = FleetLab::new(13);
    let first = lab.store("maze", twelve()).await;
    lab.deploy(first).await.expect("deployed");
    let placement = lab
        .repo
        .get(first)
        .await
        .expect("a row")
        .placement
        .expect("a placement");
    assert_eq!(placement.members().len(), 2, "{placement:?}");
    lab.teardown(first).await.expect("torn down");
    let only_on = |host: &str| {
        let topology = twelve();
        let is_there =
            |lan: &&Lan| placement.lans[&lan.id()].as_str() == host && !placement.stretched.contains_key(&lan.id());
        let lan = topology.lans().iter().find(is_there).expect("a LAN of its own");
        lan.subnet().to_string()
    };

    // The gateway is on east, the only public host. Nothing is published on west.
    let id = lab.store("maze", twelve()).await;
    lab.west.set_machine(machine(&["80/tcp"], &[]));
    lab.east.set_machine(machine(&["80/tcp"], &[]));
    let findings = refused_findings(&lab, id).await;
    assert!(
        matches!(&findings[..], [one] if one.contains("something on host east listens on 80/tcp")),
        "{findings:?}"
    );

    // A route is in the way only of the LANs that its host has.
    lab.east.set_machine(machine(&[], &[&only_on("west")]));
    lab.west.set_machine(machine(&[], &[&only_on("west")]));
    let findings = refused_findings(&lab, id).await;
    assert!(
        matches!(&findings[..], [one] if one.contains("a route of host west by interface vpn0")),
        "{findings:?}"
    );

    // What the maze itself uses is not in its way.
    lab.west.set_machine(machine(&[], &[]));
    lab.deploy(id).await.expect("deployed");
    lab.east.set_machine(machine(&["80/tcp"], &[&only_on("east")]));
    lab.apply(
        id,
        r#"{"op": "add_lan", "payload": {"name": "more", "subnet": "10.94.0.0/24"}}"#,
    )
    .await;
}

#[tokio::test]
async fn a_port_of_the_new_settings_that_a_host_uses_is_refused_with_the_name_of_the_host() {
    let lab = FleetLab::new(13);
    let id = lab.store("maze", twelve()).await;
    lab.east.set_machine(machine(&["8081/tcp"], &[]));
    let on_8081 = || {
        let rule = "http=8081".parse().expect("a rule");
        DeployOptions::default().settings(DeploySettings::default().publish([rule].into_iter().collect()))
    };
    let assert_refused = async || {
        let deployed = lab.engine.deploy(id, on_8081(), &CancellationToken::new()).await;
        let findings = findings_of(deployed.expect_err("refused"));
        assert!(
            matches!(&findings[..], [one] if one.contains("something on host east listens on 8081/tcp")),
            "{findings:?}"
        );
    };
    assert_refused().await;
    lab.deploy(id).await.expect("the usual port is free");
    assert_refused().await;
}

#[tokio::test]
async fn a_neighbour_table_that_is_too_small_is_named_with_its_host() {
    let lab = FleetLab::new(1);
    lab.west.set_machine(MachineFacts {
        neighbours: 128,
        ..machine(&[], &[])
    });
    let id = lab.store("maze", two_lans()).await;
    let deployed = lab.deploy(id).await.expect("deployed");
    let warnings: Vec<_> = deployed.warnings.iter().map(|warning| &warning.message).collect();
    assert!(
        matches!(&warnings[..], [one, two]
            if [one, two].iter().all(|text| text.contains("the neighbour table of host west has 128 entries"))),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn the_smaller_of_the_given_mtu_and_that_of_the_interface_counts() {
    let lab = FleetLab::new(1);
    lab.east.set_interface(EAST, interface("eth0", 9000));
    lab.west.set_interface(WEST, interface("wg0", 1420));
    let id = lab.store("maze", two_lans()).await;
    lab.deploy(id).await.expect("deployed");
    let row = lab.repo.get(id).await.expect("a row");
    assert_eq!(row.placement.expect("a placement").mtu, Some(1370));

    // Packets of the LANs would be lost from then on.
    lab.west.set_interface(WEST, interface("wg0", 1280));
    let degraded = lab.reconcile(id).await;
    assert_eq!((degraded.row.status, degraded.changed), (Status::Degraded, 0));
    let reason = degraded.reason.expect("a reason");
    assert!(reason.contains("MTU of 1280"), "{reason}");
    lab.west.set_interface(WEST, interface("wg0", 1420));
    assert_eq!(lab.reconcile(id).await.row.status, Status::Active);
}

#[tokio::test]
async fn a_link_from_an_address_that_the_host_does_not_have_is_refused() {
    let lab = FleetLab::new(1);
    let set = |host: &Simulated, last| host.set_interface(Ipv4Addr::new(10, 10, 0, last), interface("wg0", 1420));
    lab.east.set_interface(EAST, interface("eth0", 1500));
    set(&lab.west, 2);
    let id = lab.store("maze", two_lans()).await;
    let error = refused(&lab, id).await;
    assert_eq!(error.code(), "underlay_missing");
    let of_west = "host west does not have the address 192.0.2.2 on the network of the hosts; it has 10.10.0.2";
    assert_eq!(error.to_string(), of_west);

    let lab = FleetLab::new(1);
    set(&lab.east, 1);
    set(&lab.west, 2);
    let id = lab.store("maze", two_lans()).await;
    let of_east = "host east does not have the address 192.0.2.1 on the network of the hosts; it has 10.10.0.1";
    assert_eq!(refused(&lab, id).await.to_string(), format!("{of_east}; {of_west}"));
}
