"""The tree of exceptions. Rust raises them, with the attributes that are declared here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._decnet import Finding, TopologyRow
    from .types import ConfigFault, Intent, Lease, Status


class DecnetError(Exception):
    """The root of all exceptions of DECNET. `code` is stable, for programs; it is `usage` for an invalid argument."""

    code: str = "usage"


class FileError(DecnetError, OSError):
    """A file cannot be read or written. `errno` and `filename` are those of any `OSError`."""

    code = "io"

    def __str__(self) -> str:
        return str(self.strerror)


class FileNotFound(FileError, FileNotFoundError):
    """A file or a folder does not exist."""


class PermissionDenied(FileError, PermissionError):
    """The system does not permit the access to a file."""


class FileExists(FileError, FileExistsError):
    """The destination of a copy exists. Nothing was written."""


class TimedOut(DecnetError, TimeoutError):
    """The timeout passed: before a mutation was queued, so nothing was changed, or before a command in a decky ended.

    `stdout` and `stderr` are the output of the command until then. A program keeps running in its container.
    """

    code = "timed_out"
    stdout: bytes = b""
    stderr: bytes = b""


class OutputTooLarge(DecnetError):
    """A command in a decky has more output than `max_output`. `stdout` and `stderr` are its output until then; it keeps running."""

    code = "output_too_large"
    stdout: bytes
    stderr: bytes


class InvalidName(DecnetError):
    """A text is not a valid topology name."""


class InvalidConfig(DecnetError):
    """A config has faults. `faults` lists all of them."""

    faults: list[ConfigFault]


class InvalidTopology(DecnetError):
    """A maze breaks rules, or a document is not a maze. `findings` lists the faults."""

    code = "invalid"
    findings: list[Finding]


class InvalidCatalog(DecnetError):
    """A catalogue file cannot be read. `findings` lists the faults."""

    code = "invalid_catalog"
    findings: list[Finding]


class GenerateFailed(DecnetError):
    """No maze can be generated from the config with this catalogue."""


class UnknownService(DecnetError):
    """The catalogue has no such service. Nothing was changed."""


class UnknownPart(DecnetError, LookupError):
    """The maze has no such decky, service or LAN. Nothing was changed."""


class NotWell(DecnetError):
    """A decky or a service is not well after its restart. `part` names it, and `reason` says what is wrong."""

    code = "not_well"
    part: str
    reason: str


class NotShuffled(DecnetError):
    """A decky cannot get other services: no rule applies to it, or none of its services can be replaced. Nothing was changed."""

    code = "not_shuffled"
    decky: str


class MutationRejected(DecnetError):
    """A mutation cannot be read, or is refused. Nothing was changed."""

    findings: list[Finding]


class MutationQueued(DecnetError):
    """A mutation is queued but not finished. It stays in the queue: `Engine.wait_for(error.mutation)` waits for it."""

    mutation: int
    state: str


class QueueNotEmpty(DecnetError):
    """Other mutations are queued, and the prepared plan does not include them. Nothing was changed."""


class AddressError(DecnetError):
    """An address or a subnet is invalid, or not available."""

    code = "invalid_address"


class VersionConflict(DecnetError):
    """The topology no longer has the expected version. Nothing was changed."""

    expected: int
    current: int


class WrongStatus(DecnetError):
    """The topology's status does not allow the operation. Nothing was changed."""

    status: Status
    intent: Intent | None


class NotEditable(WrongStatus):
    """The topology's status does not allow the change. Nothing was changed."""


class Differs(DecnetError):
    """Another topology with the name is not pending, and differs from the document. Nothing was changed.

    `difference` is a unified diff of both mazes.
    """

    id: str
    status: Status
    difference: str


class LeftOnDocker(DecnetError):
    """Resources of a failed topology are left on Docker, so it was not deleted."""

    leftovers: list[str]


class PublishMapsNothing(DecnetError):
    """A publish rule matches no port of a gateway. Nothing was changed."""

    rule: str


class AgentMode(DecnetError):
    """The topology is for the agent of a host that is not in the fleet."""

    host: str | None


class NoDecoy(DecnetError):
    """This build has no decoy program, and the engine was opened without one."""


class Busy(DecnetError):
    """Another process works on the topology."""

    lease: Lease


class NeedsForce(DecnetError):
    """The plan recreates running containers, and `force` was not given."""


class PlanChanged(DecnetError):
    """A prepared plan no longer fits Docker or the store. Nothing was changed."""


class DockerError(DecnetError):
    """The Docker daemon refused a request."""


class DockerUnavailable(DockerError):
    """No Docker daemon answers."""

    endpoint: str | None


class DeployFailed(DecnetError):
    """A deploy failed and was undone, except for the leftovers."""

    rolled_back: bool
    leftovers: list[str]
    failures: list[str]


class TeardownFailed(DecnetError):
    """A teardown left resources behind."""

    leftovers: list[str]
    failures: list[str]


class TeardownUnrecorded(TeardownFailed):
    """A teardown was done, but the store could not be written to and still has the old status."""


class Interrupted(DecnetError):
    """An operation was cancelled and undone, except for the leftovers: resources, or a command that keeps running in a decky."""

    code = "interrupted"
    rolled_back: bool
    leftovers: list[str]
    failures: list[str]


class RepoError(DecnetError):
    """The store refused an operation, or cannot be used."""

    code = "unusable"


class NotFound(RepoError, LookupError):
    """The store has no such topology, mutation or host. `suggestion` is the most similar name, if the name of a topology was looked up."""

    code = "not_found"
    suggestion: str | None = None


class Ambiguous(RepoError, LookupError):
    """The ids of several topologies start with the text. `candidates` has their rows."""

    code = "ambiguous"
    candidates: list[TopologyRow]


class RepoFileNotFound(RepoError, FileNotFound):
    """The folder of a store does not exist."""

    code = "database"


class RepoPermissionDenied(RepoError, PermissionDenied):
    """A store cannot be written to."""

    code = "database_read_only"


for _class in list(vars().values()):
    if isinstance(_class, type) and issubclass(_class, DecnetError):
        _class.__module__ = "decnet"
