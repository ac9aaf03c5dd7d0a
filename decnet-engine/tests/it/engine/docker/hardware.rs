//! The hardware addresses of deckies, as their neighbours see them.

use decnet_topology::Persona;

use super::{verifying::verify, *};

/// Returns the hardware addresses that a base has learned.
fn neighbours(base: &str) -> BTreeMap<Ipv4Addr, String> {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", base]);
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/arp")).expect("the daemon's host, as root");
    let rows = table
        .lines()
        .skip(1)
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    rows.map(|row| (row[0].parse().expect("an address"), row[3].to_owned()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Docker"]
async fn neighbours_see_an_address_that_fits_the_persona_and_stays_when_a_base_is_recreated() {
    on_docker(async |lab| {
        let topology = Topology::builder()
            .dmz("dmz", "10.208.10.0/24")
            .lan("office", "10.208.11.0/24")
            .decky("gate", |decky| {
                decky.on("dmz", "10.208.10.2").on("office", "10.208.11.2").forwards()
            })
            .decky("desk", |decky| {
                let windows = Persona::default().os("windows-11");
                decky.on("office", "10.208.11.3").persona(windows)
            })
            .decky("plc", |decky| {
                let controller = Persona::default().os("controller");
                decky.on("office", "10.208.11.4").persona(controller)
            })
            .build()
            .expect("a topology");
        let id = lab.store("hardware", topology.clone()).await;
        lab.deploy(id).await;
        let desired = lab.desired(id, &topology).await;
        let own: BTreeMap<Ipv4Addr, String> = desired
            .bases
            .values()
            .flat_map(|base| &base.interfaces)
            .map(|interface| (interface.ip, interface.mac.to_string()))
            .collect();
        let desk = Ipv4Addr::new(10, 208, 11, 3);
        let plc = Ipv4Addr::new(10, 208, 11, 4);
        assert_eq!(own.values().collect::<std::collections::BTreeSet<_>>().len(), 4);
        // Dell or HP, and Siemens.
        let starts = |address, with: &[&str]| with.iter().any(|prefix| own[&address].starts_with(prefix));
        assert!(
            starts(desk, &["d4:be:d9", "50:9a:4c", "3c:52:82", "40:b0:34"]),
            "{own:?}"
        );
        assert!(starts(plc, &["00:1b:1b", "00:0e:8c", "28:63:36"]), "{own:?}");

        let base = |name: &str| {
            let decky = topology.decky_named(&name.parse().expect("a name"));
            naming::base(id, decky.expect("a decky")).to_string()
        };
        let seen_by_all = async || {
            lab.check_reach(id, &topology).await;
            for (name, others) in [("desk", vec![plc]), ("plc", vec![desk]), ("gate", vec![desk, plc])] {
                let seen = neighbours(&base(name));
                for other in others {
                    assert_eq!(seen.get(&other), own.get(&other), "{name} of {other}");
                }
            }
        };
        seen_by_all().await;
        assert_eq!(verify(lab, id).await.deviations, []);

        docker(&["rm", "--force", &base("desk")]);
        let reconciled = lab.engine.reconcile(id, false, &CancellationToken::new()).await;
        assert_eq!(reconciled.expect("reconciled").row.status, Status::Active);
        seen_by_all().await;
    })
    .await;
}
