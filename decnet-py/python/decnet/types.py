"""The dicts that go in and out, for type checkers."""

import datetime
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    from ._decnet import Mutation, Topology, TopologyRow

#: A document of the format `decnet.topology/1`, or another JSON object.
Document: TypeAlias = dict[str, Any]
#: A maze in any form: a Topology, a dict, the text of a maze file, or the path of one.
Maze: TypeAlias = "Topology | Document | str | PathLike[str]"
#: A topology: its row, or its id.
TopologyId: TypeAlias = "TopologyRow | str"
#: A queued mutation: its row, or its number.
MutationId: TypeAlias = "MutationRow | int"
#: A time: an aware datetime, or a text as in RFC 3339.
Moment: TypeAlias = datetime.datetime | str
Subnet: TypeAlias = str | IPv4Network
Address: TypeAlias = str | IPv4Address
Subnets: TypeAlias = Iterable[Subnet]
Rules: TypeAlias = Literal["deploy", "live"]
Mode: TypeAlias = Literal["unihost", "agent"]
Intent: TypeAlias = Literal["up", "down"]
#: The state of a host: it has joined and was not heard yet, is ready, is drained, ..., or was revoked.
HostState: TypeAlias = Literal["joined", "ready", "drained", "runtime_down", "unreachable", "revoked"]
Severity: TypeAlias = Literal["error", "warning"]
Status: TypeAlias = Literal["pending", "deploying", "active", "degraded", "failed", "tearing_down", "torn_down"]
MutationState: TypeAlias = Literal["pending", "applying", "applied", "rejected", "failed"]
MutationOutcome: TypeAlias = Literal["applied", "rejected", "failed"]
#: A format of a line of a log: for people, as the command's --json, or for a SIEM.
LogFormat: TypeAlias = Literal["text", "json", "ecs", "rfc5424", "cef", "ocsf"]
#: How the services of deckies are chosen if none are named.
ServiceChoice: TypeAlias = Literal["random", "archetypes"]
#: How deckies are named: `decky-000`, or `fin-desk-07`.
Naming: TypeAlias = Literal["numbered", "realistic"]
StoreResult: TypeAlias = Literal["created", "replaced", "unchanged"]
#: An operation that `Engine.prepare` can plan. A str that is not a mutation is "deploy", "teardown", "reconcile" or "restart".
PreparedOperation: TypeAlias = 'Literal["deploy", "teardown", "reconcile", "restart"] | Mutation | Document'
#: The type of a field of a service: a text of one line, a hidden one, ..., one of its `options`, or a list of some of them.
FieldType: TypeAlias = Literal["string", "password", "int", "bool", "text", "enum", "multi_enum"]
#: The system calls that a service may make: those of the engine's profile for deckies, those of Docker's own profile, or all.
SeccompMode: TypeAlias = Literal["decnet", "engine", "unconfined"]
#: A protocol of packets that `Engine.capture` keeps.
PacketProtocol: TypeAlias = Literal["tcp", "udp", "icmp", "arp"]


class ConfigFault(TypedDict):
    """One fault of a config."""

    field: str
    message: str


class Route(TypedDict):
    """A route: packets to these addresses go to that router."""

    destination: str
    via: str


class Claim(TypedDict):
    """A subnet that a stored topology claims."""

    topology: str
    name: str
    lan: str
    subnet: str


#: One change of status.
StatusEvent = TypedDict("StatusEvent", {"from": Status | None, "to": Status, "at": str, "reason": str | None})


class Holder(TypedDict):
    """The holder of a lease: a process of a host."""

    boot_id: str
    pid: int
    started: int
    label: str


class Lease(TypedDict):
    """The right to change a topology on Docker, for a limited time."""

    token: str
    holder: Holder
    until: str
    length: str
    generation: int


class MutationClaim(TypedDict):
    """The right to apply a mutation, for a limited time."""

    token: str
    holder: Holder
    until: str


