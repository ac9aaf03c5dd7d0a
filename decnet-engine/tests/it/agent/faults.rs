//! What fails between a master and an agent, and how.

use std::{sync::Arc, time::Duration};

use decnet_engine::{
    Action, AgentFolder, AgentOptions, CommandOutput, CommandRequest, Credentials, Effect, Engine, EngineOptions,
    Fence, LogRequest, NetworkName, PeerError, RemoteRuntime, RemoteTopologies, RunningCommand, Runtime as _,
    RuntimeError, TerminalSize, Trust,
    simulated::{Moment, Simulated},
    testing::contract::{Lab, create_network},
};
use decnet_topology::{Catalog, MemoryRepo, rng};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpStream},
    time,
};

use super::{
    relay::Relay,
    stage::{RunningAgent, Stage, credentials, fence, master_subject},
};
use crate::runtime::simulate_with;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How long something that happens may take.
const SOON: Duration = Duration::from_secs(20);

struct Play {
    stage: Stage,
    simulated: Simulated,
    agent: RunningAgent,
    lab: Lab,
}

async fn play() -> Play {
    let (lab, simulated) = simulate_with(0);
    let stage = Stage::new();
    let agent = stage.start(Arc::new(simulated.clone())).await;
    let lab = Lab {
        runtime: Box::new(stage.remote(agent.address)),
        ..lab
    };
    Play {
        stage,
        simulated,
        agent,
        lab,
    }
}

async fn info_error(runtime: &RemoteRuntime) -> RuntimeError {
    let answer = time::timeout(SOON, runtime.info()).await.expect("an answer in time");
    answer.expect_err("it fails")
}

fn says(error: &RuntimeError, code: &str, words: &str) {
    assert_eq!(error.code(), code, "{error}");
    assert!(error.to_string().contains(words), "{error}");
}

#[tokio::test]
async fn errors_of_the_runtime_arrive_as_they_are() {
    let play = play().await;
    let full = RuntimeError::Refused {
        reason: "no space left on device".into(),
    };
    play.simulated.fail(1, Moment::Before, full.clone());
    let error = play.lab.refuse(&create_network(&play.lab.network("far", 1))).await;
    assert_eq!(error, full);
    play.simulated.cut_off(1, Moment::After);
    let _ = play.lab.refuse(&create_network(&play.lab.network("far", 1))).await;
    let error = play.lab.runtime.info().await.expect_err("the daemon is gone");
    assert!(error.is_unreachable() && !error.is_agent_unreachable(), "{error}");
    assert_eq!(error.code(), "docker_unreachable");
}

#[tokio::test]
async fn the_machine_of_an_agent_is_not_this_one() {
    let play = play().await;
    let info = play.lab.runtime.info().await.expect("it answers");
    assert!(!info.local);
    assert!(
        info.endpoint.starts_with(&play.agent.address.to_string()),
        "{}",
        info.endpoint
    );
}

#[tokio::test]
async fn a_missing_agent_is_unreachable() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let error = info_error(&stage.remote(address)).await;
    assert!(error.is_agent_unreachable() && error.is_unreachable(), "{error}");
    says(&error, "agent_unreachable", "host-1");
}

#[tokio::test]
async fn a_silent_agent_is_unreachable() {
    let stage = Stage::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let error = info_error(&stage.remote(listener.local_addr().expect("an address"))).await;
    says(&error, "agent_unreachable", "no answer");
}

/// Starts an action that hangs, and returns its result.
async fn during_an_action(
    play: &Play,
    remote: &RemoteRuntime,
    then: impl AsyncFnOnce(),
) -> Result<Effect, RuntimeError> {
    play.simulated.hang(1, Moment::After);
    let (instance, action) = (play.lab.instance, create_network(&play.lab.network("far", 1)));
    let remote = remote.clone();
    let performed = tokio::spawn(async move { remote.perform(instance, &action).await });
    play.simulated.hung().await;
    then().await;
    time::timeout(SOON, performed)
        .await
        .expect("in time")
        .expect("no panic")
}

