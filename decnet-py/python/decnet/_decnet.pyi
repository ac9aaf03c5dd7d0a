"""The Rust part of `decnet`. Written by `stubs.py`: change the signatures in Rust instead."""

import builtins
import datetime
from ._asyncio import (
    Opening,
)
from collections.abc import (
    Coroutine,
    Iterable,
    Iterator,
)
from os import (
    PathLike,
)
from pathlib import (
    Path,
)
from typing import (
    Any,
    ClassVar,
    Literal,
    final,
)
from typing_extensions import (
    Self,
    disjoint_base,
)
from .types import (
    Address,
    AgentIdentity,
    AttackPaths,
    Broken,
    Cause,
    Check,
    Claim,
    DeckyAnswer,
    DeckyState,
    DeploySettings,
    Document,
    EnqueuedMutation,
    Event,
    ExecChoices,
    FieldType,
    Holder,
    HostReport,
    HostState,
    ImageSource,
    InsideOnly,
    Intent,
    Lease,
    LogEntry,
    LogFormat,
    Maze,
    Mode,
    Moment,
    MutationClaim,
    MutationId,
    MutationOutcome,
    MutationRow,
    MutationState,
    Naming,
    PacketProtocol,
    Placement,
    PreparedOperation,
    Progress,
    ReachDeviation,
    ReapReport,
    RecordedChange,
    Route,
    Rules,
    RuntimeInfo,
    SeccompMode,
    ServiceChoice,
    ServiceLimits,
    ServiceVolume,
    Severity,
    SkippedPath,
    Status,
    StatusEvent,
    StoreResult,
    Subnet,
    Subnets,
    TopologyId,
    TopologyNow,
)

__all__ = [
    "Agent",
    "AioAgent",
    "AioEngine",
    "AioEvents",
    "AioLogs",
    "AioPrepared",
    "AioPreparedReap",
    "AioRepo",
    "Archetype",
    "CaptureReport",
    "Catalog",
    "CopyReport",
    "Decky",
    "Edge",
    "Engine",
    "Events",
    "ExecResult",
    "Finding",
    "Host",
    "IpAllocator",
    "Lan",
    "LogItem",
    "Logs",
    "Mutation",
    "Operation",
    "Outcome",
    "Plan",
    "Prepared",
    "PreparedReap",
    "Repo",
    "Report",
    "Service",
    "ServiceField",
    "Simulated",
    "Step",
    "StoreOutcome",
    "StoredTopology",
    "SubnetAllocator",
    "Topology",
    "TopologyConfig",
    "TopologyRow",
    "VerifyReport",
    "generate",
    "schema",
    "validate",
    "__version__",
]

__version__: str

def generate(
    config: TopologyConfig | Document | None = None,
    *,
    name: str = ...,
    depth: int = ...,
    branching_factor: int = ...,
    mode: Mode = ...,
    deckies_per_lan_min: int = ...,
    deckies_per_lan_max: int = ...,
    bridge_forward_probability: float = ...,
    cross_edge_probability: float = ...,
    subnet_base_prefix: str = ...,
    lan_prefix: int = ...,
    randomize_services: bool = ...,
    services_explicit: list[str] | tuple[str, ...] | None = ...,
    dmz_gateway: bool = ...,
    services: ServiceChoice = ...,
    naming: Naming = ...,
    seed: int | None = None,
    reserved: Subnets | None = None,
    catalog: Catalog | None = None,
) -> Topology:
    """Generates the maze of a config, or of config fields.

    A config is a `TopologyConfig` or a dict. Without one, `name`, `depth` (1 to 16) and `branching_factor` (1 to 8) are
    required. `deckies_per_lan_min` is 0 to 32, `deckies_per_lan_max` 1 to 32, `lan_prefix` 16 to 29, and a probability 0 to 1.
    """

def schema() -> Document:
    """Returns the JSON Schema of a maze file."""

def validate(
    document: Maze,
    *,
    rules: Rules = ...,
    catalog: Catalog | None = None,
    reserved: Subnets | None = None,
) -> Report:
    """Validates a document as written: missing values that would be allocated are not faults."""

@final
class Archetype:
    """A ready-made kind of host."""
    @property
    def os(self) -> str | None:
        """The operating system that it pretends to run; none for that of the engine."""
    @property
    def services(self) -> list[str]:
        """The services that such a host runs."""
    @property
    def slug(self) -> str:
        """The name in documents."""
    @property
    def title(self) -> str:
        """The name for people."""
    def to_dict(self) -> Document:
        """Returns it as a dict, as `decnet archetypes --json` prints it."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class CaptureReport:
    """The result of `Engine.capture`: how many packets were captured."""
    @property
    def captured(self) -> int:
        """The number of packets that were written."""
    @property
    def dropped(self) -> int:
        """The number of packets that the kernel dropped, as of the last packet."""
    @property
    def interface(self) -> str:
        """The interface on the machine or in the decky."""
    @property
    def left_out(self) -> int:
        """The number of packets that the filter left out."""
    def to_dict(self) -> Document:
        """Returns it as a dict, as `decnet capture --json` prints it."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Catalog:
    """The catalogue of services and archetypes."""
    @property
    def archetypes(self) -> dict[str, Archetype]:
        """The archetypes, by slug."""
    @staticmethod
    def builtin() -> Catalog:
        """Returns the catalogue that comes with DECNET."""
    def clashes(self, services: Iterable[str]) -> list[tuple[str, list[str]]]:
        """Returns the ports that two or more of the services use, each with these services."""
    def extend(self, text: str) -> Catalog:
        """Adds the entries of a catalogue in TOML, or overrides existing ones."""
    @staticmethod
    def from_file(path: str | PathLike[str]) -> Catalog:
        """Reads a file with a catalogue in TOML."""
    @staticmethod
    def from_toml(text: str) -> Catalog:
        """Reads a catalogue in TOML: it adds entries to the built-in one, or overrides them key by key."""
    def service(self, name: str) -> Service:
        """Returns one service; an unknown name raises `UnknownService`."""
    @property
    def services(self) -> dict[str, Service]:
        """The services, by name."""
    def __contains__(self, service: str, /) -> bool: ...
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class CopyReport:
    """The result of `Engine.copy_out`: what was copied."""
    @property
    def bytes(self) -> int:
        """The bytes of the files."""
    @property
    def destination(self) -> Path:
        """The file or folder that was written."""
    @property
    def files(self) -> int:
        """The number of files."""
    @property
    def folders(self) -> int:
        """The number of folders."""
    @property
    def links(self) -> int:
        """The number of symbolic links."""
    @property
    def skipped(self) -> int:
        """The number of entries that were left out: links out of the copy, devices, pipes."""
    @property
    def skipped_entries(self) -> list[str]:
        """The first of them, each with the reason."""
    def to_dict(self) -> Document:
        """Returns it as a dict, as `decnet cp --json` prints it."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Decky:
    """A decoy host."""
    @property
    def archetype(self) -> str | None:
        """The archetype, if one was given."""
    @property
    def attachments(self) -> list[Edge]:
        """Its attachments; the first is the home."""
    @property
    def forwards_l3(self) -> bool:
        """Whether it forwards packets between its LANs."""
    @property
    def home(self) -> Edge | None:
        """The first attachment."""
    @property
    def is_bridge(self) -> bool:
        """Whether it is attached to two LANs or more."""
    @property
    def is_gateway(self) -> bool:
        """Whether it is a gateway: the host publishes the ports of its services."""
    @property
    def is_router(self) -> bool:
        """Whether an intruder can route through it."""
    @property
    def name(self) -> str:
        """The name."""
    @property
    def persona(self) -> Document | None:
        """What is pinned of the host that it pretends to be, if anything is."""
    @property
    def service_config(self) -> dict[str, Document]:
        """The configuration of its services."""
    @property
    def services(self) -> list[str]:
        """The services that it runs, in order."""
    @property
    def x(self) -> float | None:
        """The position on the canvas, to the right."""
    @property
    def y(self) -> float | None:
        """The position on the canvas, down."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Edge:
    """A decky's membership in a LAN, with its address there."""
    @property
    def decky(self) -> str:
        """The decky."""
    @property
    def ip(self) -> str:
        """The decky's address on it."""
    @property
    def lan(self) -> str:
        """The LAN."""
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...

@final
class ExecResult:
    """The result of `Engine.exec`: a command that ended."""
    @property
    def answer(self) -> DeckyAnswer | None:
        """The answer to a verb, as a dict; None for a program."""
    @property
    def status(self) -> int:
        """Its exit status: 127 if the program does not exist (126 on Docker 20.10), 126 if it cannot run. A verb has 1 if the target does not
        answer.
        """
    @property
    def stderr(self) -> bytes:
        """Its errors."""
    @property
    def stdout(self) -> bytes:
        """Its output. A program in a container may be that of an intruder."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Finding:
    """One fault or likely mistake."""
    @property
    def code(self) -> str:
        """The broken rule."""
    @property
    def column(self) -> int | None:
        """The column in the line, from 1; none if it is not known."""
    @property
    def line(self) -> int | None:
        """The line in the text of its document, from 1; none if it is not known."""
    @property
    def message(self) -> str:
        """The fault, its place, and the fix, for people."""
    @property
    def severity(self) -> Severity:
        """Its severity: `error` or `warning`."""
    @property
    def target(self) -> Document:
        """Its subject: a dict with a `kind` and the names."""
    def to_dict(self) -> Document:
        """Returns it as a dict."""
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...

@final
class Host:
    """A host that mazes are placed on, as `decnet host list --json` describes it."""
    @property
    def address(self) -> str:
        """The address of its agent: `host:port`."""
    @property
    def capacity(self) -> int:
        """The largest number of deckies on it."""
    @property
    def deckies(self) -> int:
        """The number of deckies on it."""
    @property
    def drained_at(self) -> datetime.datetime | None:
        """Since when it gets no more deckies, if it is drained."""
    @property
    def enrolled_at(self) -> datetime.datetime:
        """When it joined."""
    @property
    def heard_at(self) -> datetime.datetime | None:
        """When its last heartbeat arrived, if one did."""
    @property
    def id(self) -> str:
        """The id."""
    @property
    def labels(self) -> list[str]:
        """Its labels. Gateways are placed only on hosts with the label `public`."""
    @property
    def mazes(self) -> list[str]:
        """The names of the mazes that have deckies or LANs on it, and of those that may still have a part there."""
    @property
    def mtu(self) -> int:
        """The MTU of that network, in bytes."""
    @property
    def name(self) -> str:
        """The name, unique among hosts that were not revoked, ignoring case."""
    @property
    def report(self) -> HostReport | None:
        """What the last heartbeat said; None if there was none, or if its agent has another version."""
    @property
    def revoked_at(self) -> datetime.datetime | None:
        """Since when its certificates are refused, if it was revoked."""
    @property
    def state(self) -> HostState:
        """The state when it was read."""
    def to_dict(self) -> Document:
        """Returns it as a dict: that of `decnet host list --json`, and `mazes`."""
    @property
    def underlay(self) -> str | None:
        """Its address on the network that connects the hosts, if it is known."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class IpAllocator:
    """Hands out the addresses of one subnet."""
    @property
    def available(self) -> int:
        """How many addresses are free."""
    def is_free(self, address: Address) -> bool:
        """Returns whether an address is free."""
    def next_free(self) -> str:
        """Returns the lowest free address above the last one handed out. If there is none, returns the lowest released address."""
    def release(self, address: Address) -> None:
        """Releases an address; idempotent."""
    def reserve(self, address: Address) -> None:
        """Reserves one address; idempotent."""
    @property
    def subnet(self) -> str:
        """The subnet."""
    def __new__(cls, subnet: Subnet) -> Self:
        """Creates an allocator for a subnet. All its addresses are free."""
    def __repr__(self) -> str: ...

