//! Whether services answer on their ports, from inside their decky.

use decnet_topology::InstanceId;

use super::{deckies::how, expectation};
use crate::{
    desired::{BaseSpec, ServiceSpec},
    engine::{Engine, EngineError},
};

/// A probe waits this long, this often.
const QUICK: (u64, u16) = (500, 2);

impl Engine {
    /// Returns why a service of a base does not answer on one of its ports; none if all answer.
    pub(in crate::engine) async fn why_silent(
        &self,
        instance: InstanceId,
        base: &BaseSpec,
        services: &[&ServiceSpec],
    ) -> Result<Option<String>, EngineError> {
        let Some(home) = base.interfaces.first() else {
            return Ok(None);
        };
        let expectations: Vec<_> = expectation::of_services(home.ip, services.iter().copied()).collect();
        if expectations.is_empty() {
            return Ok(None);
        }
        let results = match self.probe(instance, &base.name, &expectations, QUICK).await? {
            Ok(results) => results,
            Err(reason) => return Ok(Some(reason)),
        };
        let mut failed = expectations
            .iter()
            .zip(&results)
            .filter(|(expectation, result)| !expectation.holds(result));
        Ok(failed
            .next()
            .map(|(expectation, result)| format!("{} {}", expectation.to, how(&expectation.to, result))))
    }
}