#[tokio::test]
async fn a_cut_connection_is_unreachable_and_the_action_can_be_repeated() {
    let play = play().await;
    let mut relay = Relay::to(play.agent.address).await;
    let remote = play.stage.remote(relay.address);
    let result = during_an_action(&play, &remote, async || relay.cut()).await;
    says(&result.expect_err("cut"), "agent_unreachable", "host-1");
    play.simulated.reconnect();
    // The agent has done it, although nobody waited.
    play.lab.keep(&create_network(&play.lab.network("far", 1))).await;
}

#[tokio::test]
async fn a_connection_that_stalls_is_noticed_while_an_action_takes_long() {
    let play = play().await;
    let relay = Relay::to(play.agent.address).await;
    let remote = play.stage.remote(relay.address);
    let result = during_an_action(&play, &remote, async || relay.stall()).await;
    says(&result.expect_err("stalled"), "agent_unreachable", "no answer");
}

#[tokio::test]
async fn a_slow_action_is_waited_for_as_long_as_the_agent_lives() {
    let play = play().await;
    play.simulated.pace(Duration::from_secs(3));
    // The timeout is half a second.
    play.lab.change(&create_network(&play.lab.network("far", 1))).await;
}

#[tokio::test]
async fn an_agent_that_stops_finishes_what_it_began() {
    let play = play().await;
    let Play {
        stage,
        simulated,
        agent,
        lab,
    } = play;
    let remote = stage.remote(agent.address);
    simulated.pace(Duration::from_secs(1));
    let action = create_network(&lab.network("far", 1));
    let (instance, performed) = (lab.instance, action.clone());
    let performed = tokio::spawn(async move { remote.perform(instance, &performed).await });
    while simulated.log().is_empty() {
        time::sleep(Duration::from_millis(5)).await;
    }
    agent.stop.cancel();
    let effect = performed.await.expect("no panic").expect("it was answered");
    assert_eq!(effect, Effect::Changed);
    time::timeout(SOON, agent.task)
        .await
        .expect("it ends")
        .expect("no panic")
        .expect("no error");
    let error = lab.runtime.info().await.expect_err("it has ended");
    assert!(error.is_agent_unreachable(), "{error}");
}

#[tokio::test]
async fn an_agent_that_is_killed_during_a_request_is_unreachable() {
    let play = play().await;
    let simulated = play.simulated.clone();
    let (address, stop) = (
        Arc::new(std::sync::OnceLock::new()),
        Arc::new(tokio::sync::Notify::new()),
    );
    let (known, stopped) = (Arc::clone(&address), Arc::clone(&stop));
    let stage = Arc::new(play.stage);
    let theirs = Arc::clone(&stage);
    // An agent with a runtime of its own: all its tasks end at once, as if it was killed.
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let agent = theirs.start(Arc::new(simulated)).await;
            known.set(agent.address).expect("set once");
            stopped.notified().await;
        });
    });
    while address.get().is_none() {
        time::sleep(Duration::from_millis(5)).await;
    }
    let remote = stage.remote(*address.get().expect("set"));
    play.simulated.hang(1, Moment::Half);
    let (instance, action) = (play.lab.instance, create_network(&play.lab.network("far", 1)));
    let performed = tokio::spawn(async move { remote.perform(instance, &action).await });
    play.simulated.hung().await;
    stop.notify_one();
    let result = time::timeout(SOON, performed)
        .await
        .expect("in time")
        .expect("no panic");
    says(&result.expect_err("killed"), "agent_unreachable", "host-1");
    thread.join().expect("no panic");
}