@final
class Lan:
    """One L2 segment with one IPv4 subnet."""
    @property
    def gateway(self) -> str:
        """The address of Docker's bridge."""
    @property
    def is_dmz(self) -> bool:
        """Whether outsiders may reach it."""
    @property
    def name(self) -> str:
        """The name."""
    @property
    def subnet(self) -> str:
        """The subnet."""
    @property
    def x(self) -> float | None:
        """The position on the canvas, to the right."""
    @property
    def y(self) -> float | None:
        """The position on the canvas, down."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class LogItem:
    """A line of a log, or a notice about the log itself."""
    @property
    def entry(self) -> LogEntry | None:
        """The line, with its place in the mazes. It has one of the keys `record`, `json` and `text`. None for a notice."""
    def format(self, format: LogFormat = ...) -> str:
        """Returns it as one line, without a line feed. No value of a visitor can break it."""
    def to_dict(self) -> Document:
        """Returns it as a dict. Its only key is `entry`, or for a notice `dropped`, `unreadable`, `disconnected` or `connected`."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Mutation:
    """One change to a maze: `{"op": …, "payload": {…}}`."""
    @staticmethod
    def add_decky(
        name: str,
        lan: str,
        *,
        services: list[str] | None = None,
        service_config: dict[str, Document] | None = None,
        archetype: str | None = None,
        persona: Document | None = None,
        forwards_l3: bool | None = None,
        ip: Address | None = None,
        x: float | None = None,
        y: float | None = None,
    ) -> Mutation:
        """Adds a decky with its home."""
    @staticmethod
    def add_lan(
        name: str,
        *,
        subnet: Subnet | None = None,
        is_dmz: bool | None = None,
        x: float | None = None,
        y: float | None = None,
    ) -> Mutation:
        """Adds a LAN."""
    @staticmethod
    def attach_decky(
        decky: str,
        lan: str,
        *,
        ip: Address | None = None,
        forwards_l3: bool | None = None,
        force: bool | None = None,
    ) -> Mutation:
        """Attaches a decky to one more LAN."""
    @staticmethod
    def detach_decky(decky: str, lan: str) -> Mutation:
        """Removes a membership that is not the home."""
    @staticmethod
    def from_dict(document: Document) -> Mutation:
        """Reads a mutation from a dict."""
    @staticmethod
    def from_json(text: str) -> Mutation:
        """Reads a mutation from JSON."""
    @property
    def op(self) -> str:
        """The op."""
    @staticmethod
    def remove_decky(decky: str) -> Mutation:
        """Removes a decky."""
    @staticmethod
    def remove_lan(name: str) -> Mutation:
        """Removes a LAN that is not the home of a decky, and the attachments to it."""
    @staticmethod
    def schema() -> Document:
        """Returns the JSON Schema of a mutation."""
    @property
    def subject(self) -> str:
        """The name of the LAN or decky that it changes."""
    def to_dict(self) -> Document:
        """Returns it as a dict."""
    @staticmethod
    def update_decky(
        decky: str,
        *,
        services: list[str] | None = None,
        x: float | None = None,
        y: float | None = None,
        force: bool | None = None,
        service_config: dict[str, Document] | None = None,
        archetype: str | None = None,
        persona: Document | None = None,
        forwards_l3: bool | None = None,
    ) -> Mutation:
        """Changes the workload or role of a decky; an empty archetype or persona removes it."""
    @staticmethod
    def update_lan(
        name: str,
        *,
        x: float | None = None,
        y: float | None = None,
        rename: str | None = None,
        subnet: Subnet | None = None,
        is_dmz: bool | None = None,
    ) -> Mutation:
        """Changes a LAN; in a running maze, only its position on the canvas."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[Any]]: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Operation:
    """Work that runs from its start until it is done or cancelled."""
    def cancel(self) -> None:
        """Cancels it. The result comes after the undo."""
    def ignore_events(self) -> None:
        """Drops all queued and later events."""
    def is_done(self) -> bool:
        """Returns whether it is done and its result is not taken yet."""
    def listen(self, listener: Any) -> None:
        """Calls `listener` once without arguments when something arrives: from another thread, or immediately."""
    def result(self) -> Any:
        """Takes the result, once it is done."""
    def start(self, wants_events: bool) -> None:
        """Starts it. A second call has no effect."""
    def take_events(self) -> list[Any]:
        """Takes the events that arrived."""

@final
class Outcome:
    """The outcome of an operation."""
    @property
    def changed(self) -> int:
        """How many steps changed something."""
    @property
    def given_up(self) -> list[str]:
        """The hosts that left the fleet, and that a teardown did not ask, with what they may still have; one line each."""
    @property
    def id(self) -> str:
        """The id of the topology afterwards."""
    @property
    def kept_volumes(self) -> list[str]:
        """The volumes that a teardown kept, because the catalogue says so."""
    @property
    def reason(self) -> str | None:
        """How Docker differs from the maze, if the topology is degraded."""
    @property
    def row(self) -> TopologyRow:
        """The topology's row afterwards; it has another id if a fresh copy was deployed."""
    @property
    def status(self) -> Status:
        """The status of the topology afterwards."""
    @property
    def warnings(self) -> list[Finding]:
        """The warnings of the validation: valid, but probably not intended."""
    def __repr__(self) -> str: ...

@final
class Plan:
    """Steps that bring Docker from the observed to the desired state."""
    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
    @property
    def steps(self) -> list[Step]:
        """The steps; each comes after the steps that it needs."""
    def to_list(self) -> list[Document]:
        """Returns the steps as dicts."""
    def __eq__(self, value: object, /) -> bool: ...
    def __iter__(self) -> Iterator[Step]: ...
    def __len__(self) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Report:
    """The findings of a validation, errors first."""
    @property
    def error_count(self) -> int:
        """The number of errors, including those that are not listed."""
    @property
    def errors(self) -> list[Finding]:
        """The errors, which must be fixed."""
    @property
    def findings(self) -> list[Finding]:
        """All findings."""
    @property
    def is_clean(self) -> bool:
        """Whether there are no errors; there may be warnings."""
    def to_dict(self) -> Document:
        """Returns it as a dict."""
    @property
    def warning_count(self) -> int:
        """The number of warnings, including those that are not listed."""
    @property
    def warnings(self) -> list[Finding]:
        """The warnings: valid, but probably not intended."""
    def __eq__(self, value: object, /) -> bool: ...
    def __iter__(self) -> Iterator[Finding]: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Service:
    """A service that a decky may run."""
    @property
    def banner(self) -> str | None:
        """The text that a built-in responder sends to each visitor."""
    @property
    def broadcast(self) -> list[str]:
        """The UDP ports to which it sends broadcasts and multicasts."""
    @property
    def capabilities(self) -> list[str]:
        """The capabilities that it keeps, without `CAP_`."""
    @property
    def command(self) -> list[str]:
        """The command that replaces the image's own; empty to keep that."""
    @property
    def environment(self) -> dict[str, str]:
        """Its environment."""
    @property
    def example(self) -> Document:
        """The keys of a decky in a maze file that runs the service, with valid values."""
    @property
    def fields(self) -> list[ServiceField]:
        """The fields of its configuration."""
    @property
    def image(self) -> ImageSource:
        """The source of its image: `builtin`, or a dict with a `reference` or a folder to `build`."""
    @property
    def inside(self) -> dict[str, int]:
        """The numbers of the ports on which its program listens, by the port that visitors see; only those that differ from it."""
    @property
    def limits(self) -> ServiceLimits:
        """Its resource limits where they differ from the engine's defaults."""
    @property
    def login(self) -> list[str]:
        """The keys of the fields with the passwords that visitors can log in with. Without any, the service has no login."""
    @property
    def name(self) -> str:
        """The name."""
    @property
    def ports(self) -> list[str]:
        """The ports that visitors see, like `22/tcp`."""
    @property
    def seccomp(self) -> SeccompMode:
        """The system calls that it may make: `decnet`, `engine` or `unconfined`."""
    @property
    def singleton(self) -> bool:
        """Whether one instance serves a whole installation. Such a service never runs on a decky."""
    @property
    def tmpfs(self) -> list[str]:
        """The folders that are writable and in memory, like `/run:size=16m`."""
    def to_dict(self) -> Document:
        """Returns it as a dict, as `decnet services --json` prints it."""
    @property
    def user(self) -> str | None:
        """The user that it runs as, `uid[:gid]`; none for the image's user, or 65534:65534 if that is root."""
    @property
    def version(self) -> str | None:
        """A version that a persona can pin; none if no version can be pinned."""
    @property
    def volumes(self) -> list[ServiceVolume]:
        """The named volumes."""
    @property
    def writable_root(self) -> bool:
        """Whether its root must be writable."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class ServiceField:
    """A field of a service's configuration."""
    @property
    def default(self) -> Any:
        """The default value; None if there is none."""
    @property
    def help(self) -> str:
        """The purpose of the field."""
    @property
    def key(self) -> str:
        """The key in `service_config`."""
    @property
    def max_length(self) -> int | None:
        """The longest text in bytes; none if its value is not a text."""
    @property
    def maximum(self) -> int | None:
        """The highest whole number."""
    @property
    def minimum(self) -> int | None:
        """The lowest whole number."""
    @property
    def options(self) -> list[str]:
        """The values that an enum may have."""
    def to_dict(self) -> Document:
        """Returns it as a dict, without the keys that have no value."""
    @property
    def type(self) -> FieldType:
        """The type of its value."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Simulated:
    """A Docker daemon in memory.

    Its services have four programs: `cat`, which prints its input, `echo`, which prints its arguments, `exit`, which exits with a status,
    and `sleep`, which waits for seconds.
    """
    @property
    def containers(self) -> dict[str, str]:
        """The existing containers, and their activities."""
    def cut_off(self, nth: int, moment: Literal['before', 'half', 'after'] = ...) -> None:
        """Makes the daemon die at one action, counted from now."""
    def fail(self, nth: int, message: str = ..., moment: Literal['before', 'half', 'after'] = ...) -> None:
        """Makes one action fail, counted from now: the next is number 1."""
    def go_away(self) -> None:
        """Makes every later call fail as if the daemon did not answer."""
    @property
    def networks(self) -> dict[str, str]:
        """The existing networks, and their subnets."""
    def pace(self, seconds: float) -> None:
        """Sets the duration of each action in seconds."""
    def print(self, container: str, text: str, *, at: Moment | None = None) -> bool:
        """Prints a line on the standard output of a container, and returns whether it exists. The time is that of this daemon's own
        clock by default.
        """
    def put_archive(self, container: str, path: str, archive: bytes) -> None:
        """Puts a file or a folder into a container: the tar archive that a copy of the path returns."""
    def reconnect(self) -> None:
        """Answers again, and removes all injected faults."""
    def remove(self, container: str) -> bool:
        """Removes a container without the engine, and returns whether it existed."""
    def stop(self, container: str) -> bool:
        """Stops a container without the engine, and returns whether it existed."""
    def __new__(cls) -> Self:
        """Creates an empty daemon."""
    def __repr__(self) -> str: ...

@final
class Step:
    """One effect on Docker, and the steps that must be done before."""
    @property
    def destructive(self) -> bool:
        """Whether it removes a running container in order to recreate it."""
    @property
    def needs(self) -> list[int]:
        """The positions of the steps that must be done before."""
    @property
    def reason(self) -> str:
        """The reason, in words: `missing`, `spec changed: publish`. `to_dict()` has it as data."""
    def to_dict(self) -> Document:
        """Returns it as a dict."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class SubnetAllocator:
    """Hands out the subnets of one length from a range of addresses, and skips everything reserved."""
    @property
    def available(self) -> int:
        """How many subnets are free."""
    @property
    def base(self) -> str:
        """The range of addresses."""
    def is_free(self, subnet: Subnet) -> bool:
        """Returns whether a subnet is free: it overlaps nothing that is reserved or handed out."""
    def next_free(self) -> str:
        """Returns the lowest subnet of the pool that overlaps no reserved subnet, and reserves it."""
    @property
    def prefix(self) -> int:
        """The length of the subnets handed out."""
    def reserve(self, subnet: Subnet) -> None:
        """Reserves a subnet of any length, so that it is not handed out."""
    def __new__(cls, base: Subnet, prefix: int | None = None, *, reserved: Subnets | None = None) -> Self:
        """Creates an allocator for a pool: a CIDR, or its short form like `172.20`."""
    def __repr__(self) -> str: ...

