"""Mazes: parsing, printing, changes and graphs."""

from __future__ import annotations

import copy
import inspect
import ipaddress
import json
import pickle
import pydoc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import networkx
import pytest

import decnet
from conftest import ROOT

DOCUMENT: dict[str, Any] = {
    "format": "decnet.topology/1",
    "name": "corp",
    "lans": [{"name": "dmz", "subnet": "172.20.0.0/24", "dmz": True}, {"name": "office"}],
    "deckies": [
        {
            "name": "web",
            "services": ["http", "ssh"],
            "service_config": {"ssh": {"banner": "SSH-2.0-x"}},
            "forwards_l3": True,
            "attachments": [{"lan": "dmz", "ip": "172.20.0.10"}, {"lan": "office"}],
        },
        {"name": "desk", "services": ["rdp"], "attachments": [{"lan": "office"}]},
    ],
}


def test_a_document_is_completed_without_reserved_subnets() -> None:
    maze = decnet.Topology.from_dict(DOCUMENT, reserved=["172.16.0.0/24"])
    assert maze.name == "corp"
    assert [lan.subnet for lan in maze.lans] == ["172.20.0.0/24", "172.16.1.0/24"]
    assert [(edge.decky, edge.lan, edge.ip) for edge in maze.edges] == [
        ("web", "dmz", "172.20.0.10"),
        ("web", "office", "172.16.1.2"),
        ("desk", "office", "172.16.1.3"),
    ]
    web = maze.decky("WEB")
    assert (web.is_gateway, web.is_router, web.is_bridge, web.forwards_l3) == (True, True, True, True)
    assert web.services == ["http", "ssh"] and web.service_config == {"ssh": {"banner": "SSH-2.0-x"}}
    assert web.home is not None and web.home.ip == "172.20.0.10"
    assert maze.dmz is not None and maze.dmz.gateway == "172.20.0.1"
    with pytest.raises(KeyError):
        maze.lan("attic")


def test_a_printed_maze_is_read_back_unchanged(tmp_path: Path) -> None:
    maze = decnet.Topology.from_dict(DOCUMENT)
    assert decnet.Topology.from_dict(maze.to_dict()) == maze
    assert decnet.Topology.from_json(maze.to_json()) == maze
    assert decnet.Topology.from_yaml(maze.to_yaml()) == maze
    for name, text in [("maze.json", maze.to_json()), ("maze.yaml", maze.to_yaml()), ("maze", maze.to_yaml())]:
        (tmp_path / name).write_text(text)
        assert decnet.Topology.from_file(tmp_path / name) == maze
        assert decnet.Topology.from_file(str(tmp_path / name)) == maze
    # The extension determines the syntax, in any case: as JSON, or by its first characters, the text is refused.
    (tmp_path / "maze.YAML").write_text('{"format": decnet.topology/1, "name": corp}')
    assert decnet.Topology.from_file(tmp_path / "maze.YAML").name == "corp"
    (tmp_path / "maze.JSON").write_text(maze.to_yaml())
    with pytest.raises(decnet.InvalidTopology):
        decnet.Topology.from_file(tmp_path / "maze.JSON")
    for example in (ROOT / "examples/mazes").glob("*.yaml"):
        assert decnet.Topology.from_file(example).deckies


def test_an_incomplete_draft_is_validated_as_written() -> None:
    report = decnet.validate({**DOCUMENT, "lans": [*DOCUMENT["lans"], {"name": "attic", "subnet": "172.20.0.0/25"}]})
    assert {finding.code for finding in report.errors} == {"DMZ_ORPHAN", "SUBNET_OVERLAP"}
    assert not report.is_clean and report.findings == list(report)
    finding = report.errors[0]
    assert finding.target["kind"] == "lan" and finding.to_dict()["code"] == finding.code
    assert str(finding) == f"error {finding.code}: {finding.message}"
    assert decnet.validate(DOCUMENT, reserved=["172.20.0.0/16"]).errors[0].code == "SUBNET_OVERLAP"
    live = decnet.validate({**DOCUMENT, "lans": [{"name": "dmz"}, {"name": "office"}]}, rules="live")
    assert live.is_clean and [finding.code for finding in live.warnings] == ["DMZ_MISSING"]
    assert decnet.validate("{not yaml").errors[0].code == "DOC_SYNTAX"
    assert (finding.line, finding.column, "line" in finding.to_dict()) == (None, None, False)


