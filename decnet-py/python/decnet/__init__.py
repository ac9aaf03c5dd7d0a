"""Mazes of decoy hosts: draw them, check them, store them, raise them on Docker, take them down without a trace.

>>> import decnet
>>> maze = decnet.generate(name="corp", depth=2, branching_factor=2, dmz_gateway=True, seed=7)
>>> maze.validate().is_clean
True
>>> wider = maze.apply(decnet.Mutation.add_lan("annex"))
>>> len(wider.lans) - len(maze.lans)
1

A store keeps mazes, an engine raises them: on Docker, or on a daemon in memory.

>>> with decnet.Repo.memory() as repo:
...     stored = repo.create(maze)
...     engine = decnet.Engine(repo, decnet.Simulated())
...     print(engine.deploy(stored).status)
...     print(engine.teardown(stored).status)
active
torn_down

What waits has its coroutine in `decnet.aio`. Documents go in and out as dicts; all exceptions are `DecnetError`.
"""

from . import aio, types
from ._decnet import (
    AddressError,
    Busy,
    Catalog,
    Decky,
    DecnetError,
    DeployFailed,
    DockerError,
    DockerUnavailable,
    Edge,
    Finding,
    Interrupted,
    InvalidCatalog,
    InvalidConfig,
    InvalidTopology,
    IpAllocator,
    Lan,
    Mutation,
    MutationRejected,
    NeedsForce,
    NotEditable,
    Outcome,
    Plan,
    RepoError,
    Report,
    Simulated,
    Step,
    StoredTopology,
    SubnetAllocator,
    TeardownFailed,
    Topology,
    TopologyConfig,
    TopologyRow,
    VersionConflict,
    __version__,
    generate,
    schema,
    validate,
)
from ._engine import Engine, Events
from ._repo import Repo

__all__ = [
    "AddressError",
    "Busy",
    "Catalog",
    "Decky",
    "DecnetError",
    "DeployFailed",
    "DockerError",
    "DockerUnavailable",
    "Edge",
    "Engine",
    "Events",
    "Finding",
    "Interrupted",
    "InvalidCatalog",
    "InvalidConfig",
    "InvalidTopology",
    "IpAllocator",
    "Lan",
    "Mutation",
    "MutationRejected",
    "NeedsForce",
    "NotEditable",
    "Outcome",
    "Plan",
    "Repo",
    "RepoError",
    "Report",
    "Simulated",
    "Step",
    "StoredTopology",
    "SubnetAllocator",
    "TeardownFailed",
    "Topology",
    "TopologyConfig",
    "TopologyRow",
    "VersionConflict",
    "__version__",
    "aio",
    "generate",
    "schema",
    "types",
    "validate",
]