#[tokio::test]
async fn certificates_that_are_not_accepted_are_named() {
    let play = play().await;
    let (stage, address) = (&play.stage, play.agent.address);
    let ask = async |master: &Credentials| {
        let remote = RemoteRuntime::new(master, stage.options(address)).expect("an address");
        info_error(&remote).await
    };
    let old = credentials(
        &stage.authority,
        &master_subject(),
        Timestamp::now() - HOUR * (7 * 24 + 1),
    );
    says(&ask(&old).await, "agent_untrusted", "has expired");
    let early = credentials(&stage.authority, &master_subject(), Timestamp::now() + HOUR);
    says(&ask(&early).await, "agent_untrusted", "not valid yet");
    let agent = stage.agent_credentials();
    says(&ask(&agent).await, "agent_untrusted", "another role");
    let stranger = Stage::new();
    says(&ask(&stranger.master).await, "agent_untrusted", "another authority");
    stranger.master.set_trust(Trust::of(&stage.authority)).expect("trust");
    says(&ask(&stranger.master).await, "agent_untrusted", "another authority");
    let mut trust = Trust::of(&stage.authority);
    trust.revoked.hosts.insert(stage.host);
    let strict = credentials(&stage.authority, &master_subject(), Timestamp::now());
    strict.set_trust(trust).expect("trust");
    says(&ask(&strict).await, "agent_untrusted", "revoked");
    let other_host = RemoteRuntime::new(&stage.master, {
        let mut options = stage.options(address);
        options.host = rng::host_id();
        options
    });
    says(
        &info_error(&other_host.expect("an address")).await,
        "agent_untrusted",
        "another host",
    );
}

#[tokio::test]
async fn a_master_that_is_revoked_while_it_is_connected_is_refused() {
    let play = play().await;
    let remote = play.stage.remote(play.agent.address);
    remote.info().await.expect("it is trusted");
    let mut trust = Trust::of(&play.stage.authority);
    let serial = play.stage.master.identity().info().serial.clone();
    trust.revoked.serials.insert(serial);
    play.agent.credentials.set_trust(trust).expect("trust");
    // The open connection is refused, and so is every handshake after it.
    says(&info_error(&remote).await, "agent_untrusted", "revoked");
}

/// Performs an action that changes nothing.
async fn perform(remote: &RemoteRuntime) -> Result<Effect, RuntimeError> {
    let action = Action::RemoveNetwork {
        network: NetworkName::from_docker("none"),
        id: None,
    };
    remote.perform(fence(0).store, &action).await
}

