"""The operations of an engine on its store, and the mutations that it waits for."""

from __future__ import annotations

import json
import os
import pickle
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

import decnet
import stores
from decnet.types import Event, Holder

HOLDER: Holder = {"boot_id": "another machine", "pid": 1, "started": 2, "label": "another process"}
OPEN: dict[str, Any] = {
    "format": "decnet.topology/1",
    "name": "office",
    "lans": [{"name": "dmz", "dmz": True}],
    "deckies": [{"name": "web", "services": ["http"], "attachments": [{"lan": "dmz"}]}],
}


@pytest.fixture
def running(repo: decnet.Repo, engine: decnet.Engine, maze: decnet.Topology) -> decnet.TopologyRow:
    return engine.deploy(repo.create(maze)).row


def another_decky(name: str = "extra") -> decnet.Mutation:
    return decnet.Mutation.add_decky(name, "LAN-01", services=["ssh"])


def interrupt_once(events: decnet.Events, topic: str) -> threading.Thread:
    """Sends Ctrl-C to this process at the first event whose topic has this end."""

    def press() -> None:
        for event in events:
            if event["topic"].endswith(topic):
                os.kill(os.getpid(), signal.SIGINT)
                return

    presser = threading.Thread(target=press)
    presser.start()
    return presser


def test_an_empty_topology_is_created(repo: decnet.Repo, engine: decnet.Engine) -> None:
    made = engine.create("corp", subnet="10.90.0.0/24")
    assert isinstance(made, decnet.StoredTopology) and (made.result, made.status) == ("created", "pending")
    assert [(lan.name, lan.subnet) for lan in made.topology.lans] == [("dmz", "10.90.0.0/24")] and made.topology.deckies == []
    assert repo.get(made) == made
    free = engine.create("other").topology.lan("dmz").subnet
    assert free not in ("10.90.0.0/24", *engine.taken_subnets(excluding=repo.list()[1]))
    assert {"10.90.0.0/24", free} <= set(engine.taken_subnets())
    with pytest.raises(decnet.RepoError, match="stored already") as taken:
        engine.create("CORP")
    assert taken.value.code == "name_taken"
    with pytest.raises(decnet.RepoError, match="overlaps") as claimed:
        engine.create("third", subnet="10.90.0.0/25")
    assert claimed.value.code == "subnet_claimed"
    with pytest.raises(decnet.InvalidName, match="not a valid name") as name:
        engine.create("x" * 65)
    assert name.value.code == "invalid_name"
    with pytest.raises(decnet.InvalidTopology) as unusable:
        engine.create("fourth", subnet="127.0.0.0/24")
    assert [finding.code for finding in unusable.value.findings] == ["SUBNET_SPECIAL"]
    assert repo.count() == 2


def test_a_generated_topology_avoids_used_subnets(repo: decnet.Repo, engine: decnet.Engine) -> None:
    config = decnet.TopologyConfig(name="corp", depth=1, branching_factor=1, seed=4)
    made = engine.generate(config)
    assert (made.name, made.result, made.config) == ("corp", "created", config)
    again = engine.generate({**config.to_dict(), "name": "lab"}, seed=5)
    fields = engine.generate(name="home", depth=1, branching_factor=1)
    assert again.config is not None and again.config.seed == 5 and fields.name == "home"
    subnets = [claim["subnet"] for claim in repo.claims()]
    assert len(set(subnets)) == len(subnets) == sum(len(repo.load(row).topology.lans) for row in repo.list())
    with pytest.raises(decnet.RepoError, match="stored already"):
        engine.generate(config)
    with pytest.raises(decnet.InvalidConfig) as refused:
        engine.generate(name="x", depth=99, branching_factor=99)
    assert len(refused.value.faults) == 2 and refused.value.code == "invalid_config"
    with pytest.raises(decnet.AddressError) as full:
        engine.generate(name="x", depth=3, branching_factor=3, subnet_base_prefix="10.0.0.0/24")
    assert full.value.code == "exhausted"
    with pytest.raises(TypeError, match="not both"):
        engine.generate(config, depth=2)
    assert repo.count() == 3