class Broken(TypedDict):
    """The broken lease and claim, with their holders."""

    lease: Lease | None
    claim: MutationClaim | None


class MutationRow(TypedDict):
    """The data that the store keeps for a mutation."""

    id: int
    topology: str
    mutation: Document
    actor: str | None
    state: MutationState
    version: int
    attempts: int
    enqueued_at: str
    begun_at: str | None
    stored_at: str | None
    finished_at: str | None
    reason: str | None
    claim: MutationClaim | None


class EnqueuedMutation(MutationRow):
    """A queued mutation."""

    #: Queued mutations that it needs: if one of them is rejected, it is too.
    depends_on: list[int]


class RecordedChange(TypedDict):
    """A change of a decky, as stored."""

    at: str
    mutation: int | None
    change: Document


class Event(TypedDict, total=False):
    """An event. If the `type` is `lagged`, the only other key is `payload`: how many events were `lost`.

    The `name` of its topology is in events of a feed, not in those of `progress`. So is `seq`, the number of a change in the log
    of the store; it is None for steps, deckies and attackers.
    """

    v: int
    id: str
    topic: str
    type: str
    ts: str
    payload: Document
    name: str | None
    seq: int | None


#: Is called with every event of an operation. An exception cancels the operation, and is raised after the undo.
Progress: TypeAlias = Callable[[Event], object]


class TopologyNow(TypedDict):
    """A topology in the snapshot of a feed, with its unfinished mutations."""

    row: "TopologyRow"
    unfinished: list[MutationRow]


class ServiceState(TypedDict):
    """The state of one service of a decky."""

    service: str
    activity: str | None
    restarts: int
    crash_loop: bool
    exit_code: int | None


class InterfaceState(TypedDict):
    """One interface of a decky: expected and actual."""

    network: str
    expected: str | None
    found: str | None
    name: str | None


class _DeckyState(TypedDict):
    decky: str
    addresses: list[list[str]]
    interfaces: list[InterfaceState]
    router: bool
    gateway: bool
    base: str | None
    base_crash_loop: bool
    base_exit_code: int | None
    services: list[ServiceState]


class DeckyState(_DeckyState, total=False):
    """The state of one decky; `addresses` are the expected ones, `interfaces` the actual ones.

    With `unseen`, its host does not answer, and nothing is known of its containers.
    """

    unseen: bool


class ExternalImage(TypedDict, total=False):
    """The image of a service with an image of its own, with one key: a `reference`, or a folder with a Dockerfile to `build`."""

    reference: str
    build: str


#: The source of a service's image.
ImageSource: TypeAlias = Literal["builtin"] | ExternalImage


class _ServiceVolume(TypedDict):
    name: str
    path: str


class ServiceVolume(_ServiceVolume, total=False):
    """A named volume of a service. With `keep`, it stays when its maze, decky or service is removed."""

    keep: bool


class ServiceLimits(TypedDict, total=False):
    """The resource limits of a service where they differ from the engine's defaults."""

    memory_mib: int
    pids: int
    cpus: float
    open_files: int
    root_mib: int


class ExecChoices(TypedDict):
    """What `Engine.exec` can run: the usage of each verb, and the services with their own images, as `decky.service`."""

    verbs: list[str]
    services: list[str]


class LanAddress(TypedDict):
    """An address of a decky in a LAN. `shared` says whether the decky that was asked is on this LAN."""

    lan: str
    subnet: str
    address: str
    shared: bool


class PingAnswer(TypedDict):
    """The answer to `ping`. `decky` is None if an address was given."""

    verb: Literal["ping"]
    decky: str | None
    address: str
    reached: bool
    result: str
    rtt_us: int | None


class ConnectAnswer(TypedDict):
    """The answer to `connect`. `decky` is None if an address was given."""

    verb: Literal["connect"]
    decky: str | None
    address: str
    port: int
    reached: bool
    result: str
    rtt_us: int | None


