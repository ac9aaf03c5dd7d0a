"""The hosts of a store. None of them has an agent, so none joins by its token."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import decnet
import stores
from decnet import aio


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with stores.place(request.param, tmp_path) as place:
        yield place


def test_a_host_that_is_enrolled_gets_a_token_and_is_listed_when_it_joins(any_repo: decnet.Repo) -> None:
    assert any_repo.hosts() == any_repo.hosts(revoked=True) == []
    token = any_repo.enroll_host("east", labels=["public"], capacity=100, underlay="192.0.2.11", mtu=9000)
    assert len(token) > 40 and token == token.strip()
    assert any_repo.enroll_host("east", labels=()) != token, "each token is another"
    assert any_repo.hosts() == [], "it has not joined"


@pytest.mark.parametrize("profile", [{"capacity": 0}, {"mtu": 117}, {"underlay": "127.0.0.1"}])
def test_a_profile_that_no_host_can_have_is_refused(repo: decnet.Repo, profile: dict[str, Any]) -> None:
    with pytest.raises(decnet.DecnetError) as refused:
        repo.enroll_host("east", **profile)
    assert refused.value.code == "host_profile"


def test_arguments_of_another_kind_are_refused(repo: decnet.Repo) -> None:
    with pytest.raises(decnet.DecnetError, match="the name of a host"):
        repo.enroll_host("-")
    with pytest.raises(decnet.DecnetError, match="labels"):
        repo.enroll_host("east", labels=["a b"])
    with pytest.raises(TypeError, match="labels must be a list"):
        repo.enroll_host("east", labels="public")
    with pytest.raises(TypeError, match="a capacity must be a whole number"):
        repo.enroll_host("east", capacity="many")  # type: ignore[arg-type]
    with pytest.raises(decnet.DecnetError, match="a capacity must not be negative"):
        repo.enroll_host("east", capacity=-1)
    with pytest.raises(decnet.DecnetError, match="an MTU is too large"):
        repo.enroll_host("east", mtu=65536)
    with pytest.raises(decnet.DecnetError, match="an underlay"):
        repo.enroll_host("east", underlay="192.0.2")


def test_an_unknown_host_is_named(any_repo: decnet.Repo) -> None:
    for call in (any_repo.host, any_repo.drain_host, any_repo.revoke_host):
        with pytest.raises(decnet.NotFound, match="no host has the name or id `east`") as unknown:
            call("east")
        assert unknown.value.code == "no_host" and unknown.value.suggestion is None


def test_a_host_is_drained_used_again_and_revoked(place: str) -> None:
    with decnet.Repo.open(place) as repo:
        stores.add_host(place, "west", "192.0.2.12:7378")
        stores.add_host(place, "east", "192.0.2.11:7378")
        east, west = repo.hosts()
        assert (east.name, east.state, east.address) == ("east", "joined", "192.0.2.11:7378")
        assert (east.labels, east.deckies, east.capacity, east.underlay, east.mtu) == ([], 0, 250, "192.0.2.7", 1500)
        now = datetime.datetime.now(datetime.timezone.utc)
        assert now - datetime.timedelta(minutes=5) < east.enrolled_at <= now
        assert (east.drained_at, east.revoked_at, east.heard_at, east.report, east.mazes) == (None, None, None, None, [])
        assert east.to_dict().items() >= {"id": east.id, "name": "east", "state": "joined", "mazes": []}.items()
        assert repr(east) == '<Host "east": joined, 0 of 250 deckies>'
        assert repo.host("EAST") == repo.host(east.id) == east != west

        drained = repo.drain_host("east")
        assert drained.drained_at is not None and repo.drain_host("east") == drained == repo.host("east")
        assert repo.drain_host("east", undo=True) == east

        revoked = repo.revoke_host("east")
        assert revoked.state == "revoked" and revoked.revoked_at is not None
        assert repo.hosts() == [west] and repo.hosts(revoked=True) == [revoked, west]
        with pytest.raises(decnet.NotFound, match="it was revoked"):
            repo.host("east")
        stores.add_host(place, "east", "192.0.2.13:7378")
        assert repo.host("east").id != east.id, "the name is free"


def test_a_host_names_what_is_placed_on_it(place: str, maze: decnet.Topology) -> None:
    with decnet.Repo.open(place) as repo:
        stored = repo.create(maze)
        stores.add_host(place, "east", "192.0.2.11:7378")
        stores.add_host(place, "west", "192.0.2.12:7378")
        stores.set_placement(place, {"lans": {"0": "east"}, "deckies": {"0": "east", "1": "east"}, "stretched": {}})
        assert repo.host("east").mazes == [], "it was never deployed"
        repo.set_status(stored, "pending", "deploying", intent="up")
        east, west = repo.hosts()
        assert (east.deckies, east.mazes) == (2, ["corp"]) and (west.deckies, west.mazes) == (0, [])
        assert repo.revoke_host("east").mazes == ["corp"], "it still has them"


def test_a_prepared_operation_names_the_hosts_that_do_not_answer(place: str, maze: decnet.Topology) -> None:
    with decnet.Repo.open(place) as repo:
        stored = repo.create(maze)
        stores.add_host(place, "east", "127.0.0.1:1")
        stores.set_placement(place, {"lans": {"0": "east"}, "deckies": {"0": "east", "1": "east"}, "stretched": {}})
        repo.set_status(stored, "pending", "deploying", intent="up")
        repo.set_status(stored, "deploying", "active")
        prepared = decnet.Engine(repo).prepare(stored, "teardown")
        assert "host east is unseen: " in prepared.unseen[0] and "127.0.0.1:1" in prepared.unseen[0]


def test_coroutines_do_the_same() -> None:
    async def main() -> None:
        async with aio.Repo.memory() as repo:
            assert await repo.hosts() == [] and len(await repo.enroll_host("east")) > 40
            with pytest.raises(decnet.NotFound):
                await repo.drain_host("east")

    asyncio.run(main())