#[tokio::test]
async fn the_holder_of_an_older_lease_changes_nothing_and_still_reads() {
    let play = play().await;
    let with = |generation| play.stage.fenced(play.agent.address, generation);
    perform(&with(7)).await.expect("the first");
    perform(&with(8)).await.expect("a newer one");
    let error = perform(&with(7)).await.expect_err("refused");
    assert!(
        matches!(
            error,
            RuntimeError::AgentSuperseded {
                generation: 7,
                highest: 8,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.is_unreachable() && !error.may_be_half_done());
    with(7).info().await.expect("it may read");
    let push = RemoteTopologies::new(&with(7)).teardown().await.expect_err("refused");
    assert!(
        matches!(&push, PeerError::Refused { problem, .. } if problem == "superseded"),
        "{push:?}"
    );
    // Another topology has leases of its own.
    let other = with(1).with_fence(Fence {
        topology: rng::topology_id(),
        ..fence(1)
    });
    perform(&other).await.expect("another topology");
}

#[tokio::test]
async fn an_action_without_a_lease_is_refused() {
    let play = play().await;
    let options = play.stage.options(play.agent.address);
    let remote = RemoteRuntime::new(&play.stage.master, options).expect("an address");
    let error = perform(&remote).await.expect_err("refused");
    assert!(
        matches!(&error, RuntimeError::AgentRefused { problem, .. } if problem == "generation_missing"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_log_that_is_followed_is_cut_and_not_ended_when_the_agent_goes() {
    let play = play().await;
    let base = play.lab.create_base("near", "web").await;
    let mut relay = Relay::to(play.agent.address).await;
    let remote = play.stage.remote(relay.address);
    let request = LogRequest {
        instance: play.lab.instance,
        id: play.lab.find(&base.name).await.id,
        since: None,
        follow: true,
    };
    let mut lines = remote.container_log(request);
    play.lab.outside.print(&base.name, "one");
    assert_eq!(lines.next().await.expect("a line").expect("no error").text, "one");
    relay.cut();
    let last = time::timeout(SOON, lines.next()).await.expect("in time");
    says(&last.expect("an error").expect_err("cut"), "agent_unreachable", "cut");
    assert!(lines.next().await.is_none());
}

fn command(play: &Play, base: &decnet_engine::BaseSpec, words: &[&str], input: bool) -> CommandRequest {
    CommandRequest {
        instance: play.lab.instance,
        container: base.name.clone(),
        command: words.iter().map(|word| (*word).to_owned()).collect(),
        input,
        terminal: None,
    }
}

#[tokio::test]
async fn a_command_gets_its_input_and_its_exit_code_arrives() {
    let play = play().await;
    let base = play.lab.create_base("near", "web").await;
    let running = play
        .lab
        .runtime
        .run_command(command(&play, &base, &["cat"], true))
        .await;
    let RunningCommand {
        mut input,
        mut output,
        control,
    } = running.expect("started");
    let size = TerminalSize { columns: 80, rows: 24 };
    control.resize(size).await.expect("resized");
    assert!(control.exit_code().await.is_err(), "it runs");
    for text in ["one", "two"] {
        input.write_all(text.as_bytes()).await.expect("written");
        let piece = output.next().await.expect("output").expect("no error");
        assert_eq!(piece, CommandOutput::Stdout(text.into()));
    }
    // The end of the input ends it, and dropping the input is its end.
    drop(input);
    let end = time::timeout(SOON, output.next()).await.expect("in time");
    assert!(end.is_none(), "{end:?}");
    assert_eq!(control.exit_code().await.expect("it ended"), 0);

    let running = play
        .lab
        .runtime
        .run_command(command(&play, &base, &["exit", "3"], false))
        .await;
    let RunningCommand {
        mut output, control, ..
    } = running.expect("started");
    assert!(output.next().await.is_none());
    assert_eq!(control.exit_code().await.expect("it ended"), 3);
}

#[tokio::test]
async fn a_command_whose_connection_is_cut_has_an_error() {
    let play = play().await;
    let base = play.lab.create_base("near", "web").await;
    let mut relay = Relay::to(play.agent.address).await;
    let remote = play.stage.remote(relay.address);
    let running = remote.run_command(command(&play, &base, &["sleep", "60"], false)).await;
    let RunningCommand {
        mut output, control, ..
    } = running.expect("started");
    relay.cut();
    let end = time::timeout(SOON, output.next())
        .await
        .expect("in time")
        .expect("an error");
    says(&end.expect_err("cut"), "agent_unreachable", "cut");
    says(
        &control.exit_code().await.expect_err("unknown"),
        "agent_unreachable",
        "cut",
    );
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let play = play().await;
    let bases: Vec<_> = (0..2)
        .map(|_| {
            let mut base = play.lab.base("web", &[]);
            base.labels.insert("large".into(), "x".repeat(40 << 20));
            base
        })
        .collect();
    let bases: Vec<_> = bases.iter().collect();
    let error = play.lab.runtime.check_network(&bases).await.expect_err("too large");
    assert!(
        matches!(&error, RuntimeError::AgentRefused { problem, .. } if problem == "body_too_large"),
        "{error}"
    );
    play.lab.runtime.info().await.expect("it still answers");
}

#[tokio::test]
async fn everything_that_is_not_of_the_protocol_is_refused() {
    let play = play().await;
    // Without TLS.
    let mut plain = TcpStream::connect(play.agent.address).await.expect("connected");
    plain
        .write_all(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .expect("written");
    let mut answer = Vec::new();
    let read = tokio::io::AsyncReadExt::read_to_end(&mut plain, &mut answer);
    time::timeout(SOON, read).await.expect("it is closed").ok();
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    play.lab.runtime.info().await.expect("it still answers");
}

#[tokio::test]
async fn the_generation_survives_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let stage = Stage::new();
    let start = async || {
        let engine = Engine::new(
            Arc::new(MemoryRepo::new()),
            Arc::new(Simulated::new()),
            EngineOptions::new(Catalog::builtin()),
        );
        let options = AgentOptions::default().folder(AgentFolder::open(folder.path().join("state")).expect("a folder"));
        stage.start_engine(engine, options, stage.agent_credentials()).await
    };
    let first = start().await;
    perform(&stage.fenced(first.address, 5)).await.expect("it answers");
    first.stop.cancel();
    first.task.await.expect("no panic").expect("no error");
    let second = start().await;
    let error = perform(&stage.remote(second.address)).await.expect_err("refused");
    assert_eq!(error.code(), "agent_superseded", "{error}");
}
