//! Fan-out within the process.

use std::sync::Arc;

use super::{Bus, Pattern, Subscription, outlets::Outlets};
use crate::event::Envelope;

/// Sends every event to the subscribers within this process. Clones share one bus.
#[derive(Debug, Clone, Default)]
pub struct LocalBus(Arc<Outlets>);

impl Bus for LocalBus {
    fn publish(&self, envelope: Envelope) {
        self.0.send(&envelope);
    }

    fn subscribe(&self, patterns: &[Pattern]) -> Subscription {
        self.0.subscribe(patterns)
    }
}

#[cfg(test)]
mod tests {
    use decnet_topology::{Status, rng};
    use jiff::Timestamp;

    use super::*;
    use crate::{bus::Received, event::Event};

    fn envelope() -> Envelope {
        let event = Event::Status {
            topology: rng::topology_id(),
            from: None,
            to: Status::Pending,
            reason: None,
        };
        Envelope::new(event, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_slow_subscriber_loses_its_oldest_events_and_others_lose_none() {
        let bus = LocalBus::default();
        let mut slow = bus.subscribe(&[Pattern::everything()]);
        let mut fast = bus.subscribe(&[Pattern::everything()]);
        let sent: Vec<Envelope> = (0..5000).map(|_| envelope()).collect();
        for envelope in &sent {
            bus.publish(envelope.clone());
            assert_eq!(fast.try_recv(), Some(Received::Event(envelope.clone())));
        }
        assert_eq!(slow.try_recv(), Some(Received::Lagged(904)));
        let rest: Vec<_> = std::iter::from_fn(|| slow.try_recv()).collect();
        let expected: Vec<_> = sent[904..].iter().cloned().map(Received::Event).collect();
        assert_eq!(rest, expected);
    }

    #[tokio::test]
    async fn a_dropped_bus_ends_its_subscriptions() {
        let bus = LocalBus::default();
        let mut subscription = bus.subscribe(&[Pattern::everything()]);
        let last = envelope();
        bus.publish(last.clone());
        drop(bus);
        assert_eq!(subscription.recv().await, Some(Received::Event(last)));
        assert_eq!(subscription.recv().await, None);
    }

    #[test]
    fn a_dropped_subscription_is_removed() {
        let bus = LocalBus::default();
        drop(bus.subscribe(&[Pattern::everything()]));
        bus.publish(envelope());
        assert_eq!(bus.0.count(), 0);
    }
}