def test_a_finding_of_a_text_has_its_place() -> None:
    text = "format: decnet.topology/1\nname: corp\nlans: [{name: dmz, subnet: 10.0.0.0/33}]\n"
    found = {finding.code: (finding.line, finding.column) for finding in decnet.validate(text).errors}
    assert found == {"SUBNET_MALFORMED": (3, 28), "DMZ_MISSING": (3, 1)}
    second = decnet.validate("format: decnet.topology/1\n---\nx: 1\n").errors[0]
    assert second.to_dict()["line"] == second.line == 2


def test_an_invalid_topology_is_refused_with_the_reason() -> None:
    with pytest.raises(decnet.InvalidTopology) as refused:
        decnet.Topology.from_dict({**DOCUMENT, "colour": "red"})
    assert refused.value.findings[0].code == "DOC_UNKNOWN_KEY"
    assert refused.value.findings[0].target == {"kind": "document", "path": "colour"}
    assert "colour" in str(refused.value)
    with pytest.raises(decnet.InvalidTopology) as refused:
        decnet.Topology.from_yaml("format: decnet.topology/1\nname: x\nlans:\n  - {name: '-'}\n  - 3\n")
    assert [finding.code for finding in refused.value.findings] == ["DOC_TYPE", "NAME_INVALID"]


def test_a_mutation_returns_a_new_maze_and_keeps_the_first() -> None:
    maze = decnet.Topology.from_dict(DOCUMENT)
    mutations = [
        decnet.Mutation.add_lan("attic", subnet=ipaddress.IPv4Network("10.0.0.0/24")),
        decnet.Mutation.add_decky("safe", "attic", services=["smb"], ip=ipaddress.IPv4Address("10.0.0.9"), x=1.5),
        decnet.Mutation.attach_decky("desk", "attic", forwards_l3=True),
        decnet.Mutation.update_decky("safe", services=["smb", "ssh"], service_config={"ssh": {"banner": "x"}}),
        decnet.Mutation.update_decky("web", archetype="linux-server", force=True),
        decnet.Mutation.update_decky("web", archetype=""),
        decnet.Mutation.update_lan("attic", rename="vault", x=3),
        decnet.Mutation.update_decky("desk", forwards_l3=False),
        decnet.Mutation.detach_decky("desk", "vault"),
        decnet.Mutation.remove_decky("safe"),
        decnet.Mutation.remove_lan("vault"),
    ]
    bare = decnet.Mutation.add_decky("bare", "dmz", archetype="")
    assert bare == decnet.Mutation.add_decky("bare", "dmz")
    assert maze.apply(bare).decky("bare").archetype is None
    changed = maze
    for mutation in mutations:
        again = decnet.Mutation.from_dict(mutation.to_dict())
        assert again == mutation == decnet.Mutation.from_json(json.dumps(mutation.to_dict()))
        changed = changed.apply(mutation)
    assert changed.canonical_hash() == maze.canonical_hash()
    assert maze == decnet.Topology.from_dict(DOCUMENT)


def test_a_decky_without_services_gets_those_of_its_archetype() -> None:
    document = {
        "format": "decnet.topology/1",
        "name": "corp",
        "lans": [{"name": "dmz", "subnet": "172.20.0.0/24", "dmz": True}],
        "deckies": [
            {"name": "web", "archetype": "web-server", "attachments": [{"lan": "dmz"}]},
            {"name": "bare", "archetype": "web-server", "services": [], "attachments": [{"lan": "dmz"}]},
        ],
    }
    usual = sorted(decnet.Catalog.builtin().archetypes["web-server"].services)
    maze = decnet.Topology.from_dict(document)
    assert (maze.decky("web").services, maze.decky("bare").services) == (usual, [])
    own = decnet.Catalog.from_toml("[archetypes.web-server]\nservices = ['redis']")
    assert decnet.Topology.from_dict(document, catalog=own).decky("web").services == ["redis"]
    maze = maze.apply(decnet.Mutation.add_decky("second", "dmz", archetype="web-server"))
    maze = maze.apply(decnet.Mutation.add_decky("third", "dmz", archetype="web-server", services=[]))
    assert (maze.decky("second").services, maze.decky("third").services) == (usual, [])


