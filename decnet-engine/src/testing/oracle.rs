use crate::{desired::Desired, observe::Observed, plan::Plan};

/// Makes the plan from what is there to what should be. Programs [prepare](crate::engine::Engine::prepare) theirs.
pub fn diff(desired: &Desired, observed: &Observed) -> Plan {
    crate::plan::diff(desired, observed)
}
