//! What Podman cannot do that mazes rely on, and what helps.

use super::{cause::Cause, packets::bridged_packets_are_filtered};

/// Says what a Podman lacks. It is local if it runs on this machine, whose kernel is looked at then.
pub fn podman_lacks(local: bool) -> Vec<Cause> {
    let mut lacks = vec![
        Cause::new(
            "PODMAN_SECCOMP",
            "Podman takes no seccomp profile with a container, so deckies may make the system calls of its own profile",
            "`seccomp_profile` in containers.conf sets a profile for all containers; docs/podman.md names ours",
        ),
        Cause::new(
            "PODMAN_HOST_ADDRESS",
            "Podman gives the host an address on every LAN where its networks are netavark's; the packet filter of each decky closes \
             it, which a service with NET_RAW can bypass",
            "give no service NET_RAW in the catalogue",
        ),
    ];
    lacks.extend(podman_masquerades().filter(|_| local));
    lacks
}

/// Says whether a Podman of this machine masquerades what deckies of the DMZ send to other LANs.
///
/// It does so to every network that is not internal, and cannot be told not to. As long as these packets stay within a bridge it
/// matters only where the packet filter of the host sees them.
pub(crate) fn podman_masquerades() -> Option<Cause> {
    masquerades(bridged_packets_are_filtered())
}

/// Says it given whether the packet filter sees bridged packets; none where the kernel has no such setting, and they are not seen.
fn masquerades(filtered: Option<bool>) -> Option<Cause> {
    (filtered == Some(true)).then(|| {
        Cause::new(
            "PODMAN_MASQUERADE",
            "Podman masquerades what deckies of the DMZ send to inner LANs, which drop it then, because the host's packet filter sees \
             bridged packets (bridge-nf-call-iptables is 1)",
            "`sysctl -w net.bridge.bridge-nf-call-iptables=0`, and keep it in /etc/sysctl.d, if nothing else on the host needs it",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_of_another_machine_is_not_looked_at() {
        let codes: Vec<_> = podman_lacks(false).iter().map(|lack| lack.code).collect();
        assert_eq!(codes, ["PODMAN_SECCOMP", "PODMAN_HOST_ADDRESS"]);
    }

    #[test]
    fn masquerading_matters_only_where_the_filter_sees_bridged_packets() {
        assert!(masquerades(None).is_none(), "without br_netfilter");
        assert!(masquerades(Some(false)).is_none());
        assert_eq!(
            masquerades(Some(true)).map(|cause| cause.code),
            Some("PODMAN_MASQUERADE")
        );
    }
}
