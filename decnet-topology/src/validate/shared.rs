//! Resources of the host that a maze may use up.

use std::collections::BTreeMap;

use crate::{
    catalog::{ImageSource, Service},
    finding::{Code, Finding, Findings, Target},
    name::ServiceName,
    net,
    validate::{
        HostFacts, UnavailableImage,
        host::on_host,
        view::{DeckyView, TopologyView},
    },
};

/// The services that use more of the host than others, each with the first decky that runs it: there are few services, but maybe
/// many deckies.
#[derive(Default)]
pub(super) struct Greedy {
    root: BTreeMap<ServiceName, String>,
    writable: BTreeMap<ServiceName, String>,
    images: BTreeMap<ServiceName, (ImageSource, String)>,
}

impl Greedy {
    pub(super) fn by(&mut self, decky: &DeckyView<'_>) {
        for service in decky.services {
            let Some(known) = service.known else { continue };
            let remember = |services: &mut BTreeMap<ServiceName, String>| {
                if !services.contains_key(service.name) {
                    services.insert(service.name.clone(), decky.name.into());
                }
            };
            if known.image != ImageSource::Builtin && !self.images.contains_key(service.name) {
                let user = (known.image.clone(), decky.name.into());
                self.images.insert(service.name.clone(), user);
            }
            if Service::is_root(known) {
                remember(&mut self.root);
            }
            if known.writable_root {
                remember(&mut self.writable);
            }
        }
    }
}

/// `SERVICE_ROOT`: a service that runs as root.
pub(super) fn root(greedy: &Greedy, findings: &mut Findings) {
    for (service, decky) in &greedy.root {
        let message = format!(
            "`{service}` runs as root (first on decky `{decky}`), which shares limits per user with the host's root; give it another `user` in the catalogue, like 65534:65534"
        );
        findings.push(Finding::new(Code::ServiceRoot, target(service, decky), message));
    }
}

/// `IMAGE_UNAVAILABLE`: a service whose image does not exist.
pub(super) fn images(greedy: &Greedy, host: &HostFacts, findings: &mut Findings) {
    for (service, (image, decky)) in &greedy.images {
        let Some(UnavailableImage { reason, hosts }) = host.unavailable_images.get(image) else {
            continue;
        };
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let on = hosts.join(", ");
        let remedy = match image {
            ImageSource::Build(folder) if !hosts.is_empty() => format!(
                "each host builds the image itself: copy the folder to `{}` on {on}, or build the image once, push it to a registry, and write its name in \
                 the catalogue instead of `build`",
                folder.display()
            ),
            ImageSource::Build(_) => "correct the folder in the catalogue; it needs a Dockerfile".into(),
            _ => {
                "correct the name in the catalogue, make the registry reachable, or load the image (`docker pull`, `docker load`)".into()
            }
        };
        let place = if hosts.is_empty() {
            String::new()
        } else {
            format!(" on {on}")
        };
        let message = format!(
            "the image `{image}` of `{service}` (first on decky `{decky}`) is not available{place}: {reason}; {remedy}"
        );
        findings.push(Finding::new(Code::ImageUnavailable, target(service, decky), message));
    }
}

/// `HOST_DISK`: a service with a writable root that the storage driver does not limit.
pub(super) fn disk(greedy: &Greedy, host: &HostFacts, findings: &mut Findings) {
    let Some(storage) = &host.unlimited_storage else {
        return;
    };
    for (service, decky) in &greedy.writable {
        let message = format!(
            "`{service}` has a writable root (first on decky `{decky}`), which {storage} does not limit: it can fill the host's disk; keep Docker's data on btrfs, zfs or XFS with pquota, or drop `writable_root`"
        );
        findings.push(Finding::new(Code::HostDisk, target(service, decky), message));
    }
}

/// `HOST_UNLIMITED`: a daemon that cannot limit the resources of deckies.
pub(super) fn unlimited(view: &TopologyView<'_>, host: &HostFacts, findings: &mut Findings) {
    if host.unlimited.is_empty() || view.decky_names().next().is_none() {
        return;
    }
    let message = format!(
        "the daemon cannot limit {} of containers: an intruder in one decky can use up the host's; give the daemon the cgroup \
         controllers for that (a rootless daemon needs cgroup v2, and delegation by systemd)",
        host.unlimited.join(", ")
    );
    findings.push(Finding::new(Code::HostUnlimited, Target::Topology, message));
}

/// `HOST_ENGINE`: an engine that lacks features that mazes need.
pub(super) fn engine(host: &HostFacts, findings: &mut Findings) {
    for lack in &host.engine_lacks {
        findings.push(Finding::new(Code::HostEngine, Target::Topology, lack.clone()));
    }
}

/// `HOST_NEIGHBOURS`: a LAN with more addresses than the host's neighbour table can hold.
pub(super) fn neighbours(view: &TopologyView<'_>, host: &HostFacts, findings: &mut Findings) {
    let Some(table) = &host.neighbours else { return };
    let (limit, on) = (table.size, on_host(table.host.as_deref()));
    for lan in view.lans() {
        let Some(subnet) = lan.subnet().filter(|subnet| net::usable(*subnet) > limit) else {
            continue;
        };
        if findings.counts_only(Code::HostNeighbours) {
            continue;
        }
        let message = format!(
            "LAN `{}` ({subnet}) has {} addresses, and the neighbour table of {on} has {limit} entries for all networks together: a scan of the LAN fills it for the whole host; increase it (`sysctl -w net.ipv4.neigh.default.gc_thresh3={}`), or use a smaller subnet",
            lan.name(),
            net::usable(subnet),
            net::neighbours_for([subnet])
        );
        let target = Target::Lan { lan: lan.name().into() };
        findings.push(Finding::new(Code::HostNeighbours, target, message));
    }
}

fn target(service: &ServiceName, decky: &str) -> Target {
    Target::Service {
        decky: decky.into(),
        service: service.to_string(),
    }
}
