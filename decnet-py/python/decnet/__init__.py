"""Mazes of decoy hosts: generate them, validate them, store them, deploy them on Docker, and tear them down.

>>> import decnet
>>> maze = decnet.generate(name="corp", depth=2, branching_factor=2, dmz_gateway=True, seed=7)
>>> maze.validate().is_clean
True
>>> wider = maze.apply(decnet.Mutation.add_lan("annex"))
>>> len(wider.lans) - len(maze.lans)
1

A store keeps mazes, and an engine deploys them: on Docker, or on a daemon in memory.

>>> with decnet.Repo.memory() as repo:
...     stored = repo.create(maze)
...     with decnet.Engine(repo, decnet.Simulated()) as engine:
...         events = engine.events()
...         print(engine.deploy(stored).status)
...         print(engine.teardown(stored).status)
...         next(event["payload"]["to"] for event in events if event["type"] == "status")
active
torn_down
'deploying'

`decnet.aio` has the same stores and engines with coroutines. Documents are dicts. All exceptions are `DecnetError`.
"""

from . import aio, types
from ._decnet import (
    Catalog,
    Decky,
    Edge,
    Engine,
    Events,
    Finding,
    IpAllocator,
    Lan,
    Mutation,
    Outcome,
    Plan,
    Prepared,
    PreparedReap,
    Repo,
    Report,
    Simulated,
    Step,
    StoredTopology,
    SubnetAllocator,
    Topology,
    TopologyConfig,
    TopologyRow,
    __version__,
    generate,
    schema,
    validate,
)
from ._exceptions import (
    AddressError,
    Busy,
    DecnetError,
    DeployFailed,
    DockerError,
    DockerUnavailable,
    Interrupted,
    InvalidCatalog,
    InvalidConfig,
    InvalidTopology,
    MutationRejected,
    NeedsForce,
    NotEditable,
    PlanChanged,
    RepoError,
    TeardownFailed,
    VersionConflict,
)

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
    "PlanChanged",
    "Prepared",
    "PreparedReap",
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
