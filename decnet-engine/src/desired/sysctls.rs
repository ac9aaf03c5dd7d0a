//! The kernel settings of a base.

use decnet_topology::PacketStyle;

use super::spec::Sysctls;

/// Forwarding is off at first, whatever the host's setting is; a router enables it itself, per interface.
const OF_ALL: [(&str, &str); 9] = [
    ("net.ipv4.ip_forward", "0"),
    // The reverse path filter is loose: a bridge decky may get a request on one LAN and answer on another.
    ("net.ipv4.conf.all.rp_filter", "2"),
    ("net.ipv4.conf.all.accept_redirects", "0"),
    ("net.ipv4.conf.default.accept_redirects", "0"),
    ("net.ipv4.conf.all.send_redirects", "0"),
    ("net.ipv4.conf.default.send_redirects", "0"),
    ("net.ipv4.conf.all.accept_source_route", "0"),
    ("net.ipv4.ip_unprivileged_port_start", "0"),
    // The range of ids in a user namespace: a daemon in one refuses a wider range.
    ("net.ipv4.ping_group_range", "0 65535"),
];

/// Returns the sysctls of a base whose packets have a style. Where it is that of Linux, nothing is set.
pub(super) fn of(style: PacketStyle) -> Sysctls {
    let settings = OF_ALL.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    let mut settings: Sysctls = settings.collect();
    if style.ttl != PacketStyle::LINUX.ttl {
        settings.insert("net.ipv4.ip_default_ttl".into(), style.ttl.to_string().into());
    }
    if !style.timestamps {
        settings.insert("net.ipv4.tcp_timestamps".into(), "0".into());
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_look_like_those_of_the_system() {
        let seen = |system| {
            let sysctls = of(PacketStyle::of(system));
            let get = |name: &str| sysctls.get(name).map(ToString::to_string);
            (get("net.ipv4.ip_default_ttl"), get("net.ipv4.tcp_timestamps"))
        };
        let set = |ttl: &str| (Some(ttl.to_owned()), Some("0".to_owned()));
        assert_eq!(seen("windows-server-2019"), set("128"));
        assert_eq!(seen("windows-server-2016"), (Some("128".to_owned()), None));
        assert_eq!(seen("network-device"), set("255"));
        assert_eq!(seen("controller"), set("30"));
        for system in ["debian-12", "ubuntu-22.04", "embedded-linux", "printer"] {
            assert_eq!(seen(system), (None, None), "{system}");
        }
    }
}
