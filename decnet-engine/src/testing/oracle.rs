use crate::{desired::Desired, observe::Observed, plan::Plan};

/// Plans the steps from the observed resources to the desired ones. Programs [prepare](crate::engine::Engine::prepare) theirs.
pub fn diff(desired: &Desired, observed: &Observed) -> Plan {
    crate::plan::diff(desired, observed)
}
