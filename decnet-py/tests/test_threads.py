"""Threads share everything; a fork shares nothing."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import decnet


@pytest.fixture
def no_switching() -> Iterator[None]:
    """Prevents forced thread switches: a thread runs until it releases the interpreter."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000)
    yield
    sys.setswitchinterval(interval)


def test_the_interpreter_is_free_while_rust_works(no_switching: None) -> None:
    large = decnet.generate(name="large", depth=10, branching_factor=2, subnet_base_prefix="10.0.0.0/8", seed=1)
    begun, done = threading.Event(), threading.Event()

    def validate() -> None:
        begun.set()
        for _ in range(3):
            large.validate()
        done.set()

    # This thread continues only when the validating thread releases the interpreter.
    for _ in range(10):
        begun.clear()
        done.clear()
        worker = threading.Thread(target=validate)
        worker.start()
        begun.wait()
        was_free = not done.is_set()
        worker.join()
        if was_free:
            return
    pytest.fail("no other thread ran in the interpreter while a maze was validated")


def test_threads_use_one_maze_one_store_and_one_engine(tmp_path: Path) -> None:
    with decnet.Repo.open(tmp_path / "decnet.db") as repo:
        engine = decnet.Engine(repo, decnet.Simulated())
        pool = decnet.SubnetAllocator("10.0.0.0/8", 24)

        def work(at: int) -> str:
            config = {"name": f"maze {at}", "depth": 1, "branching_factor": 1, "seed": at, "lan_prefix": 28}
            maze = decnet.generate(config, seed=at, catalog=None) if at < 0 else decnet.generate(
                {**config, "subnet_base_prefix": pool.next_free()}
            )
            stored = repo.create(maze)
            assert engine.deploy(stored).status == "active"
            return engine.teardown(stored).status

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(work, range(24))) == {"torn_down"}
        assert repo.count(statuses=["torn_down"]) == 24


def test_an_allocator_hands_out_each_subnet_once() -> None:
    pool = decnet.IpAllocator("10.0.0.0/20")
    with ThreadPoolExecutor(8) as threads:
        given = [address for some in threads.map(lambda _: [pool.next_free() for _ in range(500)], range(8)) for address in some]
    assert len(set(given)) == len(given) == 4000


def in_fork(work: object) -> int:
    """Runs a function in a fork of this process, and returns its exit code."""
    assert callable(work)
    with warnings.catch_warnings():
        # The test forks although threads run.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_objects_opened_before_a_fork_refuse_to_work_in_it(tmp_path: Path, maze: decnet.Topology) -> None:
    path = tmp_path / "decnet.db"
    repo = decnet.Repo.open(path)
    stored = repo.create(maze)
    engine = decnet.Engine(repo, decnet.Simulated())
    events = engine.events()

    def child() -> None:
        for call in (repo.instance, lambda: engine.deploy(stored), lambda: next(events), repo.close, engine.events):
            with pytest.raises(decnet.RepoError, match="fork"):
                call()
        # Objects without threads still work, and so does a store that is opened here.
        assert stored.topology.validate().is_clean
        with decnet.Repo.open(path) as here:
            assert here.get(stored).name == "corp"
            again = decnet.Engine(here, decnet.Simulated())
            assert again.deploy(stored).status == "active"

    assert in_fork(child) == 0
    assert repo.get(stored).status == "active"


def test_dropping_a_store_in_a_fork_does_not_affect_the_parent(tmp_path: Path, maze: decnet.Topology) -> None:
    holder = [decnet.Repo.open(tmp_path / "decnet.db")]
    stored = holder[0].create(maze)
    assert in_fork(holder.clear) == 0
    assert holder[0].get(stored).name == "corp"
