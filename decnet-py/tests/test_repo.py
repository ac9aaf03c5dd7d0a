"""All methods of stores."""

from __future__ import annotations

import datetime
import sqlite3
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import decnet
import stores
from decnet.types import Holder

HOLDER: Holder = {"boot_id": "boot", "pid": 1, "started": 2, "label": "test"}
AT = datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc)


def small(name: str = "corp", subnet: str = "172.20.0.0/24") -> decnet.Topology:
    lans = [{"name": "dmz", "subnet": subnet, "dmz": True}]
    deckies = [{"name": "web", "services": ["http"], "attachments": [{"lan": "dmz"}]}]
    return decnet.Topology.from_dict({"format": "decnet.topology/1", "name": name, "lans": lans, "deckies": deckies})


def active(repo: decnet.Repo) -> decnet.TopologyRow:
    stored = repo.create(small())
    repo.set_status(stored, "pending", "deploying", intent="up")
    return repo.set_status(stored, "deploying", "active")


def test_a_stored_topology_is_loaded_unchanged(any_repo: decnet.Repo, maze: decnet.Topology) -> None:
    stored = any_repo.create(maze, at=AT)
    assert (stored.name, stored.status, stored.version, stored.mode) == ("corp", "pending", 1, "unihost")
    assert stored.created_at == AT and stored.config == maze.config and stored.intent is None
    assert stored.topology.canonical_hash() == maze.canonical_hash()
    assert any_repo.get(stored) == any_repo.get(stored.id) == any_repo.list()[0]
    assert any_repo.load(stored.id).topology == stored.topology
    assert stored.topology.to_dict()["id"] == stored.id and stored.to_dict()["created_at"] == "2030-01-01T00:00:00Z"
    other = any_repo.create(small(), name="branch", mode="agent", host="far", at="2030-01-02T00:00:00Z")
    assert (other.name, other.mode, other.host) == ("branch", "agent", "far")
    assert [row.name for row in any_repo.list()] == ["corp", "branch"]
    assert [row.name for row in any_repo.list(limit=1, offset=1)] == ["branch"]
    assert any_repo.list(statuses=["active"]) == [] and any_repo.count(statuses=("pending",)) == 2
    assert {claim["subnet"] for claim in any_repo.claims(excluding=stored)} == {"172.20.0.0/24"}
    decnet.Engine(any_repo, decnet.Simulated()).delete(other)
    assert any_repo.count() == 1
    with pytest.raises(decnet.RepoError, match="no maze has the id") as missing:
        any_repo.get(other)
    assert missing.value.code == "not_found"
    assert len(any_repo.instance()) == 36


def test_refusals_name_the_conflict(any_repo: decnet.Repo) -> None:
    stored = any_repo.create(small())
    with pytest.raises(decnet.RepoError, match="stored already"):
        any_repo.create(small(subnet="10.0.0.0/24"))
    with pytest.raises(decnet.RepoError, match="overlaps"):
        any_repo.create(small("other"))
    with pytest.raises(decnet.DecnetError, match="name of a topology"):
        any_repo.create(small("other"), name="x" * 65)
    with pytest.raises(decnet.DecnetError, match="id of a topology"):
        any_repo.get("corp")
    wider = small(subnet="172.20.0.0/23")
    assert any_repo.edit(stored, wider, expected=1).version == 2
    with pytest.raises(decnet.VersionConflict) as conflict:
        any_repo.edit(stored, wider, expected=1)
    assert (conflict.value.expected, conflict.value.current) == (1, 2)
    any_repo.set_status(stored, "pending", "deploying", intent="up", reason="test")
    with pytest.raises(decnet.NotEditable) as refused:
        any_repo.edit(stored, wider)
    assert (refused.value.status, refused.value.intent) == ("deploying", "up")
    with pytest.raises(decnet.RepoError, match="deploying, not pending"):
        any_repo.set_status(stored, "pending", "deploying")
    events = any_repo.status_events(stored)
    assert [(event["from"], event["to"], event["reason"]) for event in events] == [
        (None, "pending", "created"),
        ("pending", "deploying", "test"),
    ]


