//! What Podman cannot do that mazes rely on, and what helps.

use super::packets::{Cause, is_filtered};
use crate::runtime::RuntimeInfo;

/// Says what a Podman lacks; nothing where it is Docker.
pub fn podman_lacks(info: &RuntimeInfo) -> Vec<Cause> {
    if !info.podman {
        return Vec::new();
    }
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
    lacks.extend(podman_masquerades(info));
    lacks
}

/// Says whether a Podman of this machine masquerades what deckies of the DMZ send to other LANs.
///
/// It does so to every network that is not internal, and cannot be told not to. As long as these packets stay within a bridge it
/// matters only where the packet filter of the host sees them.
pub(crate) fn podman_masquerades(info: &RuntimeInfo) -> Option<Cause> {
    (info.podman && info.local && is_filtered()).then(|| {
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
    use crate::runtime::{Runtime as _, simulated::Simulated};

    #[tokio::test]
    async fn docker_lacks_nothing_and_podman_says_what_it_lacks() {
        let docker = Simulated::new().info().await.expect("a description");
        assert_eq!(podman_lacks(&docker), []);
        let podman = RuntimeInfo { podman: true, ..docker };
        let codes: Vec<_> = podman_lacks(&podman).iter().map(|lack| lack.code).collect();
        assert_eq!(
            codes,
            ["PODMAN_SECCOMP", "PODMAN_HOST_ADDRESS"],
            "another machine's kernel is not looked at"
        );
    }
}
