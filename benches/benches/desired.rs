//! The desired state compared with the observed state, without differences.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use decnet_benches::{Limit, Table, maze, median_of, repeat};
use decnet_engine::{
    ApiVersion, ContainerName, Desired, DesiredContext, Labels, Observed, ObservedContainer, ObservedImage,
    ObservedNetwork, ObservedVolume, VolumeName, naming, testing::diff,
};
use decnet_topology::{Catalog, DeploySettings, InstanceId, RuleSet, TopologyId, rng};

const LARGEST: usize = 10_000;

fn volume_of(base: &ContainerName) -> VolumeName {
    VolumeName::from_docker(format!("volume-of-{base}"))
}

/// The observed state of an engine without drift.
fn observed(desired: &Desired) -> Observed {
    let networks = desired.networks.values().map(|spec| ObservedNetwork {
        id: format!("id-of-{}", spec.name.as_str()),
        name: spec.name.clone(),
        labels: spec.labels.clone(),
        subnet: Some(spec.subnet),
    });
    let container = |name: &ContainerName, base: &ContainerName, labels: &Labels| {
        let mut container = ObservedContainer::running(format!("id-of-{name}"), name.clone(), labels.clone());
        container.volumes.insert(volume_of(base));
        container
    };
    let bases = desired.bases.values().map(|spec| ObservedContainer {
        networks: spec
            .interfaces
            .iter()
            .map(|interface| (interface.network.clone(), Some(interface.ip)))
            .collect(),
        ..container(&spec.name, &spec.name, &spec.labels)
    });
    let services = desired
        .services
        .values()
        .map(|spec| container(&spec.name, &spec.base, &spec.labels));
    let volumes = desired.bases.values().map(|spec| ObservedVolume {
        name: volume_of(&spec.name),
        labels: naming::volume_labels(&spec.labels),
        anonymous: true,
        used_elsewhere: false,
    });
    Observed {
        networks: networks.collect(),
        volumes: volumes.collect(),
        containers: bases.chain(services).collect(),
        images: desired
            .images
            .iter()
            .map(|image| ObservedImage {
                reference: image.reference().into(),
                host: None,
            })
            .collect(),
        ..Observed::default()
    }
}

fn benches(criterion: &mut Criterion) {
    let catalog = Catalog::builtin();
    let settings = DeploySettings::default();
    let context = DesiredContext {
        instance: InstanceId::nil(),
        secret: &rng::installation_secret(),
        topology: TopologyId::nil(),
        catalog: &catalog,
        decoy: "decnet/decoy:bench",
        api: ApiVersion::v1(48),
        settings: &settings,
        host_addresses: &[],
        fleet: None,
    };
    let mut both = Table::new("desired + diff", "").limit(Limit::Growth(1.5));
    let mut alone = Table::new("desired + diff, diff alone", "").limit(Limit::Growth(1.5));
    for wanted in [1_000, 2_500, 5_000, LARGEST, 2 * LARGEST] {
        // Two deckies per LAN, three containers each.
        let lans = u32::try_from(wanted / 6).expect("few");
        let valid = maze(lans).validate(&catalog, RuleSet::live()).expect("a sound maze");
        let make = || Desired::new(black_box(&valid), &context).expect("the catalogue has every service");
        let desired = make();
        let observed = observed(&desired);
        assert_eq!(diff(&desired, &observed).steps().len(), 0);
        let containers = observed.containers.len();
        let what = format!("{lans} LANs, {containers} containers");
        criterion.bench_function(&format!("desired + diff/{what}"), |bencher| {
            bencher.iter_custom(repeat(|| diff(&make(), black_box(&observed))));
        });
        let took = median_of(repeat(|| diff(&make(), black_box(&observed))));
        both.push(&what, containers, took, None);
        if wanted == LARGEST {
            both.also(Limit::Milliseconds(20.0));
        }
        let took = median_of(repeat(|| diff(black_box(&desired), black_box(&observed))));
        alone.push(&what, containers, took, None);
    }
    both.finish().expect("the results are written");
    alone.finish().expect("the results are written");
}

criterion_group! {
    name = group;
    config = Criterion::default().sample_size(10);
    targets = benches
}
criterion_main!(group);