class ResolveAnswer(TypedDict):
    """The answer to `resolve`: the addresses of a decky, those in a shared LAN first."""

    verb: Literal["resolve"]
    decky: str
    addresses: list[LanAddress]


class RoutesAnswer(TypedDict):
    """The answer to `routes`: each route is a destination and the next hop; `differs` says how the kernel differs, if it does."""

    verb: Literal["routes"]
    interfaces: list[LanAddress]
    routes: list[list[str]]
    default_route: bool
    forwards: bool
    differs: str | None


#: The answer of a decky to a verb of `Engine.exec`.
DeckyAnswer: TypeAlias = PingAnswer | ConnectAnswer | ResolveAnswer | RoutesAnswer


class PathPlace(TypedDict, total=False):
    """An end of a path, with one key: a decky, a service (decky and service), a LAN, or a network of another owner."""

    decky: str
    service: list[str]
    lan: str
    network: str


#: An end of a path that `Engine.verify` probes.
PathEnd: TypeAlias = Literal["host", "outside", "resolver"] | PathPlace
Reach: TypeAlias = Literal["reachable", "unreachable", "anonymous", "unknown"]
#: A path that differs from the maze; `how` is the probe and its result, for people.
ReachDeviation = TypedDict(
    "ReachDeviation",
    {"from": PathEnd, "to": PathEnd, "address": str, "expected": Reach, "found": Reach, "how": str},
)
#: A path that was not probed, and why.
SkippedPath = TypedDict("SkippedPath", {"from": PathEnd, "to": PathEnd, "why": str})


class Cause(TypedDict):
    """A reason why this machine loses packets, and its fix."""

    code: str
    message: str
    fix: str


class InsideOnly(TypedDict):
    """How many deckies were only checked from inside, and why."""

    why: str
    deckies: int


class ApiVersion(TypedDict):
    """A version of Docker's API."""

    major: int
    minor: int


class _MemberOptions(TypedDict, total=False):
    labels: list[str]
    drained: bool


class PlacementMember(_MemberOptions):
    """A host, as mazes are placed on it. `labels` is missing if it has none, and `drained` if it is not drained."""

    name: str
    capacity: int
    underlay: str
    mtu: int


class _Silent(TypedDict, total=False):
    silent: str


class MemberInfo(_Silent):
    """A host of the store. `info` is None if its agent does not answer, and `silent` is why."""

    member: PlacementMember
    info: "RuntimeInfo | None"


class _FleetInfo(TypedDict, total=False):
    members: dict[str, MemberInfo]
    has_local: bool


class RuntimeInfo(_FleetInfo):
    """The daemon: its version, its properties, and the machine. If the store has hosts, `members` has them by name, and `has_local` says
    whether the daemon of this machine answers."""

    version: str
    podman: bool
    api: ApiVersion
    endpoint: str
    local: bool
    cpus: int
    live_restore: bool
    rootless: bool
    architecture: str
    seccomp: bool
    storage: str
    limits_roots: bool
    unlimited: list[Literal["memory", "processes", "cpu"]]
    addresses: list[str]


class HostHealth(TypedDict):
    """Whether the container runtime of a host answers, its version or the reason, and the number of processors."""

    answers: bool
    detail: str
    cpus: int


class AgentIdentity(TypedDict):
    """Who a host is in its fleet: its name and its id, the addresses of its master and of its agent, and the end of its certificate."""

    name: str
    host: str
    master: str
    address: str
    certificate_until: str


class HostReport(TypedDict):
    """What an agent reports with each heartbeat."""

    run: str | None
    made_at: str | None
    address: str
    topology: str | None
    version_hash: str
    settings_digest: str
    generation: int
    authorities: list[str]
    health: HostHealth


class Reaped(TypedDict):
    """The remains of one deleted or torn-down topology."""

    prefix: str
    found: list[str]
    plan: list[Document]
    left: list[str]
    errors: list[str]
    running: list[str]
    kept: bool


