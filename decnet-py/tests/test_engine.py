"""The engine on a simulated daemon, end to end."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

import pytest

import decnet
from decnet.types import Event


def test_a_maze_is_deployed_checked_and_torn_down(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    prepared = engine.prepare(stored)
    plan = prepared.plan
    assert (prepared.id, prepared.warnings, prepared.restarts, prepared.refusal) == (stored.id, [], [], None)
    assert plan and len(plan) == len(list(plan)) == len(plan.to_list()) and not plan.is_empty
    assert any(str(step).startswith("create network") for step in plan) and str(plan).count("\n") == len(plan) - 1
    assert not any(step.destructive for step in plan) and {step.reason for step in plan} >= {"missing"}
    assert docker.networks == {}, "a plan touches nothing"
    with pytest.raises(decnet.PublishMapsNothing, match="maps nothing") as refusal:
        engine.deploy(stored, settings={"publish": ["shh=127.0.0.1:2222"]})
    assert (refusal.value.rule, refusal.value.code) == ("shh=127.0.0.1:2222", "publish_maps_nothing")
    outcome = engine.deploy(stored, settings={"publish": ["*=127.0.0.1"]})
    assert (outcome.status, outcome.changed, outcome.reason) == ("active", len(plan), None)
    assert outcome.id == stored.id and outcome.row.settings["publish"] == ["*=127.0.0.1"]
    assert set(docker.containers.values()) == {"running"} and len(docker.networks) == len(maze.lans)
    assert engine.prepare(stored).plan.is_empty
    report = engine.verify(stored)
    assert report.is_clean and not report.deviations and not report.drift and not report.causes and report.deckies == len(maze.deckies)
    assert repr(report) == f"<VerifyReport: {report.deckies} deckies, {report.probes} probes, 0 deviation(s), 0 drift step(s)>"
    assert report.to_dict()["probes"] == report.probes > 0 and report == engine.verify(stored)
    states = engine.inspect(stored)
    assert {state["decky"] for state in states} == {decky.name for decky in maze.deckies}
    assert all(state["base"] == "running" for state in states)
    assert len(engine.prepare(stored, "teardown").plan) > 0
    assert engine.teardown(stored.id).status == "torn_down"
    assert docker.containers == {} and docker.networks == {}
    assert engine.info()["version"] == "simulated"


def test_damage_is_repaired_and_leftovers_are_reaped(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    outcome = engine.deploy(repo.create(maze))
    broken = next(iter(docker.containers))
    assert docker.remove(broken) and not docker.remove(broken) and not docker.stop("nobody")
    assert engine.reconcile(outcome.id).changed >= 1
    assert broken in docker.containers
    report = engine.reap(running=[outcome.id])
    assert report["live"] == [outcome.row.name] and report["orphans"] == []
    with decnet.Repo.memory() as other:
        lost = repo.instance()
        prepared = decnet.Engine(other, docker).prepare_reap(instance=lost)
        assert [orphan["prefix"] for orphan in prepared.report["orphans"]] == [outcome.id[:8]] and docker.containers
        removed = prepared.execute()
        assert all(orphan["left"] == [] for orphan in removed["orphans"]) and not docker.containers


def test_a_failure_is_undone_and_reported(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    docker.fail(6, "no space left on device")
    with pytest.raises(decnet.DeployFailed, match="no space left") as failed:
        engine.deploy(stored)
    assert failed.value.rolled_back is True and failed.value.leftovers == []
    assert len(failed.value.failures) == 1 and "no space left" in failed.value.failures[0]
    assert docker.containers == {} and docker.networks == {}
    assert repo.get(stored).status == "failed"
    again = engine.deploy(stored)
    assert again.status == "active" and again.id != stored.id
    docker.go_away()
    with pytest.raises(decnet.DockerUnavailable):
        engine.teardown(again.id)
    docker.reconnect()
    assert engine.teardown(again.id).status == "torn_down"


def test_a_dying_daemon_leaves_the_reported_leftovers(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    docker.cut_off(5, "after")
    with pytest.raises(decnet.DecnetError) as failed:
        engine.deploy(stored)
    assert isinstance(failed.value, (decnet.DeployFailed, decnet.DockerUnavailable))
    docker.reconnect()
    assert engine.deploy(stored).status == "active"


def test_progress_has_only_the_events_of_the_operation(
    repo: decnet.Repo, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    seen: list[Event] = []
    everything = engine.events()
    thread = threading.current_thread()

    def progress(event: Event) -> None:
        assert threading.current_thread() is thread
        seen.append(event)

    outcome = engine.deploy(repo.create(maze), progress=progress)
    assert {event["payload"]["topology"] for event in seen} == {outcome.id}
    done = [event for event in seen if event["topic"].endswith(".step.done")]
    assert len(done) == outcome.changed
    engine.teardown(outcome.id)
    # The creation is in the store only: the repo does not publish it.
    published = (event for event in everything if event["payload"].get("to") != "pending")
    assert [next(published)["id"] for _ in seen] == [event["id"] for event in seen]


def test_an_exception_in_progress_cancels_the_operation(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    docker.pace(0.02)
    raised: list[Event] = []

    def progress(event: Event) -> None:
        if raised or event["topic"].endswith(".step.done"):
            raised.append(event)
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough") as stopped:
        engine.deploy(stored, progress=progress)
    assert len(raised) == 1, "it is not called again"
    assert isinstance(stopped.value.__cause__, decnet.Interrupted) and stopped.value.__cause__.rolled_back is True
    assert docker.containers == {} and docker.networks == {} and repo.get(stored).status == "failed"


def test_a_slow_progress_loses_the_oldest_events_and_gets_their_number(repo: decnet.Repo, engine: decnet.Engine) -> None:
    attachments = [{"lan": "dmz"}]
    large = {
        "format": "decnet.topology/1",
        "name": "large",
        "lans": [{"name": "dmz", "subnet": "10.0.0.0/16", "dmz": True}],
        "deckies": [{"name": f"d{at}", "services": ["ssh"], "attachments": attachments} for at in range(1500)],
    }
    stored = repo.create(decnet.Topology.from_dict(large))
    seen: list[Event] = []

    def progress(event: Event) -> None:
        while not seen and repo.get(stored).status != "active":
            time.sleep(0.01)
        seen.append(event)

    engine.deploy(stored, progress=progress)
    lagged = [event for event in seen if event["type"] == "lagged"]
    assert lagged and sum(event["payload"]["lost"] for event in lagged) > 0
    assert seen[-1]["payload"]["to"] == "active"


def test_a_refusal_is_shown_before_and_raised_by_execute(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = engine.deploy(repo.create(maze)).row
    settings: Any = {"publish": ["*=127.0.0.1"]}
    refused = engine.prepare(stored, settings=settings)
    assert refused.refusal is not None and str(refused).endswith(f"refused: {refused.refusal}")
    assert any(step.destructive for step in refused.plan) and refused.restarts and "refused" in repr(refused)
    with pytest.raises(decnet.NeedsForce) as raised:
        refused.execute()
    assert str(raised.value) == refused.refusal
    forced = engine.prepare(stored, settings=settings, force=True)
    assert forced.refusal is None and forced.execute().changed > 0
    assert engine.prepare(stored).plan.is_empty


def test_a_prepared_plan_is_refused_once_docker_changed(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = engine.deploy(repo.create(maze)).row
    prepared = engine.prepare(stored, "reconcile")
    docker.remove(next(name for name in docker.containers if "." in name))
    with pytest.raises(decnet.PlanChanged):
        prepared.execute()
    assert engine.prepare(stored, "reconcile").execute().changed == 1
    engine.close()
    with pytest.raises(decnet.RepoError, match="closed"):
        prepared.execute()


def test_an_operation_accepts_only_its_own_arguments(repo: decnet.Repo, engine: decnet.Engine, maze: decnet.Topology) -> None:
    stored = repo.create(maze)
    mutation = decnet.Mutation.add_lan("annex")
    wrong: list[dict[str, Any]] = [
        {"operation": "reap"},
        {"operation": "teardown", "settings": {}},
        {"operation": "reconcile", "settings": {}},
        {"operation": "deploy", "actor": "me"},
        {"operation": mutation, "force": True},
        {"operation": mutation, "settings": {}},
        {"operation": 3},
    ]
    for arguments in wrong:
        with pytest.raises(TypeError):
            engine.prepare(stored, **arguments)


def test_a_teardown_with_force_gives_up_no_host_of_a_maze_without_hosts(
    repo: decnet.Repo, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = engine.deploy(repo.create(maze)).row
    prepared = engine.prepare(stored, "teardown", force=True)
    assert (prepared.given_up, prepared.unseen, len(prepared.plan) > 0) == ([], [], True)
    outcome = engine.teardown(stored, force=True)
    assert (outcome.status, outcome.given_up) == ("torn_down", [])


def test_a_feed_has_a_snapshot_and_the_later_events(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = engine.deploy(repo.create(maze)).row
    engine.submit(stored, decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"]))
    events = engine.events(topology=stored)
    [now] = events.snapshot
    assert (now["row"].status, [row["state"] for row in now["unfinished"]]) == ("active", ["pending"])
    engine.drain(stored)
    event = next(event for event in events if event["topic"].endswith(".mutation.applied"))
    assert event["name"] == "corp"
    assert list(engine.events(timeout=0.01)) == []


def test_a_feed_continues_after_a_number(repo: decnet.Repo, engine: decnet.Engine, maze: decnet.Topology) -> None:
    events = engine.events()
    assert (events.snapshot, events.resumed, events.seq) == ([], False, 0)
    stored = engine.deploy(repo.create(maze)).row
    changes = [event for event in until_active(events) if event["seq"] is not None]
    assert [event["payload"]["to"] for event in changes] == ["pending", "deploying", "active"]
    again = engine.events(after=0, timeout=0.3)
    assert again.resumed and again.snapshot == [] and repr(again) == "<Events after change 0>"
    assert [event["seq"] for event in again] == [event["seq"] for event in changes]
    later = engine.events(after=changes[0]["seq"], topology=stored, timeout=0.3)
    assert [event["payload"]["to"] for event in later] == ["deploying", "active"]
    foreign = engine.events(after=4711)
    assert not foreign.resumed and len(foreign.snapshot) == 1 and foreign.seq == changes[-1]["seq"]
    with pytest.raises(TypeError):
        engine.events(after="yesterday")  # type: ignore[arg-type]
    with pytest.raises(decnet.DecnetError):
        engine.events(after=-1)


def until_active(events: decnet.Events) -> list[Event]:
    seen: list[Event] = []
    for event in events:
        seen.append(event)
        if event["type"] == "status" and event["payload"]["to"] == "active":
            break
    return seen


def test_ctrl_c_undoes_and_raises_keyboard_interrupt(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    docker.pace(0.1)
    events = engine.events()

    def press() -> None:
        for event in events:
            if event["topic"].endswith(".step.done"):
                os.kill(os.getpid(), signal.SIGINT)
                return

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt) as interrupted:
        engine.deploy(stored)
    presser.join()
    assert isinstance(interrupted.value.__cause__, decnet.Interrupted)
    assert interrupted.value.__cause__.rolled_back is True and interrupted.value.__cause__.leftovers == []
    assert docker.containers == {} and docker.networks == {} and repo.get(stored).status == "failed"


def test_mutations_are_previewed_queued_and_applied(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    edited = engine.submit(stored, decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"]), actor="me")
    assert isinstance(edited, decnet.StoredTopology) and edited.version == 2
    with pytest.raises(decnet.MutationRejected):
        engine.submit(stored, decnet.Mutation.remove_lan("LAN-00"))
    pinned = {"os": "windows-server-2019", "hostname": "fin-dc-01"}
    engine.submit(stored, decnet.Mutation.add_decky("dc", "LAN-01", services=["smb"], persona=pinned))
    assert [decky.persona for decky in repo.load(stored).topology.deckies if decky.name == "dc"] == [pinned]
    engine.submit(stored, decnet.Mutation.update_decky("dc", persona={}))
    assert [decky.persona for decky in repo.load(stored).topology.deckies if decky.name == "dc"] == [None]
    engine.submit(stored, decnet.Mutation.remove_decky("dc"))
    engine.deploy(stored)
    with pytest.raises(decnet.MutationRejected, match="TTL and TCP timestamps") as forced:
        engine.check(stored, decnet.Mutation.update_decky("extra", persona=pinned))
    assert forced.value.code == "FORCE_REQUIRED"
    mutation = decnet.Mutation.update_decky("extra", services=["ssh", "smb"])
    prepared = engine.prepare(stored, mutation, actor="me")
    assert len(prepared.plan) > 0 and prepared.restarts == []
    row = engine.submit(stored, mutation, expected=5)
    assert isinstance(row, dict) and row["state"] == "pending"
    with pytest.raises(decnet.VersionConflict):
        engine.submit(stored, mutation, expected=2)
    assert [made["state"] for made in engine.drain(stored)] == ["applied"]
    assert any(name.endswith("extra.smb") for name in docker.containers)
    engine.teardown(stored)
    with pytest.raises(decnet.NotEditable) as refused:
        engine.submit(stored, mutation)
    assert refused.value.status == "torn_down"
    with pytest.raises(decnet.WrongStatus) as wrong:
        engine.verify(stored)
    assert not isinstance(wrong.value, decnet.NotEditable) and wrong.value.status == "torn_down"


def test_watch_applies_queued_mutations_and_ends_with_the_engine(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = engine.deploy(repo.create(maze)).row
    events = engine.events()
    watcher = threading.Thread(target=engine.watch, kwargs={"poll": 0.05})
    watcher.start()
    engine.submit(stored, decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"]))
    for event in events:
        if event["topic"].endswith(".mutation.applied"):
            break
    assert any("extra" in name for name in docker.containers)
    engine.close()
    watcher.join()
    with pytest.raises(decnet.RepoError, match="closed"):
        engine.prepare(stored)


def test_running_containers_are_recreated_only_with_force(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = engine.deploy(repo.create(maze)).row
    settings: Any = {"publish": ["*=127.0.0.1"]}
    with pytest.raises(decnet.NeedsForce):
        engine.deploy(stored, settings=settings)
    assert engine.deploy(stored, settings=settings, force=True).status == "active"


def test_an_invalid_maze_is_not_deployed(repo: decnet.Repo, engine: decnet.Engine) -> None:
    lonely = {"format": "decnet.topology/1", "name": "x", "lans": [{"name": "dmz", "dmz": True}, {"name": "attic"}]}
    stored = repo.create(decnet.Topology.from_dict(lonely))
    with pytest.raises(decnet.InvalidTopology) as refused:
        engine.deploy(stored)
    assert [finding.code for finding in refused.value.findings] == ["DMZ_ORPHAN"]
    assert repo.get(stored).status == "pending"


def test_the_holder_of_the_lease_is_named(repo: decnet.Repo, engine: decnet.Engine, maze: decnet.Topology) -> None:
    stored = repo.create(maze)
    from test_repo import HOLDER

    repo.acquire_lease(stored, {**HOLDER, "boot_id": "another machine"}, 60)
    with pytest.raises(decnet.Busy, match="test") as busy:
        engine.deploy(stored)
    assert busy.value.lease["holder"]["label"] == "test"


def test_a_custom_decoy_must_exist(repo: decnet.Repo) -> None:
    with pytest.raises(decnet.DecnetError, match="nowhere"):
        decnet.Engine(repo, decnet.Simulated(), decoy="/nowhere/decoy")
    for place in ("ftp://x", "unix://", "nonsense"):
        with pytest.raises(decnet.DockerUnavailable):
            decnet.Engine(repo, place)


def test_a_maze_keeps_what_it_uses_of_a_catalogue(repo: decnet.Repo, docker: decnet.Simulated) -> None:
    own = decnet.Catalog.from_toml("[services.till]\nports = ['9100/tcp']\n[archetypes.kiosk]\nservices = ['till']\n")
    document = {
        "format": "decnet.topology/1",
        "name": "shop",
        "lans": [{"name": "dmz", "subnet": "172.20.0.0/24", "dmz": True}],
        "deckies": [{"name": "till", "archetype": "kiosk", "attachments": [{"lan": "dmz"}]}],
    }
    stored = decnet.Engine(repo, docker, catalog=own).apply(document)
    assert set(stored.catalog["services"]) == {"till"} and set(stored.catalog["archetypes"]) == {"kiosk"}
    engine = decnet.Engine(repo, docker)
    outcome = engine.deploy(stored)
    service = next(name for name in docker.containers if name.endswith(".till"))
    assert docker.remove(service) and engine.reconcile(outcome.id).status == "active"
    assert service in docker.containers and engine.prepare(outcome.id).plan.is_empty
    maze = decnet.Topology.from_dict({**document, "name": "other", "lans": [{"name": "dmz", "dmz": True}]}, catalog=own)
    assert repo.create(maze, name="bare").catalog == {}
