"""The Rust part of `decnet`. Written by `stubs.py`: change the signatures in Rust instead."""

import builtins
import datetime
from collections.abc import (
    Coroutine,
    Iterable,
    Iterator,
)
from os import (
    PathLike,
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
    Broken,
    Claim,
    DeckyState,
    DeploySettings,
    Document,
    Event,
    Holder,
    Intent,
    Lease,
    Maze,
    Mode,
    Moment,
    MutationClaim,
    MutationOutcome,
    MutationRow,
    MutationState,
    PreparedOperation,
    Progress,
    ReapReport,
    RecordedChange,
    Route,
    Rules,
    Severity,
    Status,
    StatusEvent,
    Subnet,
    Subnets,
    TopologyId,
    TopologyNow,
    VerifyReport,
)

__all__ = [
    "AioEngine",
    "AioEvents",
    "AioPrepared",
    "AioPreparedReap",
    "AioRepo",
    "Catalog",
    "Decky",
    "Edge",
    "Engine",
    "Events",
    "Finding",
    "IpAllocator",
    "Lan",
    "Mutation",
    "Operation",
    "Outcome",
    "Plan",
    "Prepared",
    "PreparedReap",
    "Repo",
    "Report",
    "Simulated",
    "Step",
    "StoredTopology",
    "SubnetAllocator",
    "Topology",
    "TopologyConfig",
    "TopologyRow",
    "generate",
    "schema",
    "validate",
    "__version__",
]

__version__: str

def generate(
    config: TopologyConfig | Document | None = None,
    *,
    seed: int | None = None,
    reserved: Subnets | None = None,
    catalog: Catalog | None = None,
    **fields: Any,
) -> Topology:
    """Draws the maze of a config, or of the fields of one."""

def schema() -> Document:
    """Returns the JSON Schema of a maze file."""

def validate(
    document: Maze,
    *,
    rules: Rules = ...,
    catalog: Catalog | None = None,
    reserved: Subnets | None = None,
) -> Report:
    """Holds a document to the rules as it stands: what it leaves open is no fault."""

