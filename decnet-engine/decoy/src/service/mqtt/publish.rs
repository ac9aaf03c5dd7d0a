//! Messages from and to the client.

use super::{
    super::dialogue::Turn,
    ALIAS_INVALID, MALFORMED, Mqtt, NO_SUBSCRIBERS, NOT_AUTHORIZED, PROTOCOL_ERROR,
    packet::{Fields, packet, string},
    report,
    topics::{is_topic, selects},
};

/// The limits of one session.
const MOST_KEPT: usize = 64;
const MOST_KEPT_BYTES: usize = 1024;
/// The number of topic aliases that Mosquitto offers.
const ALIASES: u16 = 10;
const MOST_UNRELEASED: usize = 20;

impl Mqtt {
    pub(super) fn publish(&mut self, first: u8, fields: &mut Fields<'_>, turn: &mut Turn) -> Result<(), u8> {
        let quality = first >> 1 & 3;
        if quality == 3 || quality == 0 && first & 8 != 0 {
            return Err(MALFORMED);
        }
        let mut topic = fields.string().ok_or(MALFORMED)?.to_vec();
        if topic.is_empty() && self.version < 5 || !topic.is_empty() && !is_topic(&topic) {
            return Err(PROTOCOL_ERROR);
        }
        let id = if quality > 0 {
            fields.u16().filter(|id| *id > 0).ok_or(MALFORMED)?
        } else {
            0
        };
        if self.version == 5 {
            match fields.properties().ok_or(MALFORMED)?.topic_alias {
                Some(alias @ 1..=ALIASES) if topic.is_empty() => {
                    let known = self.aliases.iter().find(|(own, _)| *own == alias);
                    topic.clone_from(&known.ok_or(PROTOCOL_ERROR)?.1);
                }
                Some(alias @ 1..=ALIASES) => {
                    self.aliases.retain(|(own, _)| *own != alias);
                    self.aliases.push((alias, topic.clone()));
                }
                Some(_) => return Err(ALIAS_INVALID),
                None if topic.is_empty() => return Err(PROTOCOL_ERROR),
                None => {}
            }
        }
        let message = fields.0;
        report("PUBLISH", &topic, Some(message), turn);
        // Nobody may publish to the broker's own topics.
        let is_denied = topic.starts_with(b"$SYS");
        if first & 1 != 0 && !is_denied {
            self.keep(&topic, message);
        }
        let has_subscribers = self.filters.iter().any(|(filter, _)| selects(filter, &topic));
        let (answer, reason) = match quality {
            0 => (0, 0),
            1 => (0x40, if has_subscribers { 0 } else { NO_SUBSCRIBERS }),
            _ => (0x50, 0),
        };
        if quality == 2 && !is_denied {
            self.unreleased.retain(|(own, ..)| *own != id);
            if self.unreleased.len() < MOST_UNRELEASED {
                let message = message.get(..MOST_KEPT_BYTES).unwrap_or(message).to_vec();
                self.unreleased.push((id, topic, message));
            }
        } else if !is_denied {
            self.deliver(&topic, message, quality, turn);
        }
        if quality > 0 {
            let reason = if is_denied { NOT_AUTHORIZED } else { reason };
            let reason: &[u8] = if self.version == 5 && reason != 0 {
                &[reason]
            } else {
                &[]
            };
            turn.send(packet(answer, &[&id.to_be_bytes(), reason].concat()));
        }
        Ok(())
    }

    /// Keeps a message for later subscriptions of this client. An empty one removes the message of its topic.
    fn keep(&mut self, topic: &[u8], message: &[u8]) {
        let is_kept = !message.is_empty() && topic.len() + message.len() <= MOST_KEPT_BYTES;
        if let Some(at) = self.kept.iter().position(|(own, _)| own == topic) {
            self.kept.remove(at);
        }
        if is_kept && self.kept.len() < MOST_KEPT {
            self.kept.push((topic.into(), message.into()));
        }
    }

    /// Sends a message to its own sender, if it has subscribed to the topic.
    pub(super) fn deliver(&mut self, topic: &[u8], message: &[u8], quality: u8, turn: &mut Turn) {
        let selecting = self.filters.iter().filter(|(filter, _)| selects(filter, topic));
        let Some(granted) = selecting.map(|(_, granted)| *granted).max() else {
            return;
        };
        let quality = quality.min(granted);
        let mut id = Vec::new();
        if quality > 0 {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            id = self.last_id.to_be_bytes().to_vec();
        }
        turn.send(self.message(0x30 | quality << 1, topic, &id, message));
    }

    /// Writes a message to the client.
    pub(super) fn message(&self, first: u8, topic: &[u8], id: &[u8], message: &[u8]) -> Vec<u8> {
        let properties: &[u8] = if self.version == 5 { &[0] } else { &[] };
        packet(first, &[&string(topic), id, properties, message].concat())
    }
}
