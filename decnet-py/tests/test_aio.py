"""Coroutines do the same as the blocking calls. A task that is cancelled cancels its operation."""

from __future__ import annotations

import asyncio
import pydoc
from pathlib import Path

import pytest

import decnet
from decnet import aio
from decnet.types import Event, Holder


def test_a_maze_is_deployed_and_torn_down(maze: decnet.Topology, tmp_path: Path) -> None:
    async def main() -> None:
        async with aio.Repo.open(tmp_path / "decnet.db") as repo:
            stored = await repo.create(maze)
            async with aio.Engine(repo, decnet.Simulated()) as engine:
                events = await engine.events(topology=stored)
                assert [now["row"].name for now in events.snapshot] == ["corp"]
                prepared = await engine.prepare(stored)
                assert len(prepared.plan) > 0 and prepared.refusal is None
                seen: list[Event] = []
                outcome = await prepared.execute(progress=seen.append)
                assert outcome.status == "active" and (await engine.prepare(stored)).plan.is_empty
                assert [(await anext(events))["id"] for _ in seen] == [event["id"] for event in seen]
                assert (await engine.verify(stored)).deviations == []
                assert (await engine.teardown(stored)).status == "torn_down"
            assert [event async for event in events] == []
        with pytest.raises(decnet.RepoError, match="closed"):
            await repo.get(stored)

    asyncio.run(main())


def test_a_decky_gets_other_services_now() -> None:
    maze = {
        "format": "decnet.topology/1",
        "name": "office",
        "lans": [{"name": "dmz", "dmz": True}],
        "deckies": [{"name": "web", "services": ["http"], "attachments": [{"lan": "dmz"}]}],
    }

    async def main() -> None:
        repo = aio.Repo.memory()
        engine = aio.Engine(repo, decnet.Simulated())
        stored = (await engine.deploy(await engine.apply({**maze, "shuffle": {"every": "6h", "from": ["ssh"]}}))).row
        done = await engine.shuffle(stored, "web", wait=True)
        assert isinstance(done, dict) and done["state"] == "applied"
        assert (await repo.load(stored)).topology.decky("web").services == ["ssh"]
        plain = await engine.apply({**maze, "name": "plain"})
        with pytest.raises(decnet.NotShuffled) as refused:
            await engine.shuffle(plain, "web")
        assert refused.value.decky == "web"

    asyncio.run(main())


def test_cancelling_undoes_first(maze: decnet.Topology) -> None:
    docker = decnet.Simulated()
    docker.pace(0.05)

    async def main() -> None:
        repo = aio.Repo.memory()
        stored = await repo.create(maze)
        engine = aio.Engine(repo, docker)
        begun = asyncio.Event()
        task = asyncio.create_task(engine.deploy(stored, progress=lambda event: begun.set()))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert docker.containers == {} and docker.networks == {}
        assert (await repo.get(stored)).status == "failed"
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine.deploy(stored), 0.1)
        assert docker.containers == {} and docker.networks == {}

    asyncio.run(main())


def test_operations_run_in_parallel_and_do_not_block_the_loop() -> None:
    docker = decnet.Simulated()
    docker.pace(0.01)

    async def main() -> None:
        repo = aio.Repo.memory()
        engine = aio.Engine(repo, docker)
        mazes = []
        for at in range(4):
            claimed = [claim["subnet"] for claim in await repo.claims()]
            config = {"name": f"maze {at}", "depth": 1, "branching_factor": 1, "seed": at}
            mazes.append(await repo.create(decnet.generate(config, reserved=claimed)))
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                ticks += 1
                await asyncio.sleep(0.001)

        ticking = asyncio.create_task(tick())
        outcomes = await asyncio.gather(*(engine.deploy(maze) for maze in mazes))
        ticking.cancel()
        assert {outcome.status for outcome in outcomes} == {"active"} and ticks > 3

    asyncio.run(main())


def test_errors_and_exceptions_of_progress_are_raised(maze: decnet.Topology) -> None:
    docker = decnet.Simulated()

    async def main() -> None:
        repo = aio.Repo.memory()
        engine = aio.Engine(repo, docker)
        stored = await repo.create(maze)
        docker.fail(3)
        with pytest.raises(decnet.DeployFailed):
            await engine.deploy(stored)
        docker.pace(0.02)
        calls = 0

        def progress(event: object) -> None:
            nonlocal calls
            calls += 1
            raise LookupError("enough")

        with pytest.raises(LookupError, match="enough"):
            await engine.deploy(stored, progress=progress)
        assert docker.containers == {} and calls == 1
        with pytest.raises(decnet.DockerUnavailable):
            await aio.Engine(repo, "unix:///nowhere.sock").info()

    asyncio.run(main())


def test_an_operation_is_cancelled_while_it_connects(maze: decnet.Topology, tmp_path: Path) -> None:
    async def main() -> None:
        repo = aio.Repo.memory()
        stored = await repo.create(maze)
        connected = asyncio.Event()

        async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connected.set()
            try:
                await asyncio.Event().wait()
            finally:
                writer.close()

        socket = tmp_path / "daemon.sock"
        server = await asyncio.start_unix_server(silent, socket)
        engine = aio.Engine(repo, f"unix://{socket}")
        task = asyncio.ensure_future(engine.deploy(stored))
        await connected.wait()
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=60)
        assert task in done and task.cancelled()
        server.close()

    asyncio.run(main())


