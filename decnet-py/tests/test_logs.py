"""Lines of logs and the paths of attackers, on a simulated daemon."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import decnet
from decnet import aio

SCANNER = "198.51.100.9"


@pytest.fixture
def stored(engine: decnet.Engine) -> decnet.TopologyRow:
    """A running maze of two deckies: `web` with http, and `files` with smb."""
    document = {
        "format": "decnet.topology/1",
        "name": "corp",
        "lans": [{"name": "dmz", "subnet": "10.99.0.0/24", "dmz": True}, {"name": "office", "subnet": "10.99.1.0/24"}],
        "deckies": [
            {
                "name": "web",
                "services": ["http"],
                "forwards_l3": True,
                "attachments": [{"lan": "dmz", "ip": "10.99.0.10"}, {"lan": "office", "ip": "10.99.1.10"}],
            },
            {"name": "files", "services": ["smb"], "attachments": [{"lan": "office", "ip": "10.99.1.11"}]},
        ],
    }
    return engine.deploy(engine.apply(document)).row


def container(docker: decnet.Simulated, end: str) -> str:
    [name] = [name for name in docker.containers if name.endswith(end)]
    return name


def record(action: str, sequence: int, source: str, session: str = "a1") -> str:
    """A line as a built-in service prints it."""
    return json.dumps(
        {
            "@timestamp": "2030-01-01T00:00:00.000Z",
            "event": {"action": action, "kind": "event", "category": [], "type": [], "sequence": sequence},
            "host": {"name": "any"},
            "service": {"name": "http"},
            "source": {"ip": source, "port": 40000},
            "destination": {"ip": "10.99.0.10", "port": 80},
            "decnet": {"session": session},
        }
    )


def visit(docker: decnet.Simulated) -> None:
    """Prints four lines: a record, another one from a decky, a text and an object."""
    assert docker.print(container(docker, "web.http"), record("session.open", 1, "192.0.2.7"))
    assert docker.print(container(docker, "files.smb"), record("session.open", 1, "10.99.1.10", "b1"))
    assert docker.print(container(docker, "files.smb"), "ready\x1b[2J")
    assert docker.print(container(docker, "web.http"), json.dumps({"src_ip": SCANNER, "port": 80}))


def test_lines_have_their_place_and_the_shape_of_the_command(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow
) -> None:
    visit(docker)
    items = list(engine.logs())
    assert len(items) == 4 and items == list(engine.logs(topology=stored.id))
    first, second, text, json_item = (item.entry for item in items)
    assert first and second and text and json_item
    assert (first["maze"], first["decky"], first["service"], first["from"]) == ("corp", "web", "http", None)
    assert first["topology"] == stored.id and first["container"] == container(docker, "web.http")
    assert first["record"]["event"]["action"] == "session.open" and "text" not in first
    assert (second["decky"], second["from"]) == ("files", "web")
    assert text["text"] == {"is_error": False, "message": "ready\x1b[2J"}
    assert json_item["json"]["message"]["src_ip"] == SCANNER
    assert datetime.datetime.fromisoformat(first["at"].replace("Z", "+00:00")).tzinfo is not None
    assert items[0].to_dict() == {"entry": first} == json.loads(items[0].format("json"))
    assert len({item.entry["id"] for item in items if item.entry}) == 4


def test_an_item_is_written_in_each_format_as_one_line(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow
) -> None:
    visit(docker)
    item, _, text, _ = engine.logs()
    assert str(item) == item.format() == item.format("text") and repr(item) == f"<LogItem: {item}>"
    assert "corp/web/http" in str(item) and "session.open" in str(item)
    assert json.loads(item.format("ecs"))["host"]["name"] == "web"
    assert json.loads(item.format("ocsf"))["class_uid"] == 4001
    assert item.format("cef").startswith("CEF:0|DECNET|") and item.format("rfc5424").startswith("<")
    assert "\x1b" not in "".join(text.format(name) for name in ("text", "json", "ecs", "rfc5424", "cef", "ocsf"))
    with pytest.raises(TypeError, match="'cef' or 'ocsf', not \"xml\""):
        item.format("xml")  # type: ignore[arg-type]


def test_arguments_select_lines(docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow) -> None:
    visit(docker)
    ids = [item.entry["id"] for item in engine.logs() if item.entry]
    times = [item.entry["at"] for item in engine.logs() if item.entry]

    def found(**arguments: Any) -> list[int]:
        return [ids.index(item.entry["id"]) for item in engine.logs(**arguments) if item.entry]

    assert found(decky="web") == [0, 3] and found(decky="files") == [1, 2] and found(decky="nobody") == []
    assert found(service="smb") == [1, 2]
    assert found(since=times[2]) == [2, 3]
    assert found(since=datetime.datetime.fromisoformat(times[1].replace("Z", "+00:00"))) == [1, 2, 3]
    assert found(since=datetime.timedelta(hours=1)) == [], "the simulated clock is far behind"
    assert found(since=datetime.timedelta(days=365_000)) == [0, 1, 2, 3], "before all times"
    assert found(mute=[SCANNER]) == [0, 1, 2] and found(mute=["192.0.2.0/24:80", SCANNER]) == [1, 2]
    assert docker.print(container(docker, "web.http"), "now", at=datetime.datetime.now(datetime.timezone.utc))
    [now] = engine.logs(since=datetime.timedelta(minutes=5))
    assert now.entry and now.entry["text"]["message"] == "now"
    assert not docker.print("nobody", "a line")


def test_bad_arguments_are_refused(engine: decnet.Engine, docker: decnet.Simulated, stored: decnet.TopologyRow) -> None:
    for since in (datetime.datetime(2030, 1, 1), 7, [1]):
        with pytest.raises(TypeError, match="since must be an aware datetime, a timedelta"):
            engine.logs(since=since)  # type: ignore[arg-type]
    with pytest.raises(decnet.DecnetError, match="must not be negative"):
        engine.logs(since=datetime.timedelta(hours=-2))
    with pytest.raises(decnet.DecnetError, match="since"):
        engine.paths(since="yesterday")
    with pytest.raises(decnet.DecnetError, match="192.0.2.0/24") as muted:
        engine.logs(mute=["everybody"])
    assert muted.value.code == "malformed_muted"
    with pytest.raises(TypeError, match="a list of str"):
        engine.logs(mute="192.0.2.7")
    with pytest.raises(decnet.DecnetError, match="the name of a decky"):
        engine.logs(decky="no such name!")
    with pytest.raises(decnet.DecnetError, match="a cursor"):
        engine.logs(cursor={"x": 1})
    both: list[dict[str, Any]] = [{"follow": True}, {"cursor": {}}]
    for arguments in both:
        with pytest.raises(TypeError, match="stored=True"):
            engine.logs(stored=True, **arguments)
    for missing in (engine.logs, engine.paths):
        with pytest.raises(decnet.RepoError) as refusal:
            missing(topology="0e7a1c52-6a53-4f5e-9d0c-1f2e3d4c5b6a")
        assert refusal.value.code == "not_found"
    docker.go_away()
    with pytest.raises(decnet.DockerUnavailable):
        engine.logs()
    engine.close()
    with pytest.raises(decnet.RepoError, match="closed"):
        engine.logs()


def test_a_cursor_continues_after_the_last_item(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow
) -> None:
    visit(docker)
    assert engine.logs().cursor is None
    logs = engine.logs(cursor={})
    assert logs.cursor == {}
    seen = [next(logs) for _ in range(2)]
    cursor = json.loads(json.dumps(logs.cursor))
    rest = list(engine.logs(cursor=cursor))
    assert seen + rest == list(engine.logs()) and len(rest) == 2
    last = engine.logs(cursor=cursor)
    assert list(last) == rest and list(engine.logs(cursor=last.cursor)) == []
    engine.close()
    assert last.cursor is not None, "it outlives the engine"


def test_followed_logs_wait_until_the_timeout_or_the_end_of_the_engine(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow
) -> None:
    visit(docker)
    assert len(list(engine.logs(follow=True, timeout=0.3))) == 4
    logs = engine.logs(follow=True)
    for _ in range(4):
        next(logs)
    got: list[decnet.LogItem] = []
    reader = threading.Thread(target=lambda: got.extend(logs))
    reader.start()
    assert docker.print(container(docker, "web.http"), record("session.close", 2, "192.0.2.7"))
    while not got:
        reader.join(0.01)
    docker.go_away()
    while len(got) < 2:
        reader.join(0.01)
    docker.reconnect()
    while len(got) < 3:
        reader.join(0.01)
    engine.close()
    reader.join(10)
    assert not reader.is_alive()
    assert got[0].entry and got[0].entry["record"]["event"]["sequence"] == 2
    assert [list(item.to_dict()) for item in got[1:]] == [["disconnected"], ["connected"]]
    assert got[1].entry is None and "trying again" in str(got[1])
    assert list(logs) == []


def test_lines_that_docker_dropped_are_a_notice(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow
) -> None:
    docker.print(container(docker, "web.http"), record("session.open", 3, "192.0.2.7"))
    dropped, _ = engine.logs()
    assert dropped.entry is None and dropped.to_dict()["dropped"]["lines"] == 2
    found = engine.paths()
    assert len(found["paths"]) == 1 and found["notices"] == [dropped.to_dict()]


def test_paths_are_those_of_the_command(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow
) -> None:
    visit(docker)
    paths = engine.paths()["paths"]
    assert [path["origin"] for path in paths] == [{"outside": "192.0.2.7"}, {"outside": SCANNER}]
    path = paths[0]
    assert (path["topology"], path["maze"], path["open_sessions"]) == (stored.id, "corp", 2)
    assert [(move["from"], move["to"]) for move in path["moves"]] == [
        ({"outside": "192.0.2.7"}, "web"),
        ({"decky": "web"}, "files"),
    ]
    assert [session["id"] for session in path["moves"][1]["sessions"]] == ["b1"]
    assert [event["type"] for event in path["timeline"]] == ["move", "move"] and path["mutations_during"] == []
    assert engine.paths(decky="files")["paths"] == [path] and engine.paths(service="ssh")["paths"] == []
    assert engine.paths(topology=stored, mute=["192.0.2.7", SCANNER])["paths"][0]["origin"] == {"decky": "web"}
    assert engine.paths(stored=True)["paths"] == [] and list(engine.logs(stored=True)) == [], "nothing was stored"


def test_stored_lines_outlive_their_containers(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow
) -> None:
    visit(docker)
    lines, paths = list(engine.logs()), engine.paths()
    for _ in range(2):
        engine.store_logs()
    assert list(engine.logs(stored=True)) == lines and engine.paths(stored=True) == paths
    engine.teardown(stored)
    assert list(engine.logs()) == [] == engine.paths()["paths"]
    assert list(engine.logs(stored=True, decky="web", mute=[SCANNER])) == lines[:1]
    ended = engine.paths(stored=True, topology=stored)["paths"]
    assert [path["open_sessions"] for path in ended] == [0, 0]
    assert [path["moves"][0]["to"] for path in ended] == ["web", "web"]
    engine.store_logs(keep=2, topology=stored)
    with pytest.raises(decnet.DecnetError, match="keep must be at least 1"):
        engine.store_logs(keep=0)
    with pytest.raises(decnet.DecnetError, match="keep must not be negative"):
        engine.store_logs(keep=-1)


def test_lines_are_forwarded_to_a_server_and_a_file(
    docker: decnet.Simulated, engine: decnet.Engine, stored: decnet.TopologyRow, tmp_path: Path
) -> None:
    visit(docker)
    file, cursor = tmp_path / "visits.log", tmp_path / "cursor.json"
    engine.forward_logs(str(file), cursor_file=cursor, decky="web")
    written = [json.loads(line)["entry"]["decky"] for line in file.read_text().splitlines()]
    assert written == ["web", "web"]
    engine.forward_logs(str(file), cursor_file=cursor, decky="web")
    assert len(file.read_text().splitlines()) == 2, "no line comes twice"

    with socket.create_server(("127.0.0.1", 0)) as server:
        to = f"syslog+tcp://127.0.0.1:{server.getsockname()[1]}"
        arguments: dict[str, Any] = {"format": "rfc5424", "follow": True, "service": "http"}
        sender = threading.Thread(target=lambda: engine.forward_logs(to, **arguments))
        sender.start()
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as stream:
            for _ in range(2):
                length = int(b"".join(iter(lambda: stream.read(1), b" ")))
                assert stream.read(length).startswith(b"<") and length > 50
            engine.close()
            sender.join(20)
            assert not sender.is_alive() and stream.read() == b""


def test_a_destination_that_cannot_be_used_is_an_error(engine: decnet.Engine, tmp_path: Path) -> None:
    def refused(code: str, to: str = "visits.log", **arguments: Any) -> str:
        with pytest.raises(decnet.DecnetError) as refusal:
            engine.forward_logs(to, **arguments)
        assert refusal.value.code == code
        return str(refusal.value)

    assert "gopher" in refused("malformed_target", "gopher://example.com")
    assert "colon" in refused("malformed_header", "https://example.com", headers=["secret"])
    refused("wrong_option", str(tmp_path / "visits.log"), ca="ca.pem")
    refused("io", str(tmp_path / "none" / "visits.log"))
    bad = tmp_path / "cursor.json"
    bad.write_text("[]")
    assert "cursor.json" in refused("malformed_cursor", str(tmp_path / "visits.log"), cursor_file=bad)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    refused("target_unavailable", f"syslog+tcp://127.0.0.1:{port}", retry_for=0)
    with pytest.raises(TypeError, match="a list of str"):
        engine.forward_logs("https://example.com", headers="A: b")


def test_ctrl_c_ends_forwarding(engine: decnet.Engine, stored: decnet.TopologyRow, tmp_path: Path) -> None:
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        engine.forward_logs(str(tmp_path / "visits.log"), follow=True)
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        engine.store_logs(follow=True)


def test_coroutines_do_the_same(docker: decnet.Simulated, repo: decnet.Repo, stored: decnet.TopologyRow) -> None:
    visit(docker)

    async def main() -> None:
        async with aio.Repo.memory() as other, aio.Engine(other, docker) as engine:
            assert [item async for item in await engine.logs()] == [], "the containers are those of another store"
            copy = await engine.apply({**document(), "name": "other"})
            await engine.deploy(copy)
            [name] = [name for name in docker.containers if name.endswith("solo.http")]
            assert docker.print(name, record("session.open", 1, "192.0.2.7"))
            logs = await engine.logs(topology=copy, follow=True, cursor={}, timeout=20)
            first = await anext(logs)
            assert first.entry and first.entry["decky"] == "solo" and logs.cursor
            waiting = asyncio.ensure_future(anext(logs))
            await asyncio.sleep(0)
            assert docker.print(name, "a text")
            assert (await waiting).to_dict()["entry"]["text"]["message"] == "a text"
            cancelled = asyncio.ensure_future(anext(logs))
            await asyncio.sleep(0.05)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            assert docker.print(name, "another text")
            assert (await anext(logs)).to_dict()["entry"]["text"]["message"] == "another text"
            [path] = (await engine.paths(topology=copy))["paths"]
            assert path["moves"][0]["to"] == "solo"
        assert [item async for item in logs] == []

    asyncio.run(main())


def document() -> dict[str, Any]:
    return {
        "format": "decnet.topology/1",
        "name": "other",
        "lans": [{"name": "dmz", "subnet": "10.98.0.0/24", "dmz": True}],
        "deckies": [{"name": "solo", "services": ["http"], "attachments": [{"lan": "dmz"}]}],
    }