@final
class Catalog:
    """The services and archetypes that there are."""
    @property
    def archetypes(self) -> dict[str, Document]:
        """The archetypes, by slug."""
    @staticmethod
    def builtin() -> Catalog:
        """Returns the catalogue that comes with DECNET."""
    def clashes(self, services: Iterable[str]) -> list[tuple[str, list[str]]]:
        """Returns the ports that two or more of the services want, each with those that want it."""
    def extend(self, text: str) -> Catalog:
        """Adds the entries of a catalogue in TOML, or overrides those that are there."""
    @staticmethod
    def from_file(path: str | PathLike[str]) -> Catalog:
        """Reads a file with a catalogue in TOML."""
    @staticmethod
    def from_toml(text: str) -> Catalog:
        """Reads a catalogue in TOML: it adds to the built-in one, or overrides its entries key by key."""
    @property
    def services(self) -> dict[str, Document]:
        """The services, by name."""
    def __contains__(self, service: str, /) -> bool: ...
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
        """Where it is attached; the first is the home."""
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
        """Whether it publishes its services' ports on the host."""
    @property
    def is_router(self) -> bool:
        """Whether an intruder can route through it."""
    @property
    def name(self) -> str:
        """The name."""
    @property
    def service_config(self) -> dict[str, Document]:
        """The configuration of its services."""
    @property
    def services(self) -> list[str]:
        """The services that it runs, in order."""
    @property
    def x(self) -> float | None:
        """The place on the canvas, to the right."""
    @property
    def y(self) -> float | None:
        """The place on the canvas, down."""
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
class Finding:
    """One thing that is wrong, or looks wrong."""
    @property
    def code(self) -> str:
        """Which rule it breaks."""
    @property
    def message(self) -> str:
        """What, where, and what to do, for people."""
    @property
    def severity(self) -> Severity:
        """Its weight: `error` or `warning`."""
    @property
    def target(self) -> Document:
        """What it is about: a dict with a `kind` and the names."""
    def to_dict(self) -> Document:
        """Returns it as a dict."""
    def __eq__(self, value: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...

@final
class IpAllocator:
    """Hands out the addresses of one subnet."""
    @property
    def available(self) -> int:
        """How many addresses are free."""
    def is_free(self, address: Address) -> bool:
        """Returns whether an address could be taken."""
    def next_free(self) -> str:
        """Takes the lowest address above the last one handed out, or, when there is none, the lowest that was given back."""
    def release(self, address: Address) -> None:
        """Gives an address back; one that is not taken is no error."""
    def reserve(self, address: Address) -> None:
        """Takes one address; one that is taken already is no error."""
    @property
    def subnet(self) -> str:
        """The subnet."""
    def __new__(cls, subnet: Subnet) -> Self:
        """Opens a subnet with every address of it free."""
    def __repr__(self) -> str: ...

@final
class Lan:
    """One L2 segment with one IPv4 subnet."""
    @property
    def gateway(self) -> str:
        """The address that Docker's bridge has, or would have."""
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
        """The place on the canvas, to the right."""
    @property
    def y(self) -> float | None:
        """The place on the canvas, down."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
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
        """Ends a membership that is not the home."""
    @staticmethod
    def from_dict(document: Document) -> Mutation:
        """Reads a mutation from a dict."""
    @staticmethod
    def from_json(text: str) -> Mutation:
        """Reads a mutation from JSON."""
    @property
    def op(self) -> str:
        """The word for what it does."""
    @staticmethod
    def remove_decky(decky: str) -> Mutation:
        """Removes a decky."""
    @staticmethod
    def remove_lan(name: str) -> Mutation:
        """Removes a LAN that is no decky's home, and the attachments to it."""
    @staticmethod
    def schema() -> Document:
        """Returns the JSON Schema of a mutation."""
    @property
    def subject(self) -> str:
        """The name of the LAN or decky that it is about."""
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
        forwards_l3: bool | None = None,
    ) -> Mutation:
        """Changes what a decky runs or is; an archetype that is empty clears the one that it has."""
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
        """Changes a LAN; of a live maze only its place on the canvas."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[Any]]: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Operation:
    """Work that runs from its start until it is done or called off."""
    def cancel(self) -> None:
        """Calls it off. The result comes after the undo."""
    def ignore_events(self) -> None:
        """Drops the events that arrived, and all later ones."""
    def is_done(self) -> bool:
        """Returns whether it is done, and its result not taken."""
    def listen(self, listener: Any) -> None:
        """Calls `listener` once without arguments, when something arrives: from another thread, or at once."""
    def result(self) -> Any:
        """Takes the result, once it is done."""
    def start(self, wants_events: bool) -> None:
        """Starts it. A second call has no effect."""
    def take_events(self) -> list[Any]:
        """Takes the events that arrived."""

@final
class Outcome:
    """What an operation came to."""
    @property
    def changed(self) -> int:
        """How many steps changed something."""
    @property
    def id(self) -> str:
        """The id of the topology afterwards."""
    @property
    def reason(self) -> str | None:
        """What is not as it should be, where the topology is degraded."""
    @property
    def row(self) -> TopologyRow:
        """The topology's row afterwards; its id differs from the one asked for where a fresh copy was deployed."""
    @property
    def status(self) -> Status:
        """The status of the topology afterwards."""
    @property
    def warnings(self) -> list[Finding]:
        """What works, but is most likely not meant."""
    def __repr__(self) -> str: ...

