use crate::{
    fence::Fence,
    peer::{PeerClient, PeerError},
    pushed::{AgentState, AppliedTopology, TopologyPush},
    runtime::remote::{
        RemoteRuntime,
        messages::{APPLY, STATE, TEARDOWN},
    },
};

/// The topologies of an agent. It has one at most. Pushes and teardowns need a [fence](Self::with_fence).
#[derive(Debug, Clone)]
pub struct RemoteTopologies(PeerClient);

impl RemoteTopologies {
    /// Uses the connections of a runtime.
    pub fn new(runtime: &RemoteRuntime) -> Self {
        Self(runtime.client().clone())
    }

    /// Says which lease this master holds. The agent changes something only for the holder of the newest lease that it has seen.
    #[must_use]
    pub fn with_fence(&self, fence: Fence) -> Self {
        Self(self.0.fenced(fence))
    }

    /// Pushes a topology. The agent deploys it, or changes what runs; another topology is torn down first.
    ///
    /// It can be repeated: a push that was applied changes nothing.
    ///
    /// # Errors
    ///
    /// [`PeerError::Refused`] with the code of the agent's error. The agent keeps the document, and reports an empty hash.
    pub async fn apply(&self, push: &TopologyPush) -> Result<AppliedTopology, PeerError> {
        self.0.post(APPLY, push).await
    }

    /// Tears down the topology of the agent, if it has one, and returns it.
    pub async fn teardown(&self) -> Result<Option<AppliedTopology>, PeerError> {
        self.0.post(TEARDOWN, &()).await
    }

    /// Returns the state of the agent.
    pub async fn state(&self) -> Result<AgentState, PeerError> {
        self.0.get(STATE).await
    }
}
