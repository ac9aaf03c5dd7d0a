//! Mazes for tests.

use decnet_engine::{Activity, Inspection, Observed};
use decnet_topology::{MemoryRepo, NewTopology, Status, Topology, TopologyStore as _};
use jiff::Timestamp;

/// Returns a maze as it is before its deploy.
pub(crate) fn inspected(topology: Topology) -> Inspection {
    let repo = MemoryRepo::new();
    let new = NewTopology::new("corp".parse().expect("a name"), topology);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let stored = runtime
        .block_on(repo.create(new, Timestamp::UNIX_EPOCH))
        .expect("stored");
    Inspection::new(stored, &Observed::default(), Timestamp::UNIX_EPOCH)
}

/// Returns a degraded maze: its first decky runs except for one service, its second one is gone, and its third one runs.
pub(crate) fn corp() -> Inspection {
    let services = [
        "http", "ssh", "ftp", "telnet", "mysql", "postgres", "redis", "smb", "rdp",
    ];
    let topology = Topology::builder()
        .dmz("dmz", "10.0.0.0/24")
        .lan("office", "10.0.1.0/24")
        .lan("vault", "10.0.2.0/24")
        .decky("web-server-with-a-long-name", |decky| {
            decky.on("dmz", "10.0.0.2").services(services)
        })
        .decky("door", |decky| {
            decky.on("dmz", "10.0.0.3").on("office", "10.0.1.2").forwards()
        })
        .decky("clerk", |decky| {
            decky.on("office", "10.0.1.3").on("vault", "10.0.2.2").services(["rdp"])
        })
        .build()
        .expect("a maze");
    let mut inspection = inspected(topology);
    inspection.stored.row.status = Status::Degraded;
    for (at, skipped) in [(0, 1), (2, 0)] {
        let decky = &mut inspection.deckies[at];
        decky.base = Some(Activity::Running);
        for service in decky.services.iter_mut().skip(skipped) {
            service.activity = Some(Activity::Running);
        }
    }
    inspection
}
