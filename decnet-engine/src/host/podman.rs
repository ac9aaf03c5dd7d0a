//! Limits of Podman that affect mazes, and their fixes.

use super::{cause::Cause, packets::bridged_packets_are_filtered};

/// Returns what Podman lacks. If it runs on this machine (`local`), the kernel is checked too.
pub fn podman_lacks(local: bool) -> Vec<Cause> {
    let mut lacks = vec![
        Cause::new(
            "PODMAN_SECCOMP",
            "Podman accepts no seccomp profile per container, so its default profile applies to deckies",
            "`seccomp_profile` in containers.conf sets a profile for all containers; see docs/podman.md for ours",
        ),
        Cause::new(
            "PODMAN_HOST_ADDRESS",
            "With netavark, Podman gives the host an address on every LAN; the packet filter of each decky blocks it, but a \
             service with NET_RAW can bypass the filter",
            "remove NET_RAW from the services in the catalogue",
        ),
    ];
    lacks.extend(podman_masquerades().filter(|_| local));
    lacks
}

/// Returns whether Podman on this machine masquerades packets from deckies of the DMZ to other LANs.
///
/// Podman does this for every network that is not internal, and has no option against it. Packets that stay within a bridge are
/// affected only if the packet filter of the host sees them.
pub(crate) fn podman_masquerades() -> Option<Cause> {
    masquerades(bridged_packets_are_filtered())
}

/// Checks it for a value of the setting. None means that the kernel has no such setting, and the filter does not see bridged
/// packets.
fn masquerades(filtered: Option<bool>) -> Option<Cause> {
    (filtered == Some(true)).then(|| {
        Cause::new(
            "PODMAN_MASQUERADE",
            "Podman masquerades packets from deckies of the DMZ to inner LANs, which then drop them, because the host's packet filter sees \
             bridged packets (bridge-nf-call-iptables is 1)",
            "`sysctl -w net.bridge.bridge-nf-call-iptables=0`, and set it in /etc/sysctl.d, unless another program needs it",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_of_another_machine_is_not_checked() {
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
