//! The digests in the label [`SPEC`](decnet_engine::naming::SPEC) stay the same as in earlier releases: if they change, running
//! mazes are recreated.

use std::collections::BTreeMap;

use decnet_engine::{ApiVersion, Desired, DesiredContext, Labels, naming};
use decnet_topology::{Catalog, DeploySettings, DmzEgress, InstallationSecret, RuleSet, Topology};

/// A gateway with a built-in service, an inner LAN, and services from a registry and from a folder.
fn desired(api: u16, egress: DmzEgress) -> Desired {
    desired_with(api, &DeploySettings::default().dmz_egress(egress))
}

fn desired_with(api: u16, settings: &DeploySettings) -> Desired {
    let own = "[services.shop]\nports = [\"8080/tcp\", \"53/udp\"]\nimage = \"shop:1\"\nwritable_root = true\n\
               [services.forge]\nports = [\"3000/tcp\"]\nimage = { build = \"/srv/forge\" }\ncapabilities = [\"CHOWN\"]\n";
    let catalog = Catalog::builtin().extend_from_toml(own).expect("a catalogue");
    let valid = Topology::builder()
        .dmz("dmz", "10.98.0.0/24")
        .lan("Office", "10.98.1.0/24")
        .decky("gate", |decky| {
            let decky = decky.on("dmz", "10.98.0.2").on("Office", "10.98.1.2");
            decky.forwards().services(["http"])
        })
        .decky("host", |decky| {
            decky.on("Office", "10.98.1.3").services(["shop", "forge"])
        })
        .build()
        .expect("a topology")
        .validate(&catalog, RuleSet::deploy())
        .expect("valid");
    let context = DesiredContext {
        instance: "fedcba98-7654-4321-8fed-cba987654321".parse().expect("an id"),
        secret: &InstallationSecret::new([7; 32]),
        topology: "01234567-89ab-4cde-8f01-23456789abcd".parse().expect("an id"),
        catalog: &catalog,
        decoy: "decnet-decoy:0123456789ab",
        api: ApiVersion::v1(api),
        settings,
        host_addresses: &[],
        fleet: None,
    };
    Desired::new(&valid, &context).expect("its services are in the catalogue")
}

fn digests(desired: &Desired) -> BTreeMap<String, String> {
    let networks = desired.networks.values().map(|spec| (spec.name.as_str(), &spec.labels));
    let bases = desired.bases.values().map(|spec| (spec.name.as_str(), &spec.labels));
    let services = desired.services.values().map(|spec| (spec.name.as_str(), &spec.labels));
    let spec = |labels: &Labels| labels[naming::SPEC].clone();
    let all = networks.chain(bases).chain(services);
    all.map(|(name, labels)| (name.trim_start_matches("decnet_t_01234567_").to_owned(), spec(labels)))
        .collect()
}

#[test]
fn specs_have_the_digests_of_earlier_releases() {
    let expected = [
        (".dmz", "ffc2959e1055ca56"),
        ("gate", "f143f1b35eed6de7"),
        ("gate.http", "555f300c0ad0c3d3"),
        ("host", "3b6a4bf5b0588fb8"),
        ("host.forge", "d18ce3a43ad48c86"),
        ("host.shop", "8b2f9bb39a9f6e4d"),
        ("office", "c53465bff41aa88a"),
    ];
    let expected = expected.map(|(name, digest)| (name.to_owned(), digest.to_owned()));
    assert_eq!(digests(&desired(48, DmzEgress::None)), BTreeMap::from(expected));
}

#[test]
fn networks_have_other_digests_on_older_engines_and_with_egress() {
    let networks = |api, egress| -> Vec<String> {
        let desired = desired(api, egress);
        let networks = desired.networks.values();
        networks.map(|network| network.labels[naming::SPEC].clone()).collect()
    };
    let found = [networks(41, DmzEgress::None), networks(48, DmzEgress::Open)];
    assert_eq!(
        found,
        [
            ["9b8b00e2fdc3b266", "b219514d64f14662"],
            ["a517fcef0ec796a6", "c53465bff41aa88a"],
        ]
    );
}

#[test]
fn hidden_passwords_change_only_built_in_services() {
    let shown = desired(48, DmzEgress::None);
    let hidden = desired_with(48, &DeploySettings::default().hide_passwords(true));
    let (before, after) = (digests(&shown), digests(&hidden));
    let changed: Vec<_> = after
        .iter()
        .filter(|(name, digest)| before[*name] != **digest)
        .collect();
    assert!(
        matches!(&changed[..], [(name, _)] if name.as_str() == "gate.http"),
        "{changed:?}"
    );
    let states = |desired: &Desired| {
        let services = desired.services.values();
        let states = services.filter_map(|service| service.environment.get("SERVICE_STATE").cloned());
        states.collect::<String>()
    };
    assert!(!states(&shown).contains("passwords"));
    assert!(
        states(&hidden).ends_with(r#","passwords":false}"#),
        "{}",
        states(&hidden)
    );
}
