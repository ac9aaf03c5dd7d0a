//! The audit trail of a topology for people: its changes of status and its mutations, in one list.

use decnet_topology::{MutationRow, StatusEvent};
use jiff::Timestamp;

/// One change in the history of a topology.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The time of the change. For an unfinished mutation, the time when it was queued.
    pub at: Timestamp,
    /// The change.
    pub what: String,
    /// The author of a mutation.
    pub actor: Option<String>,
    /// The reason.
    pub reason: Option<String>,
}

impl HistoryEntry {
    /// Merges the changes of status and the mutations of a topology, oldest first.
    pub fn list(events: &[StatusEvent], mutations: &[MutationRow]) -> Vec<Self> {
        let statuses = events.iter().map(|event| Self {
            at: event.at,
            what: match event.from {
                Some(from) => format!("{from} -> {}", event.to),
                None => "stored".into(),
            },
            actor: None,
            reason: event.reason.clone(),
        });
        let mutations = mutations.iter().map(|row| Self {
            at: row.finished_at.unwrap_or(row.enqueued_at),
            what: format!("mutation {} {}: {}", row.id, row.mutation.op(), row.state),
            actor: row.actor.clone(),
            reason: row.reason.clone(),
        });
        let mut entries: Vec<_> = statuses.chain(mutations).collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }
}

#[cfg(test)]
mod tests {
    use decnet_topology::{MutationState, Status};
    use serde_json::json;

    use super::*;

    #[test]
    fn changes_of_status_and_mutations_are_in_order_of_time() {
        let at = |second| Timestamp::from_second(1_900_000_000 + second).expect("a time");
        let status = |second, from, to| StatusEvent {
            from,
            to,
            at: at(second),
            reason: None,
        };
        let events = [
            status(0, None, Status::Pending),
            status(4, Some(Status::Active), Status::Degraded),
        ];
        let mutation = |id: u64, state: MutationState, finished: Option<i64>| -> MutationRow {
            let row = json!({
                "id": id, "topology": "0e7a1c52-6a53-4f5e-9d0c-1f2e3d4c5b6a", "state": state, "version": 2, "attempts": 1,
                "mutation": {"op": "remove_lan", "payload": {"name": "vault"}}, "actor": "ann", "enqueued_at": at(1),
                "begun_at": null, "stored_at": null, "finished_at": finished.map(at), "reason": "why", "claim": null,
            });
            serde_json::from_value(row).expect("a row")
        };
        let mutations = [
            mutation(1, MutationState::Rejected, Some(5)),
            mutation(2, MutationState::Pending, None),
        ];
        let entries = HistoryEntry::list(&events, &mutations);
        let listed: Vec<_> = entries.iter().map(|entry| (entry.at, entry.what.as_str())).collect();
        assert_eq!(
            listed,
            [
                (at(0), "stored"),
                (at(1), "mutation #2 remove_lan: pending"),
                (at(4), "active -> degraded"),
                (at(5), "mutation #1 remove_lan: rejected"),
            ]
        );
        assert_eq!(entries[3].actor.as_deref(), Some("ann"));
        assert_eq!(entries[3].reason.as_deref(), Some("why"));
    }
}
