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
    LogItem,
    Logs,
    Mutation,
    Outcome,
    Plan,
    Prepared,
    PreparedReap,
    Repo,
    Report,
    Simulated,
    Step,
    StoreOutcome,
    StoredTopology,
    SubnetAllocator,
    Topology,
    TopologyConfig,
    TopologyRow,
    VerifyReport,
    __version__,
    generate,
    schema,
    validate,
)
from ._exceptions import (
    AddressError,
    AgentMode,
    Ambiguous,
    Busy,
    DecnetError,
    DeployFailed,
    Differs,
    DockerError,
    DockerUnavailable,
    FileError,
    FileNotFound,
    GenerateFailed,
    Interrupted,
    InvalidCatalog,
    InvalidConfig,
    InvalidName,
    InvalidTopology,
    LeftOnDocker,
    MutationQueued,
    MutationRejected,
    NeedsForce,
    NoDecoy,
    NotEditable,
    NotFound,
    PermissionDenied,
    PlanChanged,
    PublishMapsNothing,
    QueueNotEmpty,
    RepoError,
    RepoFileNotFound,
    RepoPermissionDenied,
    TeardownFailed,
    TeardownUnrecorded,
    TimedOut,
    UnknownService,
    VersionConflict,
    WrongStatus,
)

__all__ = [
    "AddressError",
    "AgentMode",
    "Ambiguous",
    "Busy",
    "Catalog",
    "Decky",
    "DecnetError",
    "DeployFailed",
    "Differs",
    "DockerError",
    "DockerUnavailable",
    "Edge",
    "Engine",
    "Events",
    "FileError",
    "FileNotFound",
    "Finding",
    "GenerateFailed",
    "Interrupted",
    "InvalidCatalog",
    "InvalidConfig",
    "InvalidName",
    "InvalidTopology",
    "IpAllocator",
    "Lan",
    "LeftOnDocker",
    "LogItem",
    "Logs",
    "Mutation",
    "MutationQueued",
    "MutationRejected",
    "NeedsForce",
    "NoDecoy",
    "NotEditable",
    "NotFound",
    "Outcome",
    "PermissionDenied",
    "Plan",
    "PlanChanged",
    "Prepared",
    "PreparedReap",
    "PublishMapsNothing",
    "QueueNotEmpty",
    "Repo",
    "RepoError",
    "RepoFileNotFound",
    "RepoPermissionDenied",
    "Report",
    "Simulated",
    "Step",
    "StoreOutcome",
    "StoredTopology",
    "SubnetAllocator",
    "TeardownFailed",
    "TeardownUnrecorded",
    "TimedOut",
    "Topology",
    "TopologyConfig",
    "TopologyRow",
    "UnknownService",
    "VerifyReport",
    "VersionConflict",
    "WrongStatus",
    "__version__",
    "aio",
    "generate",
    "schema",
    "types",
    "validate",
]
