"""The tree of exceptions. Rust raises them, with the attributes that are declared here."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._decnet import Finding
    from .types import ConfigFault, Intent, Lease, Status


class DecnetError(Exception):
    """The root of all exceptions of DECNET."""


class InvalidConfig(DecnetError):
    """A config has faults. `faults` lists all of them."""

    faults: list[ConfigFault]


class InvalidTopology(DecnetError):
    """A maze breaks rules, or a document is not a maze. `findings` lists the faults."""

    findings: list[Finding]


class InvalidCatalog(DecnetError):
    """A catalogue file cannot be read."""


class MutationRejected(DecnetError):
    """A mutation cannot be read, or is refused. Nothing was changed."""

    code: str
    findings: list[Finding]


class AddressError(DecnetError):
    """An address or a subnet is invalid, or not available."""


class VersionConflict(DecnetError):
    """The topology was edited meanwhile. Nothing was changed."""

    expected: int
    current: int


class NotEditable(DecnetError):
    """The topology's status does not allow the operation. Nothing was changed."""

    status: Status
    intent: Intent | None


class Busy(DecnetError):
    """Another process works on the topology."""

    lease: Lease


class NeedsForce(DecnetError):
    """The plan recreates running containers, and `force` was not given."""


class PlanChanged(DecnetError):
    """A prepared plan no longer fits Docker or the store. Nothing was changed."""


class DockerError(DecnetError):
    """The Docker daemon refused."""


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


class Interrupted(DecnetError):
    """An operation was cancelled and undone, except for the leftovers."""

    rolled_back: bool
    leftovers: list[str]
    failures: list[str]


class RepoError(DecnetError):
    """The store refused, or cannot be used."""


for _class in list(vars().values()):
    if isinstance(_class, type) and issubclass(_class, DecnetError):
        _class.__module__ = "decnet"
