//! The datagrams of one UDP port.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::{sync::watch, time::interval};

use super::{
    conversation::Conversation,
    datagram_socket::{DatagramSocket, Ends},
    shared::{Shared, ended},
};
use crate::{
    protocol::{EndReason, Protocol as Transport},
    service::{
        context::Service,
        dialogue::{Dialogue, Input, Turn},
        registry::protocol,
    },
};

/// The maximum size of a datagram.
const DATAGRAM_BYTES: usize = 65_536;

/// The answers have at most this multiple of the request's size, so forged senders gain little.
const AMPLIFICATION: usize = 2;

/// The shortest time between two datagrams to a group over one interface (RFC 6762, section 6).
const GROUP_PAUSE: Duration = Duration::from_secs(1);

/// A source and its conversation.
struct Peer {
    dialogue: Box<dyn Dialogue>,
    conversation: Conversation,
    opened: Instant,
    last: Instant,
    silence: Duration,
}

/// A socket and the sources that sent to it recently.
pub(super) struct Datagrams {
    socket: DatagramSocket,
    port: u16,
    service: Arc<Service>,
    shared: Arc<Shared>,
    /// Gets the reason for the end of the service.
    end: watch::Receiver<Option<EndReason>>,
    peers: BTreeMap<Ends, Peer>,
    /// When datagrams were sent to a group, by the address of the interface.
    sent_to_group: BTreeMap<Ipv4Addr, Instant>,
}

impl Datagrams {
    pub(super) fn new(
        socket: DatagramSocket,
        port: u16,
        service: Arc<Service>,
        shared: Arc<Shared>,
        end: watch::Receiver<Option<EndReason>>,
    ) -> Self {
        Self {
            socket,
            port,
            service,
            shared,
            end,
            peers: BTreeMap::new(),
            sent_to_group: BTreeMap::new(),
        }
    }

    /// Answers until the service ends.
    pub(super) async fn run(mut self) {
        let mut buffer = vec![0; DATAGRAM_BYTES];
        let mut tick = interval(self.shared.limits.tick);
        let mut end = self.end.clone();
        let group = protocol(&self.service.name).group(self.port);
        let mut interfaces = self.shared.interfaces.subscribe();
        interfaces.mark_changed();
        let reason = loop {
            tokio::select! {
                biased;
                reason = ended(&mut end) => break reason,
                _ = tick.tick() => self.forget(),
                Ok(()) = interfaces.changed(), if group.is_some() => {
                    let own: Vec<Ipv4Addr> = interfaces.borrow_and_update().keys().copied().collect();
                    self.join(group, own);
                }
                received = self.socket.receive(&mut buffer) => {
                    // An error is about an earlier answer that could not be delivered.
                    if let Ok((count, ends)) = received {
                        self.receive(&buffer[..count], ends);
                    }
                }
            }
        };
        for peer in self.peers.values() {
            peer.conversation.close(reason);
        }
    }

    /// Receives what is sent to a group on the interfaces with these addresses.
    fn join(&mut self, group: Option<Ipv4Addr>, own: Vec<Ipv4Addr>) {
        self.sent_to_group.retain(|address, _| own.contains(address));
        let Some(group) = group else {
            return;
        };
        if let Err(error) = self.socket.join(group, own) {
            self.shared
                .complain("a multicast group cannot be joined", &error.to_string());
        }
    }

    /// Returns whether a datagram may be sent to a group now.
    fn may_send_to_group(&mut self, local: Ipv4Addr) -> bool {
        let now = Instant::now();
        let last = self.sent_to_group.get(&local);
        let may = last.is_none_or(|last| now.saturating_duration_since(*last) >= GROUP_PAUSE);
        if may {
            self.sent_to_group.insert(local, now);
        }
        may
    }

    fn receive(&mut self, datagram: &[u8], ends: Ends) {
        if !self.peers.contains_key(&ends) {
            self.make_room();
            let local = SocketAddrV4::new(ends.local, self.port);
            let context = self
                .shared
                .context(&self.service, Transport::Udp, ends.remote, local, ends.group);
            let Some(dialogue) = protocol(&self.service.name).start(&context) else {
                return;
            };
            let peer = Peer {
                dialogue,
                conversation: Conversation::open(context, &self.shared, None),
                opened: Instant::now(),
                last: Instant::now(),
                silence: self.shared.limits.silence,
            };
            self.peers.insert(ends, peer);
        }
        let Some(peer) = self.peers.get_mut(&ends) else {
            return;
        };
        peer.last = Instant::now();
        if !peer.conversation.count(datagram.len()) {
            peer.conversation.close(EndReason::Size);
            self.peers.remove(&ends);
            return;
        }
        let mut turn = Turn::new(Timestamp::now());
        peer.dialogue.receive(&mut Input::from(datagram), &mut turn);
        for event in turn.events {
            peer.conversation.report(event);
        }
        peer.silence = turn.silence.unwrap_or(peer.silence);
        let mut allowed = datagram.len() * AMPLIFICATION;
        for answer in turn.sent {
            if answer.is_empty() || answer.len() > allowed || !self.shared.may_answer() {
                break;
            }
            allowed -= answer.len();
            let to = match ends.group.filter(|_| turn.to_group) {
                Some(_) if !self.may_send_to_group(ends.local) => break,
                Some(group) => SocketAddrV4::new(group, self.port),
                None => ends.remote,
            };
            // A full buffer of the kernel loses datagrams, as any network may.
            let _ = self.socket.send(&answer, ends.local, to);
        }
    }

    /// Ends the conversation that was silent for longest if there are too many.
    fn make_room(&mut self) {
        if self.peers.len() < self.shared.limits.datagram_sources {
            return;
        }
        let idlest = self
            .peers
            .iter()
            .min_by_key(|(_, peer)| peer.last)
            .map(|(ends, _)| *ends);
        if let Some(peer) = idlest.and_then(|ends| self.peers.remove(&ends)) {
            peer.conversation.close(EndReason::Displaced);
        }
    }

    /// Ends the conversations of sources that are silent, and those that last for too long.
    fn forget(&mut self) {
        let now = Instant::now();
        let life = self.shared.limits.life;
        let reason = |peer: &Peer| {
            if now.saturating_duration_since(peer.last) >= peer.silence {
                Some(EndReason::Idle)
            } else {
                (now.saturating_duration_since(peer.opened) >= life).then_some(EndReason::Age)
            }
        };
        for (_, peer) in self.peers.extract_if(.., |_, peer| reason(peer).is_some()) {
            peer.conversation.close(reason(&peer).unwrap_or(EndReason::Idle));
        }
    }
}
