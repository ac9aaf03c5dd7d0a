//! The sockets of the namespace, from `/proc/net`.

use std::{collections::BTreeSet, fs};

use crate::protocol::{Protocol, Redirect};

/// The state of a listening TCP socket in these tables (`net/tcp_states.h`).
const LISTEN: &str = "0A";

/// The open sockets of this namespace.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// The ports where something listens.
    pub(super) listening: BTreeSet<(Protocol, u16)>,
}

impl Sockets {
    /// Reads the tables. An unreadable one counts as empty. Redirected ports are those that visitors see.
    pub(super) fn read(redirects: &[Redirect]) -> Self {
        let mut sockets = Self::default();
        for (table, protocol) in [
            ("tcp", Protocol::Tcp),
            ("tcp6", Protocol::Tcp),
            ("udp", Protocol::Udp),
            ("udp6", Protocol::Udp),
        ] {
            let text = fs::read_to_string(format!("/proc/self/net/{table}")).unwrap_or_default();
            sockets.add(&text, protocol);
        }
        sockets.redirect(redirects);
        sockets
    }

    /// Replaces the ports on which programs listen by those that visitors see.
    fn redirect(&mut self, redirects: &[Redirect]) {
        let inside = |one: &Redirect| (one.protocol, one.to);
        let open = redirects.iter().filter(|one| self.listening.contains(&inside(one)));
        let seen: Vec<_> = open.map(|one| (one.protocol, one.port)).collect();
        for one in redirects {
            self.listening.remove(&inside(one));
        }
        self.listening.extend(seen);
    }

    /// Adds a table with the columns number, local end, remote end, and state.
    fn add(&mut self, table: &str, protocol: Protocol) {
        for line in table.lines().skip(1) {
            let mut fields = line.split_whitespace().skip(1);
            let (Some(local), Some(_), Some(state)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            let Some((address, port)) = local.split_once(':') else {
                continue;
            };
            if let Ok(port) = u16::from_str_radix(port, 16)
                && (protocol == Protocol::Udp || state == LISTEN)
                && !is_loopback(address)
            {
                self.listening.insert((protocol, port));
            }
        }
    }
}

/// Returns whether an address is in 127.0.0.0/8, which is not reachable from outside: Docker's resolver, for instance. The
/// kernel prints the four bytes in memory as one number.
fn is_loopback(address: &str) -> bool {
    let bits = u32::from_str_radix(address, 16).ok().filter(|_| address.len() == 8);
    bits.is_some_and(|bits| bits.to_ne_bytes()[0] == 127)
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    #[test]
    fn redirected_ports_are_those_that_visitors_see() {
        let to = |port, to| Redirect {
            port,
            to,
            protocol: Protocol::Tcp,
        };
        let mut sockets = Sockets {
            listening: [80, 2222, 2223].map(|port| (Protocol::Tcp, port)).into(),
        };
        sockets.redirect(&[to(22, 2222), to(2022, 2222), to(23, 9), to(2223, 2223), to(24, 2223)]);
        let ports: Vec<_> = sockets.listening.iter().map(|(_, port)| *port).collect();
        assert_eq!(ports, [22, 24, 80, 2022, 2223]);
    }

    #[test]
    fn listening_ports_are_read_from_the_tables() {
        let mut sockets = Sockets::default();
        let tcp = "  sl  local_address rem_address   st\n\
                   0: 00000000:0050 00000000:0000 0A 0\n\
                   1: 0500000A:0050 0900000A:3039 03 0\n\
                   2: 0500000A:0051 0900000A:3040 01 0\n\
                   3: 0B00007F:9999 00000000:0000 0A 0\n";
        let tcp6 = "  sl  local_address rem_address   st\n\
                    0: 00000000000000000000000000000000:0016 00000000000000000000000000000000:0000 0A 0\n";
        sockets.add(tcp, Protocol::Tcp);
        sockets.add(tcp6, Protocol::Tcp);
        sockets.add("head\n 0: 00000000:0035 00000000:0000 07 0\n", Protocol::Udp);
        assert_eq!(
            sockets.listening,
            BTreeSet::from([(Protocol::Tcp, 80), (Protocol::Tcp, 22), (Protocol::Udp, 53)])
        );
    }
}
