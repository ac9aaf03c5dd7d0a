//! Tickets: a browser's `EventSource` cannot send a token, so it sends a ticket in the address. A ticket is used once.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use decnet_topology::rng;

use super::{auth::scope::Principal, problem::Problem};

/// How long a ticket can be used.
pub(super) const LIFETIME: Duration = Duration::from_mins(1);

/// How many unused tickets there are at most, for all principals and for each.
const MOST: usize = 4096;
const MOST_EACH: usize = 64;

/// The unused tickets.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<BTreeMap<String, (Instant, Principal)>>);

impl Tickets {
    /// Makes a ticket for a principal.
    pub(super) fn issue(&self, principal: Principal) -> Result<String, Problem> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        tickets.retain(|_, (at, _)| at.elapsed() < LIFETIME);
        let of_principal = tickets.values().filter(|(_, holder)| holder.id == principal.id);
        for (number, most) in [(of_principal.count(), MOST_EACH), (tickets.len(), MOST)] {
            if number >= most {
                let detail = format!("{most} tickets are not used yet");
                return Err(Problem::new("too_many_tickets", detail));
            }
        }
        let ticket = format!("{:016x}{:016x}", rng::os_seed(), rng::os_seed());
        tickets.insert(ticket.clone(), (Instant::now(), principal));
        Ok(ticket)
    }

    /// Uses a ticket up. Returns none if it is unknown, used or too old.
    pub(super) fn redeem(&self, ticket: &str) -> Option<Principal> {
        let mut tickets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, principal) = tickets.remove(ticket)?;
        (at.elapsed() < LIFETIME).then_some(principal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::auth::scope::AccessScope;

    #[test]
    fn a_ticket_is_used_once() {
        let tickets = Tickets::default();
        let me = Principal::new("me", AccessScope::Read);
        let ticket = tickets.issue(me.clone()).expect("issued");
        assert_eq!(tickets.redeem("other"), None);
        assert_eq!(tickets.redeem(&ticket), Some(me));
        assert_eq!(tickets.redeem(&ticket), None);
    }

    #[test]
    fn each_principal_has_only_so_many_tickets() {
        let tickets = Tickets::default();
        let me = Principal::new("me", AccessScope::Read);
        let namesake = me.clone().id("another");
        let first = tickets.issue(me.clone()).expect("issued");
        for _ in 1..MOST_EACH {
            tickets.issue(me.clone()).expect("issued");
        }
        assert_eq!(
            tickets.issue(me.clone()).expect_err("too many").code,
            "too_many_tickets"
        );
        tickets.issue(namesake).expect("tickets of others do not count");
        assert_eq!(tickets.redeem(&first), Some(me.clone()));
        tickets.issue(me).expect("a used ticket does not count");
    }
}