def test_a_refused_mutation_has_a_code() -> None:
    maze = decnet.Topology.from_dict(DOCUMENT)
    with pytest.raises(decnet.MutationRejected) as refused:
        maze.apply(decnet.Mutation.remove_lan("office"))
    assert (refused.value.code, refused.value.findings) == ("LAN_IS_A_HOME", [])
    with pytest.raises(decnet.MutationRejected) as refused:
        maze.apply({"op": "add_lan", "payload": {"name": "x", "subnet": "172.20.0.0/25"}})
    assert refused.value.code == "RESULT_INVALID"
    assert {finding.code for finding in refused.value.findings} == {"SUBNET_OVERLAP", "DMZ_ORPHAN"}
    with pytest.raises(decnet.MutationRejected, match="force"):
        maze.apply(decnet.Mutation.update_decky("web", services=["http"]), live=True)


def test_a_maze_as_a_graph(maze: decnet.Topology) -> None:
    graph = maze.to_networkx()
    assert networkx.is_connected(graph)
    assert graph.number_of_nodes() == len(maze.lans) + len(maze.deckies)
    assert {data["ip"] for _, _, data in graph.edges(data=True)} == {edge.ip for edge in maze.edges}
    assert graph.nodes["lan", maze.lans[0].name]["is_dmz"]
    assert maze.to_dot().startswith("graph maze {") and maze.to_mermaid().startswith("flowchart TD")
    assert maze.to_text().startswith(f"{maze.lans[0].name} ") and "(DMZ)" in maze.to_text()
    assert maze._repr_mimebundle_()["text/vnd.mermaid"] == maze.to_mermaid()
    assert maze.to_svg().startswith("<svg ") and maze.lans[0].name in maze.to_svg()
    assert maze._repr_mimebundle_()["image/svg+xml"] == maze._repr_svg_() == maze.to_svg()
    analysis = maze.analysis()
    assert [row["lan"] for row in analysis["lans"]] == [lan.name for lan in maze.lans]
    assert {row["decky"] for row in analysis["deckies"]} == {decky.name for decky in maze.deckies}
    routes = maze.routes()
    assert set(routes) == {decky.name for decky in maze.deckies}
    assert all(set(route) == {"destination", "via"} for of_decky in routes.values() for route in of_decky)
    assert maze.layers()[0] == ["LAN-00"] and sum(map(len, maze.layers())) == len(maze.lans)


def test_the_same_seed_gives_the_same_maze() -> None:
    config = decnet.TopologyConfig(name="corp", depth=3, branching_factor=2)
    assert decnet.generate(config) == decnet.generate(config.to_dict())
    assert decnet.generate(config, seed=1) == decnet.generate(config.with_seed(1)) != decnet.generate(config, seed=2)
    maze = decnet.generate(config, reserved=["172.16.0.0/16", ipaddress.IPv4Network("172.17.0.0/24")])
    assert maze.dmz is not None and maze.dmz.subnet == "172.17.1.0/24"
    assert maze.config == config and config.seed == decnet.TopologyConfig.from_dict(config.to_dict()).seed


def test_plausible_hosts_can_be_asked_for() -> None:
    maze = decnet.generate(
        name="corp", depth=2, branching_factor=2, seed=3, services="archetypes", naming="realistic"
    )
    assert maze.config is not None and maze.config.to_dict()["naming"] == "realistic"
    assert all(decky.archetype in decnet.Catalog.builtin().archetypes for decky in maze.deckies)
    assert not any(decky.name.startswith("decky-") for decky in maze.deckies)
    with pytest.raises(decnet.InvalidConfig, match="not one of numbered, realistic"):
        decnet.generate(name="corp", depth=2, branching_factor=2, naming="realistik")  # type: ignore[arg-type]


