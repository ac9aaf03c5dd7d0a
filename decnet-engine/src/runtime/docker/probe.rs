use decnet_decoy::protocol::{Probe, ProbeResult};
use decnet_topology::InstanceId;

use super::Docker;
use crate::{decoy::DecoyImage, naming::ContainerName, runtime::RuntimeError};

/// The maximum number of targets per command, whose arguments must stay below 128 KiB.
const TARGETS_A_COMMAND: usize = 1000;

impl Docker {
    pub(super) async fn probe_from(
        &self,
        instance: InstanceId,
        base: &ContainerName,
        probe: &Probe,
    ) -> Result<ProbeResult, RuntimeError> {
        let found = self.find_ours(instance, base).await?;
        let id = found.id.as_deref().unwrap_or(base.as_str());
        let mut targets = Vec::with_capacity(probe.targets.len());
        for some in probe.targets.chunks(TARGETS_A_COMMAND) {
            let part = Probe {
                targets: some.to_vec(),
                ..probe.clone()
            };
            targets.extend(self.probe_some(base, id, &part).await?.targets);
        }
        Ok(ProbeResult { targets })
    }

    async fn probe_some(&self, base: &ContainerName, id: &str, probe: &Probe) -> Result<ProbeResult, RuntimeError> {
        let json = serde_json::to_string(probe).expect("all keys are texts");
        let output = self
            .run_in(base, id, &[DecoyImage::PROGRAM_PATH.into(), "probe".into(), json])
            .await?;
        let read = serde_json::from_slice::<ProbeResult>(&output.stdout).ok();
        let read = read.filter(|result| result.targets.len() == probe.targets.len());
        read.ok_or_else(|| RuntimeError::Probe {
            container: base.to_string(),
            reason: format!("its program exited with {}: {}", output.code, output.text()),
        })
    }
}
