"""Any input causes an exception of the tree or a TypeError, never a panic, an abort or a hang."""

from __future__ import annotations

import enum
import errno
import math
import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import decnet
from test_topology import DOCUMENT

CYCLE: list[Any] = []
CYCLE.append(CYCLE)
CYCLIC_DICT: dict[str, Any] = {}
CYCLIC_DICT["x"] = CYCLIC_DICT
DEEP: Any = None
for _ in range(200_000):
    DEEP = [DEEP]

#: Values that no document, config or mutation has.
STRANGE: Any = [
    None,
    True,
    -1,
    3.5,
    10**400,
    -(2**63) - 1,
    2**64,
    math.nan,
    math.inf,
    "",
    "\ud800",
    "nul\0",
    b"bytes",
    bytearray(b"x"),
    (),
    [],
    {},
    {1: 2},
    {None: None},
    {"\udfff": 1},
    {"a": {1: 2}},
    {1, 2},
    object(),
    Ellipsis,
    lambda: None,
    CYCLE,
    CYCLIC_DICT,
    DEEP,
    [0] * 1_000_000,
    enum.Enum("Colour", "RED"),
    complex(1, 2),
    Path("/nowhere/at/all"),
    type,
]

TREE = (decnet.DecnetError, TypeError)


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(type(value).__name__))
def test_invalid_values_are_refused(value: Any, tmp_path: Path) -> None:
    maze = decnet.Topology.from_dict(DOCUMENT)
    repo = decnet.Repo.memory()
    stored = repo.create(maze)
    engine = decnet.Engine(repo, decnet.Simulated())
    # An empty list is a valid list of subnets. The text of a document may be any text.
    empty = isinstance(value, (list, tuple, dict, set)) and not value or value is None
    calls: list[Callable[[], object]] = [
        lambda: decnet.Topology.from_dict(value),
        lambda: decnet.Topology.from_json(value),
        lambda: decnet.Topology.from_yaml(value),
        lambda: decnet.TopologyConfig.from_dict(value),
        lambda: decnet.TopologyConfig(name=value, depth=1, branching_factor=1),
        lambda: decnet.TopologyConfig(name="x", depth=value, branching_factor=value),
        lambda: decnet.TopologyConfig.from_dict({"name": "x", "depth": 1, "branching_factor": 1, "colour": value}),
        lambda: decnet.generate(name="x", depth=1, branching_factor=1, lan_prefix=value),
        lambda: decnet.generate(value),
        lambda: decnet.Mutation.from_dict(value),
        lambda: decnet.Mutation.from_json(value),
        lambda: decnet.Mutation.add_lan(value),
        lambda: decnet.Mutation.add_decky(value, value),
        lambda: maze.apply(value),
        lambda: decnet.IpAllocator(value),
        lambda: decnet.IpAllocator("10.0.0.0/24").reserve(value),
        lambda: decnet.SubnetAllocator(value),
        lambda: decnet.Catalog.from_toml(value or STRANGE),
        lambda: maze.validate(value),
        lambda: repo.get(value),
        lambda: repo.create(value),
        lambda: repo.edit(stored, value),
        lambda: repo.set_status(stored, value, value),
        lambda: repo.enqueue(stored, value),
        lambda: repo.acquire_lease(stored, value, 1.0),
        lambda: engine.deploy(value),
        lambda: engine.submit(stored, value),
        lambda: engine.shuffle(value, "web"),
        lambda: engine.shuffle(stored, value),
        lambda: engine.submit(value, {"op": "add_lan", "payload": {"name": "x"}}),
        lambda: engine.check(stored, value),
        lambda: engine.wait_for(value),
        lambda: engine.create(value),
        lambda: engine.generate(value),
        lambda: engine.apply(value),
        lambda: engine.delete(value),
        lambda: engine.exec(stored, value, ["routes"]),
        lambda: engine.exec(stored, "web", value),
        lambda: engine.copy_out(stored, value, "/etc", tmp_path),
        lambda: engine.copy_out(stored, "web", value, tmp_path),
        lambda: engine.capture(stored, value, tmp_path / "it.pcap"),
        lambda: engine.restart(stored, value),
        lambda: engine.prepare(stored, "restart", part=value),
        lambda: decnet.Engine(repo, STRANGE if value is None else value),
        lambda: decnet.Repo.open(value if value != "" else tmp_path) if not isinstance(value, str) else repo.get(value),
    ]
    if not empty:
        calls += [
            lambda: decnet.generate(DOCUMENT, reserved=value),
            lambda: decnet.Topology.from_dict(DOCUMENT, reserved=value),
            lambda: repo.list(statuses=value),
            lambda: decnet.Mutation.add_decky("x", "dmz", service_config={"ssh": value}),
            lambda: repo.create(maze, name=value),
            lambda: repo.create(maze, at=value),
            lambda: engine.create("other", subnet=value),
            lambda: engine.apply(maze, name=value),
            lambda: engine.taken_subnets(excluding=value),
            lambda: engine.wait_for(1, timeout=value),
        ]
    for call in calls:
        with pytest.raises(TREE) as refused:
            call()
        assert "\n" not in str(refused.value) or isinstance(refused.value, decnet.InvalidCatalog)


@pytest.mark.parametrize("value", STRANGE, ids=lambda value: repr(type(value).__name__))
def test_any_value_in_a_document_is_validated(value: Any) -> None:
    for document in ({**DOCUMENT, "lans": value}, {**DOCUMENT, "deckies": [value]}, {**DOCUMENT, "name": value}):
        try:
            report = decnet.validate(document)
        except TREE:
            continue
        assert report.findings is not None