@final
class Plan:
    """Steps that bring Docker from what is there to what should be."""
    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
    @property
    def steps(self) -> list[Step]:
        """The steps; each stands after those that it needs."""
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
    """What the rules found, errors first."""
    @property
    def error_count(self) -> int:
        """How many errors there are, those that are not listed too."""
    @property
    def errors(self) -> list[Finding]:
        """What must be fixed."""
    @property
    def findings(self) -> list[Finding]:
        """All that was found."""
    @property
    def is_clean(self) -> bool:
        """Whether there is no error; there may be warnings."""
    def to_dict(self) -> Document:
        """Returns it as a dict."""
    @property
    def warning_count(self) -> int:
        """How many warnings there are, those that are not listed too."""
    @property
    def warnings(self) -> list[Finding]:
        """What works, but is most likely not meant."""
    def __eq__(self, value: object, /) -> bool: ...
    def __iter__(self) -> Iterator[Finding]: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class Simulated:
    """A Docker daemon in memory."""
    @property
    def containers(self) -> dict[str, str]:
        """The containers that there are, and what they do."""
    def cut_off(self, nth: int, moment: Literal['before', 'half', 'after'] = ...) -> None:
        """Lets the daemon die with one action, counted from now."""
    def fail(self, nth: int, message: str = ..., moment: Literal['before', 'half', 'after'] = ...) -> None:
        """Fails one action, counted from now: the next is number 1."""
    def go_away(self) -> None:
        """Lets every call say that nothing answers, from now on."""
    @property
    def networks(self) -> dict[str, str]:
        """The networks that there are, and their subnets."""
    def pace(self, seconds: float) -> None:
        """Lets each action take so many seconds."""
    def reconnect(self) -> None:
        """Answers again, and forgets all faults that were ordered."""
    def remove(self, container: str) -> bool:
        """Removes a container behind the engine's back; returns whether there is one."""
    def stop(self, container: str) -> bool:
        """Stops a container behind the engine's back; returns whether there is one."""
    def __new__(cls) -> Self:
        """Makes an empty world."""
    def __repr__(self) -> str: ...

@final
class Step:
    """One effect on Docker, and what must have happened before."""
    @property
    def destructive(self) -> bool:
        """Whether it removes a running container in order to recreate it."""
    @property
    def needs(self) -> list[int]:
        """The places of the steps that must be done before."""
    @property
    def reason(self) -> str:
        """Why it is needed, in words: `missing`, `spec changed: publish`. `to_dict()` has it as data."""
    def to_dict(self) -> Document:
        """Returns it as a dict."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __repr__(self) -> str: ...
    def __str__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class SubnetAllocator:
    """Hands out the subnets of one length from a range of addresses, past everything reserved."""
    @property
    def available(self) -> int:
        """How many subnets are free."""
    @property
    def base(self) -> str:
        """The range of addresses."""
    def is_free(self, subnet: Subnet) -> bool:
        """Returns whether a subnet overlaps nothing reserved or handed out."""
    def next_free(self) -> str:
        """Takes the lowest subnet of the pool that overlaps nothing reserved or handed out."""
    @property
    def prefix(self) -> int:
        """The length of the subnets handed out."""
    def reserve(self, subnet: Subnet) -> None:
        """Keeps a subnet of any length from being handed out."""
    def __new__(cls, base: Subnet, prefix: int | None = None, *, reserved: Subnets | None = None) -> Self:
        """Opens a pool: a CIDR, or its short form like `172.20`."""
    def __repr__(self) -> str: ...

@final
class Topology:
    """A complete, well-formed maze: LANs, deckies and who is attached to what."""
    def apply(
        self,
        mutation: Mutation | Document,
        *,
        live: bool = False,
        reserved: Subnets | None = None,
        catalog: Catalog | None = None,
    ) -> Topology:
        """Returns the maze that a mutation makes; this one stays as it is."""
    def canonical_hash(self) -> str:
        """Computes the canonical hash: what is not meant for Docker is not in it."""
    @property
    def config(self) -> TopologyConfig | None:
        """What it was generated from, if it was."""
    @property
    def deckies(self) -> list[Decky]:
        """The deckies."""
    def decky(self, name: str) -> Decky:
        """Returns the decky of that name, whatever its case."""
    @property
    def dmz(self) -> Lan | None:
        """The DMZ; of several, the first."""
    @property
    def edges(self) -> list[Edge]:
        """Who is attached to what, and under which address."""
    @staticmethod
    def from_dict(document: Document, *, reserved: Subnets | None = None) -> Topology:
        """Reads a document that is a dict, and completes it past what is reserved."""
    @staticmethod
    def from_file(path: str | PathLike[str], *, reserved: Subnets | None = None) -> Topology:
        """Reads a maze file, and completes it past what is reserved."""
    @staticmethod
    def from_json(text: str, *, reserved: Subnets | None = None) -> Topology:
        """Reads a document in JSON, and completes it past what is reserved."""
    @staticmethod
    def from_yaml(text: str, *, reserved: Subnets | None = None) -> Topology:
        """Reads a document in YAML, and completes it past what is reserved."""
    def lan(self, name: str) -> Lan:
        """Returns the LAN of that name, whatever its case."""
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
        """Returns the maze as a graph of networkx."""
    def to_yaml(self) -> str:
        """Returns the document in YAML."""
    def validate(
        self,
        rules: Rules = ...,
        *,
        catalog: Catalog | None = None,
        reserved: Subnets | None = None,
    ) -> Report:
        """Holds the maze to the rules."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __reduce__(self) -> tuple[Any, tuple[str]]: ...
    def __repr__(self) -> str: ...
    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """What a notebook shows: the picture, where it can draw one."""
    __hash__: ClassVar[None]  # type: ignore[assignment]

