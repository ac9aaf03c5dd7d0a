use crate::event::Envelope;

/// One item of a feed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum FeedItem {
    /// Something happened.
    Event {
        /// The event.
        envelope: Envelope,
        /// The name of its topology, if the store has it.
        name: Option<String>,
    },
    /// The number of events of the bus that were lost. The store was read again, so only steps and changes of deckies are
    /// missing.
    Lagged(u64),
    /// The bus cannot be reached. The store is read every second until [`FeedItem::BusFound`].
    BusLost,
    /// The bus is connected.
    BusFound,
}
