"""The same as coroutines, for asyncio.

Cancelling what changes Docker calls it off: what it did is undone, and only then is CancelledError raised.

>>> import asyncio
>>> import decnet
>>> async def main() -> None:
...     async with decnet.aio.Repo.memory() as repo:
...         stored = await repo.create(decnet.generate(name="corp", depth=1, branching_factor=1, seed=1))
...         engine = decnet.aio.Engine(repo, decnet.Simulated())
...         print((await engine.deploy(stored)).status)
>>> asyncio.run(main())
active
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from os import PathLike
from types import TracebackType
from typing import Literal, TypeVar

from . import _engine, _repo
from ._decnet import (
    Catalog,
    EngineHandle,
    EventStream,
    Mutation,
    Operation,
    Outcome,
    Plan,
    RepoHandle,
    Simulated,
    StoredTopology,
    Topology,
    TopologyRow,
)
from ._engine import Progress
from ._repo import Claims, MutationRows, RecordedChanges, Rows, StatusEvents
from .types import (
    Broken,
    DeckyState,
    DeploySettings,
    Document,
    Event,
    Holder,
    Intent,
    Lease,
    Mode,
    Moment,
    MutationClaim,
    MutationPreview,
    MutationRow,
    MutationState,
    ReapReport,
    Status,
    TopologyId,
    VerifyReport,
)

_T = TypeVar("_T")


async def _done(operation: Operation[_T], progress: Progress | None = None) -> _T:
    """Waits for an operation. Whatever ends the waiting calls it off, and what it undoes is waited for."""
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    interruption: BaseException | None = None
    done = False
    while not done:
        operation.listen(lambda: loop.call_soon_threadsafe(arrived.set))
        try:
            await arrived.wait()
            arrived.clear()
            done = operation.is_done()
            for event in operation.take_events():
                if progress is not None and interruption is None:
                    progress(event)
        except (Exception, asyncio.CancelledError) as error:
            interruption = interruption or error
            operation.cancel()
    if interruption is None:
        return operation.result()
    try:
        operation.result()
    except Exception as error:
        raise interruption from error
    raise interruption


class Repo:
    """A store of topologies: `decnet.Repo`, with coroutines for methods."""

    __slots__ = ("_handle",)

    def __init__(self, repo: _repo.Repo | RepoHandle) -> None:
        """Takes a store that is open."""
        self._handle = repo._handle if isinstance(repo, _repo.Repo) else repo

    @classmethod
    def memory(cls) -> Repo:
        """Makes a store that lives as long as the process."""
        return cls(RepoHandle.memory())

    @classmethod
    async def open(cls, path: str | PathLike[str]) -> Repo:
        """Opens the store in a file, and makes it if the file is missing."""
        handle = await _done(RepoHandle.open(path))
        return cls(handle)

    def close(self) -> None:
        """Closes the store, and with it the engines that work on it. Twice is no error."""
        self._handle.close()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.is_closed

    async def __aenter__(self) -> Repo:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def instance(self) -> str:
        """Returns the store's own id, which labels everything of it on Docker."""
        return await _done(self._handle.instance())

    async def create(
        self,
        topology: Topology,
        *,
        name: str | None = None,
        mode: Mode = "unihost",
        host: str | None = None,
        at: Moment | None = None,
    ) -> StoredTopology:
        """Stores a topology as pending, under its own name or another."""
        return await _done(self._handle.create(topology, name, mode, host, at))

    async def get(self, id: TopologyId) -> TopologyRow:
        """Returns the row of a topology."""
        return await _done(self._handle.get(id))

    async def load(self, id: TopologyId) -> StoredTopology:
        """Returns a topology and its row as they were at one moment."""
        return await _done(self._handle.load(id))

    async def list(self, *, statuses: Iterable[Status] = (), limit: int | None = None, offset: int = 0) -> Rows:
        """Returns the rows that match, in order of creation."""
        return await _done(self._handle.list(statuses, limit, offset))

    async def count(self, *, statuses: Iterable[Status] = ()) -> int:
        """Counts the topologies that match."""
        return await _done(self._handle.count(statuses))

    async def edit(
        self,
        id: TopologyId,
        topology: Topology,
        *,
        expected: int | None = None,
        mutation: Mutation | Document | None = None,
        actor: str | None = None,
        at: Moment | None = None,
    ) -> StoredTopology:
        """Puts another maze in the place of a pending one, if it is still at the version expected."""
        return await _done(self._handle.edit(id, topology, expected, mutation, actor, at))

    async def set_status(
        self,
        id: TopologyId,
        status: Status,
        to: Status,
        *,
        intent: Intent | None = None,
        reason: str | None = None,
        held: str | None = None,
        at: Moment | None = None,
    ) -> TopologyRow:
        """Changes the status, which the caller saw, to another, and remembers when and why."""
        return await _done(self._handle.set_status(id, status, to, intent, reason, held, at))

    async def status_events(self, id: TopologyId) -> StatusEvents:
        """Returns the changes of status, oldest first."""
        return await _done(self._handle.status_events(id))

    async def set_settings(self, id: TopologyId, settings: DeploySettings, *, at: Moment | None = None) -> TopologyRow:
        """Remembers how the topology is raised."""
        return await _done(self._handle.set_settings(id, settings, at))

    async def set_needs_resync(self, id: TopologyId, needs_resync: bool, *, at: Moment | None = None) -> None:
        """Remembers whether Docker may differ from what is stored."""
        await _done(self._handle.set_needs_resync(id, needs_resync, at))

    async def claims(self, *, left_out: TopologyId | None = None) -> Claims:
        """Returns the subnets of every topology that is not torn down, but for one."""
        return await _done(self._handle.claims(left_out))

    async def delete(self, id: TopologyId, *, at: Moment | None = None) -> None:
        """Removes a topology with all that belongs to it."""
        await _done(self._handle.delete(id, at))

    async def acquire_lease(
        self,
        id: TopologyId,
        holder: Holder,
        time: float,
        *,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> Lease:
        """Takes the lease of a topology for some seconds."""
        return await _done(self._handle.acquire_lease(id, holder, time, superseding, at))

    async def renew_lease(self, id: TopologyId, token: str, time: float, *, at: Moment | None = None) -> Lease:
        """Makes a lease last for some seconds from now."""
        return await _done(self._handle.renew_lease(id, token, time, at))

    async def release_lease(self, id: TopologyId, token: str) -> None:
        """Gives a lease back."""
        await _done(self._handle.release_lease(id, token))

    async def lease(self, id: TopologyId, *, at: Moment | None = None) -> Lease | None:
        """Returns who holds the lease of a topology, if anyone does."""
        return await _done(self._handle.lease(id, at))

    async def break_lease(self, id: TopologyId) -> Broken:
        """Breaks the lease of a topology and the claim on its mutation, and returns whose they were."""
        return await _done(self._handle.break_lease(id))

    async def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
        at: Moment | None = None,
    ) -> MutationRow:
        """Appends a mutation to the queue of a topology that runs. `Engine.enqueue` tells those who watch as well."""
        return await _done(self._handle.enqueue(id, mutation, actor, expected, at))

    async def claim_mutation(
        self,
        holder: Holder,
        time: float,
        *,
        topology: TopologyId | None = None,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> MutationRow | None:
        """Takes the oldest mutation that can be worked on, of one topology or of any."""
        return await _done(self._handle.claim_mutation(holder, time, topology, superseding, at))

    async def renew_claim(self, id: int, token: str, time: float, *, at: Moment | None = None) -> MutationClaim:
        """Makes a claim last for some seconds from now."""
        return await _done(self._handle.renew_claim(id, token, time, at))

    async def release_claim(self, id: int, token: str, *, at: Moment | None = None) -> None:
        """Gives a claimed mutation back, to be taken up again in its turn."""
        await _done(self._handle.release_claim(id, token, at))

    async def store_mutation(
        self, id: int, token: str, topology: Topology, *, at: Moment | None = None
    ) -> StoredTopology:
        """Puts the maze that a claimed mutation makes in the place of the one before."""
        return await _done(self._handle.store_mutation(id, token, topology, at))

    async def finish_mutation(
        self,
        id: int,
        token: str,
        outcome: Literal["applied", "rejected", "failed"],
        *,
        reason: str | None = None,
        at: Moment | None = None,
    ) -> MutationRow:
        """Says what became of a claimed mutation, and gives it up."""
        return await _done(self._handle.finish_mutation(id, token, outcome, reason, at))

    async def mutation(self, id: int) -> MutationRow:
        """Returns a mutation."""
        return await _done(self._handle.mutation(id))

    async def mutations(
        self,
        *,
        topology: TopologyId | None = None,
        states: Iterable[MutationState] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> MutationRows:
        """Returns the mutations that match, in the order they were enqueued in."""
        return await _done(self._handle.mutations(topology, states, limit, offset))

    async def has_unfinished(self, id: TopologyId) -> bool:
        """Tells whether a topology has a mutation that is not finished."""
        return await _done(self._handle.has_unfinished(id))

    async def decky_changes(self, id: TopologyId, *, since: Moment | None = None) -> RecordedChanges:
        """Returns what edits and mutations changed of the deckies of a topology, oldest first."""
        return await _done(self._handle.decky_changes(id, since))


class Events:
    """Follows what an engine does, from when it was made; iterating ends with the engine, or with the timeout."""

    __slots__ = ("_timeout", "_stream")

    def __init__(self, stream: EventStream, timeout: float | None) -> None:
        self._stream = stream
        self._timeout = timeout

    def __aiter__(self) -> Events:
        return self

    async def __anext__(self) -> Event:
        event = await _done(self._stream.next(self._timeout))
        if event is None:
            raise StopAsyncIteration
        return event


class Engine:
    """Raises the mazes of a store: `decnet.Engine`, with coroutines for methods.

    It reaches for the daemon when it is first asked for something, or when it is entered with `async with`.
    """

    __slots__ = ("_arguments", "_handle", "_opening")

    def __init__(
        self,
        repo: Repo | _repo.Repo,
        docker: str | Simulated | None = None,
        *,
        catalog: Catalog | None = None,
        width: int | None = None,
        timeout: float | None = None,
        decoy: str | PathLike[str] | None = None,
    ) -> None:
        self._arguments = (repo._handle, docker, catalog, width, timeout, decoy)
        self._handle: EngineHandle | None = None
        self._opening = asyncio.Lock()

    async def _open(self) -> EngineHandle:
        async with self._opening:
            if self._handle is None:
                self._handle = await _done(EngineHandle.open(*self._arguments))
            return self._handle

    def close(self) -> None:
        """Calls off what is under way, and refuses from now on. Twice is no error."""
        if self._handle is not None:
            self._handle.close()

    async def __aenter__(self) -> Engine:
        await self._open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def info(self) -> Document:
        """Asks the daemon who it is."""
        return await _done((await self._open()).info())

    async def deploy(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Raises a topology, whatever state it is in. Containers that run are made anew only with `force`."""
        return await _done((await self._open()).deploy(id, force, settings), progress)

    async def plan(self, id: TopologyId, *, settings: DeploySettings | None = None, down: bool = False) -> Plan:
        """Returns what a deploy would do now, or a teardown. Touches nothing."""
        return await _done((await self._open()).plan(id, settings, down))

    async def teardown(self, id: TopologyId, *, progress: Progress | None = None) -> Outcome:
        """Takes a topology down, past all errors."""
        return await _done((await self._open()).teardown(id), progress)

    async def reconcile(self, id: TopologyId, *, force: bool = False, progress: Progress | None = None) -> Outcome:
        """Brings a topology that is up back to what it should be, touching only what is not."""
        return await _done((await self._open()).reconcile(id, force), progress)

    async def reap(
        self, *, instance: str | None = None, dry_run: bool = False, running: Iterable[str] = ()
    ) -> ReapReport:
        """Removes what belongs to topologies that are no more; with `instance`, everything of a store that was lost.

        What runs is kept, unless `running` names its topology, by id or the first eight hex digits of it.
        """
        return await _done((await self._open()).reap(instance, dry_run, list(running)))

    async def verify(self, id: TopologyId) -> VerifyReport:
        """Tries from inside the deckies whether they reach what the maze says, and nothing else."""
        return await _done((await self._open()).verify(id))

    async def inspect(self, id: TopologyId) -> list[DeckyState]:
        """Looks at how each decky fares."""
        return await _done((await self._open()).inspect(id))

    async def preview(self, id: TopologyId, mutation: Mutation | Document) -> MutationPreview:
        """Works out what a mutation would come to now. Touches nothing."""
        return await _done((await self._open()).preview(id, mutation))

    async def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
    ) -> MutationRow | StoredTopology:
        """Hands in a mutation: it waits in the queue of a topology that runs; a pending one is edited at once."""
        return await _done((await self._open()).enqueue(id, mutation, actor, expected))

    async def drain(self, id: TopologyId, *, progress: Progress | None = None) -> list[MutationRow]:
        """Makes the mutations that wait for a topology, and returns what became of them."""
        return await _done((await self._open()).drain(id), progress)

    async def watch(self, *, poll: float = 10.0, width: int | None = None, progress: Progress | None = None) -> None:
        """Keeps all mazes as they should be: makes what is queued, mends what broke. Until cancelled."""
        await _done((await self._open()).watch(poll, width), progress)

    async def events(self, *, timeout: float | None = None) -> Events:
        """Follows what this engine does from now on, until it is closed or says nothing for so many seconds."""
        return Events((await self._open()).events(), timeout)
