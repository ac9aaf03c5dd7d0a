"""On a real daemon, with subnets of 10.208.128.0/17."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import decnet
import stores
from decnet import aio

pytestmark = pytest.mark.docker


@pytest.fixture
def engine(repo: decnet.Repo) -> Iterator[decnet.Engine]:
    """An engine whose resources are removed after the test, whatever its result is."""
    engine = decnet.Engine(repo)
    yield engine
    for row in repo.list():
        if row.status not in ("pending", "torn_down"):
            engine.teardown(row)
    assert engine.reap()["orphans"] == []


def small(pool: str) -> decnet.Topology:
    return decnet.generate(name="corp", depth=2, branching_factor=1, subnet_base_prefix=pool, deckies_per_lan_max=2, seed=3)


def left_over(engine: decnet.Engine, row: decnet.TopologyRow) -> list[str]:
    """The steps of a teardown, without the image that others may use."""
    return [str(step) for step in engine.prepare(row, "teardown").plan if not str(step).startswith("remove image")]


def test_a_maze_is_deployed_verified_changed_and_torn_down(repo: decnet.Repo, engine: decnet.Engine) -> None:
    stored = engine.apply(small("10.208.128.0/20"))
    outcome = engine.deploy(stored)
    assert outcome.status == "active" and outcome.reason is None
    assert engine.prepare(stored).plan.is_empty
    report = engine.verify(stored)
    assert report.probes > 0 and report.deviations == []
    done = engine.submit(stored, decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"]), wait=True, timeout=300)
    assert isinstance(done, dict) and done["state"] == "applied"
    assert {state["decky"]: state["base"] for state in engine.inspect(stored)}["extra"] == "running"
    with pytest.raises(decnet.WrongStatus):
        engine.delete(stored)
    assert engine.teardown(stored).status == "torn_down"
    assert left_over(engine, stored) == []
    assert engine.delete(stored).status == "torn_down"


def test_a_decky_gets_other_services_now(repo: decnet.Repo, engine: decnet.Engine) -> None:
    stored = engine.apply(
        {
            "format": "decnet.topology/1",
            "name": "office",
            "lans": [{"name": "dmz", "subnet": "10.208.208.0/28", "dmz": True}],
            "deckies": [{"name": "web", "services": ["http"], "attachments": [{"lan": "dmz"}]}],
            "shuffle": {"every": "6h", "from": ["ssh"]},
        }
    )
    assert engine.deploy(stored).status == "active"
    done = engine.shuffle(stored, "web", wait=True, timeout=300)
    assert isinstance(done, dict) and done["state"] == "applied"
    [web] = engine.inspect(stored)
    assert [service["service"] for service in web["services"]] == ["ssh"] and web["base"] == "running"
    assert engine.verify(stored).is_clean
    with pytest.raises(decnet.NotShuffled):
        engine.shuffle(stored, "web")


def test_ctrl_c_leaves_nothing(repo: decnet.Repo, engine: decnet.Engine) -> None:
    stored = repo.create(small("10.208.144.0/20"))
    events = engine.events()

    def press() -> None:
        for event in events:
            if event["topic"].endswith(".step.done") and "create" in event["payload"]["text"]:
                os.kill(os.getpid(), signal.SIGINT)
                return

    presser = threading.Thread(target=press)
    presser.start()
    with pytest.raises(KeyboardInterrupt) as interrupted:
        engine.deploy(stored)
    presser.join()
    assert isinstance(interrupted.value.__cause__, decnet.Interrupted) and interrupted.value.__cause__.rolled_back
    assert repo.get(stored).status == "failed" and left_over(engine, stored) == []


def test_cancelling_a_task_leaves_nothing(repo: decnet.Repo, engine: decnet.Engine) -> None:
    stored = repo.create(small("10.208.160.0/20"))

    async def main() -> None:
        coroutines = aio.Engine(repo)
        begun = asyncio.Event()
        task = asyncio.create_task(coroutines.deploy(stored, progress=lambda event: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert repo.get(stored).status == "failed" and left_over(engine, stored) == []


def test_a_visit_is_in_the_logs_and_on_a_path(engine: decnet.Engine) -> None:
    maze = {
        "format": "decnet.topology/1",
        "name": "lab",
        "lans": [{"name": "dmz", "subnet": "10.208.192.0/28", "dmz": True}],
        "deckies": [{"name": "gate", "services": ["ssh"], "forwards_l3": True, "attachments": [{"lan": "dmz"}]}],
    }
    stored = engine.apply(maze)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    engine.deploy(stored, settings={"publish": [f"ssh=127.0.0.1:{port}"]})
    logs = engine.logs(topology=stored, follow=True, timeout=30)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as visitor:
        assert visitor.recv(4) == b"SSH-"
        visitor.sendall(b"not an ident\r\n")
    records = [item.entry["record"] for item in itertools.islice(logs, 2) if item.entry]
    assert records[0]["event"]["action"] == "session.open" and records[0]["service"]["name"] == "ssh"
    [path] = engine.paths(topology=stored, service="ssh")["paths"]
    assert path["origin"] == {"outside": records[0]["source"]["ip"]}
    assert [move["to"] for move in path["moves"]] == ["gate"]
    engine.teardown(stored)
    assert list(engine.logs(topology=stored)) == [], "the containers are gone"


def test_an_engine_has_the_hosts_of_its_store(tmp_path: Path) -> None:
    path = tmp_path / "decnet.db"
    with decnet.Repo.open(path) as repo:
        engine = decnet.Engine(repo)
        stored = repo.create(small("10.208.160.0/20"))
        assert "members" not in engine.info()
        with pytest.raises(decnet.DecnetError) as unknown:
            engine.deploy(stored, hosts=["east"])
        assert unknown.value.code == "hosts_unknown"
    stores.add_host(str(path), "east", "127.0.0.1:1")
    with decnet.Repo.open(path) as repo:
        engine = decnet.Engine(repo)
        assert [host.name for host in repo.hosts()] == ["east"]
        east = engine.info()["members"]["east"]
        assert east["info"] is None and "127.0.0.1:1" in east["silent"] and east["member"]["name"] == "east"
        with pytest.raises(decnet.DecnetError) as silent:
            engine.deploy(stored, hosts=["east"])
        assert silent.value.code in ("not_placed", "host_unreachable")
        # A simulated daemon reaches no host.
        assert "members" not in decnet.Engine(repo, decnet.Simulated()).info()


def test_an_asyncio_engine_sees_a_host_that_joins_while_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "decnet.db"

    async def main() -> None:
        async with aio.Repo.open(path) as repo, aio.Engine(repo) as engine:
            assert "members" not in await engine.info()
            stores.add_host(str(path), "west", "127.0.0.1:1")
            for _ in range(60):
                if "members" in await engine.info():
                    break
                await asyncio.sleep(0.5)
            assert set((await engine.info())["members"]) == {"west"}

    asyncio.run(main())
