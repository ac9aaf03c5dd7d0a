"""Stores of topologies."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from types import TracebackType
from typing import Literal, TypeAlias

from ._decnet import Mutation, RepoHandle, StoredTopology, Topology, TopologyRow
from .types import (
    Broken,
    Claim,
    DeploySettings,
    Document,
    Holder,
    Intent,
    Lease,
    Mode,
    Moment,
    MutationClaim,
    MutationRow,
    MutationState,
    RecordedChange,
    Status,
    StatusEvent,
    TopologyId,
)

# Inside the class, `list` is the method.
Rows: TypeAlias = list[TopologyRow]
StatusEvents: TypeAlias = list[StatusEvent]
Claims: TypeAlias = list[Claim]
MutationRows: TypeAlias = list[MutationRow]
RecordedChanges: TypeAlias = list[RecordedChange]


class Repo:
    """A store of topologies: in memory, or in one file that several processes may use.

    Every method happens whole or not at all, and may be called from any thread. Where a method depends on what was read
    before, it says what that was (a version, a status, a token), and is refused if that has changed. A moment that is not
    given is now.

    >>> with Repo.memory() as repo:
    ...     stored = repo.create(Topology.from_dict({
    ...         "format": "decnet.topology/1", "name": "corp", "lans": [{"name": "dmz", "dmz": True}], "deckies": [],
    ...     }))
    ...     [row.name for row in repo.list()], stored.status, stored.topology.lans[0].subnet
    (['corp'], 'pending', '172.16.0.0/24')
    """

    __slots__ = ("_handle",)

    _handle: RepoHandle

    def __init__(self) -> None:
        """Refuses: a store is made with `memory` or `open`."""
        raise TypeError("a store is made with Repo.memory() or Repo.open(path)")

    @classmethod
    def _of(cls, handle: RepoHandle) -> Repo:
        repo = cls.__new__(cls)
        repo._handle = handle
        return repo

    @classmethod
    def memory(cls) -> Repo:
        """Makes a store that lives as long as the process."""
        return cls._of(RepoHandle.memory())

    @classmethod
    def open(cls, path: str | PathLike[str]) -> Repo:
        """Opens the store in a file, and makes it if the file is missing."""
        return cls._of(RepoHandle.open(path).wait())

    def close(self) -> None:
        """Closes the store, and with it the engines that work on it. Twice is no error."""
        self._handle.close()

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._handle.is_closed

    def __enter__(self) -> Repo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def instance(self) -> str:
        """Returns the store's own id, which labels everything of it on Docker."""
        return self._handle.instance().wait()

    def create(
        self,
        topology: Topology,
        *,
        name: str | None = None,
        mode: Mode = "unihost",
        host: str | None = None,
        at: Moment | None = None,
    ) -> StoredTopology:
        """Stores a topology as pending, under its own name or another."""
        return self._handle.create(topology, name, mode, host, at).wait()

    def get(self, id: TopologyId) -> TopologyRow:
        """Returns the row of a topology."""
        return self._handle.get(id).wait()

    def load(self, id: TopologyId) -> StoredTopology:
        """Returns a topology and its row as they were at one moment."""
        return self._handle.load(id).wait()

    def list(self, *, statuses: Iterable[Status] = (), limit: int | None = None, offset: int = 0) -> Rows:
        """Returns the rows that match, in order of creation."""
        return self._handle.list(statuses, limit, offset).wait()

    def count(self, *, statuses: Iterable[Status] = ()) -> int:
        """Counts the topologies that match."""
        return self._handle.count(statuses).wait()

    def edit(
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
        return self._handle.edit(id, topology, expected, mutation, actor, at).wait()

    def set_status(
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
        return self._handle.set_status(id, status, to, intent, reason, held, at).wait()

    def status_events(self, id: TopologyId) -> StatusEvents:
        """Returns the changes of status, oldest first."""
        return self._handle.status_events(id).wait()

    def set_settings(self, id: TopologyId, settings: DeploySettings, *, at: Moment | None = None) -> TopologyRow:
        """Remembers how the topology is raised."""
        return self._handle.set_settings(id, settings, at).wait()

    def set_needs_resync(self, id: TopologyId, needs_resync: bool, *, at: Moment | None = None) -> None:
        """Remembers whether Docker may differ from what is stored."""
        self._handle.set_needs_resync(id, needs_resync, at).wait()

    def claims(self, *, left_out: TopologyId | None = None) -> Claims:
        """Returns the subnets of every topology that is not torn down, but for one."""
        return self._handle.claims(left_out).wait()

    def delete(self, id: TopologyId, *, at: Moment | None = None) -> None:
        """Removes a topology with all that belongs to it."""
        self._handle.delete(id, at).wait()

    def acquire_lease(
        self,
        id: TopologyId,
        holder: Holder,
        time: float,
        *,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> Lease:
        """Takes the lease of a topology for some seconds."""
        return self._handle.acquire_lease(id, holder, time, superseding, at).wait()

    def renew_lease(self, id: TopologyId, token: str, time: float, *, at: Moment | None = None) -> Lease:
        """Makes a lease last for some seconds from now."""
        return self._handle.renew_lease(id, token, time, at).wait()

    def release_lease(self, id: TopologyId, token: str) -> None:
        """Gives a lease back."""
        self._handle.release_lease(id, token).wait()

    def lease(self, id: TopologyId, *, at: Moment | None = None) -> Lease | None:
        """Returns who holds the lease of a topology, if anyone does."""
        return self._handle.lease(id, at).wait()

    def break_lease(self, id: TopologyId) -> Broken:
        """Breaks the lease of a topology and the claim on its mutation, and returns whose they were.

        For holders that are gone or hang: one that runs stops within its next renewal.
        """
        return self._handle.break_lease(id).wait()

    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
        at: Moment | None = None,
    ) -> MutationRow:
        """Appends a mutation to the queue of a topology that runs. `Engine.enqueue` tells those who watch as well."""
        return self._handle.enqueue(id, mutation, actor, expected, at).wait()

    def claim_mutation(
        self,
        holder: Holder,
        time: float,
        *,
        topology: TopologyId | None = None,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> MutationRow | None:
        """Takes the oldest mutation that can be worked on, of one topology or of any."""
        return self._handle.claim_mutation(holder, time, topology, superseding, at).wait()

    def renew_claim(self, id: int, token: str, time: float, *, at: Moment | None = None) -> MutationClaim:
        """Makes a claim last for some seconds from now."""
        return self._handle.renew_claim(id, token, time, at).wait()

    def release_claim(self, id: int, token: str, *, at: Moment | None = None) -> None:
        """Gives a claimed mutation back, to be taken up again in its turn."""
        self._handle.release_claim(id, token, at).wait()

    def store_mutation(
        self, id: int, token: str, topology: Topology, *, at: Moment | None = None
    ) -> StoredTopology:
        """Puts the maze that a claimed mutation makes in the place of the one before."""
        return self._handle.store_mutation(id, token, topology, at).wait()

    def finish_mutation(
        self,
        id: int,
        token: str,
        outcome: Literal["applied", "rejected", "failed"],
        *,
        reason: str | None = None,
        at: Moment | None = None,
    ) -> MutationRow:
        """Says what became of a claimed mutation, and gives it up."""
        return self._handle.finish_mutation(id, token, outcome, reason, at).wait()

    def mutation(self, id: int) -> MutationRow:
        """Returns a mutation."""
        return self._handle.mutation(id).wait()

    def mutations(
        self,
        *,
        topology: TopologyId | None = None,
        states: Iterable[MutationState] = (),
        limit: int | None = None,
        offset: int = 0,
    ) -> MutationRows:
        """Returns the mutations that match, in the order they were enqueued in."""
        return self._handle.mutations(topology, states, limit, offset).wait()

    def has_unfinished(self, id: TopologyId) -> bool:
        """Tells whether a topology has a mutation that is not finished."""
        return self._handle.has_unfinished(id).wait()

    def decky_changes(self, id: TopologyId, *, since: Moment | None = None) -> RecordedChanges:
        """Returns what edits and mutations changed of the deckies of a topology, oldest first."""
        return self._handle.decky_changes(id, since).wait()
