"""Shared fixtures."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import decnet
import stores

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """Enables Ctrl-C even if it was ignored at the start, for instance in the background of a script."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


@pytest.fixture
def maze() -> decnet.Topology:
    """A gateway, a router, and a decky behind it."""
    return decnet.generate(name="corp", depth=2, branching_factor=2, dmz_gateway=True, seed=7)


@pytest.fixture
def repo() -> Iterator[decnet.Repo]:
    with decnet.Repo.memory() as repo:
        yield repo


@pytest.fixture(params=["memory", "file", "postgres"])
def any_repo(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[decnet.Repo]:
    if request.param == "memory":
        with decnet.Repo.memory() as repo:
            yield repo
        return
    with stores.place(request.param, tmp_path) as place, decnet.Repo.open(place) as repo:
        yield repo


@pytest.fixture
def docker() -> decnet.Simulated:
    return decnet.Simulated()


@pytest.fixture
def engine(repo: decnet.Repo, docker: decnet.Simulated) -> decnet.Engine:
    return decnet.Engine(repo, docker)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skips tests that need Docker if no daemon answers."""
    wanting = [item for item in items if item.get_closest_marker("docker")]
    if not wanting:
        return
    try:
        decnet.Engine(decnet.Repo.memory(), timeout=5).info()
    except decnet.DockerUnavailable as error:
        for item in wanting:
            item.add_marker(pytest.mark.skip(reason=str(error)))