def test_settings_are_kept(any_repo: decnet.Repo) -> None:
    stored = any_repo.create(small())
    kept = any_repo.set_settings(stored, {"publish": ["ssh=2222"], "dmz_egress": "dns-only"})
    assert kept.settings == {"publish": ["ssh=2222"], "dmz_egress": "dns-only"}
    hidden = any_repo.set_settings(stored, {**kept.settings, "hide_passwords": True})
    assert hidden.settings == {"publish": ["ssh=2222"], "dmz_egress": "dns-only", "hide_passwords": True}
    any_repo.set_needs_resync(stored, True)
    assert any_repo.get(stored).needs_resync
    with pytest.raises(decnet.DecnetError, match="settings"):
        any_repo.set_settings(stored, {"colour": "red"})  # type: ignore[typeddict-unknown-key]


def test_a_lease_has_one_holder(any_repo: decnet.Repo) -> None:
    stored = any_repo.create(small())
    assert any_repo.lease(stored) is None
    lease = any_repo.acquire_lease(stored, HOLDER, 15.0)
    with pytest.raises(decnet.Busy) as busy:
        any_repo.acquire_lease(stored, HOLDER, 15)
    assert busy.value.lease["token"] == lease["token"]
    held = any_repo.lease(stored)
    assert held is not None and held["holder"] == HOLDER
    assert any_repo.renew_lease(stored, lease["token"], 60.5)["until"] > lease["until"]
    newer = any_repo.acquire_lease(stored, HOLDER, 1, superseding=lease["token"])
    with pytest.raises(decnet.RepoError, match="lost"):
        any_repo.renew_lease(stored, lease["token"], 60)
    any_repo.release_lease(stored, newer["token"])
    assert any_repo.lease(stored) is None


def test_a_lease_is_broken_and_its_holder_named(any_repo: decnet.Repo) -> None:
    stored = any_repo.create(small())
    assert any_repo.break_lease(stored) == {"lease": None, "claim": None}
    lease = any_repo.acquire_lease(stored, HOLDER, 3600)
    assert any_repo.break_lease(stored) == {"lease": lease, "claim": None}
    assert any_repo.lease(stored) is None


def test_mutations_go_through_their_queue(any_repo: decnet.Repo) -> None:
    row = active(any_repo)
    mutation = decnet.Mutation.add_lan("office")
    queued = any_repo.enqueue(row, mutation, actor="me", expected=1)
    assert (queued["state"], queued["version"], queued["actor"]) == ("pending", 2, "me")
    assert decnet.Mutation.from_dict(queued["mutation"]) == mutation
    assert any_repo.has_unfinished(row)
    claimed = any_repo.claim_mutation(HOLDER, 15, topology=row)
    assert claimed is not None and claimed["claim"] is not None
    token = claimed["claim"]["token"]
    assert any_repo.claim_mutation(HOLDER, 15) is None
    assert any_repo.renew_claim(claimed["id"], token, 30)["token"] == token
    any_repo.release_claim(claimed["id"], token)
    claimed = any_repo.claim_mutation(HOLDER, 15)
    assert claimed is not None and claimed["claim"] is not None and claimed["attempts"] == 2
    token = claimed["claim"]["token"]
    changed = any_repo.load(row).topology.apply(decnet.Mutation.add_decky("db", "dmz", services=["mysql"]), live=True)
    any_repo.store_mutation(claimed["id"], token, changed)
    with pytest.raises(decnet.RepoError, match="in the maze"):
        any_repo.finish_mutation(claimed["id"], token, "rejected", reason="no")
    with pytest.raises(TypeError, match="outcome"):
        any_repo.finish_mutation(claimed["id"], token, "applied", reason="no")
    assert any_repo.finish_mutation(claimed["id"], token, "applied")["state"] == "applied"
    assert [row["state"] for row in any_repo.mutations(topology=row, states=["applied"])] == ["applied"]
    assert any_repo.mutation(claimed["id"])["id"] == claimed["id"] == queued["id"]
    changes = any_repo.decky_changes(row)
    assert [change["change"]["decky"] for change in changes] == ["db"]
    assert any_repo.decky_changes(row, since=datetime.datetime.now(datetime.timezone.utc)) == []


def test_an_edit_stores_its_mutation(any_repo: decnet.Repo) -> None:
    stored = any_repo.create(small())
    mutation = decnet.Mutation.add_decky("db", "dmz", services=["mysql"])
    any_repo.edit(stored, stored.topology.apply(mutation), mutation=mutation, actor="me")
    assert [(row["state"], row["actor"]) for row in any_repo.mutations()] == [("applied", "me")]


