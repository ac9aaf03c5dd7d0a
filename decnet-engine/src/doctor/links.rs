use decnet_decoy::LinkUnderlay;
use decnet_topology::{Repo, Status, TopologyFilter, TopologyRow};

use super::{Check, Verdict};
use crate::host;

const WHAT: &str = "links";

const HINT: &str = "if others may see or send packets on that network, put WireGuard below: on each host, `wg genkey > wg.key`, \
                    `ip link add wg0 mtu 1420 type wireguard`, `ip address add 10.9.0.1/24 dev wg0`, `wg set wg0 listen-port 51820 private-key \
                    wg.key peer KEY allowed-ips 10.9.0.2/32 endpoint HOST:51820`, `ip link set wg0 up`; then give the hosts these addresses \
                    (docs/hosts.md)";

/// Checks whether the packets of LANs that are stretched over several hosts are encrypted between them. Without such LANs, in the store or
/// on this machine, there is nothing to check.
pub async fn check_links(repo: Option<&dyn Repo>) -> Vec<Check> {
    let mut mazes = Vec::new();
    if let Some(repo) = repo {
        let filter = TopologyFilter::default().without(&[Status::Pending, Status::TornDown]);
        match repo.list(&filter).await {
            Ok(page) => mazes = stretched(&page.rows),
            Err(error) => return vec![Check::error(Verdict::Fail, "database", "", error)],
        }
    }
    // If the kernel does not tell what is below, it is treated as unknown.
    let here = host::link_underlays().unwrap_or_default();
    of_links(&mazes, &here).into_iter().collect()
}

/// Returns the names of the mazes with stretched LANs.
fn stretched(rows: &[TopologyRow]) -> Vec<String> {
    let rows = rows.iter().filter(|row| {
        let placement = row.placement.as_ref();
        placement.is_some_and(|placement| !placement.stretched.is_empty())
    });
    rows.map(|row| row.name.to_string()).collect()
}

fn of_links(mazes: &[String], here: &[LinkUnderlay]) -> Option<Check> {
    let open: Vec<&LinkUnderlay> = here.iter().filter(|link| !link.is_wireguard).collect();
    let whose = match mazes {
        [] if here.is_empty() => return None,
        [] => "LANs on this host are".to_owned(),
        mazes => format!("LANs of {} are", mazes.join(", ")),
    };
    if !here.is_empty() && open.is_empty() {
        let mut interfaces: Vec<&str> = here.iter().filter_map(|link| link.interface.as_deref()).collect();
        interfaces.dedup();
        let interfaces = interfaces.join(", ");
        return Some(Check::ok(
            WHAT,
            format!("{whose} stretched over hosts, through WireGuard ({interfaces})"),
        ));
    }
    let through = open.first().map(|link| {
        let interface = link.interface.as_deref().unwrap_or("no interface of this host");
        format!(" through {} ({interface})", link.local)
    });
    let message = format!(
        "{whose} stretched over hosts by VXLAN{}, which neither encrypts nor authenticates; only packets from the addresses of the hosts are \
         accepted",
        through.unwrap_or_default(),
    );
    Some(Check::warn(WHAT, message, HINT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(interface: &str, is_wireguard: bool) -> LinkUnderlay {
        LinkUnderlay {
            device: "d0123456700000a".into(),
            local: [192, 0, 2, 1].into(),
            interface: Some(interface.into()),
            is_wireguard,
        }
    }

    #[test]
    fn without_stretched_lans_nothing_is_said() {
        assert!(of_links(&[], &[]).is_none());
    }

    #[test]
    fn links_without_wireguard_are_a_warning_with_the_first_commands() {
        let mazes = ["corp".to_owned()];
        let both = [link("wg0", true), link("eth0", false)];
        for (mazes, here) in [(&mazes[..], &both[..]), (&[], &both[1..]), (&mazes, &[])] {
            let check = of_links(mazes, here).expect("a check");
            assert_eq!(check.verdict, Verdict::Warn);
            assert!(
                check.message.contains("neither encrypts nor authenticates"),
                "{check:?}"
            );
            assert_eq!(
                check.message.contains("192.0.2.1 (eth0)"),
                !here.is_empty(),
                "{check:?}"
            );
            assert!(check.hint.expect("a hint").contains("type wireguard"));
        }
    }

    #[test]
    fn links_through_wireguard_are_good() {
        let check = of_links(&["corp".to_owned()], &[link("wg0", true), link("wg0", true)]).expect("a check");
        assert_eq!(check.verdict, Verdict::Ok);
        assert_eq!(
            check.message,
            "LANs of corp are stretched over hosts, through WireGuard (wg0)"
        );
    }
}