def test_a_config_may_use_the_services_of_the_engines_catalogue(repo: decnet.Repo, docker: decnet.Simulated) -> None:
    catalog = decnet.Catalog.from_toml('[services.forge]\nports = ["3000/tcp"]\nimage = "forge:1"\n')
    config = {"name": "corp", "depth": 1, "branching_factor": 1, "services_explicit": ["forge"]}
    made = decnet.Engine(repo, docker, catalog=catalog).generate(config)
    assert {service for decky in made.topology.deckies for service in decky.services} == {"forge"}
    with pytest.raises(decnet.InvalidConfig):
        decnet.Engine(repo, docker).generate({**config, "name": "other"})


def test_a_file_is_stored_replaced_and_left_unchanged(repo: decnet.Repo, engine: decnet.Engine, tmp_path: Path) -> None:
    first = engine.apply(OPEN)
    assert (first.name, first.result, first.version) == ("office", "created", 1)
    subnet = first.topology.lan("dmz").subnet
    file = tmp_path / "office.yaml"
    file.write_text(first.topology.to_yaml())
    for same in (OPEN, file, file.read_text(), first.topology):
        again = engine.apply(same)
        assert (again.id, again.result, again.version) == (first.id, "unchanged", 1)
    wider = {**OPEN, "lans": [*OPEN["lans"], {"name": "desks"}]}
    wider["deckies"] = [{**OPEN["deckies"][0], "attachments": [{"lan": "dmz"}, {"lan": "desks"}], "forwards_l3": True}]
    replaced = engine.apply(wider)
    assert (replaced.id, replaced.result, replaced.version) == (first.id, "replaced", 2)
    assert replaced.topology.lan("dmz").subnet == subnet, "it keeps its subnet"
    other = engine.apply(wider, name="branch")
    assert (other.name, other.result, repo.count()) == ("branch", "created", 2)
    assert {lan.subnet for lan in other.topology.lans}.isdisjoint(lan.subnet for lan in replaced.topology.lans)


def test_warnings_are_returned_with_the_topology(engine: decnet.Engine) -> None:
    gateways = [{"name": name, "services": ["http"], "forwards_l3": True, "attachments": [{"lan": "dmz"}]} for name in "ab"]
    stored = engine.apply({**OPEN, "deckies": gateways})
    assert "GATEWAY_PORT_CLASH" in [finding.code for finding in stored.warnings]
    with pytest.raises(decnet.InvalidTopology):
        engine.deploy(stored)


def test_an_invalid_file_is_refused_with_all_findings(repo: decnet.Repo, engine: decnet.Engine, tmp_path: Path) -> None:
    bad = {**OPEN}
    bad["deckies"] = [{**OPEN["deckies"][0], "name": name, "services": [name]} for name in ("gopher", "finger")]
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(bad))
    for same in (bad, file):
        with pytest.raises(decnet.InvalidTopology) as refused:
            engine.apply(same)
        codes = [finding.code for finding in refused.value.findings if finding.severity == "error"]
        assert sorted(codes) == ["UNKNOWN_SERVICE", "UNKNOWN_SERVICE"] and refused.value.code == "invalid"
    twice = {**OPEN, "lans": [OPEN["lans"][0]] * 2, "deckies": [OPEN["deckies"][0]] * 2}
    with pytest.raises(decnet.InvalidTopology) as repeated:
        engine.apply(twice)
    assert {"LAN_NAME_DUP", "DECKY_NAME_DUP"} <= {finding.code for finding in repeated.value.findings}
    with pytest.raises(decnet.InvalidTopology) as unread:
        engine.apply("format: [")
    assert [finding.code for finding in unread.value.findings] == ["DOC_SYNTAX"]
    with pytest.raises(decnet.InvalidName):
        engine.apply(OPEN, name="x" * 65)
    with pytest.raises(decnet.DecnetError, match="nowhere") as missing:
        engine.apply(tmp_path / "nowhere.yaml")
    assert missing.value.code == "io" and repo.list() == []