@final
class TopologyConfig:
    """What a maze is generated from: checked, complete, and with its seed."""
    @property
    def branching_factor(self) -> int:
        """The most children that a LAN has."""
    @property
    def bridge_forward_probability(self) -> float:
        """The probability that the decky which joins a LAN to its parent forwards packets."""
    @property
    def cross_edge_probability(self) -> float:
        """The probability that a decky of a LAN is attached to a LAN elsewhere too."""
    @property
    def deckies_per_lan_max(self) -> int:
        """The most deckies of a LAN that is not the DMZ."""
    @property
    def deckies_per_lan_min(self) -> int:
        """The fewest deckies of a LAN that is not the DMZ; no LAN ever has none."""
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
        """Where its deckies shall run."""
    @property
    def name(self) -> str:
        """The name of the topology to be."""
    @property
    def seed(self) -> int:
        """The seed."""
    @property
    def services_explicit(self) -> list[str] | None:
        """What every decky runs; none if services are drawn."""
    @property
    def subnet_base_prefix(self) -> str:
        """The range that subnets are taken from."""
    def to_dict(self) -> Document:
        """Returns all fields, the seed among them."""
    def with_seed(self, seed: int) -> TopologyConfig:
        """Returns the same config with another seed."""
    def __eq__(self, value: object, /) -> bool: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, *, catalog: Catalog | None = None, **fields: Any) -> Self:
        """Reads a config from its fields; all that is wrong is reported at once."""
    def __reduce__(self) -> tuple[Any, tuple[Any]]: ...
    def __repr__(self) -> str: ...
    __hash__: ClassVar[None]  # type: ignore[assignment]

