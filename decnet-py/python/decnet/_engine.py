"""Engines, which raise stored mazes, keep them as they should be, and take them down."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from collections.abc import Iterable
from types import TracebackType
from typing import TypeAlias

from ._decnet import Catalog, EngineHandle, EventStream, Mutation, Outcome, Plan, Simulated, StoredTopology
from ._repo import Repo
from .types import (
    DeckyState,
    DeploySettings,
    Document,
    Event,
    MutationPreview,
    MutationRow,
    ReapReport,
    TopologyId,
    VerifyReport,
)

Progress: TypeAlias = Callable[[Event], object]


class Events:
    """Follows what an engine does, from when it was made; iterating ends with the engine, or with the timeout.

    >>> from decnet import Simulated, generate
    >>> repo = Repo.memory()
    >>> stored = repo.create(generate(name="corp", depth=1, branching_factor=1, seed=1))
    >>> engine = Engine(repo, Simulated())
    >>> events = engine.events(timeout=0)
    >>> outcome = engine.deploy(stored)
    >>> [event["payload"]["to"] for event in events if event["type"] == "status"]
    ['deploying', 'active']
    """

    __slots__ = ("_timeout", "_stream")

    def __init__(self, stream: EventStream, timeout: float | None) -> None:
        self._stream = stream
        self._timeout = timeout

    def __iter__(self) -> Events:
        return self

    def __next__(self) -> Event:
        event = self._stream.next(self._timeout).wait()
        if event is None:
            raise StopIteration
        return event


class Engine:
    """Raises the mazes of a store on Docker, keeps them as they should be, and takes them down.

    `docker` is None for the daemon that the `docker` command would use (`DOCKER_HOST`, else the context in use,
    else the usual socket), an address like `unix:///var/run/docker.sock`, or a `Simulated` daemon. Methods may be
    called from any thread.

    Ctrl-C in what changes Docker undoes what that did, and then raises KeyboardInterrupt; so does an exception of a
    `progress` callable, which is called with every event of the operation.
    """

    __slots__ = ("_handle",)

    def __init__(
        self,
        repo: Repo,
        docker: str | Simulated | None = None,
        *,
        catalog: Catalog | None = None,
        width: int | None = None,
        timeout: float | None = None,
        decoy: str | PathLike[str] | None = None,
    ) -> None:
        self._handle: EngineHandle = EngineHandle.open(repo._handle, docker, catalog, width, timeout, decoy).wait()

    def close(self) -> None:
        """Calls off what is under way, and refuses from now on. Twice is no error."""
        self._handle.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def info(self) -> Document:
        """Asks the daemon who it is."""
        return self._handle.info().wait()

    def deploy(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Raises a topology, whatever state it is in. Containers that run are made anew only with `force`."""
        return self._handle.deploy(id, force, settings).wait(progress)

    def plan(self, id: TopologyId, *, settings: DeploySettings | None = None, down: bool = False) -> Plan:
        """Returns what a deploy would do now, or a teardown. Touches nothing."""
        return self._handle.plan(id, settings, down).wait()

    def teardown(self, id: TopologyId, *, progress: Progress | None = None) -> Outcome:
        """Takes a topology down, past all errors."""
        return self._handle.teardown(id).wait(progress)

    def reconcile(self, id: TopologyId, *, force: bool = False, progress: Progress | None = None) -> Outcome:
        """Brings a topology that is up back to what it should be, touching only what is not."""
        return self._handle.reconcile(id, force).wait(progress)

    def reap(
        self, *, instance: str | None = None, dry_run: bool = False, running: Iterable[str] = ()
    ) -> ReapReport:
        """Removes what belongs to topologies that are no more; with `instance`, everything of a store that was lost.

        What runs is kept, unless `running` names its topology, by id or the first eight hex digits of it.
        """
        return self._handle.reap(instance, dry_run, list(running)).wait()

    def verify(self, id: TopologyId) -> VerifyReport:
        """Tries from inside the deckies whether they reach what the maze says, and nothing else."""
        return self._handle.verify(id).wait()

    def inspect(self, id: TopologyId) -> list[DeckyState]:
        """Looks at how each decky fares."""
        return self._handle.inspect(id).wait()

    def preview(self, id: TopologyId, mutation: Mutation | Document) -> MutationPreview:
        """Works out what a mutation would come to now. Touches nothing."""
        return self._handle.preview(id, mutation).wait()

    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
    ) -> MutationRow | StoredTopology:
        """Hands in a mutation: it waits in the queue of a topology that runs; a pending one is edited at once."""
        return self._handle.enqueue(id, mutation, actor, expected).wait()

    def drain(self, id: TopologyId, *, progress: Progress | None = None) -> list[MutationRow]:
        """Makes the mutations that wait for a topology, and returns what became of them."""
        return self._handle.drain(id).wait(progress)

    def watch(self, *, poll: float = 10.0, width: int | None = None, progress: Progress | None = None) -> None:
        """Keeps all mazes as they should be: makes what is queued, mends what broke. Until Ctrl-C, or `close`."""
        self._handle.watch(poll, width).wait(progress)

    def events(self, *, timeout: float | None = None) -> Events:
        """Follows what this engine does from now on, until it is closed or says nothing for so many seconds."""
        return Events(self._handle.events(), timeout)