class ReapReport(TypedDict):
    """The remains that a reap found, and the result of their removal."""

    live: list[str]
    orphans: list[Reaped]


class Check(TypedDict):
    """The result of one check of `Engine.doctor`; `hint` is what to do about it."""

    verdict: Literal["ok", "warn", "fail"]
    what: str
    message: str
    hint: str | None


class LoggedJson(TypedDict):
    """A JSON object that a program printed."""

    is_error: bool
    message: Document


class LoggedText(TypedDict):
    """A line of text that a program printed."""

    is_error: bool
    message: str


_Logged = TypedDict("_Logged", {"from": str | None})


class _LogPlace(_Logged):
    id: str
    at: str
    topology: str
    maze: str | None
    decky: str
    service: str | None
    container: str


class LogEntry(_LogPlace, total=False):
    """Something that a container printed, with its place in the mazes.

    A built-in service prints a `record`, another program `json` or `text`. `from` is the decky that the visitor came from. `inside` is
    True if the visitor has an address of a LAN that no decky is known to have had.
    """

    inside: bool
    record: Document
    json: LoggedJson
    text: LoggedText


class AttackPlace(TypedDict, total=False):
    """A place that an attacker came from: an address outside of the maze, a decky, or an address of a LAN that no decky had."""

    outside: str
    decky: str
    inside: str


class AttackSession(TypedDict):
    """A conversation of an attacker with a service; `ended` is None while it is open."""

    id: str
    service: str | None
    started: str
    ended: str | None


class MutationDuring(TypedDict):
    """A mutation that changed deckies of a path meanwhile."""

    at: str
    mutation: int
    op: str
    actor: str | None
    deckies: list[str]


_MoveStart = TypedDict("_MoveStart", {"from": AttackPlace})


class _Move(_MoveStart):
    at: str
    until: str
    to: str
    services: list[str]
    logins: list[str]
    logins_left_out: int
    sessions: list[AttackSession]
    sessions_left_out: int


class AttackMove(_Move, total=False):
    """All contacts of one attacker with a decky from one place. `other_origins` may have made the move instead."""

    other_origins: list[AttackPlace]
    other_origins_left_out: int


class AttackPath(TypedDict):
    """The path of one attacker through a maze. `timeline` has the moves and the mutations in order of time."""

    topology: str
    maze: str | None
    origin: AttackPlace
    first_seen: str
    last_seen: str
    open_sessions: int
    moves: list[AttackMove]
    mutations_during: list[MutationDuring]
    timeline: list[Document]


class AttackPaths(TypedDict):
    """The paths of attackers, and notices: lines that Docker dropped, and logs that cannot be read."""

    paths: list[AttackPath]
    notices: list[Document]


class LogSettings(TypedDict, total=False):
    """The log driver of the containers."""

    driver: str
    options: dict[str, str]


class LabelPin(TypedDict):
    """A LAN that only hosts with a label may have."""

    lan: str
    label: str


class PlacementRules(TypedDict, total=False):
    """Rules for the placement of a topology on the hosts of a fleet."""

    distribution: Literal["pack", "spread"]
    pins: list[LabelPin]
    apart: list[list[str]]


class StretchedLan(TypedDict):
    """A LAN that is on several hosts, and the VNI of the tunnels between them."""

    vni: int
    members: list[str]


class Placement(TypedDict):
    """The hosts of a fleet that have the LANs and deckies of a topology. `former` are hosts that may still have a part of it."""

    lans: dict[str, str]
    deckies: dict[str, str]
    mtu: int | None
    stretched: dict[str, StretchedLan]
    former: list[str]


class DeploySettings(TypedDict, total=False):
    """The deploy settings of a topology."""

    publish: list[str]
    dmz_egress: Literal["none", "dns-only", "rate-limited", "open"]
    log: LogSettings
    hide_passwords: bool
    hosts: list[str]
    placement: PlacementRules