@disjoint_base
class TopologyRow:
    """All that the store keeps of a topology beside the maze itself."""
    @property
    def changed_at(self) -> datetime.datetime:
        """When it was last written to."""
    @property
    def config(self) -> TopologyConfig | None:
        """What it was generated from, if it was."""
    @property
    def created_at(self) -> datetime.datetime:
        """When it was stored."""
    @property
    def host(self) -> str | None:
        """The host of the agent, if it is for one."""
    @property
    def id(self) -> str:
        """The id."""
    @property
    def intent(self) -> Intent | None:
        """What it is meant to be: `up` or `down`; none before its first deploy."""
    @property
    def mode(self) -> Mode:
        """Where its deckies run."""
    @property
    def name(self) -> str:
        """The name, unique without case among those not torn down."""
    @property
    def needs_resync(self) -> bool:
        """Whether Docker may differ from what is stored."""
    @property
    def settings(self) -> DeploySettings:
        """How it is raised."""
    @property
    def status(self) -> Status:
        """What it is doing."""
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
class AioEngine:
    """An engine with coroutines as methods. It connects to the daemon at the first call, or in `async with`.

    Cancelling a task that changes Docker undoes the change first, and then raises `CancelledError`.
    """
    def close(self) -> None:
        """Closes the engine and calls off its operations. It is idempotent."""
    def deploy(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Deploys a topology in any status. It recreates running containers only with `force`."""
    def drain(self, id: TopologyId, *, progress: Progress | None = None) -> Coroutine[Any, Any, list[MutationRow]]:
        """Applies the queued mutations of a topology, and returns their rows."""
    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
    ) -> Coroutine[Any, Any, MutationRow | StoredTopology]:
        """Submits a mutation: a running topology gets it in its queue, a pending one is edited at once."""
    def events(
        self,
        *,
        topology: TopologyId | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, AioEvents]:
        """Returns a snapshot of the store, and every later event of this engine and of the store.

        Iterating ends when the engine is closed, which drops unread events, or after `timeout` seconds without an event.
        """
    def info(self) -> Coroutine[Any, Any, Document]:
        """Asks the daemon for its version and settings."""
    def inspect(self, id: TopologyId) -> Coroutine[Any, Any, list[DeckyState]]:
        """Returns the state of each decky."""
    def prepare(
        self,
        id: TopologyId,
        operation: PreparedOperation | None = None,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        actor: str | None = None,
    ) -> Coroutine[Any, Any, AioPrepared]:
        """Makes the plan of an operation and changes nothing. `operation` is "deploy" (the default), "teardown", "reconcile" or a mutation.

        `force` is for a deploy and a reconcile, `settings` for a deploy, `actor` for a mutation.
        """
    def prepare_reap(
        self,
        *,
        instance: str | None = None,
        running: Iterable[str] | None = None,
    ) -> Coroutine[Any, Any, AioPreparedReap]:
        """Makes the plan of a reap and changes nothing. A reap removes the resources of topologies that no longer exist.

        With `instance` it removes all resources of a store that was lost. It keeps running containers unless `running` has the id of
        their topology, or its first eight hex digits.
        """
    def reap(
        self,
        *,
        instance: str | None = None,
        running: Iterable[str] | None = None,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, ReapReport]:
        """Removes the resources of topologies that no longer exist. The arguments are those of `prepare_reap`."""
    def reconcile(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        progress: Progress | None = None,
    ) -> Coroutine[Any, Any, Outcome]:
        """Repairs the drift of a running topology, and nothing else."""
    def teardown(self, id: TopologyId, *, progress: Progress | None = None) -> Coroutine[Any, Any, Outcome]:
        """Takes a topology down. It continues after errors, and reports them at the end."""
    def verify(self, id: TopologyId, *, progress: Progress | None = None) -> Coroutine[Any, Any, VerifyReport]:
        """Probes from every decky that it reaches what the maze says, and nothing else."""
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
    ) -> Self: ...

@final
class AioEvents:
    """A snapshot of a store, and an asynchronous iterator of all later events."""
    @property
    def snapshot(self) -> list[TopologyNow]:
        """The state of each topology when the feed was opened."""
    def __aiter__(self) -> AioEvents: ...
    def __anext__(self) -> Coroutine[Any, Any, Event]: ...

@final
class AioPrepared:
    """A prepared operation whose `execute` is a coroutine."""
    def execute(self, *, progress: Progress | None = None) -> Coroutine[Any, Any, Outcome]:
        """Executes the operation. It is refused with `PlanChanged` if another plan is needed by now."""
    @property
    def id(self) -> str:
        """The id of the topology after the operation. It differs from the present one if a fresh copy is deployed."""
    @property
    def plan(self) -> Plan:
        """The steps. There are none if a topology that does not run is edited."""
    @property
    def refusal(self) -> str | None:
        """Why `execute` would refuse the plan, which is for want of `force`; else None."""
    @property
    def restarts(self) -> list[str]:
        """The running containers that the plan restarts or recreates."""
    @property
    def warnings(self) -> list[Finding]:
        """The warnings of the rules."""
    def __repr__(self) -> str: ...
    def __str__(self) -> str:
        """Returns the steps, one per line, and the refusal if there is one."""

@final
class AioPreparedReap:
    """A prepared reap whose `execute` is a coroutine."""
    def execute(self, *, progress: Progress | None = None) -> Coroutine[Any, Any, ReapReport]:
        """Executes the reap. It is refused with `PlanChanged` if another plan is needed by now."""
    @property
    def report(self) -> ReapReport:
        """What was found, and the plans that remove it."""

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
        """Claims the oldest mutation that can be applied, of one topology or of any."""
    def claims(self, *, left_out: TopologyId | None = None) -> Coroutine[Any, Any, builtins.list[Claim]]:
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
    ) -> Coroutine[Any, Any, StoredTopology]:
        """Stores a topology as pending, under its own name or another one."""
    def decky_changes(
        self,
        id: TopologyId,
        *,
        since: Moment | None = None,
    ) -> Coroutine[Any, Any, builtins.list[RecordedChange]]:
        """Returns what edits and mutations changed about the deckies of a topology, oldest first."""
    def delete(self, id: TopologyId, *, at: Moment | None = None) -> Coroutine[Any, Any, None]:
        """Deletes a topology with all its records."""
    def edit(
        self,
        id: TopologyId,
        topology: Topology,
        *,
        expected: int | None = None,
        mutation: Mutation | Document | None = None,
        actor: str | None = None,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, StoredTopology]:
        """Replaces the maze of a pending topology, if it still has the expected version."""
    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, MutationRow]:
        """Appends a mutation to the queue of a running topology. `Engine.enqueue` also publishes it."""
    def finish_mutation(
        self,
        id: int,
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
        """Returns whether a topology has a mutation that is not finished."""
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
        """Returns a topology and its row, as they were at one moment."""
    @staticmethod
    def memory() -> AioRepo:
        """Opens a store that lives as long as the process."""
    def mutation(self, id: int) -> Coroutine[Any, Any, MutationRow]:
        """Returns a mutation."""
    def mutations(
        self,
        *,
        topology: TopologyId | None = None,
        states: Iterable[MutationState] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> Coroutine[Any, Any, builtins.list[MutationRow]]:
        """Returns the mutations that match, in the order of the queue."""
    @staticmethod
    def open(path: str | PathLike[str]) -> Coroutine[Any, Any, AioRepo]:
        """Opens the store in a file, and creates the file if it is missing."""
    def release_claim(self, id: int, token: str, *, at: Moment | None = None) -> Coroutine[Any, Any, None]:
        """Releases a claimed mutation, which stays in its place in the queue."""
    def release_lease(self, id: TopologyId, token: str) -> Coroutine[Any, Any, None]:
        """Releases a lease."""
    def renew_claim(
        self,
        id: int,
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
        """Changes the status from the one that the caller saw to another, and records when and why."""
    def status_events(self, id: TopologyId) -> Coroutine[Any, Any, builtins.list[StatusEvent]]:
        """Returns the changes of status, oldest first."""
    def store_mutation(
        self,
        id: int,
        token: str,
        topology: Topology,
        *,
        at: Moment | None = None,
    ) -> Coroutine[Any, Any, StoredTopology]:
        """Stores the maze that a claimed mutation makes."""
    def __aenter__(self) -> Coroutine[Any, Any, AioRepo]: ...
    def __aexit__(self, *_arguments: object) -> Coroutine[Any, Any, None]: ...
    def __new__(cls, repo: Repo | AioRepo) -> Self:
        """Uses a store that is open."""

@final
class Engine:
    """Deploys the mazes of a store on Docker, keeps them as they are stored, and takes them down.

    `docker` is None for the daemon of the `docker` command (`DOCKER_HOST`, else the context in use, else the usual socket), an
    address like `unix:///var/run/docker.sock`, or a `Simulated` daemon. Methods may be called from any thread.

    Ctrl-C during a change of Docker undoes the change and then raises `KeyboardInterrupt`. An exception of a `progress` callable, which
    is called with every event of the operation, does the same.
    """
    def close(self) -> None:
        """Closes the engine and calls off its operations. It is idempotent."""
    def deploy(
        self,
        id: TopologyId,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        progress: Progress | None = None,
    ) -> Outcome:
        """Deploys a topology in any status. It recreates running containers only with `force`."""
    def drain(self, id: TopologyId, *, progress: Progress | None = None) -> list[MutationRow]:
        """Applies the queued mutations of a topology, and returns their rows."""
    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
    ) -> MutationRow | StoredTopology:
        """Submits a mutation: a running topology gets it in its queue, a pending one is edited at once."""
    def events(self, *, topology: TopologyId | None = None, timeout: float | None = None) -> Events:
        """Returns a snapshot of the store, and every later event of this engine and of the store.

        Iterating ends when the engine is closed, which drops unread events, or after `timeout` seconds without an event.
        """
    def info(self) -> Document:
        """Asks the daemon for its version and settings."""
    def inspect(self, id: TopologyId) -> list[DeckyState]:
        """Returns the state of each decky."""
    def prepare(
        self,
        id: TopologyId,
        operation: PreparedOperation | None = None,
        *,
        force: bool = False,
        settings: DeploySettings | None = None,
        actor: str | None = None,
    ) -> Prepared:
        """Makes the plan of an operation and changes nothing. `operation` is "deploy" (the default), "teardown", "reconcile" or a mutation.

        `force` is for a deploy and a reconcile, `settings` for a deploy, `actor` for a mutation.
        """
    def prepare_reap(self, *, instance: str | None = None, running: Iterable[str] | None = None) -> PreparedReap:
        """Makes the plan of a reap and changes nothing. A reap removes the resources of topologies that no longer exist.

        With `instance` it removes all resources of a store that was lost. It keeps running containers unless `running` has the id of
        their topology, or its first eight hex digits.
        """
    def reap(
        self,
        *,
        instance: str | None = None,
        running: Iterable[str] | None = None,
        progress: Progress | None = None,
    ) -> ReapReport:
        """Removes the resources of topologies that no longer exist. The arguments are those of `prepare_reap`."""
    def reconcile(self, id: TopologyId, *, force: bool = False, progress: Progress | None = None) -> Outcome:
        """Repairs the drift of a running topology, and nothing else."""
    def teardown(self, id: TopologyId, *, progress: Progress | None = None) -> Outcome:
        """Takes a topology down. It continues after errors, and reports them at the end."""
    def verify(self, id: TopologyId, *, progress: Progress | None = None) -> VerifyReport:
        """Probes from every decky that it reaches what the maze says, and nothing else."""
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
        """Connects to the daemon."""

@final
class Events:
    """A snapshot of a store, and an iterator of all later events."""
    @property
    def snapshot(self) -> list[TopologyNow]:
        """The state of each topology when the feed was opened."""
    def __iter__(self) -> Events: ...
    def __next__(self) -> Event: ...

@final
class Prepared:
    """An operation whose plan was made and not executed. `execute` makes the plan again, and refuses if it differs."""
    def execute(self, *, progress: Progress | None = None) -> Outcome:
        """Executes the operation. It is refused with `PlanChanged` if another plan is needed by now."""
    @property
    def id(self) -> str:
        """The id of the topology after the operation. It differs from the present one if a fresh copy is deployed."""
    @property
    def plan(self) -> Plan:
        """The steps. There are none if a topology that does not run is edited."""
    @property
    def refusal(self) -> str | None:
        """Why `execute` would refuse the plan, which is for want of `force`; else None."""
    @property
    def restarts(self) -> list[str]:
        """The running containers that the plan restarts or recreates."""
    @property
    def warnings(self) -> list[Finding]:
        """The warnings of the rules."""
    def __repr__(self) -> str: ...
    def __str__(self) -> str:
        """Returns the steps, one per line, and the refusal if there is one."""

@final
class PreparedReap:
    """A reap whose plans were made and not executed. `execute` makes them again, and refuses if they differ."""
    def execute(self, *, progress: Progress | None = None) -> ReapReport:
        """Executes the reap. It is refused with `PlanChanged` if another plan is needed by now."""
    @property
    def report(self) -> ReapReport:
        """What was found, and the plans that remove it."""

@final
class Repo:
    """A store of topologies: in memory, or in one file that several processes may use.

    Every method is one transaction, and may be called from any thread. A method that depends on what the caller read takes that (a
    version, a status, a token), and is refused if it has changed. `at` is the present moment by default.
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
        """Claims the oldest mutation that can be applied, of one topology or of any."""
    def claims(self, *, left_out: TopologyId | None = None) -> builtins.list[Claim]:
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
    ) -> StoredTopology:
        """Stores a topology as pending, under its own name or another one."""
    def decky_changes(self, id: TopologyId, *, since: Moment | None = None) -> builtins.list[RecordedChange]:
        """Returns what edits and mutations changed about the deckies of a topology, oldest first."""
    def delete(self, id: TopologyId, *, at: Moment | None = None) -> None:
        """Deletes a topology with all its records."""
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
        """Replaces the maze of a pending topology, if it still has the expected version."""
    def enqueue(
        self,
        id: TopologyId,
        mutation: Mutation | Document,
        *,
        actor: str | None = None,
        expected: int | None = None,
        at: Moment | None = None,
    ) -> MutationRow:
        """Appends a mutation to the queue of a running topology. `Engine.enqueue` also publishes it."""
    def finish_mutation(
        self,
        id: int,
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
        """Returns whether a topology has a mutation that is not finished."""
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
        """Returns a topology and its row, as they were at one moment."""
    @staticmethod
    def memory() -> Repo:
        """Opens a store that lives as long as the process."""
    def mutation(self, id: int) -> MutationRow:
        """Returns a mutation."""
    def mutations(
        self,
        *,
        topology: TopologyId | None = None,
        states: Iterable[MutationState] | None = None,
        limit: int | None = None,
        offset: int = 0,
    ) -> builtins.list[MutationRow]:
        """Returns the mutations that match, in the order of the queue."""
    @staticmethod
    def open(path: str | PathLike[str]) -> Repo:
        """Opens the store in a file, and creates the file if it is missing."""
    def release_claim(self, id: int, token: str, *, at: Moment | None = None) -> None:
        """Releases a claimed mutation, which stays in its place in the queue."""
    def release_lease(self, id: TopologyId, token: str) -> None:
        """Releases a lease."""
    def renew_claim(self, id: int, token: str, time: float, *, at: Moment | None = None) -> MutationClaim:
        """Renews a claim for `time` seconds from now."""
    def renew_lease(self, id: TopologyId, token: str, time: float, *, at: Moment | None = None) -> Lease:
        """Renews a lease for `time` seconds from now."""
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
        """Changes the status from the one that the caller saw to another, and records when and why."""
    def status_events(self, id: TopologyId) -> builtins.list[StatusEvent]:
        """Returns the changes of status, oldest first."""
    def store_mutation(self, id: int, token: str, topology: Topology, *, at: Moment | None = None) -> StoredTopology:
        """Stores the maze that a claimed mutation makes."""
    def __enter__(self) -> Repo: ...
    def __exit__(self, *_arguments: object) -> None: ...

@final
class StoredTopology(TopologyRow):
    """A topology and its row."""
    @property
    def topology(self) -> Topology:
        """The maze."""
