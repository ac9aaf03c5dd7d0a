"""The conformance data, through Python."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import decnet
from conftest import ROOT


def vectors(name: str) -> list[dict[str, Any]]:
    """Returns the rows of the copy in the repository, and of the shared folder next to it, if it exists."""
    folders = [ROOT / "decnet-topology/tests/vectors", ROOT / "../shared/conformance"]
    files = [folder / name for folder in folders if (folder / name).exists()]
    rows = {json.dumps(row): row for file in files for row in json.loads(file.read_text())}
    assert rows, name
    return list(rows.values())


def test_documents_break_exactly_the_listed_rules() -> None:
    for row in vectors("validate.json"):
        found = {finding.code for finding in decnet.validate(row["topology"]).errors}
        listed = set(row["errors"])
        assert found == listed if row["match"] == "exact" else found >= listed, (row["name"], found, listed)


def test_a_text_breaks_the_same_rules_as_its_dict() -> None:
    for row in vectors("validate.json")[:50]:
        one, other = decnet.validate(row["topology"]), decnet.validate(json.dumps(row["topology"]))
        assert [found.code for found in one] == [found.code for found in other]


def test_canonical_hashes_are_the_same_where_they_should_be() -> None:
    for row in vectors("hash.json"):
        one, other = (decnet.Topology.from_dict(row[side]).canonical_hash() for side in "ab")
        assert (one == other) == row["same"], (row["name"], row["why"])
    for row in vectors("hash-golden.json"):
        assert decnet.Topology.from_dict(row["document"]).canonical_hash() == row["hash"]


def test_configs_give_mazes_within_their_bounds() -> None:
    for row in vectors("generate.json"):
        name, reserved = row["name"], row.get("reserved", [])
        if row["expect"] == "invalid_config":
            with pytest.raises(decnet.InvalidConfig) as refused:
                decnet.generate(row["config"], reserved=reserved)
            fields = [fault["field"] for fault in refused.value.faults]
            # A row may leave open which fields it is.
            assert row.get("fields") in (None, list(dict.fromkeys(fields))), name
        elif row["expect"] == "subnet_pool_exhausted":
            with pytest.raises(decnet.AddressError):
                decnet.generate(row["config"], reserved=reserved)
        else:
            maze = decnet.generate(decnet.TopologyConfig(**row["config"]), reserved=reserved)
            assert maze.validate(reserved=reserved).is_clean, name
            bounds = row["bounds"]
            assert bounds["lans"][0] <= len(maze.lans) <= bounds["lans"][1], name
            assert bounds["deckies"][0] <= len(maze.deckies) <= bounds["deckies"][1], name
            inner = len(maze.lans) - 1
            low, high = (int(part) for part in re.findall(r"\[(\d+)\.\.(\d+)\]", bounds["deckies_given_lans"])[0])
            assert 1 + inner * low <= len(maze.deckies) <= 1 + inner * high, name
            most = 2 if ".." in bounds["edges_given"] else 1
            assert len(maze.deckies) + inner <= len(maze.edges) <= len(maze.deckies) + most * inner, name


def allocator(row: dict[str, Any]) -> decnet.IpAllocator | decnet.SubnetAllocator:
    if row["kind"] == "ip":
        return decnet.IpAllocator(row["subnet"])
    return decnet.SubnetAllocator(row["base"], 24, reserved=row.get("reserved"))


def test_allocators_give_the_listed_results() -> None:
    for row in vectors("allocator.json"):
        if not row["new"].get("ok"):
            with pytest.raises(decnet.AddressError):
                allocator(row)
            continue
        pool = allocator(row)
        for step in row["steps"]:
            if step["op"] == "next_free":
                given, error = [], None
                for _ in range(step.get("times", 1)):
                    try:
                        given.append(pool.next_free())
                    except decnet.AddressError:
                        error = "exhausted"
                        break
                assert error == step.get("error"), row["name"]
                if "result" in step:
                    assert given == [step["result"]], row["name"]
                if "count" in step:
                    found = (len(given), given[:3], given[-3:])
                    assert found == (step["count"], step["first"], step["last"]), row["name"]
                assert step.get("all", given) == given, row["name"]
            elif "error" in step:
                with pytest.raises(decnet.AddressError):
                    getattr(pool, step["op"])(step["arg"])
            else:
                assert getattr(pool, step["op"])(step["arg"]) == step["result"], row["name"]


#: The codes that a label of the data may mean.
CODES = {
    "already-attached": {"ALREADY_ATTACHED"},
    "lan-is-a-home": {"LAN_IS_A_HOME"},
    "duplicate-lan-name": {"LAN_NAME_DUP"},
    "duplicate-decky-name": {"DECKY_NAME_DUP"},
    "not-attached": {"NOT_ATTACHED"},
    "no-membership": {"NOT_ATTACHED"},
    "detach-from-home": {"DETACH_FROM_HOME"},
    "frozen-while-live": {"FROZEN_WHILE_LIVE"},
    "unknown-op": {"UNKNOWN_OP"},
    "bad-input": {"WRONG_TYPE"},
    "force-required": {"FORCE_REQUIRED"},
    "subnet-pool-exhausted": {"SUBNET_POOL_EXHAUSTED"},
    "address-pool-exhausted": {"ADDRESS_POOL_EXHAUSTED"},
}


def places(maze: decnet.Topology) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    lans = {("lan", lan.name): (lan.x, lan.y) for lan in maze.lans}
    return lans | {("decky", decky.name): (decky.x, decky.y) for decky in maze.deckies}


def test_mutations_end_as_listed() -> None:
    for row in vectors("mutate.json"):
        live = row["status"] != "pending"
        others = [other for other in row.get("others", []) if other["status"] != "torn_down"]
        reserved = [subnet for other in others for subnet in other["subnets"]]
        maze = decnet.Topology.from_dict(row["initial"])
        for at, step in enumerate(row["steps"]):
            where = (row["name"], at, step.get("reason"))
            try:
                mutation = decnet.Mutation.from_dict({"op": step["op"], "payload": step["payload"]})
                maze = maze.apply(mutation, live=live, reserved=reserved)
                outcome = "applied"
            except decnet.MutationRejected as refused:
                outcome = "rejected"
                label = step.get("reason", "").split(":")[0]
                assert refused.code in CODES.get(label, {refused.code}), where
            assert outcome == step["outcome"], where
        final = decnet.Topology.from_dict(row["final"])
        assert maze.canonical_hash() == final.canonical_hash(), row["name"]
        assert places(maze) == places(final), row["name"]


def test_only_the_listed_status_changes_are_allowed(maze: decnet.Topology) -> None:
    ways: dict[str, list[Any]] = {
        "pending": [],
        "deploying": ["deploying"],
        "active": ["deploying", "active"],
        "degraded": ["deploying", "degraded"],
        "failed": ["deploying", "failed"],
        "tearing_down": ["deploying", "tearing_down"],
        "torn_down": ["torn_down"],
    }
    for row in vectors("status.json"):
        with decnet.Repo.memory() as repo:
            stored: decnet.TopologyRow = repo.create(maze)
            for status in ways[row["from"]]:
                stored = repo.set_status(stored, stored.status, status, intent="up")
            if row["legal"]:
                assert repo.set_status(stored, stored.status, row["to"]).status == row["to"]
            else:
                with pytest.raises(decnet.RepoError):
                    repo.set_status(stored, stored.status, row["to"])