def test_all_faults_of_a_config_are_reported_together() -> None:
    with pytest.raises(decnet.InvalidConfig) as refused:
        decnet.generate(
            {"name": "", "depth": 99, "branching_factor": "2", "colour": "red", "services_explicit": ["nope"]}
        )
    fields = [fault["field"] for fault in refused.value.faults]
    assert fields == ["branching_factor", "colour", "depth", "name", "services_explicit"]


def test_the_fields_of_a_config_are_keywords_with_the_defaults_of_the_core(engine: decnet.Engine) -> None:
    required = {"name", "depth", "branching_factor"}
    config = decnet.TopologyConfig(name="corp", depth=1, branching_factor=1)
    # The usual choices are not stored.
    fields: dict[str, object] = {"services_explicit": None, "services": "random", "naming": "numbered", **config.to_dict()}
    calls: list[Callable[..., object]] = [decnet.TopologyConfig, decnet.generate, engine.generate]
    for call in (*calls, decnet.aio.Engine.generate):
        parameters = inspect.signature(call).parameters
        assert set(parameters) - {"self", "config", "reserved", "catalog"} == set(fields), call
        for name, value in fields.items():
            if name not in required and name != "seed":
                assert parameters[name].default == value, (call, name)
        assert "deckies_per_lan_max=3" in pydoc.render_doc(call), call
    for field in ("services", "naming", "randomize_services", "services_explicit"):
        assert getattr(config, field) == fields[field]


def test_a_wrong_keyword_is_an_error_for_mypy_too(engine: decnet.Engine) -> None:
    # Strict mypy checks that each `ignore` is needed.
    with pytest.raises(TypeError, match="dpeth"):
        decnet.generate(name="corp", dpeth=1, branching_factor=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="dpeth"):
        engine.generate(name="corp", dpeth=1, branching_factor=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="depth"):
        decnet.TopologyConfig(name="corp", branching_factor=1)  # type: ignore[call-arg]
    with pytest.raises(decnet.InvalidConfig, match="naming"):
        decnet.generate(name="corp", depth=1, branching_factor=1, naming="real")  # type: ignore[arg-type]
    with pytest.raises(decnet.InvalidConfig, match="branching_factor: is required"):
        decnet.generate(name="corp", depth=1)
    with pytest.raises(decnet.InvalidConfig, match="lan_prefix"):
        decnet.generate(name="corp", depth=1, branching_factor=1, lan_prefix=None)  # type: ignore[arg-type]


def test_an_entry_has_an_attribute_for_each_of_its_keys() -> None:
    text = """
    [services.pot]
    ports = ["22:2222/tcp"]
    image = { build = "pot" }
    tmpfs = ["/run:size=16m"]
    volumes = [{ name = "loot", path = "/loot", keep = true }]
    limits = { memory_mib = 64 }
    fields = [{ key = "level", type = "enum", options = ["low", "high"], help = "How loud it is." }]
    """
    catalog = decnet.Catalog.from_toml(text)
    for name, service in catalog.services.items():
        for key, value in service.to_dict().items():
            found = [field.to_dict() for field in service.fields] if key == "fields" else getattr(service, key)
            assert found == value, (name, key)
        for field in service.fields:
            assert {key: getattr(field, key) for key in field.to_dict()} == field.to_dict()
    pot = catalog.service("pot")
    assert (pot.ports, pot.inside, pot.image, pot.tmpfs) == (["22/tcp"], {"22/tcp": 2222}, {"build": "pot"}, ["/run:size=16m"])
    assert pot.volumes == [{"name": "loot", "path": "/loot", "keep": True}] and pot.limits == {"memory_mib": 64}
    assert (pot.fields[0].type, pot.fields[0].options, pot.fields[0].default) == ("enum", ["low", "high"], None)
    for slug, archetype in catalog.archetypes.items():
        assert (archetype.slug, archetype.to_dict()) == (slug, {key: getattr(archetype, key) for key in archetype.to_dict()})
    assert repr(catalog.archetypes["web-server"]).startswith('<Archetype "web-server": ')