@final
class Topology:
    """A complete, well-formed maze: LANs, deckies and attachments."""
    def analysis(self) -> Document:
        """Returns how many deckies an intruder must take over to reach each LAN and decky, and what is lost with each decky, as
        `decnet graph --analyse --json` does.
        """
    def apply(
        self,
        mutation: Mutation | Document,
        *,
        live: bool = False,
        reserved: Subnets | None = None,
        catalog: Catalog | None = None,
    ) -> Topology:
        """Returns the maze after a mutation; this one is unchanged."""
    def canonical_hash(self) -> str:
        """Computes the canonical hash. It includes only the fields that matter on Docker."""
    @property
    def config(self) -> TopologyConfig | None:
        """The config that it was generated from, if any."""
    @property
    def deckies(self) -> list[Decky]:
        """The deckies."""
    def decky(self, name: str) -> Decky:
        """Returns the decky with that name, ignoring case."""
    @property
    def dmz(self) -> Lan | None:
        """The DMZ; if there are several, the first."""
    @property
    def edges(self) -> list[Edge]:
        """The attachments: decky, LAN and address."""
    @staticmethod
    def from_dict(document: Document, *, reserved: Subnets | None = None, catalog: Catalog | None = None) -> Topology:
        """Reads a document from a dict, and completes it without reserved subnets, and with a catalogue."""
    @staticmethod
    def from_file(
        path: str | PathLike[str],
        *,
        reserved: Subnets | None = None,
        catalog: Catalog | None = None,
    ) -> Topology:
        """Reads a maze file, and completes it without reserved subnets, and with a catalogue."""
    @staticmethod
    def from_json(text: str, *, reserved: Subnets | None = None, catalog: Catalog | None = None) -> Topology:
        """Reads a document in JSON, and completes it without reserved subnets, and with a catalogue."""
    @staticmethod
    def from_yaml(text: str, *, reserved: Subnets | None = None, catalog: Catalog | None = None) -> Topology:
        """Reads a document in YAML, and completes it without reserved subnets, and with a catalogue."""
    def lan(self, name: str) -> Lan:
        """Returns the LAN with that name, ignoring case."""
    @property
    def lans(self) -> list[Lan]:
        """The LANs."""
    def layers(self) -> list[list[str]]:
        """Returns the LANs' names by their distance from the DMZ, in bridge deckies."""
    @property
    def name(self) -> str:
        """The name of the topology."""
    def routes(self) -> dict[str, list[Route]]:
        """Returns the routes that every decky needs, by its name."""
    def to_dict(self) -> Document:
        """Returns the document as a dict."""
    def to_dot(self) -> str:
        """Draws the maze for Graphviz."""
    def to_json(self) -> str:
        """Returns the document in JSON."""
    def to_mermaid(self) -> str:
        """Draws the maze for Mermaid."""
    def to_networkx(self) -> Any:
        """Returns the maze as a graph of networkx. LANs and deckies of a stored maze that is placed on hosts have a `host`."""
    def to_svg(self) -> str:
        """Draws the maze as SVG, in light or dark colours as the reader prefers."""
    def to_text(self) -> str:
        """Draws the maze as a tree of LANs, as `decnet graph` does.

        All drawings of a `StoredTopology.topology` that is placed on hosts show them; those of a copy by its document do not.
        """
    def to_yaml(self) -> str:
        """Returns the document in YAML."""
    def validate(
        self,
        rules: Rules = ...,
        *,
        catalog: Catalog | None = None,
        reserved: Subnets | None = None,
    ) -> Report:
        """Validates the maze."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[str]]: ...
    def __repr__(self) -> str: ...
    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """The output in a notebook: a picture if possible."""
    def _repr_svg_(self) -> str:
        """The picture in a notebook."""
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class TopologyConfig:
    """The parameters of a generated maze: checked, complete, and with the seed."""
    @property
    def branching_factor(self) -> int:
        """The largest number of children of a LAN."""
    @property
    def bridge_forward_probability(self) -> float:
        """The probability that the decky that joins a LAN to its parent forwards packets."""
    @property
    def cross_edge_probability(self) -> float:
        """The probability that a decky of a LAN is also attached to a LAN elsewhere."""
    @property
    def deckies_per_lan_max(self) -> int:
        """The largest number of deckies of a LAN that is not the DMZ."""
    @property
    def deckies_per_lan_min(self) -> int:
        """The smallest number of deckies of a LAN that is not the DMZ; at least one."""
    @property
    def depth(self) -> int:
        """The number of levels below the DMZ."""
    @property
    def dmz_gateway(self) -> bool:
        """Whether the DMZ's decky is a gateway."""
    @staticmethod
    def from_dict(fields: Document, *, catalog: Catalog | None = None) -> TopologyConfig:
        """Reads a config from a dict."""
    @property
    def lan_prefix(self) -> int:
        """The length of a subnet."""
    @property
    def mode(self) -> Mode:
        """Where its deckies run."""
    @property
    def name(self) -> str:
        """The name of the topology."""
    @property
    def naming(self) -> Naming:
        """How deckies are named."""
    @property
    def randomize_services(self) -> bool:
        """Whether services are chosen at random if none are named."""
    @property
    def seed(self) -> int:
        """The seed."""
    @property
    def services(self) -> ServiceChoice:
        """How the services of deckies are chosen if none are named."""
    @property
    def services_explicit(self) -> list[str] | None:
        """The services that every decky runs; none if they are chosen at random."""
    @property
    def subnet_base_prefix(self) -> str:
        """The pool for subnets."""
    def to_dict(self) -> Document:
        """Returns all fields, including the seed."""
    def with_seed(self, seed: int) -> TopologyConfig:
        """Returns the same config with another seed."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(
        cls,
        *,
        name: str,
        depth: int,
        branching_factor: int,
        mode: Mode = ...,
        deckies_per_lan_min: int = ...,
        deckies_per_lan_max: int = ...,
        bridge_forward_probability: float = ...,
        cross_edge_probability: float = ...,
        subnet_base_prefix: str = ...,
        lan_prefix: int = ...,
        randomize_services: bool = ...,
        services_explicit: list[str] | tuple[str, ...] | None = ...,
        dmz_gateway: bool = ...,
        services: ServiceChoice = ...,
        naming: Naming = ...,
        seed: int | None = ...,
        catalog: Catalog | None = None,
    ) -> Self:
        """Reads a config from its fields; all faults are reported at once."""
    def __reduce__(self) -> tuple[Any, tuple[Any]]: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@disjoint_base
class TopologyRow:
    """The data that the store keeps for a topology in addition to the maze."""
    @property
    def catalog(self) -> Document:
        """What it uses of a user's catalogue: `services` and `archetypes`, by name; a missing key means none."""
    @property
    def changed_at(self) -> datetime.datetime:
        """When it was last changed."""
    @property
    def config(self) -> TopologyConfig | None:
        """The config that it was generated from, if any."""
    @property
    def created_at(self) -> datetime.datetime:
        """When it was stored."""
    @property
    def host(self) -> str | None:
        """The host of the agent, if the topology is for an agent."""
    @property
    def id(self) -> str:
        """The id."""
    @property
    def intent(self) -> Intent | None:
        """Its intent: `up` or `down`; none before its first deploy."""
    @property
    def mode(self) -> Mode:
        """Where its deckies run."""
    @property
    def name(self) -> str:
        """The name, unique among topologies that are not torn down, ignoring case."""
    @property
    def needs_resync(self) -> bool:
        """Whether Docker may differ from the stored topology."""
    @property
    def placed_on(self) -> list[str]:
        """The hosts of a fleet that have its LANs and deckies; empty if it runs on one host, or was never deployed."""
    @property
    def settings(self) -> DeploySettings:
        """The deploy settings."""
    @property
    def status(self) -> Status:
        """Its status."""
    def to_dict(self) -> Document:
        """Returns the row as a dict; the maze is not in it."""
    @property
    def version(self) -> int:
        """The count of its edits."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class VerifyReport:
    """The result of `Engine.verify`: what probes from inside the deckies found."""
    @property
    def causes(self) -> list[Cause]:
        """The reasons on the host for lost packets. They are determined only if packets are lost."""
    @property
    def deckies(self) -> int:
        """How many deckies were probed."""
    @property
    def deviations(self) -> list[ReachDeviation]:
        """The paths that differ from the maze, by the decky where they start."""
    @property
    def drift(self) -> list[str]:
        """The steps that would reconcile Docker with the maze."""
    @property
    def inside_only(self) -> list[InsideOnly]:
        """How many deckies were only checked from inside, by reason."""
    @property
    def is_clean(self) -> bool:
        """Whether everything matches the maze: there are no deviations, no drift and no host that does not answer."""
    @property
    def probes(self) -> int:
        """How many paths were probed."""
    @property
    def skipped(self) -> list[SkippedPath]:
        """The paths that were not probed because of the deploy settings."""
    def to_dict(self) -> Document:
        """Returns it as a dict, as `decnet verify --json` prints it."""
    @property
    def unseen(self) -> list[str]:
        """The hosts that do not answer, with the reasons. Their deckies are not verified."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Agent:
    """The agent of this host: it serves the Docker of the host to the masters of a fleet, as `decnet agent` does.

    The folder has its key, whom it trusts, its master, and the topology that the master pushed. It is created with mode 700, and only one
    agent at a time may use it (`folder_in_use`). Methods can be called from any thread.
    """
    def close(self) -> None:
        """Closes the folder. `serve` ends."""
    @property
    def identity(self) -> AgentIdentity | None:
        """Who the host is in its fleet, and where its master is; None if it has not joined."""
    def join(self, token: str, *, name: str, master: str, address: str) -> None:
        """Joins a fleet with a token of its master, as `decnet agent --join-only` does. The token works once, and only for this name.

        `master` is the address of the listener of `decnet host serve`, and `address` the one at which masters will reach this agent: both are
        `host:port`. A host that has joined can join again.

        A refusal raises a `DecnetError` with its code: `token_used`, `token_expired`, `other_authority`, `peer_unreachable` and others.
        """
    def serve(
        self,
        *,
        listen: str = ...,
        docker: str | Simulated | None = None,
        catalog: Catalog | None = None,
        decoy: str | PathLike[str] | None = None,
        logs: str | None = None,
        orphan_after: datetime.timedelta | None = None,
    ) -> None:
        """Serves the daemon of this host to the masters of its fleet, as `decnet agent` does, until it is interrupted or the agent is closed.

        It sends a heartbeat to its master every ten seconds, which also renews its certificate. Open requests are finished at the end, and
        interrupted operations are undone. `docker` is the daemon as for `Engine`. `logs` is where the logs of mazes go that the master pushes to
        this host, as for `Engine.forward_logs`. With `orphan_after`, everything that masters made here is removed if none answers for this
        long, at least a minute.

        A host that has not joined raises `NotFound`, with the code `not_joined`. If the host was revoked, it raises a `DecnetError` with the
        code `host_revoked`.
        """
    def __enter__(self) -> Agent: ...
    def __exit__(self, *_arguments: object) -> None: ...
    def __new__(cls, folder: str | PathLike[str]) -> Self:
        """Opens the folder of an agent."""
    def __repr__(self) -> str: ...