def test_a_service_config_may_have_any_json_value() -> None:
    decky = {**DOCUMENT["deckies"][1], "service_config": {"rdp": {"x": [1, -1, 2**64 - 1, 0.5, None, {"y": "é"}]}}}
    maze = decnet.Topology.from_dict({**DOCUMENT, "deckies": [DOCUMENT["deckies"][0], decky]})
    assert maze.decky("desk").service_config == decky["service_config"]
    assert decnet.Topology.from_dict(maze.to_dict()).canonical_hash() == maze.canonical_hash()


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**64, "\ud800", CYCLE, DEEP], ids=lambda value: type(value).__name__)
def test_a_value_that_is_not_json_is_a_finding(value: Any) -> None:
    with pytest.raises(decnet.InvalidTopology) as refused:
        decnet.validate({**DOCUMENT, "x": value})
    assert [finding.code for finding in refused.value.findings] == ["DOC_TYPE"]
    with pytest.raises(decnet.InvalidConfig):
        decnet.TopologyConfig(name="x", depth=1, branching_factor=1, seed=value)
    with pytest.raises(decnet.MutationRejected):
        decnet.Mutation.add_lan("x", x=value)


def test_a_list_of_a_million_subnets_is_read() -> None:
    maze = decnet.generate(
        name="x", depth=1, branching_factor=1, seed=1, reserved=("172.16.0.0/24" for _ in range(1_000_000))
    )
    assert maze.lans[0].subnet == "172.16.1.0/24"
    assert not decnet.validate({**DOCUMENT, "lans": [{"name": "x"}] * 100_000}).is_clean


def test_missing_paths_are_reported(tmp_path: Path) -> None:
    for call in (decnet.Topology.from_file, decnet.Repo.open):
        with pytest.raises(decnet.DecnetError, match="nowhere"):
            call(tmp_path / "nowhere/decnet.yaml")
        with pytest.raises(decnet.DecnetError):
            call(tmp_path)
        with pytest.raises(decnet.DecnetError):
            call("nul\0byte")
        with pytest.raises(TypeError):
            call(b"/nowhere")  # type: ignore[arg-type]
    with pytest.raises(decnet.DecnetError, match="nowhere"):
        decnet.Catalog.from_file(tmp_path / "nowhere")
    with pytest.raises(decnet.DockerUnavailable) as gone:
        decnet.Engine(decnet.Repo.memory(), f"unix://{tmp_path}/nowhere.sock").info()
    assert gone.value.endpoint == f"unix://{tmp_path}/nowhere.sock"


def test_a_missing_file_is_also_the_error_of_python(tmp_path: Path, engine: decnet.Engine) -> None:
    file = tmp_path / "nowhere" / "decnet.yaml"
    calls: list[Callable[[], object]] = [
        lambda: decnet.Topology.from_file(file),
        lambda: decnet.Catalog.from_file(file),
        lambda: decnet.validate(file),
        lambda: engine.apply(file),
        lambda: decnet.Engine(decnet.Repo.memory(), decoy=file),
        lambda: engine.forward_logs(str(file)),
    ]
    for call in calls:
        with pytest.raises(FileNotFoundError, match="nowhere") as missing:
            call()
        assert isinstance(missing.value, decnet.FileNotFound) and missing.value.code == "io"
        assert (missing.value.errno, missing.value.filename) == (errno.ENOENT, str(file))
    again = pickle.loads(pickle.dumps(missing.value))
    assert (str(again), again.errno, again.filename) == (str(missing.value), errno.ENOENT, str(file))
    with pytest.raises(FileNotFoundError, match="folder .*nowhere of the database does not exist") as unopened:
        decnet.Repo.open(file)
    assert isinstance(unopened.value, decnet.RepoError) and unopened.value.filename == str(file.parent)
    with pytest.raises(decnet.FileError) as folder:
        decnet.Topology.from_file(tmp_path)
    assert folder.value.errno == errno.EISDIR and isinstance(folder.value, OSError)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that cannot be searched, even if root runs the tests."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    yield folder
    if is_root:
        os.seteuid(0)
    folder.chmod(0o700)


def test_a_forbidden_file_is_also_the_error_of_python(closed_folder: Path) -> None:
    with pytest.raises(PermissionError, match="maze.yaml") as refused:
        decnet.Topology.from_file(closed_folder / "maze.yaml")
    assert isinstance(refused.value, decnet.PermissionDenied) and refused.value.errno == errno.EACCES
    with pytest.raises(PermissionError) as unopened:
        decnet.Repo.open(closed_folder / "decnet.db")
    assert isinstance(unopened.value, decnet.RepoError) and unopened.value.errno == errno.EACCES


def test_closed_objects_refuse_calls(tmp_path: Path) -> None:
    repo = decnet.Repo.open(tmp_path / "decnet.db")
    stored = repo.create(decnet.Topology.from_dict(DOCUMENT))
    engine = decnet.Engine(repo, decnet.Simulated())
    events = engine.events()
    repo.close()
    repo.close()
    assert repo.is_closed
    for call in (repo.instance, repo.list, lambda: engine.deploy(stored), lambda: decnet.Engine(repo, None)):
        with pytest.raises(decnet.RepoError, match="closed"):
            call()
    assert list(events) == []
    engine.close()
    assert stored.topology.name == "corp", "a row that was read can still be used"
    with pytest.raises(TypeError, match="decnet.Repo"):
        decnet.Repo()


def test_an_exception_of_a_dict_becomes_an_error_of_the_tree() -> None:
    class FailingDict(dict):  # type: ignore[type-arg]
        def items(self) -> Any:
            raise RuntimeError

    with pytest.raises(TREE):
        decnet.Topology.from_dict(FailingDict(x=1))


def test_an_exception_of_a_path_object_is_raised(tmp_path: Path) -> None:
    class FailingPath:
        def __fspath__(self) -> str:
            raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        decnet.Topology.from_file(FailingPath())