def test_a_watch_is_ended_by_cancelling(maze: decnet.Topology) -> None:
    async def main() -> None:
        repo = aio.Repo.memory()
        engine = aio.Engine(repo, decnet.Simulated())
        stored = await repo.create(maze)
        await engine.deploy(stored)
        events = await engine.events()
        watching = asyncio.create_task(engine.watch(poll=0.05))
        await engine.submit(stored, decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"]))
        async for event in events:
            if event["topic"].endswith(".mutation.applied"):
                break
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        engine.close()

    asyncio.run(main())


def test_closing_a_loop_leaves_no_waiter(maze: decnet.Topology) -> None:
    docker = decnet.Simulated()
    docker.pace(0.02)
    repo = decnet.Repo.memory()
    stored = repo.create(maze)

    async def main() -> None:
        engine = aio.Engine(repo, docker)
        begun = asyncio.Event()
        task = asyncio.create_task(engine.deploy(stored, progress=lambda event: begun.set()))
        await begun.wait()
        # The loop ends while the task is running: asyncio.run cancels it, and waits.
        del task

    asyncio.run(main())
    assert repo.get(stored).status == "failed" and docker.containers == {}


def test_mazes_are_stored_changed_waited_for_and_deleted() -> None:
    async def main() -> None:
        async with aio.Repo.memory() as repo, aio.Engine(repo, decnet.Simulated()) as engine:
            mazes = await asyncio.gather(*(engine.generate(name=f"m{at}", depth=1, branching_factor=1) for at in range(3)))
            assert {maze.result for maze in mazes} == {"created"} and len({maze.topology.lans[0].subnet for maze in mazes}) == 3
            stored, other, _ = mazes
            assert (await engine.apply(other.topology)).result == "unchanged"
            await engine.deploy(stored)
            mutation = decnet.Mutation.add_decky("extra", "LAN-01", services=["ssh"])
            assert (await engine.check(stored, mutation)).decky("extra").services == ["ssh"]
            done = await engine.submit(stored, mutation, wait=True)
            assert isinstance(done, dict) and done["state"] == "applied"
            assert (await engine.wait_for(done)).items() <= done.items()
            with pytest.raises(decnet.WrongStatus):
                await engine.delete(stored)
            assert (await engine.delete(await engine.create("empty"))).name == "empty"

    asyncio.run(main())


def test_a_wait_that_is_cancelled_leaves_the_mutation_in_the_queue(maze: decnet.Topology) -> None:
    async def main() -> None:
        repo = aio.Repo.memory()
        engine = aio.Engine(repo, decnet.Simulated())
        stored = await engine.apply(maze)
        await engine.deploy(stored)
        holder: Holder = {"boot_id": "another machine", "pid": 1, "started": 2, "label": "another process"}
        lease = await repo.acquire_lease(stored, holder, 3600)
        row = await engine.submit(stored, decnet.Mutation.add_lan("annex"))
        assert isinstance(row, dict)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(engine.wait_for(row), 0.1)
        assert await repo.has_unfinished(stored)
        await repo.release_lease(stored, lease["token"])
        assert (await engine.wait_for(row))["state"] == "applied"
        engine.close()

    asyncio.run(main())


@pytest.mark.parametrize("name", ["Engine", "Events", "Prepared", "PreparedReap", "Repo"])
def test_both_classes_have_the_same_methods(name: str) -> None:
    sync, coroutines = getattr(decnet, name), getattr(aio, name)
    methods = {method for method in dir(sync) if not method.startswith("_")}
    assert methods and methods == {method for method in dir(coroutines) if not method.startswith("_")}
    for method in methods:
        assert getattr(sync, method).__doc__, method


def test_help_has_the_signature_of_a_method() -> None:
    text = pydoc.plain(pydoc.render_doc(aio.Engine.deploy))
    assert "deploy(self, /, id, *, force=False, settings=None, hosts=None, spread=None, progress=None)" in text
    assert "Deploys a topology in any status." in text


def test_a_coroutine_that_is_never_awaited_starts_nothing(maze: decnet.Topology) -> None:
    docker = decnet.Simulated()

    async def main() -> None:
        repo = aio.Repo.memory()
        stored = await repo.create(maze)
        engine = aio.Engine(repo, docker)
        task = asyncio.create_task(engine.deploy(stored))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await repo.get(stored)).status == "pending" and docker.networks == {}

    asyncio.run(main())


def test_a_store_is_opened_by_await_and_by_async_with(tmp_path: Path, maze: decnet.Topology) -> None:
    path = tmp_path / "decnet.db"

    async def main() -> None:
        repo = await aio.Repo.open(path)
        stored = await repo.create(maze)
        async with aio.Repo.open(path) as again:
            assert (await again.find("CORP")).id == stored.id and not again.is_closed
        assert again.is_closed and not repo.is_closed
        # It is a coroutine: a task can open it, and several can be opened at once.
        task = asyncio.create_task(aio.Repo.open(path))
        others = await asyncio.gather(aio.Repo.open(path), asyncio.wait_for(aio.Repo.open(path), 60))
        for opened in (repo, await task, *others):
            assert (await opened.get(stored)).name == "corp"
            opened.close()
        with pytest.raises(FileNotFoundError):
            async with aio.Repo.open(tmp_path / "nowhere" / "decnet.db"):
                raise AssertionError
        with pytest.raises(decnet.NotFound) as unknown:
            async with aio.Repo.memory() as empty, aio.Engine(empty, decnet.Simulated()) as engine:
                await engine.find("corp")
        assert unknown.value.suggestion is None
        aio.Repo.open(path).close()

    asyncio.run(main())