@final
class AioAgent:
    """An agent with coroutines as methods.

    Cancelling the task of `serve` ends it: open requests are finished first.
    """
    def close(self) -> None:
        """Closes the folder. `serve` ends."""
    @property
    def identity(self) -> AgentIdentity | None:
        """Who the host is in its fleet, and where its master is; None if it has not joined."""
    def join(self, token: str, *, name: str, master: str, address: str) -> Coroutine[Any, Any, None]:
        """Joins a fleet with a token of its master, as `decnet agent --join-only` does. The token works once, and only for this name.

        `master` is the address of the listener of `decnet host serve`, and `address` the one at which masters will reach this agent: both are
        `host:port`. A host that has joined can join again.

        A refusal raises a `DecnetError` with its code: `token_used`, `token_expired`, `other_authority`, `peer_unreachable` and others.
        """
    def serve(
        self,
        *,
        listen: str = ...,
        docker: str | Simulated | None = None,
        catalog: Catalog | None = None,
        decoy: str | PathLike[str] | None = None,
        logs: str | None = None,
        orphan_after: datetime.timedelta | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Serves the daemon of this host to the masters of its fleet, as `decnet agent` does, until it is interrupted or the agent is closed.

        It sends a heartbeat to its master every ten seconds, which also renews its certificate. Open requests are finished at the end, and
        interrupted operations are undone. `docker` is the daemon as for `Engine`. `logs` is where the logs of mazes go that the master pushes to
        this host, as for `Engine.forward_logs`. With `orphan_after`, everything that masters made here is removed if none answers for this
        long, at least a minute.

        A host that has not joined raises `NotFound`, with the code `not_joined`. If the host was revoked, it raises a `DecnetError` with the
        code `host_revoked`.
        """
    def __aenter__(self) -> Coroutine[Any, Any, AioAgent]: ...
    def __aexit__(self, *_arguments: object) -> Coroutine[Any, Any, None]: ...
    def __new__(cls, folder: str | PathLike[str]) -> Self:
        """Opens the folder of an agent."""
    def __repr__(self) -> str: ...

@final
class AioEngine:
    """An engine with coroutines as methods. It connects to the daemon, and to the hosts of the store, when an operation needs them.

    Cancelling a task that changes Docker undoes the change first, and then raises `CancelledError`.
    """
    def apply(self, maze: Maze, *, name: str | None = None) -> Coroutine[Any, Any, StoreOutcome]:
        """Stores a maze under the name in its document, or under another one.

        It is stored as new, replaces the pending topology of that name, or is already stored. Missing subnets and addresses are
        those of the stored topology, or free ones. A different topology that is not pending is not changed: `Differs` is raised.
        """
    def capture(
        self,
        id: TopologyId,
        point: str,
        file: str | PathLike[str],
        *,
        count: int | None = None,
        duration: float | None = None,
        address: Address | None = None,
        port: int | None = None,
        protocol: PacketProtocol | None = None,
        snap_length: int | None = None,
    ) -> Coroutine[Any, Any, CaptureReport]:
        """Captures packets of a LAN (`office`), of a decky (`web-01`) or of its interface in a LAN (`web-01.office`) into a pcap file.

        It replaces the file, which only its owner can read, and ends after `count` packets or `duration` seconds, after Ctrl-C, or when
        the engine is closed; what was written is then a valid file. `address`, `port` and `protocol` leave out all other packets. It
        needs a daemon on this machine, and root.
        """
    def check(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        expected: int | None = None,
    ) -> Coroutine[Any, Any, Topology]:
        """Checks a mutation against the current topology, and returns the maze after it. Nothing is changed."""
    def close(self) -> None:
        """Closes the engine and cancels its operations. It is idempotent."""
    def copy_out(
        self,
        id: TopologyId,
        part: str,
        path: str,
        destination: str | PathLike[str],
        *,
        force: bool = False,
        max_bytes: int | None = None,
        max_files: int | None = None,
    ) -> Coroutine[Any, Any, CopyReport]:
        """Copies a file or a folder out of a service with its own image.

        If `destination` is a folder, the copy is put into it; otherwise it gets that name. An intruder may control the files: nothing is
        written outside of the destination, links that lead out of the copy, devices and pipes are left out, and no file is executable.
        Existing files are replaced only with `force`. The limits are 1 GiB and 100 000 files by default; a copy that fails or is
        cancelled is removed again.
        """
    def create(self, name: str, *, subnet: Subnet | None = None) -> Coroutine[Any, Any, StoreOutcome]:
        """Stores an empty topology: a DMZ without deckies. Its subnet is free by default."""
    def delete(self, id: TopologyId, *, expected: int | None = None) -> Coroutine[Any, Any, TopologyRow]:
        """Deletes a topology with all its records, and returns its last row.

        It must be pending, torn down, or failed with nothing left on Docker, and have the `expected` version if one is given.
        """
    def deploy(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        hosts: Iterable[str] | None = None,
        spread: bool | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Deploys a topology in any status. It recreates running containers only with `force`.

        With `force`, deckies that cannot stay on their hosts move to others, too. A fresh copy of a topology whose hosts all left the fleet
        also needs `force`, because nobody knows what they still have.

        Without `settings`, the stored ones are kept. On a fleet, `hosts` are those that may have parts of the topology (empty: all), and
        `spread` uses all of them about equally. Both are stored with the settings. What is deployed stays on its host.
        """
    def doctor(self) -> Coroutine[Any, Any, list[Check]]:
        """Checks the prerequisites of mazes: Docker, the kernel, leftovers, and the stored mazes."""
    def drain(self, id: TopologyId, *, progress: Progress | None = None) -> Coroutine[Any, Any, list[MutationRow]]:
        """Applies the queued mutations of a topology, and returns their rows."""
    def events(
        self,
        *,
        topology: TopologyId | None = None,
        after: int | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, AioEvents]:
        """Returns a snapshot of the store, and every later event of this engine and of the store.

        With `after`, the `seq` of an event, the events after it follow without a snapshot. If the store no longer has them, there is
        one, and `resumed` is False.

        Iterating ends when the engine is closed, which drops unread events, or after `timeout` seconds without an event.
        """
    def exec(
        self,
        id: TopologyId,
        part: str,
        command: Iterable[str],
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        max_output: int | None = None,
    ) -> Coroutine[Any, Any, ExecResult]:
        """Runs a command in a decky, or in a service of it (`web-01.shop`), and waits for its end.

        In a service with its own image, any program of the image runs, without a shell. Every decky has the verbs `ping`, `connect`,
        `resolve` and `routes`, which are answered from its base; built-in services have no programs. A program that fails is not an
        exception: see `status`. `max_output` limits stdout and stderr together, by default to 64 MiB. After `timeout` seconds, beyond
        `max_output`, and after Ctrl-C, the program keeps running in the container, but its input ends.
        """
    def exec_choices(self, id: TopologyId, part: str) -> Coroutine[Any, Any, ExecChoices]:
        """Returns what `exec` can run in a decky or a service: the usage of the verbs, and the services with their own images."""
    def find(self, name: str) -> Coroutine[Any, Any, TopologyRow]:
        """Returns the row of a stored topology by its name, its id, or the start of its id, as `Repo.find` does."""
    def forward_logs(
        self,
        to: str,
        *,
        format: LogFormat = ...,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        follow: bool = False,
        mute: Iterable[str] | None = None,
        cursor_file: str | PathLike[str] | None = None,
        ca: str | PathLike[str] | None = None,
        headers: Iterable[str] | None = None,
        retry_for: float | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Sends lines of logs to `to`: a file, or `syslog+udp://HOST`, `syslog+tcp://…`, `syslog+tls://…` or `https://…`.

        The lines are those of `logs`, in a format of `LogItem.format`. For a server, it retries with backoff for `retry_for` seconds; without
        `retry_for`, without limit. `cursor_file` is advanced only after lines were accepted, and the next call continues there. `ca` is a file
        with the authorities (PEM) for TLS, and `headers` are for a webhook. It returns after the last line; with `follow` when the
        engine is closed. Ctrl-C ends it, after an attempt to send the lines that wait.
        """
    def generate(
        self,
        config: TopologyConfig | Document | None = None,
        *,
        name: str = ...,
        depth: int = ...,
        branching_factor: int = ...,
        mode: Mode = ...,
        deckies_per_lan_min: int = ...,
        deckies_per_lan_max: int = ...,
        bridge_forward_probability: float = ...,
        cross_edge_probability: float = ...,
        subnet_base_prefix: str = ...,
        lan_prefix: int = ...,
        randomize_services: bool = ...,
        services_explicit: list[str] | tuple[str, ...] | None = ...,
        dmz_gateway: bool = ...,
        services: ServiceChoice = ...,
        naming: Naming = ...,
        seed: int | None = None,
    ) -> Coroutine[Any, Any, StoreOutcome]:
        """Generates a topology from a config, or from config fields, and stores it.

        It avoids the subnets that `taken_subnets` lists. The arguments are those of the function `generate`, which stores nothing.
        """
    def info(self) -> Coroutine[Any, Any, RuntimeInfo]:
        """Asks the daemon for its version and settings."""
    def inspect(self, id: TopologyId) -> Coroutine[Any, Any, list[DeckyState]]:
        """Returns the state of each decky."""
    def logs(
        self,
        *,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        follow: bool = False,
        mute: Iterable[str] | None = None,
        cursor: Document | None = None,
        stored: bool = False,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, AioLogs]:
        """Returns what visitors did: the lines of the logs of all containers, ordered by time.

        With `follow`, iterating then waits for new lines, also of later containers. It ends when the engine is closed, or after
        `timeout` seconds without a line. `since` is a time, or how long ago it was. `mute` leaves out visitors: "192.0.2.7",
        "192.0.2.0/24" or "192.0.2.7:22". With a `cursor`, {} at first and then `Logs.cursor`, no line is returned twice. With
        `stored` the lines are those that `store_logs` has kept.
        """
    def paths(
        self,
        *,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        mute: Iterable[str] | None = None,
        stored: bool = False,
    ) -> Coroutine[Any, Any, AttackPaths]:
        """Returns the paths of attackers through the mazes: their moves, with the mutations of the deckies meanwhile. `notices` has the
        lines that Docker dropped and the logs that cannot be read.

        With a decky or a service, only paths that touch it are returned, each of them whole. With `stored` they are found from the
        lines that `store_logs` has kept.
        """
    def prepare(
        self,
        id: TopologyId,
        operation: PreparedOperation | None = None,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        actor: str | None = None,
        part: str | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, AioPrepared]:
        """Plans an operation and changes nothing. `operation` is "deploy" (the default), "teardown", "reconcile", "restart" or a mutation.

        `force` is for a deploy, a teardown, a reconcile and a restart, `settings` for a deploy, `actor` for a mutation. A restart needs `part`, the
        decky or the service, and may have a `timeout`.
        """
    def prepare_file(
        self,
        maze: Maze,
        *,
        name: str | None = None,
        force: bool = False,
        settings: DeploySettings | None = None,
        hosts: Iterable[str] | None = None,
        spread: bool | None = None,
        actor: str | None = None,
    ) -> Coroutine[Any, Any, AioPrepared]:
        """Plans the deploy of a maze under the name in its document, or under another one. Changes nothing.

        The execution stores a new maze or replaces the pending one of that name, and deploys it. A maze that runs is changed in one
        go: `mutations` of the result show how. Without `settings`, the stored ones are kept; `hosts` and `spread` are those of `deploy`.
        """
    def prepare_reap(
        self,
        *,
        instance: str | None = None,
        running: Iterable[str] | None = None,
    ) -> Coroutine[Any, Any, AioPreparedReap]:
        """Plans a reap and changes nothing. A reap removes the resources of deleted and torn-down topologies.

        With `instance` it removes all resources of a lost store. Running containers are kept unless `running` has the id of their
        topology, or its first eight hex digits.
        """
    def reap(
        self,
        *,
        instance: str | None = None,
        running: Iterable[str] | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, ReapReport]:
        """Removes the resources of deleted and torn-down topologies. The arguments are those of `prepare_reap`."""
    def reconcile(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Repairs only the drift of a running topology. With `force`, it recreates running containers if needed, and moves deckies that cannot
        stay on their hosts to others.
        """
    def restart(
        self,
        id: TopologyId,
        part: str,
        *,
        timeout: float = 60.0,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Restarts a decky with all its services, or one of its services (`web-01.ssh`), and waits until it is well.

        It is well when its containers keep running, its network matches the maze, and its services answer on their ports. If it is not
        well after `timeout` seconds, `NotWell` is raised; the restart is done then. Containers keep their logs, and other deckies are left
        alone. After Ctrl-C, some containers may not be restarted.
        """
    def shuffle(
        self,
        id: TopologyId,
        decky: str,
        *,
        wait: bool = False,
        timeout: float | None = None,
        actor: str | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, EnqueuedMutation | StoredTopology]:
        """Gives a decky other services now, as the `shuffle` rule of its maze that applies to it says.

        It is a mutation like that of `submit`, with the same result, `wait` and `timeout`. A decky without a rule, or without a service to
        replace, raises `NotShuffled`.
        """
    def store_logs(
        self,
        *,
        keep: int | None = None,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        follow: bool = False,
        mute: Iterable[str] | None = None,
        cursor_file: str | PathLike[str] | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Keeps lines of logs in the store, so that they outlive their containers: the newest `keep` of each topology.

        `logs` and `paths` read them with `stored`. The other arguments are those of `forward_logs`.
        """
    def submit(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        wait: bool = False,
        timeout: float | None = None,
        actor: str | None = None,
        expected: int | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, EnqueuedMutation | StoredTopology]:
        """Submits a mutation: a pending topology is edited directly, for a running one it is queued.

        A mutation that the maze refuses, also after all queued ones, raises `MutationRejected`. `depends_on` lists queued mutations
        that it needs.

        With `wait` it returns when the mutation is finished, and applies it unless another process does. After `timeout` seconds, or
        after Ctrl-C, `MutationQueued` has the number of the unfinished mutation. The row of a finished one has its state: `applied`,
        `rejected` or `failed`, and the reason.
        """
    def taken_subnets(self, *, excluding: TopologyId | None = None) -> Coroutine[Any, Any, list[str]]:
        """Lists the subnets that a new LAN should avoid: those of stored topologies except for one and, if Docker answers, those of its
        other networks and of this machine's routes.
        """
    def teardown(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Tears a topology down. It continues after errors, and reports them at the end.

        With `force`, it becomes torn down although all its hosts left the fleet, so that nobody knows what they still have.
        """
    def verify(self, id: TopologyId, *, progress: Progress | None = None) -> Coroutine[Any, Any, VerifyReport]:
        """Probes from inside every decky whether it reaches exactly the deckies that the maze lets it reach."""
    def wait_for(
        self,
        mutation: MutationId,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, MutationRow]:
        """Waits until a queued mutation is finished, and applies it unless another process does. Returns its row.

        After `timeout` seconds it raises `MutationQueued`. Started work is finished first.
        """
    def watch(
        self,
        *,
        poll: float = 10.0,
        width: int | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Applies queued mutations and repairs drift in all mazes, until it is interrupted or the engine is closed."""
    def __aenter__(self) -> Coroutine[Any, Any, AioEngine]: ...
    def __aexit__(self, *_arguments: object) -> Coroutine[Any, Any, None]: ...
    def __new__(
        cls,
        repo: AioRepo | Repo,
        docker: str | Simulated | None = None,
        *,
        catalog: Catalog | None = None,
        width: int | None = None,
        timeout: float | None = None,
        decoy: str | PathLike[str] | None = None,
    ) -> Self:
        """Opens an engine on a store."""
    def __repr__(self) -> str: ...

@final
class AioEvents:
    """A snapshot of a store, and an asynchronous iterator of all later events."""
    @property
    def resumed(self) -> bool:
        """Whether all events after the given number follow."""
    @property
    def seq(self) -> int:
        """The number of the change after which the events follow: the snapshot has all changes up to it."""
    @property
    def snapshot(self) -> list[TopologyNow]:
        """The state of each topology when the feed was opened. Empty if the feed resumed."""
    def __aiter__(self) -> AioEvents: ...
    def __anext__(self) -> Coroutine[Any, Any, Event]: ...
    def __repr__(self) -> str: ...

@final
class AioLogs:
    """An asynchronous iterator of the lines of logs."""
    @property
    def cursor(self) -> Document | None:
        """The position after the last item, as a dict for JSON; None if the logs were opened without a cursor."""
    def __aiter__(self) -> AioLogs: ...
    def __anext__(self) -> Coroutine[Any, Any, LogItem]: ...

@final
class AioPrepared:
    """A prepared operation whose `execute` is a coroutine."""
    def execute(self, *, progress: Progress | None = None) -> Coroutine[Any, Any, Outcome]:
        """Executes the operation. It is refused with `PlanChanged` if another plan is needed now."""
    @property
    def given_up(self) -> list[str]:
        """The hosts that left the fleet, and that a teardown does not ask, with what they may still have; one line each."""
    @property
    def id(self) -> str:
        """The id of the topology after the operation. It differs from the current one if a fresh copy is deployed."""
    @property
    def mutations(self) -> list[Mutation]:
        """The mutations that the operation applies. If another maze is deployed, they are the difference from the stored one."""
    @property
    def plan(self) -> Plan:
        """The steps. There are none if a topology that does not run is edited."""
    @property
    def refusal(self) -> str | None:
        """Why `execute` would refuse the plan: it needs `force`; else None."""
    @property
    def restarts(self) -> list[str]:
        """The running containers that the plan restarts or recreates."""
    @property
    def unseen(self) -> list[str]:
        """The hosts that do not answer, with the reasons and what to do; one line each. Nothing is planned there."""
    @property
    def warnings(self) -> list[Finding]:
        """The warnings of the validation."""
    def __repr__(self) -> str: ...
    def __str__(self) -> str:
        """Returns the steps, one per line, and the refusal if there is one."""

@final
class AioPreparedReap:
    """A prepared reap whose `execute` is a coroutine."""
    def execute(self, *, progress: Progress | None = None) -> Coroutine[Any, Any, ReapReport]:
        """Executes the reap. It is refused with `PlanChanged` if another plan is needed now."""
    @property
    def report(self) -> ReapReport:
        """The remains that were found, and the plans that remove them."""
    def __repr__(self) -> str: ...

@final
class AioRepo:
    """A store of topologies, with coroutines as methods."""
    def acquire_lease(
        self,
        id: TopologyId,
        holder: Holder,
        time: float,
        *,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, Lease]:
        """Acquires the lease of a topology for `time` seconds."""
    def break_lease(self, id: TopologyId) -> Coroutine[Any, Any, Broken]:
        """Breaks the lease of a topology and the claim on its mutation, and returns both.

        It is for holders that crashed or hang. A holder that still runs stops at its next renewal.
        """
    def claim_mutation(
        self,
        holder: Holder,
        time: float,
        *,
        topology: TopologyId | None = None,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, MutationRow | None]:
        """Claims the oldest available mutation of one topology or of any."""
    def claims(self, *, excluding: TopologyId | None = None) -> Coroutine[Any, Any, builtins.list[Claim]]:
        """Returns the subnets of all topologies that are not torn down, except for one."""
    def close(self) -> None:
        """Closes the store and the engines that use it. It is idempotent."""
    def count(self, *, statuses: Iterable[Status] | None = None) -> Coroutine[Any, Any, int]:
        """Counts the topologies with one of the statuses, or all."""
    def create(
        self,
        topology: Topology,
        *,
        name: str | None = None,
        mode: Mode = ...,
        host: str | None = None,
        at: Moment | None = None,
        catalog: Catalog | None = None,
    ) -> Coroutine[Any, Any, StoredTopology]:
        """Stores a topology as pending, under its own name or another one, with what it uses of a catalogue."""
    def decky_changes(
        self,
        id: TopologyId,
        *,
        since: Moment | None = None,
    ) -> Coroutine[Any, Any, builtins.list[RecordedChange]]:
        """Returns the changes of the deckies of a topology by edits and mutations, oldest first."""
    def drain_host(self, name: str, *, undo: bool = False) -> Coroutine[Any, Any, Host]:
        """Lets a host get no more deckies; with `undo`, lets it get deckies again. What is on it stays there.

        `Engine.reconcile(maze, force=True)` recreates the deckies of a placed maze on other hosts.
        """
    def edit(
        self,
        id: TopologyId,
        topology: Topology,
        *,
        expected: int | None = None,
        mutation: Mutation | Document | None = None,
        actor: str | None = None,
        at: Moment | None = None,
        catalog: Catalog | None = None,
    ) -> Coroutine[Any, Any, StoredTopology]:
        """Replaces the maze of a pending topology, if it still has the expected version. Stores what it uses of a catalogue."""
    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, MutationRow]:
        """Appends a mutation to the queue of a running topology. `Engine.submit` also edits pending topologies, and publishes an event."""
    def enroll_host(
        self,
        name: str,
        *,
        labels: Iterable[str] | None = None,
        capacity: int | None = None,
        underlay: Address | None = None,
        mtu: int | None = None,
    ) -> Coroutine[Any, Any, str]:
        """Makes a token with which a host joins: `decnet agent --join TOKEN` on it. It works once, for 15 minutes, and only for this name.

        Gateways are placed only on hosts with the label `public`. `capacity` is the largest number of deckies on the host, by default 250.
        `underlay` is its address on the network that connects the hosts, by default that of its agent, and `mtu` the MTU of that network
        in bytes, by default 1500. If a host has the name already, it joins again: it keeps its mazes, and what is not given.

        Values that no host can have raise a `DecnetError` with the code `host_profile`.
        """
    def find(self, name: str) -> Coroutine[Any, Any, TopologyRow]:
        """Returns the row of a topology by its name, its id, or the start of its id.

        A torn-down topology is found by name only if no other has the name; the newest wins. An unknown text raises `NotFound`, and the
        start of several ids raises `Ambiguous`.
        """
    def finish_mutation(
        self,
        id: MutationId,
        token: str,
        outcome: MutationOutcome,
        *,
        reason: str | None = None,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, MutationRow]:
        """Records the outcome of a claimed mutation, and releases it."""
    def get(self, id: TopologyId) -> Coroutine[Any, Any, TopologyRow]:
        """Returns the row of a topology."""
    def has_unfinished(self, id: TopologyId) -> Coroutine[Any, Any, bool]:
        """Returns whether a topology has an unfinished mutation."""
    def host(self, name: str) -> Coroutine[Any, Any, Host]:
        """Returns a host that was not revoked, by its name or its id. Its agent is not asked.

        An unknown host raises `NotFound`, with the code `no_host`.
        """
    def hosts(self, *, revoked: bool = False) -> Coroutine[Any, Any, builtins.list[Host]]:
        """Returns the hosts by name, with their states; with `revoked`, also those that were revoked."""
    def instance(self) -> Coroutine[Any, Any, str]:
        """Returns the id of the store, which labels all its resources on Docker."""
    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
    def lease(self, id: TopologyId, *, at: Moment | None = None) -> Coroutine[Any, Any, Lease | None]:
        """Returns the lease of a topology, if it is held."""
    def list(
        self,
        *,
        statuses: Iterable[Status] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Coroutine[Any, Any, builtins.list[TopologyRow]]:
        """Returns the rows with one of the statuses, or all rows, in order of creation."""
    def load(self, id: TopologyId) -> Coroutine[Any, Any, StoredTopology]:
        """Returns a topology and its row as a consistent snapshot."""
    @staticmethod
    def memory() -> AioRepo:
        """Opens a store in memory that lives as long as the process."""
    def mutation(self, id: MutationId) -> Coroutine[Any, Any, MutationRow]:
        """Returns a mutation."""
    def mutations(
        self,
        *,
        topology: TopologyId | None = None,
        states: Iterable[MutationState] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Coroutine[Any, Any, builtins.list[MutationRow]]:
        """Returns the matching mutations, in the order of the queue."""
    @staticmethod
    def open(path: str | PathLike[str]) -> Opening:
        """Opens the store in a file, and creates the file if it is missing; or in a database, `postgres://user:password@host/database`.

        `await` returns the store; `async with` also closes it.
        """
    def release_claim(self, id: MutationId, token: str, *, at: Moment | None = None) -> Coroutine[Any, Any, None]:
        """Releases a claimed mutation, which stays in its place in the queue."""
    def release_lease(self, id: TopologyId, token: str) -> Coroutine[Any, Any, None]:
        """Releases a lease."""
    def renew_claim(
        self,
        id: MutationId,
        token: str,
        time: float,
        *,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, MutationClaim]:
        """Renews a claim for `time` seconds from now."""
    def renew_lease(
        self,
        id: TopologyId,
        token: str,
        time: float,
        *,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, Lease]:
        """Renews a lease for `time` seconds from now."""
    def revoke_host(self, name: str) -> Coroutine[Any, Any, Host]:
        """Refuses the certificates of a host from now on. It is no longer a host of the fleet, and its name is free.

        It does not ask for confirmation: what runs on the host keeps running and cannot be reached any more. `mazes` of the result names the
        mazes that have parts there.
        """
    def set_needs_resync(
        self,
        id: TopologyId,
        needs_resync: bool,
        *,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, None]:
        """Records whether Docker may differ from the stored topology."""
    def set_settings(
        self,
        id: TopologyId,
        settings: DeploySettings,
        *,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, TopologyRow]:
        """Stores the deploy settings of a topology."""
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
    ) -> Coroutine[Any, Any, TopologyRow]:
        """Changes the status if it still is the expected one, and records time and reason."""
    def status_events(self, id: TopologyId) -> Coroutine[Any, Any, builtins.list[StatusEvent]]:
        """Returns the changes of status, oldest first."""
    def store_mutation(
        self,
        id: MutationId,
        token: str,
        topology: Topology,
        *,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, StoredTopology]:
        """Stores the maze that results from a claimed mutation."""
    def __aenter__(self) -> Coroutine[Any, Any, AioRepo]: ...
    def __aexit__(self, *_arguments: object) -> Coroutine[Any, Any, None]: ...
    def __new__(cls, repo: Repo | AioRepo) -> Self:
        """Uses an open store."""
    def __repr__(self) -> str: ...

@final
class Engine:
    """Deploys the mazes of a store on Docker, reconciles them, and tears them down.

    `docker` is None for the daemon of the `docker` command (`DOCKER_HOST`, else the selected context, else the default socket),
    an address like `unix:///var/run/docker.sock`, or a `Simulated` daemon. It connects to the daemon when an operation needs it.
    Methods can be called from any thread.

    If the store has hosts (`decnet host`), it also works on them by their agents, and sees those that join later; `docker` has the mazes
    that are not placed on hosts. With a `Simulated` daemon, nothing is done on hosts.

    If the store is on a server, its events also reach engines and commands in other processes, by `NOTIFY` of the server, and `events`
    has theirs.

    Ctrl-C during a change of Docker undoes the change and then raises `KeyboardInterrupt`. An exception of a `progress` callable, which
    is called with every event of the operation, does the same.
    """
    def apply(self, maze: Maze, *, name: str | None = None) -> StoreOutcome:
        """Stores a maze under the name in its document, or under another one.

        It is stored as new, replaces the pending topology of that name, or is already stored. Missing subnets and addresses are
        those of the stored topology, or free ones. A different topology that is not pending is not changed: `Differs` is raised.
        """
    def capture(
        self,
        id: TopologyId,
        point: str,
        file: str | PathLike[str],
        *,
        count: int | None = None,
        duration: float | None = None,
        address: Address | None = None,
        port: int | None = None,
        protocol: PacketProtocol | None = None,
        snap_length: int | None = None,
    ) -> CaptureReport:
        """Captures packets of a LAN (`office`), of a decky (`web-01`) or of its interface in a LAN (`web-01.office`) into a pcap file.

        It replaces the file, which only its owner can read, and ends after `count` packets or `duration` seconds, after Ctrl-C, or when
        the engine is closed; what was written is then a valid file. `address`, `port` and `protocol` leave out all other packets. It
        needs a daemon on this machine, and root.
        """
    def check(self, id: TopologyId, mutation: Mutation | Document, *, expected: int | None = None) -> Topology:
        """Checks a mutation against the current topology, and returns the maze after it. Nothing is changed."""
    def close(self) -> None:
        """Closes the engine and cancels its operations. It is idempotent."""
    def copy_out(
        self,
        id: TopologyId,
        part: str,
        path: str,
        destination: str | PathLike[str],
        *,
        force: bool = False,
        max_bytes: int | None = None,
        max_files: int | None = None,
    ) -> CopyReport:
        """Copies a file or a folder out of a service with its own image.

        If `destination` is a folder, the copy is put into it; otherwise it gets that name. An intruder may control the files: nothing is
        written outside of the destination, links that lead out of the copy, devices and pipes are left out, and no file is executable.
        Existing files are replaced only with `force`. The limits are 1 GiB and 100 000 files by default; a copy that fails or is
        cancelled is removed again.
        """
    def create(self, name: str, *, subnet: Subnet | None = None) -> StoreOutcome:
        """Stores an empty topology: a DMZ without deckies. Its subnet is free by default."""
    def delete(self, id: TopologyId, *, expected: int | None = None) -> TopologyRow:
        """Deletes a topology with all its records, and returns its last row.

        It must be pending, torn down, or failed with nothing left on Docker, and have the `expected` version if one is given.
        """
    def deploy(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        hosts: Iterable[str] | None = None,
        spread: bool | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Deploys a topology in any status. It recreates running containers only with `force`.

        With `force`, deckies that cannot stay on their hosts move to others, too. A fresh copy of a topology whose hosts all left the fleet
        also needs `force`, because nobody knows what they still have.

        Without `settings`, the stored ones are kept. On a fleet, `hosts` are those that may have parts of the topology (empty: all), and
        `spread` uses all of them about equally. Both are stored with the settings. What is deployed stays on its host.
        """
    def doctor(self) -> list[Check]:
        """Checks the prerequisites of mazes: Docker, the kernel, leftovers, and the stored mazes."""
    def drain(self, id: TopologyId, *, progress: Progress | None = None) -> list[MutationRow]:
        """Applies the queued mutations of a topology, and returns their rows."""
    def events(
        self,
        *,
        topology: TopologyId | None = None,
        after: int | None = None,
        timeout: float | None = None,
    ) -> Events:
        """Returns a snapshot of the store, and every later event of this engine and of the store.

        With `after`, the `seq` of an event, the events after it follow without a snapshot. If the store no longer has them, there is
        one, and `resumed` is False.

        Iterating ends when the engine is closed, which drops unread events, or after `timeout` seconds without an event.
        """
    def exec(
        self,
        id: TopologyId,
        part: str,
        command: Iterable[str],
        *,
        input: bytes | None = None,
        timeout: float | None = None,
        max_output: int | None = None,
    ) -> ExecResult:
        """Runs a command in a decky, or in a service of it (`web-01.shop`), and waits for its end.

        In a service with its own image, any program of the image runs, without a shell. Every decky has the verbs `ping`, `connect`,
        `resolve` and `routes`, which are answered from its base; built-in services have no programs. A program that fails is not an
        exception: see `status`. `max_output` limits stdout and stderr together, by default to 64 MiB. After `timeout` seconds, beyond
        `max_output`, and after Ctrl-C, the program keeps running in the container, but its input ends.
        """
    def exec_choices(self, id: TopologyId, part: str) -> ExecChoices:
        """Returns what `exec` can run in a decky or a service: the usage of the verbs, and the services with their own images."""
    def find(self, name: str) -> TopologyRow:
        """Returns the row of a stored topology by its name, its id, or the start of its id, as `Repo.find` does."""
    def forward_logs(
        self,
        to: str,
        *,
        format: LogFormat = ...,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        follow: bool = False,
        mute: Iterable[str] | None = None,
        cursor_file: str | PathLike[str] | None = None,
        ca: str | PathLike[str] | None = None,
        headers: Iterable[str] | None = None,
        retry_for: float | None = None,
    ) -> None:
        """Sends lines of logs to `to`: a file, or `syslog+udp://HOST`, `syslog+tcp://…`, `syslog+tls://…` or `https://…`.

        The lines are those of `logs`, in a format of `LogItem.format`. For a server, it retries with backoff for `retry_for` seconds; without
        `retry_for`, without limit. `cursor_file` is advanced only after lines were accepted, and the next call continues there. `ca` is a file
        with the authorities (PEM) for TLS, and `headers` are for a webhook. It returns after the last line; with `follow` when the
        engine is closed. Ctrl-C ends it, after an attempt to send the lines that wait.
        """
    def generate(
        self,
        config: TopologyConfig | Document | None = None,
        *,
        name: str = ...,
        depth: int = ...,
        branching_factor: int = ...,
        mode: Mode = ...,
        deckies_per_lan_min: int = ...,
        deckies_per_lan_max: int = ...,
        bridge_forward_probability: float = ...,
        cross_edge_probability: float = ...,
        subnet_base_prefix: str = ...,
        lan_prefix: int = ...,
        randomize_services: bool = ...,
        services_explicit: list[str] | tuple[str, ...] | None = ...,
        dmz_gateway: bool = ...,
        services: ServiceChoice = ...,
        naming: Naming = ...,
        seed: int | None = None,
    ) -> StoreOutcome:
        """Generates a topology from a config, or from config fields, and stores it.

        It avoids the subnets that `taken_subnets` lists. The arguments are those of the function `generate`, which stores nothing.
        """
    def info(self) -> RuntimeInfo:
        """Asks the daemon for its version and settings."""
    def inspect(self, id: TopologyId) -> list[DeckyState]:
        """Returns the state of each decky."""
    def logs(
        self,
        *,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        follow: bool = False,
        mute: Iterable[str] | None = None,
        cursor: Document | None = None,
        stored: bool = False,
        timeout: float | None = None,
    ) -> Logs:
        """Returns what visitors did: the lines of the logs of all containers, ordered by time.

        With `follow`, iterating then waits for new lines, also of later containers. It ends when the engine is closed, or after
        `timeout` seconds without a line. `since` is a time, or how long ago it was. `mute` leaves out visitors: "192.0.2.7",
        "192.0.2.0/24" or "192.0.2.7:22". With a `cursor`, {} at first and then `Logs.cursor`, no line is returned twice. With
        `stored` the lines are those that `store_logs` has kept.
        """
    def paths(
        self,
        *,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        mute: Iterable[str] | None = None,
        stored: bool = False,
    ) -> AttackPaths:
        """Returns the paths of attackers through the mazes: their moves, with the mutations of the deckies meanwhile. `notices` has the
        lines that Docker dropped and the logs that cannot be read.

        With a decky or a service, only paths that touch it are returned, each of them whole. With `stored` they are found from the
        lines that `store_logs` has kept.
        """
    def prepare(
        self,
        id: TopologyId,
        operation: PreparedOperation | None = None,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        actor: str | None = None,
        part: str | None = None,
        timeout: float | None = None,
    ) -> Prepared:
        """Plans an operation and changes nothing. `operation` is "deploy" (the default), "teardown", "reconcile", "restart" or a mutation.

        `force` is for a deploy, a teardown, a reconcile and a restart, `settings` for a deploy, `actor` for a mutation. A restart needs `part`, the
        decky or the service, and may have a `timeout`.
        """
    def prepare_file(
        self,
        maze: Maze,
        *,
        name: str | None = None,
        force: bool = False,
        settings: DeploySettings | None = None,
        hosts: Iterable[str] | None = None,
        spread: bool | None = None,
        actor: str | None = None,
    ) -> Prepared:
        """Plans the deploy of a maze under the name in its document, or under another one. Changes nothing.

        The execution stores a new maze or replaces the pending one of that name, and deploys it. A maze that runs is changed in one
        go: `mutations` of the result show how. Without `settings`, the stored ones are kept; `hosts` and `spread` are those of `deploy`.
        """
    def prepare_reap(self, *, instance: str | None = None, running: Iterable[str] | None = None) -> PreparedReap:
        """Plans a reap and changes nothing. A reap removes the resources of deleted and torn-down topologies.

        With `instance` it removes all resources of a lost store. Running containers are kept unless `running` has the id of their
        topology, or its first eight hex digits.
        """
    def reap(
        self,
        *,
        instance: str | None = None,
        running: Iterable[str] | None = None,
        progress: Progress | None = None,
    ) -> ReapReport:
        """Removes the resources of deleted and torn-down topologies. The arguments are those of `prepare_reap`."""
    def reconcile(self, id: TopologyId, *, force: bool = False, progress: Progress | None = None) -> Outcome:
        """Repairs only the drift of a running topology. With `force`, it recreates running containers if needed, and moves deckies that cannot
        stay on their hosts to others.
        """
    def restart(
        self,
        id: TopologyId,
        part: str,
        *,
        timeout: float = 60.0,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Outcome:
        """Restarts a decky with all its services, or one of its services (`web-01.ssh`), and waits until it is well.

        It is well when its containers keep running, its network matches the maze, and its services answer on their ports. If it is not
        well after `timeout` seconds, `NotWell` is raised; the restart is done then. Containers keep their logs, and other deckies are left
        alone. After Ctrl-C, some containers may not be restarted.
        """
    def shuffle(
        self,
        id: TopologyId,
        decky: str,
        *,
        wait: bool = False,
        timeout: float | None = None,
        actor: str | None = None,
        progress: Progress | None = None,
    ) -> EnqueuedMutation | StoredTopology:
        """Gives a decky other services now, as the `shuffle` rule of its maze that applies to it says.

        It is a mutation like that of `submit`, with the same result, `wait` and `timeout`. A decky without a rule, or without a service to
        replace, raises `NotShuffled`.
        """
    def store_logs(
        self,
        *,
        keep: int | None = None,
        topology: TopologyId | None = None,
        decky: str | None = None,
        service: str | None = None,
        since: Moment | datetime.timedelta | None = None,
        follow: bool = False,
        mute: Iterable[str] | None = None,
        cursor_file: str | PathLike[str] | None = None,
    ) -> None:
        """Keeps lines of logs in the store, so that they outlive their containers: the newest `keep` of each topology.

        `logs` and `paths` read them with `stored`. The other arguments are those of `forward_logs`.
        """
    def submit(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        wait: bool = False,
        timeout: float | None = None,
        actor: str | None = None,
        expected: int | None = None,
        progress: Progress | None = None,
    ) -> EnqueuedMutation | StoredTopology:
        """Submits a mutation: a pending topology is edited directly, for a running one it is queued.

        A mutation that the maze refuses, also after all queued ones, raises `MutationRejected`. `depends_on` lists queued mutations
        that it needs.

        With `wait` it returns when the mutation is finished, and applies it unless another process does. After `timeout` seconds, or
        after Ctrl-C, `MutationQueued` has the number of the unfinished mutation. The row of a finished one has its state: `applied`,
        `rejected` or `failed`, and the reason.
        """
    def taken_subnets(self, *, excluding: TopologyId | None = None) -> list[str]:
        """Lists the subnets that a new LAN should avoid: those of stored topologies except for one and, if Docker answers, those of its
        other networks and of this machine's routes.
        """
    def teardown(self, id: TopologyId, *, force: bool = False, progress: Progress | None = None) -> Outcome:
        """Tears a topology down. It continues after errors, and reports them at the end.

        With `force`, it becomes torn down although all its hosts left the fleet, so that nobody knows what they still have.
        """
    def verify(self, id: TopologyId, *, progress: Progress | None = None) -> VerifyReport:
        """Probes from inside every decky whether it reaches exactly the deckies that the maze lets it reach."""
    def wait_for(
        self,
        mutation: MutationId,
        *,
        timeout: float | None = None,
        progress: Progress | None = None,
    ) -> MutationRow:
        """Waits until a queued mutation is finished, and applies it unless another process does. Returns its row.

        After `timeout` seconds it raises `MutationQueued`. Started work is finished first.
        """
    def watch(self, *, poll: float = 10.0, width: int | None = None, progress: Progress | None = None) -> None:
        """Applies queued mutations and repairs drift in all mazes, until it is interrupted or the engine is closed."""
    def __enter__(self) -> Engine: ...
    def __exit__(self, *_arguments: object) -> None: ...
    def __new__(
        cls,
        repo: Repo,
        docker: str | Simulated | None = None,
        *,
        catalog: Catalog | None = None,
        width: int | None = None,
        timeout: float | None = None,
        decoy: str | PathLike[str] | None = None,
    ) -> Self:
        """Opens an engine on a store."""
    def __repr__(self) -> str: ...

@final
class Events:
    """A snapshot of a store, and an iterator of all later events."""
    @property
    def resumed(self) -> bool:
        """Whether all events after the given number follow."""
    @property
    def seq(self) -> int:
        """The number of the change after which the events follow: the snapshot has all changes up to it."""
    @property
    def snapshot(self) -> list[TopologyNow]:
        """The state of each topology when the feed was opened. Empty if the feed resumed."""
    def __iter__(self) -> Events: ...
    def __next__(self) -> Event: ...
    def __repr__(self) -> str: ...

@final
class Logs:
    """An iterator of the lines of logs."""
    @property
    def cursor(self) -> Document | None:
        """The position after the last item, as a dict for JSON; None if the logs were opened without a cursor."""
    def __iter__(self) -> Logs: ...
    def __next__(self) -> LogItem: ...

@final
class Prepared:
    """A planned operation that is not executed yet. `execute` makes the plan again, and refuses if it differs."""
    def execute(self, *, progress: Progress | None = None) -> Outcome:
        """Executes the operation. It is refused with `PlanChanged` if another plan is needed now."""
    @property
    def given_up(self) -> list[str]:
        """The hosts that left the fleet, and that a teardown does not ask, with what they may still have; one line each."""
    @property
    def id(self) -> str:
        """The id of the topology after the operation. It differs from the current one if a fresh copy is deployed."""
    @property
    def mutations(self) -> list[Mutation]:
        """The mutations that the operation applies. If another maze is deployed, they are the difference from the stored one."""
    @property
    def plan(self) -> Plan:
        """The steps. There are none if a topology that does not run is edited."""
    @property
    def refusal(self) -> str | None:
        """Why `execute` would refuse the plan: it needs `force`; else None."""
    @property
    def restarts(self) -> list[str]:
        """The running containers that the plan restarts or recreates."""
    @property
    def unseen(self) -> list[str]:
        """The hosts that do not answer, with the reasons and what to do; one line each. Nothing is planned there."""
    @property
    def warnings(self) -> list[Finding]:
        """The warnings of the validation."""
    def __repr__(self) -> str: ...
    def __str__(self) -> str:
        """Returns the steps, one per line, and the refusal if there is one."""

@final
class PreparedReap:
    """A planned reap that is not executed yet. `execute` makes the plans again, and refuses if they differ."""
    def execute(self, *, progress: Progress | None = None) -> ReapReport:
        """Executes the reap. It is refused with `PlanChanged` if another plan is needed now."""
    @property
    def report(self) -> ReapReport:
        """The remains that were found, and the plans that remove them."""
    def __repr__(self) -> str: ...

@final
class Repo:
    """A store of topologies: in memory, in one file that several processes can use, or in a PostgreSQL database that several hosts
    can use.

    Every method is one transaction, and can be called from any thread. A method that depends on an earlier read takes the value
    that was read (a version, a status, a token), and is refused if it has changed. `at` is the current time by default.
    """
    def acquire_lease(
        self,
        id: TopologyId,
        holder: Holder,
        time: float,
        *,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> Lease:
        """Acquires the lease of a topology for `time` seconds."""
    def break_lease(self, id: TopologyId) -> Broken:
        """Breaks the lease of a topology and the claim on its mutation, and returns both.

        It is for holders that crashed or hang. A holder that still runs stops at its next renewal.
        """
    def claim_mutation(
        self,
        holder: Holder,
        time: float,
        *,
        topology: TopologyId | None = None,
        superseding: str | None = None,
        at: Moment | None = None,
    ) -> MutationRow | None:
        """Claims the oldest available mutation of one topology or of any."""
    def claims(self, *, excluding: TopologyId | None = None) -> builtins.list[Claim]:
        """Returns the subnets of all topologies that are not torn down, except for one."""
    def close(self) -> None:
        """Closes the store and the engines that use it. It is idempotent."""
    def count(self, *, statuses: Iterable[Status] | None = None) -> int:
        """Counts the topologies with one of the statuses, or all."""
    def create(
        self,
        topology: Topology,
        *,
        name: str | None = None,
        mode: Mode = ...,
        host: str | None = None,
        at: Moment | None = None,
        catalog: Catalog | None = None,
    ) -> StoredTopology:
        """Stores a topology as pending, under its own name or another one, with what it uses of a catalogue."""
    def decky_changes(self, id: TopologyId, *, since: Moment | None = None) -> builtins.list[RecordedChange]:
        """Returns the changes of the deckies of a topology by edits and mutations, oldest first."""
    def drain_host(self, name: str, *, undo: bool = False) -> Host:
        """Lets a host get no more deckies; with `undo`, lets it get deckies again. What is on it stays there.

        `Engine.reconcile(maze, force=True)` recreates the deckies of a placed maze on other hosts.
        """
    def edit(
        self,
        id: TopologyId,
        topology: Topology,
        *,
        expected: int | None = None,
        mutation: Mutation | Document | None = None,
        actor: str | None = None,
        at: Moment | None = None,
        catalog: Catalog | None = None,
    ) -> StoredTopology:
        """Replaces the maze of a pending topology, if it still has the expected version. Stores what it uses of a catalogue."""
    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
        at: Moment | None = None,
    ) -> MutationRow:
        """Appends a mutation to the queue of a running topology. `Engine.submit` also edits pending topologies, and publishes an event."""
    def enroll_host(
        self,
        name: str,
        *,
        labels: Iterable[str] | None = None,
        capacity: int | None = None,
        underlay: Address | None = None,
        mtu: int | None = None,
    ) -> str:
        """Makes a token with which a host joins: `decnet agent --join TOKEN` on it. It works once, for 15 minutes, and only for this name.

        Gateways are placed only on hosts with the label `public`. `capacity` is the largest number of deckies on the host, by default 250.
        `underlay` is its address on the network that connects the hosts, by default that of its agent, and `mtu` the MTU of that network
        in bytes, by default 1500. If a host has the name already, it joins again: it keeps its mazes, and what is not given.

        Values that no host can have raise a `DecnetError` with the code `host_profile`.
        """
    def find(self, name: str) -> TopologyRow:
        """Returns the row of a topology by its name, its id, or the start of its id.

        A torn-down topology is found by name only if no other has the name; the newest wins. An unknown text raises `NotFound`, and the
        start of several ids raises `Ambiguous`.
        """
    def finish_mutation(
        self,
        id: MutationId,
        token: str,
        outcome: MutationOutcome,
        *,
        reason: str | None = None,
        at: Moment | None = None,
    ) -> MutationRow:
        """Records the outcome of a claimed mutation, and releases it."""
    def get(self, id: TopologyId) -> TopologyRow:
        """Returns the row of a topology."""
    def has_unfinished(self, id: TopologyId) -> bool:
        """Returns whether a topology has an unfinished mutation."""
    def host(self, name: str) -> Host:
        """Returns a host that was not revoked, by its name or its id. Its agent is not asked.

        An unknown host raises `NotFound`, with the code `no_host`.
        """
    def hosts(self, *, revoked: bool = False) -> builtins.list[Host]:
        """Returns the hosts by name, with their states; with `revoked`, also those that were revoked."""
    def instance(self) -> str:
        """Returns the id of the store, which labels all its resources on Docker."""
    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
    def lease(self, id: TopologyId, *, at: Moment | None = None) -> Lease | None:
        """Returns the lease of a topology, if it is held."""
    def list(
        self,
        *,
        statuses: Iterable[Status] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> builtins.list[TopologyRow]:
        """Returns the rows with one of the statuses, or all rows, in order of creation."""
    def load(self, id: TopologyId) -> StoredTopology:
        """Returns a topology and its row as a consistent snapshot."""
    @staticmethod
    def memory() -> Repo:
        """Opens a store in memory that lives as long as the process."""
    def mutation(self, id: MutationId) -> MutationRow:
        """Returns a mutation."""
    def mutations(
        self,
        *,
        topology: TopologyId | None = None,
        states: Iterable[MutationState] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> builtins.list[MutationRow]:
        """Returns the matching mutations, in the order of the queue."""
    @staticmethod
    def open(path: str | PathLike[str]) -> Repo:
        """Opens the store in a file, and creates the file if it is missing; or in a database, `postgres://user:password@host/database`."""
    def release_claim(self, id: MutationId, token: str, *, at: Moment | None = None) -> None:
        """Releases a claimed mutation, which stays in its place in the queue."""
    def release_lease(self, id: TopologyId, token: str) -> None:
        """Releases a lease."""
    def renew_claim(self, id: MutationId, token: str, time: float, *, at: Moment | None = None) -> MutationClaim:
        """Renews a claim for `time` seconds from now."""
    def renew_lease(self, id: TopologyId, token: str, time: float, *, at: Moment | None = None) -> Lease:
        """Renews a lease for `time` seconds from now."""
    def revoke_host(self, name: str) -> Host:
        """Refuses the certificates of a host from now on. It is no longer a host of the fleet, and its name is free.

        It does not ask for confirmation: what runs on the host keeps running and cannot be reached any more. `mazes` of the result names the
        mazes that have parts there.
        """
    def set_needs_resync(self, id: TopologyId, needs_resync: bool, *, at: Moment | None = None) -> None:
        """Records whether Docker may differ from the stored topology."""
    def set_settings(self, id: TopologyId, settings: DeploySettings, *, at: Moment | None = None) -> TopologyRow:
        """Stores the deploy settings of a topology."""
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
        """Changes the status if it still is the expected one, and records time and reason."""
    def status_events(self, id: TopologyId) -> builtins.list[StatusEvent]:
        """Returns the changes of status, oldest first."""
    def store_mutation(
        self,
        id: MutationId,
        token: str,
        topology: Topology,
        *,
        at: Moment | None = None,
    ) -> StoredTopology:
        """Stores the maze that results from a claimed mutation."""
    def __enter__(self) -> Repo: ...
    def __exit__(self, *_arguments: object) -> None: ...
    def __repr__(self) -> str: ...

@disjoint_base
class StoredTopology(TopologyRow):
    """A topology and its row."""
    @property
    def placement(self) -> Placement | None:
        """The hosts of a fleet that have its LANs and deckies, by name; none if it runs on one host, or was never deployed."""
    @property
    def topology(self) -> Topology:
        """The maze."""

@final
class StoreOutcome(StoredTopology):
    """A topology that an engine stored, with the change of the store."""
    @property
    def result(self) -> StoreResult:
        """The change of the store: the topology was created, replaced or unchanged."""
    @property
    def warnings(self) -> list[Finding]:
        """The warnings of the validation. A `GATEWAY_PORT_CLASH` among them makes a deploy fail unless publish rules separate the
        gateways.
        """