def test_a_running_topology_is_not_replaced_by_a_different_file(
    engine: decnet.Engine, running: decnet.TopologyRow, maze: decnet.Topology
) -> None:
    assert engine.apply(maze).result == "unchanged"
    with pytest.raises(decnet.Differs, match="active and differs") as refused:
        engine.apply(maze.apply(another_decky()))
    assert (refused.value.code, refused.value.id, refused.value.status) == ("differs", running.id, "active")
    added = [line for line in refused.value.difference.splitlines() if line.startswith("+")]
    assert any("extra" in line for line in added)
    again = pickle.loads(pickle.dumps(refused.value))
    assert again.difference == refused.value.difference


def test_only_topologies_that_are_not_on_docker_are_deleted(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    with pytest.raises(decnet.WrongStatus, match="active: it cannot be deleted") as refused:
        engine.delete(running)
    assert (refused.value.code, refused.value.status, refused.value.intent) == ("wrong_status", "active", None)
    assert repo.get(running).status == "active" and docker.containers
    engine.teardown(running)
    shown = repo.get(running).version
    with pytest.raises(decnet.VersionConflict) as conflict:
        engine.delete(running, expected=shown + 1)
    assert (conflict.value.expected, conflict.value.current) == (shown + 1, shown)
    assert engine.delete(running.id, expected=shown).status == "torn_down"
    with pytest.raises(decnet.RepoError, match="no maze has the id") as missing:
        engine.delete(running)
    assert missing.value.code == "not_found" and not hasattr(repo, "delete")


def test_a_failed_topology_with_leftovers_is_not_deleted(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    docker.cut_off(5, "after")
    with pytest.raises(decnet.DecnetError):
        engine.deploy(stored)
    if (status := repo.get(stored).status) != "failed":
        repo.set_status(stored, status, "failed")
    with pytest.raises(decnet.DockerUnavailable):
        engine.delete(stored)
    docker.reconnect()
    with pytest.raises(decnet.LeftOnDocker) as left:
        engine.delete(stored)
    assert left.value.leftovers and left.value.code == "left_on_docker" and repo.get(stored).status == "failed"
    assert engine.teardown(stored).status == "torn_down"
    assert engine.delete(stored).id == stored.id and repo.list() == []


def test_pending_topologies_need_no_docker(maze: decnet.Topology, tmp_path: Path) -> None:
    with decnet.Repo.memory() as repo, decnet.Engine(repo, f"unix://{tmp_path}/nowhere.sock") as engine:
        stored = engine.apply(maze)
        assert engine.generate(name="lab", depth=1, branching_factor=1).result == "created"
        assert len(engine.check(stored, another_decky()).deckies) == len(maze.deckies) + 1
        edited = engine.submit(stored, another_decky(), wait=True)
        assert isinstance(edited, decnet.StoredTopology) and edited.version == 2
        assert engine.delete(stored).version == 2
        with pytest.raises(decnet.DockerUnavailable) as gone:
            engine.deploy(engine.create("corp"))
        assert gone.value.code == "docker_unreachable"
        checks = {check["what"]: check["verdict"] for check in engine.doctor()}
        assert checks["docker"] == "fail"


def test_a_mutation_is_checked_without_a_change(
    repo: decnet.Repo, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    after = engine.check(running, another_decky(), expected=1)
    assert after.decky("extra").services == ["ssh"] and after.name == "corp" and after.config == running.config
    with pytest.raises(decnet.MutationRejected) as refused:
        engine.check(running, decnet.Mutation.remove_lan("LAN-01"))
    assert refused.value.code == "LAN_IS_A_HOME"
    with pytest.raises(decnet.VersionConflict) as conflict:
        engine.check(running, another_decky(), expected=7)
    assert conflict.value.code == "version_conflict"
    assert repo.get(running).version == 1 and not repo.has_unfinished(running)


SHUFFLED: dict[str, Any] = {**OPEN, "shuffle": {"every": "6h", "from": ["ssh"]}}


def test_a_decky_gets_other_services_now(repo: decnet.Repo, engine: decnet.Engine, docker: decnet.Simulated) -> None:
    stored = engine.apply(SHUFFLED)
    edited = engine.shuffle(stored, "web")
    assert isinstance(edited, decnet.StoredTopology) and edited.topology.decky("web").services == ["ssh"]
    running = engine.deploy(engine.apply({**SHUFFLED, "name": "shop"})).row
    queued = engine.shuffle(running, "web", actor="me")
    assert isinstance(queued, dict) and (queued["state"], queued["actor"]) == ("pending", "me")
    assert queued["mutation"]["op"] == "update_decky" and repo.load(running).topology.decky("web").services == ["http"]
    assert engine.wait_for(queued["id"])["state"] == "applied"
    assert repo.load(running).topology.decky("web").services == ["ssh"]
    assert [name for name in docker.containers if name.endswith("web.ssh")]


def test_a_shuffle_is_waited_for(repo: decnet.Repo, engine: decnet.Engine) -> None:
    running = engine.deploy(engine.apply(SHUFFLED)).row
    seen: list[Event] = []
    done = engine.shuffle(running, "web", wait=True, timeout=60, progress=seen.append)
    assert isinstance(done, dict) and done["state"] == "applied" and seen
    assert repo.load(running).topology.decky("web").services == ["ssh"]
    with pytest.raises(TypeError, match="wait=True"):
        engine.shuffle(running, "web", timeout=1)
    with pytest.raises(decnet.NotShuffled, match="web") as nothing:
        engine.shuffle(running, "web", wait=True)
    assert nothing.value.decky == "web", "it has the only service of its rule already"


def test_a_shuffle_that_is_impossible_is_refused(repo: decnet.Repo, engine: decnet.Engine) -> None:
    running = engine.deploy(engine.apply(OPEN)).row
    with pytest.raises(decnet.NotShuffled, match="web") as no_rule:
        engine.shuffle(running, "web")
    assert (no_rule.value.code, no_rule.value.decky) == ("not_shuffled", "web")
    assert isinstance(pickle.loads(pickle.dumps(no_rule.value)), decnet.NotShuffled)
    with pytest.raises(decnet.MutationRejected) as unknown:
        engine.shuffle(running, "wbe")
    assert unknown.value.code == "UNKNOWN_DECKY"
    with pytest.raises(decnet.InvalidName):
        engine.shuffle(running, "not a name")
    with pytest.raises(decnet.RepoError):
        engine.shuffle("00000000-0000-0000-0000-000000000000", "web")
    assert repo.load(running).version == running.version


def test_a_submitted_mutation_is_waited_for(
    docker: decnet.Simulated, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    seen: list[Event] = []
    done = engine.submit(running, another_decky(), wait=True, actor="me", progress=seen.append)
    assert isinstance(done, dict) and (done["state"], done["actor"], done["reason"]) == ("applied", "me", None)
    assert any("extra" in name for name in docker.containers)
    assert any(event["topic"].endswith(".mutation.applied") for event in seen)
    queued = engine.submit(running, another_decky("second"))
    assert isinstance(queued, dict) and queued["state"] == "pending"
    assert engine.wait_for(queued)["state"] == engine.wait_for(queued["id"], timeout=0)["state"] == "applied"
    with pytest.raises(decnet.RepoError, match="no mutation has the number #99"):
        engine.wait_for(99)
    with pytest.raises(TypeError, match="wait=True"):
        engine.submit(running, another_decky("third"), timeout=1)
    with pytest.raises(decnet.DecnetError, match="negative"):
        engine.wait_for(queued, timeout=-1)


def test_a_mutation_is_checked_before_it_is_queued(
    repo: decnet.Repo, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    for wait in (False, True):
        with pytest.raises(decnet.MutationRejected) as refused:
            engine.submit(running, decnet.Mutation.remove_lan("LAN-01"), wait=wait)
        assert refused.value.code == "LAN_IS_A_HOME"
    assert not repo.has_unfinished(running)
    lan = engine.submit(running, decnet.Mutation.add_lan("vault"))
    decky = engine.submit(running, decnet.Mutation.add_decky("safe", "vault", services=["smb"]))
    assert isinstance(lan, dict) and isinstance(decky, dict)
    assert (lan["depends_on"], decky["depends_on"]) == ([], [lan["id"]])
    with pytest.raises(decnet.MutationRejected, match="queued") as again:
        engine.submit(running, decnet.Mutation.add_lan("vault"))
    assert again.value.code == "LAN_NAME_DUP" and again.value.findings == []
    with pytest.raises(decnet.MutationRejected) as unknown:
        engine.submit(running, decnet.Mutation.update_decky("safe", services=["smbb"]))
    assert unknown.value.code == "RESULT_INVALID" and unknown.value.findings
    assert [row["state"] for row in engine.drain(running)] == ["applied", "applied"]
    # The store itself checks no mutation.
    repo.enqueue(running, decnet.Mutation.remove_lan("LAN-01"))
    [done] = engine.drain(running)
    assert done["state"] == "rejected" and done["reason"]


def test_a_document_changes_a_running_maze(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    new = engine.prepare_file(maze)
    assert new.mutations == [] and len(new.plan) > 0 and repo.list() == []
    running = new.execute().row
    wider = maze.apply(decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"]))
    wider = wider.apply(decnet.Mutation.add_lan("vault"))
    prepared = engine.prepare_file(wider, actor="me")
    assert [mutation.op for mutation in prepared.mutations] == ["add_lan", "add_decky"]
    assert prepared.refusal is None and prepared.restarts == [] and not repo.has_unfinished(running)
    assert prepared.execute().row.status == "active"
    assert any("extra" in name for name in docker.containers)
    rows = repo.mutations(topology=running)
    assert [(row["state"], row["actor"]) for row in rows] == [("applied", "me")] * 2
    settings = engine.prepare_file(wider, settings={"hide_passwords": True}, force=True)
    assert settings.mutations == [] and len(settings.plan) > 0


def test_waiting_times_out_and_continues_later(
    repo: decnet.Repo, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    lease = repo.acquire_lease(running, HOLDER, 3600)
    with pytest.raises(decnet.MutationQueued, match="not finished") as queued:
        engine.submit(running, another_decky(), wait=True, timeout=0.2)
    number = queued.value.mutation
    assert repo.mutation(number)["state"] == "pending" and queued.value.code in ("interrupted", "mutation_queued")
    assert pickle.loads(pickle.dumps(queued.value)).mutation == number
    with pytest.raises(decnet.MutationQueued) as again:
        engine.wait_for(number, timeout=0.2)
    assert again.value.mutation == number
    repo.release_lease(running, lease["token"])
    assert engine.wait_for(number, timeout=60)["state"] == "applied"


def test_ctrl_c_while_waiting_leaves_the_mutation_in_the_queue(
    repo: decnet.Repo, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    lease = repo.acquire_lease(running, HOLDER, 3600)
    presser = interrupt_once(engine.events(timeout=30), ".mutation.enqueued")
    with pytest.raises(KeyboardInterrupt) as interrupted:
        engine.submit(running, another_decky(), wait=True, timeout=60)
    presser.join()
    cause = interrupted.value.__cause__
    assert isinstance(cause, decnet.MutationQueued) and repo.mutation(cause.mutation)["state"] == "pending"
    repo.release_lease(running, lease["token"])
    assert engine.wait_for(cause.mutation)["state"] == "applied"


def test_closing_the_engine_ends_a_wait(repo: decnet.Repo, engine: decnet.Engine, running: decnet.TopologyRow) -> None:
    repo.acquire_lease(running, HOLDER, 3600)
    row = engine.submit(running, another_decky())
    assert isinstance(row, dict)
    closer = threading.Timer(0.1, engine.close)
    closer.start()
    with pytest.raises(decnet.MutationQueued):
        engine.wait_for(row)
    closer.join()


def test_nothing_is_queued_if_docker_does_not_answer(
    repo: decnet.Repo, docker: decnet.Simulated, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    docker.go_away()
    with pytest.raises(decnet.DockerUnavailable):
        engine.submit(running, another_decky(), wait=True)
    assert not repo.has_unfinished(running)


def test_the_other_errors_of_an_engine_have_their_own_class(
    repo: decnet.Repo, engine: decnet.Engine, running: decnet.TopologyRow
) -> None:
    prepared = engine.prepare(running, another_decky())
    engine.submit(running, another_decky("first"))
    with pytest.raises(decnet.QueueNotEmpty) as busy:
        prepared.execute()
    assert busy.value.code == "queue_not_empty"
    free = engine.taken_subnets()
    far = repo.create(decnet.Topology.from_dict(OPEN, reserved=free), mode="agent", host="far")
    with pytest.raises(decnet.AgentMode) as agent:
        engine.deploy(far)
    assert (agent.value.code, agent.value.host) == ("agent_mode", "far")
    assert decnet.DecnetError.code == "usage" and decnet.RepoError.code == "unusable"


def test_the_doctor_returns_checks(engine: decnet.Engine, running: decnet.TopologyRow) -> None:
    checks = engine.doctor()
    assert {check["what"] for check in checks} >= {"docker", "host"} and checks[0].keys() == {"verdict", "what", "message", "hint"}


def test_hosts_of_a_fleet_are_chosen_and_refused_without_one(
    repo: decnet.Repo, engine: decnet.Engine, maze: decnet.Topology
) -> None:
    stored = repo.create(maze)
    with pytest.raises(decnet.DecnetError, match="not in the fleet: east, west") as refused:
        engine.deploy(stored, hosts=["west", "east"], spread=True)
    assert refused.value.code == "hosts_unknown"
    with pytest.raises(decnet.DecnetError, match="the name of a host"):
        engine.deploy(stored, hosts=["-"])
    with pytest.raises(TypeError, match="hosts must be a list"):
        engine.deploy(stored, hosts="east")
    with pytest.raises(decnet.DecnetError) as planned:
        engine.prepare_file(maze, hosts=["east"])
    assert planned.value.code == "hosts_unknown"
    row = engine.deploy(stored, spread=True).row
    assert row.settings["placement"]["distribution"] == "spread"
    assert row.placed_on == [] and repo.load(row).placement is None
    # Only what is given is changed.
    again = engine.deploy(row, hosts=[], settings=None).row
    assert again.settings == row.settings


def test_a_placement_has_names(tmp_path: Path, maze: decnet.Topology) -> None:
    database = tmp_path / "decnet.db"
    with decnet.Repo.open(database) as repo:
        stored = repo.create(maze)
    stretched = {"0": {"vni": 7, "members": ["east", "west"]}}
    placement = {"lans": {"0": "east", "1": "west"}, "deckies": {"0": "east"}, "mtu": 1450, "stretched": stretched}
    stores.set_placement(str(database), placement)
    with decnet.Repo.open(database) as repo:
        again = repo.load(stored)
    first, second = maze.lans[0].name, maze.lans[1].name
    assert again.placed_on == ["east", "west"]
    assert again.placement == {
        "lans": {first: "east", second: "west"},
        "deckies": {maze.deckies[0].name: "east"},
        "mtu": 1450,
        "stretched": {first: {"vni": 7, "members": ["east", "west"]}},
        "former": [],
    }
    # Drawings show it, and the maze is the same.
    placed = again.topology
    assert placed == stored.topology
    assert "on east, stretched to west, VNI 7" in placed.to_text() and "on east" not in stored.topology.to_text()
    for drawn, plain in (
        (placed.to_svg(), stored.topology.to_svg()),
        (placed.to_dot(), stored.topology.to_dot()),
        (placed.to_mermaid(), stored.topology.to_mermaid()),
    ):
        assert "east" in drawn and drawn != plain
    graph = placed.to_networkx()
    assert graph.nodes["lan", second]["host"] == "west"
    assert graph.nodes["decky", maze.deckies[0].name]["host"] == "east"
    assert "host" not in graph.nodes["decky", maze.deckies[-1].name]
