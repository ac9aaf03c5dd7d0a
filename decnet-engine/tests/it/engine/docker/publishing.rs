//! The host addresses on which a real daemon publishes a gateway.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use decnet_topology::DeploySettings;

use super::*;

/// Deploys one gateway with a publish rule.
async fn deploy(lab: &Lab, name: &str, subnet: &str, rule: &str) -> TopologyId {
    let topology = Topology::builder()
        .dmz("dmz", &format!("{subnet}.0/24"))
        .decky("gate", |decky| {
            decky.on("dmz", &format!("{subnet}.2")).services(["ssh"]).forwards()
        })
        .build()
        .expect("a topology");
    let id = lab.store(name, topology).await;
    let options = DeployOptions::default()
        .settings(DeploySettings::default().publish([rule.parse().expect("a rule")].into_iter().collect()));
    let raised = lab.engine.deploy(id, options, &CancellationToken::new()).await;
    raised.unwrap_or_else(|error| panic!("{error}: {error:?}"));
    id
}

fn is_open(address: impl Into<IpAddr>, port: u16) -> bool {
    let at = SocketAddr::new(address.into(), port);
    TcpStream::connect_timeout(&at, std::time::Duration::from_secs(3)).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn a_gateway_is_published_on_ipv6_only_if_a_rule_asks_for_it() {
    on_docker(async |lab| {
        deploy(lab, "four", "10.203.30", "ssh=20330").await;
        assert!(is_open(Ipv4Addr::LOCALHOST, 20330));
        assert!(!is_open(Ipv6Addr::LOCALHOST, 20330), "no rule asks for IPv6");

        let both = deploy(lab, "both", "10.203.31", "ssh=[::]:20331").await;
        assert!(is_open(Ipv4Addr::LOCALHOST, 20331) && is_open(Ipv6Addr::LOCALHOST, 20331));
        let report = lab.engine.verify(both, &CancellationToken::new()).await;
        assert_eq!(report.expect("verified").deviations, []);

        deploy(lab, "six", "10.203.32", "ssh=[::1]:20332").await;
        assert!(!is_open(Ipv4Addr::LOCALHOST, 20332) && is_open(Ipv6Addr::LOCALHOST, 20332));
    })
    .await;
}
