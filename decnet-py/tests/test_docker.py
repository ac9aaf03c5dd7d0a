"""On a real daemon, with subnets of 10.208.128.0/17."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator

import pytest

import decnet
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
    assert report["probes"] > 0 and report["deviations"] == []
    done = engine.submit(stored, decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"]), wait=True, timeout=300)
    assert isinstance(done, dict) and done["state"] == "applied"
    assert {state["decky"]: state["base"] for state in engine.inspect(stored)}["extra"] == "running"
    with pytest.raises(decnet.WrongStatus):
        engine.delete(stored)
    assert engine.teardown(stored).status == "torn_down"
    assert left_over(engine, stored) == []
    assert engine.delete(stored).status == "torn_down"


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
