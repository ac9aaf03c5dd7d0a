//! Pushes that the agent of a host refuses are repeated with backoff.

use std::sync::Arc;

use decnet_engine::{CancellationToken, DecoyImage, DeployOptions};
use decnet_engine::{Engine, EngineOptions, RuntimeError};
use decnet_topology::{Catalog, MemoryRepo, Mode, NewTopology, Status, TopologyId, TopologyStore as _};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{Keeper, Lab, SECOND, agent_host::AgentHost, by_polls, engine, maze, settle, stage::Stage, until};

/// A master, and the agent of `east`, which has a maze.
struct Play {
    lab: Lab,
    agent: Arc<AgentHost>,
    id: TopologyId,
}

impl Play {
    async fn new() -> Self {
        let mut stage = Stage::default();
        let docker = stage.docker.clone();
        let agent = Arc::new(AgentHost::new(|repo| {
            let options = EngineOptions::new(Catalog::builtin()).image(Arc::new(DecoyImage::pack(b"a program")));
            Engine::new(repo, Arc::new(docker), options)
        }));
        stage.agent = Some(agent.clone());
        let repo = Arc::new(MemoryRepo::new());
        let lab = Lab {
            engine: engine(repo.clone(), &stage, None),
            repo: repo.clone(),
            stage,
        };
        let new = NewTopology::new("far".parse().expect("a name"), maze(0))
            .mode(Mode::Agent)
            .host("east".to_owned());
        let id = repo.create(new, Timestamp::now()).await.expect("stored").row.id;
        let cancel = CancellationToken::new();
        let deployed = lab.engine.deploy(id, DeployOptions::default(), &cancel).await;
        assert_eq!(deployed.expect("deployed").row.status, Status::Active);
        assert_eq!(agent.pushes().len(), 1);
        Self { lab, agent, id }
    }
}

/// Returns the pauses between attempts, in seconds. Those that followed at once are not counted.
fn pauses(attempts: &[Instant]) -> Vec<u64> {
    let pairs = attempts.windows(2);
    let rounded = pairs.map(|pair| (pair[1] - pair[0] + SECOND / 2).as_secs());
    rounded.filter(|pause| *pause > 0).collect()
}

#[tokio::test(start_paused = true)]
async fn a_push_that_the_agent_refuses_is_repeated_with_backoff_until_it_is_applied() {
    let play = Play::new().await;
    play.agent.lose(play.id).await;
    play.agent.refuse_pushes(Some(RuntimeError::AgentRefused {
        host: "east".into(),
        problem: "deploy_failed".into(),
        reason: "no space left on device".into(),
    }));
    let keeper = Keeper::start(&play.lab.engine, by_polls(10 * SECOND));
    until!(play.lab.status(play.id).await == Status::Degraded);
    tokio::time::sleep(300 * SECOND).await;
    let pushes = play.agent.pushes();
    assert_eq!(pauses(&pushes[1..])[..8], [1, 2, 4, 8, 16, 32, 60, 60], "{pushes:?}");

    play.agent.refuse_pushes(None);
    let took = until!(play.lab.matches_the_store(play.id).await);
    assert!(took <= 65 * SECOND, "{took:?}");
    tokio::time::sleep(300 * SECOND).await;
    assert_eq!(play.agent.pushes().len(), pushes.len() + 1, "it is pushed once");
    keeper.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_agent_of_another_version_and_one_without_docker_are_asked_with_backoff() {
    for has_version in [true, false] {
        let play = Play::new().await;
        let keeper = Keeper::start(&play.lab.engine, by_polls(10 * SECOND));
        settle().await;
        let before = play.agent.asked().len();
        if has_version {
            play.lab.docker().go_away();
        } else {
            play.agent.refuse(Some(RuntimeError::AgentVersion {
                host: "east".into(),
                theirs: "1".into(),
                ours: 2,
            }));
        }
        tokio::time::sleep(300 * SECOND).await;
        let asked = play.agent.asked();
        assert_eq!(pauses(&asked[before..])[..7], [1, 2, 4, 8, 16, 32, 60], "{has_version}");
        // Nothing is known of the maze, so nothing is said of it.
        assert_eq!(play.lab.status(play.id).await, Status::Active);
        assert_eq!(play.agent.pushes().len(), 1);

        play.lab.docker().reconnect();
        play.agent.refuse(None);
        play.agent.lose(play.id).await;
        until!(play.lab.matches_the_store(play.id).await);
        assert_eq!(play.agent.pushes().len(), 2, "what it lost meanwhile is pushed once");
        keeper.end().await;
    }
}