def test_a_file_is_shared_and_persists(tmp_path: Path) -> None:
    path = tmp_path / "decnet.db"
    with decnet.Repo.open(path) as one, decnet.Repo.open(str(path)) as other:
        stored = one.create(small())
        assert other.get(stored).name == "corp" and one.instance() == other.instance()
    with decnet.Repo.open(path) as again:
        assert again.load(stored.id).topology == stored.topology


def test_a_topology_is_found_by_name_id_and_start_of_id(any_repo: decnet.Repo) -> None:
    stored = any_repo.create(small())
    engine = decnet.Engine(any_repo, decnet.Simulated())
    for text in ("corp", "CORP", stored.id, stored.id[:6]):
        assert any_repo.find(text).id == engine.find(text).id == stored.id
    with pytest.raises(decnet.NotFound, match="did you mean `corp`") as unknown:
        any_repo.find("korp")
    assert isinstance(unknown.value, decnet.RepoError) and isinstance(unknown.value, LookupError)
    assert (unknown.value.code, unknown.value.suggestion) == ("not_found", "corp")
    with pytest.raises(decnet.NotFound) as gone:
        any_repo.get("00000000-0000-4000-8000-000000000000")
    assert gone.value.suggestion is None
    with pytest.raises(TypeError):
        engine.find(7)  # type: ignore[arg-type]
    # Of seventeen ids, two start with the same digit.
    for at in range(16):
        any_repo.create(decnet.generate(name=f"m{at}", depth=1, branching_factor=1, subnet_base_prefix=f"10.{at}.0.0/16"))
    starts = [row.id[0] for row in any_repo.list()]
    start = next(start for start in starts if starts.count(start) > 1)
    with pytest.raises(decnet.Ambiguous) as several:
        engine.find(start)
    assert {row.id[0] for row in several.value.candidates} == {start} and several.value.code == "ambiguous"


def test_handles_say_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "decnet.db"
    with decnet.Repo.open(path) as repo, decnet.Repo.memory() as memory:
        assert repr(repo) == f'<Repo "{path}">' and repr(memory) == "<Repo in memory>"
        assert repr(decnet.aio.Repo(repo)) == f'<AioRepo "{path}">'
        docker = decnet.Simulated()
        engine = decnet.Engine(repo, docker)
        assert repr(engine) == "<Engine on a simulated daemon>"
        assert repr(decnet.Engine(repo, "unix:///run/docker.sock")) == "<Engine on unix:///run/docker.sock>"
        assert repr(engine.events()) == "<Events after a snapshot of 0 topologies>"
        engine.deploy(repo.create(small()))
        assert repr(docker) == "<Simulated: 1 networks, 2 containers>"
        assert repr(engine.prepare_reap()) == "<PreparedReap: remains of 0 topologies>"
    assert repr(repo) == f'<Repo "{path}", closed>' and repr(engine) == "<Engine, closed>"


def test_a_store_on_a_server_is_shown_without_its_password() -> None:
    with stores.database() as url, decnet.Repo.open(url) as repo:
        address = urlsplit(url)
        assert address.path[1:] in repr(repo) and (not address.password or address.password not in repr(repo))


def test_events_reach_another_process_by_the_server() -> None:
    with stores.database() as url, decnet.Repo.open(url) as one, decnet.Repo.open(url) as other:
        follower, engine = decnet.Engine(one, decnet.Simulated()), decnet.Engine(other, decnet.Simulated())
        stored, events = other.create(small()), follower.events(timeout=1)
        # Steps are not in the store. Those before the follower listens are missed.
        for _ in range(20):
            engine.deploy(stored)
            engine.teardown(stored)
            if any(event["topic"].endswith(".step.done") for event in events):
                return
        pytest.fail("no step was heard")


def test_a_file_that_is_not_a_store_is_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("no store")
    with pytest.raises(decnet.RepoError, match="not a DECNET database"):
        decnet.Repo.open(text)
    assert text.read_text() == "no store"
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("create table t (x)")
    connection.close()
    with pytest.raises(decnet.RepoError, match="not a DECNET database"):
        decnet.Repo.open(foreign)


def test_a_time_without_zone_is_refused(repo: decnet.Repo) -> None:
    with pytest.raises(TypeError, match="aware"):
        repo.create(small(), at=datetime.datetime(2030, 1, 1))
    with pytest.raises(decnet.DecnetError, match="a time"):
        repo.create(small(), at="yesterday")
