use crate::{desired::Desired, observe::Observed, plan::Plan};

/// Plans the steps from the observed to the desired resources. Programs use [prepare](crate::engine::Engine::prepare) instead.
pub fn diff(desired: &Desired, observed: &Observed) -> Plan {
    crate::plan::diff(desired, observed)
}
