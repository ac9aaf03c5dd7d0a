//! The sockets of the namespace, as the kernel lists them below `/proc/net`.

use std::{collections::BTreeSet, fs};

use crate::protocol::Protocol;

/// The state of a TCP socket that listens, in the kernel's `net/tcp_states.h`, as the tables print it.
const LISTEN: &str = "0A";

/// What is open in this namespace.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// The ports where something listens.
    pub(super) listening: BTreeSet<(Protocol, u16)>,
}

impl Sockets {
    /// Reads the tables. One that cannot be read is taken for empty.
    pub(super) fn read() -> Self {
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
        sockets
    }

    /// Adds a table, whose columns are a number, the local end, the remote end, and the state.
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

/// Returns whether an address is one of 127.0.0.0/8, where nobody from outside is heard: Docker's resolver, for instance. The
/// kernel prints four bytes of its memory as one number.
fn is_loopback(address: &str) -> bool {
    let bits = u32::from_str_radix(address, 16).ok().filter(|_| address.len() == 8);
    bits.is_some_and(|bits| bits.to_ne_bytes()[0] == 127)
}

#[cfg(test)]
#[cfg(target_endian = "little")]
mod tests {
    use super::*;

    #[test]
    fn tables_list_the_ports_that_listen() {
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