def test_a_catalogue_adds_services() -> None:
    catalog = decnet.Catalog.from_toml('[services.gitea]\nports = ["3000/tcp"]\nimage = "gitea/gitea:1.22"\n')
    assert "gitea" in catalog and "gitea" not in decnet.Catalog.builtin()
    gitea = catalog.services["gitea"]
    assert (gitea.ports, gitea.image, repr(gitea)) == (["3000/tcp"], {"reference": "gitea/gitea:1.22"}, '<Service "gitea": 3000/tcp>')
    config = {"name": "x", "depth": 1, "branching_factor": 1, "services_explicit": ["gitea"]}
    maze = decnet.generate(config, catalog=catalog)
    assert maze.validate(catalog=catalog).is_clean
    assert {finding.code for finding in maze.validate().errors} == {"UNKNOWN_SERVICE"}
    ssh = catalog.service("ssh")
    assert ssh == catalog.services["ssh"] != gitea and ssh.login == ["password"] and ssh.image == "builtin"
    [user] = [field for field in ssh.fields if field.key == "user"]
    assert (user.type, user.default, user.help, user.max_length) == ("string", "root", "A user that may log in.", 4096)
    assert user.to_dict() == {"key": "user", "type": "string", "default": "root", "help": "A user that may log in."}
    assert repr(user) == '<ServiceField "user": string>' and user in catalog.service("ssh").fields
    assert ssh.example["services"] == ["ssh"]
    with pytest.raises(decnet.UnknownService, match="did you mean `http`") as refused:
        catalog.service("htpp")
    assert refused.value.code == "unknown_service"
    assert catalog.clashes(["http", "conpot"]) == [("80/tcp", ["conpot", "http"])]
    with pytest.raises(decnet.InvalidCatalog, match="line 1"):
        decnet.Catalog.from_toml("services =")


def test_objects_are_copied_pickled_and_compared(maze: decnet.Topology) -> None:
    config = decnet.TopologyConfig(name="corp", depth=1, branching_factor=1)
    mutation = decnet.Mutation.add_lan("x")
    for one in (maze, config, mutation):
        assert pickle.loads(pickle.dumps(one)) == one == copy.deepcopy(one)
        assert one != 3
        with pytest.raises(TypeError):
            hash(one)
    assert hash(maze.edges[0]) == hash(maze.edges[0])


def test_exceptions_are_pickled_with_their_attributes() -> None:
    with pytest.raises(decnet.InvalidConfig) as refused:
        decnet.TopologyConfig(name="", depth=0, branching_factor=0)
    again = pickle.loads(pickle.dumps(refused.value))
    assert type(again) is decnet.InvalidConfig and again.faults == refused.value.faults


def test_schemas_are_json() -> None:
    assert decnet.schema()["properties"]["format"]
    assert json.loads(json.dumps(decnet.Mutation.schema()))
    assert decnet.__version__.count(".") == 2


def test_messages_are_not_debug_output() -> None:
    for tree in (decnet.DecnetError, *decnet.DecnetError.__subclasses__()):
        assert tree.__module__ == "decnet" and tree.__doc__
    with pytest.raises(decnet.AddressError) as refused:
        decnet.IpAllocator("10.0.0.1/24")
    assert "{" not in str(refused.value) and "10.0.0.1/24" in str(refused.value)


@pytest.mark.parametrize("unusable", ["127.0.0.0/24", "0.0.0.0/8", "224.0.0.0/4", "255.255.255.0/24", "0.0.0.0/0"])
def test_nothing_is_allocated_in_an_unusable_range(unusable: str) -> None:
    with pytest.raises(decnet.AddressError):
        decnet.IpAllocator(unusable)
    with pytest.raises(decnet.AddressError):
        decnet.SubnetAllocator(unusable)
    with pytest.raises(decnet.InvalidConfig):
        decnet.TopologyConfig(name="x", depth=1, branching_factor=1, subnet_base_prefix=unusable)
