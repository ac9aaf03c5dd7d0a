"""Work in running deckies: commands, verbs, copies, captures and restarts."""

from __future__ import annotations

import asyncio
import errno
import io
import os
import shutil
import signal
import stat
import subprocess
import tarfile
import threading
import time
from collections.abc import Callable
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest

import decnet
from decnet import aio

OWN = '[services.pot]\nports = ["2222/tcp"]\nimage = "pot:1"\n[services.jar]\nports = ["2223/tcp"]\nimage = "jar:1"\n'
#: `web` has one own image, `lab` has two, `files` has none.
LAB = {
    "format": "decnet.topology/1",
    "name": "lab",
    "lans": [{"name": "dmz", "subnet": "10.90.0.0/24", "dmz": True}, {"name": "office", "subnet": "10.90.1.0/24"}],
    "deckies": [
        {
            "name": "web",
            "services": ["pot", "ssh"],
            "forwards_l3": True,
            "attachments": [{"lan": "dmz", "ip": "10.90.0.10"}, {"lan": "office", "ip": "10.90.1.10"}],
        },
        {"name": "lab", "services": ["pot", "jar"], "attachments": [{"lan": "office", "ip": "10.90.1.11"}]},
        {"name": "files", "services": ["smb"], "attachments": [{"lan": "office", "ip": "10.90.1.12"}]},
    ],
}


@pytest.fixture
def engine(repo: decnet.Repo, docker: decnet.Simulated) -> decnet.Engine:
    return decnet.Engine(repo, docker, catalog=decnet.Catalog.from_toml(OWN))


@pytest.fixture
def lab(engine: decnet.Engine) -> decnet.TopologyRow:
    return engine.deploy(engine.apply(LAB)).row


def container(docker: decnet.Simulated, end: str) -> str:
    [name] = [name for name in docker.containers if name.endswith(end)]
    return name


def press_after(seconds: float) -> threading.Timer:
    """Sends Ctrl-C to this process after some time."""
    timer = threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


def archive(files: dict[str, bytes], **links: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, target in links.items():
            link = tarfile.TarInfo(f"pot/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


@pytest.fixture
def own_image(tmp_path: Path) -> Path:
    """The folder of an image with the shell of this machine and some programs, with their libraries."""
    folder = tmp_path / "image"
    files: set[Path] = set()
    for program in ("sh", "cat", "mkdir", "sleep"):
        found = shutil.which(program)
        assert found is not None
        inside = folder / "root/bin" / program
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(found), inside)
        listed = subprocess.run(["ldd", os.path.realpath(found)], capture_output=True, text=True).stdout
        files |= {Path(word) for word in listed.split() if word.startswith("/")}
    for file in files:
        inside = folder / "root" / file.relative_to("/")
        inside.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(os.path.realpath(file), inside)
    (folder / "root/tmp").mkdir()
    (folder / "root/tmp").chmod(0o777)
    (folder / "Dockerfile").write_text('FROM scratch\nCOPY root/ /\nENV PATH=/bin\nCMD ["sleep", "1000000"]\nUSER 65534\n')
    return folder


def test_a_program_runs_with_its_input_output_and_status(engine: decnet.Engine, lab: decnet.TopologyRow) -> None:
    said = engine.exec(lab, "web", ["echo", "a", "b"])
    assert (said.status, said.stdout, said.stderr, said.answer) == (0, b"a b\n", b"", None)
    assert repr(said) == "<ExecResult: status 0, 4 bytes on stdout, 0 on stderr>"
    assert said == engine.exec(lab.id, "web.pot", ("echo", "a", "b")) != engine.exec(lab, "web", ["echo"])
    assert engine.exec(lab, "lab.jar", ["cat"], input=b"\0\xff" * 100_000).stdout == b"\0\xff" * 100_000
    assert engine.exec(lab, "web", ["cat"]).stdout == b"", "without an input, it is empty"
    assert engine.exec(lab, "web", ["exit", "7"], input=b"not read").status == 7
    missing = engine.exec(lab, "web", ["nothing"])
    assert (missing.status, missing.stderr) == (127, b"nothing: executable file not found\n")


def test_every_decky_answers_the_verbs(engine: decnet.Engine, lab: decnet.TopologyRow) -> None:
    ping = engine.exec(lab, "files", ["ping", "web"])
    assert (ping.status, ping.stdout) == (0, b"web (10.90.1.10): answered\n")
    assert ping.answer is not None and ping.answer["verb"] == "ping" and ping.answer["address"] == "10.90.1.10"
    refused = engine.exec(lab, "web.ssh", ["connect", "files", "23"])
    assert refused.status == 1 and refused.answer is not None and refused.answer["verb"] == "connect"
    assert (refused.answer["reached"], refused.answer["port"]) == (False, 23)
    found = engine.exec(lab, "files", ["resolve", "web"])
    assert found.stdout == b"10.90.1.10 in LAN office\n10.90.0.10 in another LAN: dmz\n"
    routes = engine.exec(lab, "files", ["routes"]).answer
    assert routes is not None and routes["verb"] == "routes" and routes["routes"] == [["10.90.0.0/24", "10.90.1.10"]]
    assert engine.exec(lab, "web.pot", ["ping", "web"]).status == 127, "a named service may have its own"
    choices = engine.exec_choices(lab, "lab")
    assert choices["services"] == ["lab.jar", "lab.pot"] and "routes" in choices["verbs"]


@pytest.mark.parametrize(
    ("part", "command", "code", "message"),
    [
        ("files", ["sh"], "no_own_image", "no service of files has an image of its own"),
        ("web.ssh", ["sh"], "built_in", "web.ssh is a built-in service"),
        ("lab", ["sh"], "several_own_images", "lab.jar, lab.pot"),
        ("files", ["ping"], "invalid_verb", "usage: ping ADDRESS|DECKY"),
        ("files", ["connect", "web", "http"], "invalid_verb", "`http` is not a port"),
        ("web", [], "no_command", "the command is empty"),
    ],
)
def test_what_cannot_run_is_refused_with_a_code(
    engine: decnet.Engine, lab: decnet.TopologyRow, part: str, command: list[str], code: str, message: str
) -> None:
    with pytest.raises(decnet.DecnetError, match=message.replace("|", r"\|")) as refused:
        engine.exec(lab, part, command)
    assert refused.value.code == code


def test_an_unknown_part_is_a_lookup_error_with_a_suggestion(
    engine: decnet.Engine, lab: decnet.TopologyRow, tmp_path: Path
) -> None:
    calls: list[Callable[[], object]] = [
        lambda: engine.exec(lab, "weeb", ["routes"]),
        lambda: engine.exec_choices(lab, "weeb"),
        lambda: engine.copy_out(lab, "weeb", "/etc", tmp_path),
        lambda: engine.restart(lab, "weeb"),
        lambda: engine.prepare(lab, "restart", part="weeb"),
    ]
    for call in calls:
        with pytest.raises(decnet.UnknownPart, match="did you mean `web`") as unknown:
            call()
        assert isinstance(unknown.value, LookupError) and unknown.value.code == "unknown_decky"
    with pytest.raises(decnet.UnknownPart, match="did you mean `office`") as place:
        engine.capture(lab, "offise", tmp_path / "it.pcap")
    assert place.value.code == "unknown_place" and not list(tmp_path.iterdir())
    with pytest.raises(decnet.UnknownPart) as service:
        engine.restart(lab, "web.http")
    assert service.value.code == "unknown_service"


def test_a_command_has_limits_of_time_and_output(engine: decnet.Engine, lab: decnet.TopologyRow) -> None:
    with pytest.raises(decnet.OutputTooLarge, match="it keeps running") as long:
        engine.exec(lab, "web", ["cat"], input=b"abc" * 100, max_output=4)
    assert (long.value.stdout, long.value.stderr, long.value.code) == (b"abca", b"", "output_too_large")
    with pytest.raises(TimeoutError, match="the command in web did not end in time; it keeps running") as late:
        engine.exec(lab, "web", ["sleep", "60"], timeout=0.1)
    assert isinstance(late.value, decnet.TimedOut) and (late.value.stdout, late.value.code) == (b"", "timed_out")
    assert engine.exec(lab, "web", ["exit", "0"], timeout=60).status == 0
    with pytest.raises(decnet.WrongStatus):
        engine.exec(engine.teardown(lab).row, "web", ["echo"])


def test_ctrl_c_and_a_closed_engine_end_the_wait(engine: decnet.Engine, lab: decnet.TopologyRow) -> None:
    presser = press_after(0.2)
    with pytest.raises(KeyboardInterrupt) as pressed:
        engine.exec(lab, "web", ["sleep", "60"])
    presser.join()
    cause = pressed.value.__cause__
    assert isinstance(cause, decnet.Interrupted) and not cause.rolled_back
    assert cause.leftovers == ["the command in web"]
    closer = threading.Timer(0.2, engine.close)
    closer.start()
    with pytest.raises(decnet.Interrupted):
        engine.exec(lab, "web", ["sleep", "60"])
    closer.join()
    with pytest.raises(decnet.RepoError, match="closed"):
        engine.exec(lab, "web", ["echo"])


def test_files_are_copied_out(engine: decnet.Engine, docker: decnet.Simulated, lab: decnet.TopologyRow, tmp_path: Path) -> None:
    docker.put_archive(container(docker, "web.pot"), "/var/log/pot", archive({"pot/loot": b"loot"}, out="/etc/passwd", within="loot"))
    report = engine.copy_out(lab, "web", "/var/log/pot", tmp_path / "copy")
    assert (report.destination, report.files, report.bytes) == (tmp_path / "copy", 1, 4)
    assert (report.destination / "within").read_bytes() == b"loot" and report.links == 1
    assert report.skipped == len(report.skipped_entries) == 1 and "out" in report.skipped_entries[0]
    assert repr(report) == "<CopyReport: 1 file(s), 4 bytes, 1 skipped>" and report.to_dict()["files"] == 1
    assert [file.name for file in tmp_path.iterdir()] == ["copy"]
    folder = tmp_path / "copy"
    assert engine.copy_out(lab, "web.pot", "/var/log/pot", str(folder)).destination == folder / "pot", "into the folder"
    with pytest.raises(FileExistsError, match="copy/pot exists") as exists:
        engine.copy_out(lab, "web", "/var/log/pot", folder)
    assert isinstance(exists.value, decnet.FileExists) and exists.value.code == "destination_exists"
    assert (exists.value.errno, exists.value.filename) == (errno.EEXIST, str(folder / "pot"))
    assert engine.copy_out(lab, "web", "/var/log/pot", folder, force=True).files == 1
    for limit in ({"max_bytes": 3}, {"max_files": 1}):
        with pytest.raises(decnet.DecnetError, match="more than") as large:
            engine.copy_out(lab, "web", "/var/log/pot", tmp_path / "again", **limit)  # type: ignore[arg-type]
        assert large.value.code == "too_large" and not (tmp_path / "again").exists()
    with pytest.raises(decnet.DockerError) as missing:
        engine.copy_out(lab, "web", "/nowhere", tmp_path)
    assert missing.value.code == "no_such_path"
    with pytest.raises(FileNotFoundError, match="nowhere"):
        engine.copy_out(lab, "web", "/var/log/pot", tmp_path / "nowhere" / "copy")
    with pytest.raises(decnet.DecnetError) as built_in:
        engine.copy_out(lab, "files", "/etc", tmp_path)
    assert built_in.value.code == "no_own_image"


def test_a_capture_needs_a_daemon_with_packets(engine: decnet.Engine, lab: decnet.TopologyRow, tmp_path: Path) -> None:
    with pytest.raises(decnet.DockerError, match="no packets") as refused:
        engine.capture(lab, "web.office", tmp_path / "it.pcap", count=1, address=IPv4Address("10.90.1.10"), protocol="tcp")
    assert refused.value.code == "not_capturable" and not list(tmp_path.iterdir())


def test_a_decky_or_a_service_is_restarted(engine: decnet.Engine, docker: decnet.Simulated, lab: decnet.TopologyRow) -> None:
    prepared = engine.prepare(lab, "restart", part="web.ssh", timeout=5)
    assert [str(step).split(" ")[0] for step in prepared.plan] == ["restart"] and prepared.refusal is None
    assert prepared.restarts == [container(docker, "web.ssh")]
    seen: list[str] = []
    outcome = prepared.execute(progress=lambda event: seen.append(event["topic"]))
    assert (outcome.status, outcome.changed, outcome.reason) == ("active", 1, None)
    assert any(topic.endswith(".step.done") for topic in seen)
    assert engine.restart(lab, "web", timeout=5).changed == 4, "its base, its routes and its two services"
    assert docker.stop(container(docker, "files.smb")) and engine.restart(lab, "files.smb").changed == 1
    assert docker.containers[container(docker, "files.smb")] == "running"
    docker.fail(1, "no such thing")
    with pytest.raises(decnet.NotWell, match="web.ssh is unhealthy after its restart") as ill:
        engine.restart(lab, "web.ssh", timeout=1)
    assert ill.value.part == "web.ssh" and "no such thing" in ill.value.reason and ill.value.code == "not_well"


def test_a_restart_is_interrupted(engine: decnet.Engine, docker: decnet.Simulated, lab: decnet.TopologyRow) -> None:
    docker.pace(0.3)
    presser = press_after(0.1)
    with pytest.raises(KeyboardInterrupt) as pressed:
        engine.restart(lab, "web")
    presser.join()
    assert isinstance(pressed.value.__cause__, decnet.Interrupted)
    docker.pace(0)
    assert engine.reconcile(lab).status == "active" and engine.prepare(lab).plan.is_empty


def test_coroutines_do_the_same(docker: decnet.Simulated, tmp_path: Path) -> None:
    async def main() -> None:
        async with aio.Repo.memory() as repo, aio.Engine(repo, docker, catalog=decnet.Catalog.from_toml(OWN)) as engine:
            lab = (await engine.deploy(await engine.apply(LAB))).row
            both = await asyncio.gather(*(engine.exec(lab, "web", ["echo", str(at)]) for at in range(8)))
            assert [said.stdout for said in both] == [f"{at}\n".encode() for at in range(8)]
            task = asyncio.create_task(engine.exec(lab, "web", ["sleep", "60"]))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(engine.exec(lab, "web", ["sleep", "60"]), 0.1)
            docker.put_archive(container(docker, "web.pot"), "/srv", archive({"srv": b"loot"}))
            assert (await engine.copy_out(lab, "web", "/srv", tmp_path)).destination == tmp_path / "srv"
            assert (await engine.restart(lab, "web.ssh", timeout=5)).status == "active"
            assert (await (await engine.prepare(lab, "restart", part="files")).execute()).changed == 3
            assert (await engine.exec_choices(lab, "files"))["services"] == []
            with pytest.raises(decnet.DockerError):
                await engine.capture(lab, "dmz", tmp_path / "it.pcap")

    started = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - started < 50, "no sleep was awaited"


def test_arguments_of_the_wrong_kind_are_refused(engine: decnet.Engine, lab: decnet.TopologyRow, tmp_path: Path) -> None:
    wrong: Any = object()
    typed: list[Callable[[], object]] = [
        lambda: engine.exec(lab, wrong, ["echo"]),
        lambda: engine.exec(lab, "web", "echo a"),
        lambda: engine.exec(lab, "web", ["echo", wrong]),
        lambda: engine.exec(lab, "web", ["cat"], input="text"),  # type: ignore[arg-type]
        lambda: engine.exec(lab, "web", ["cat"], timeout=wrong),
        lambda: engine.exec(lab, "web", ["cat"], max_output=wrong),
        lambda: engine.copy_out(lab, "web", wrong, tmp_path),
        lambda: engine.copy_out(lab, "web", "/srv", wrong),
        lambda: engine.capture(lab, "dmz", wrong),
        lambda: engine.capture(lab, "dmz", tmp_path / "it.pcap", address=wrong),
        lambda: engine.restart(lab, "web", timeout=None),  # type: ignore[arg-type]
        lambda: engine.prepare(lab, "restart"),
        lambda: engine.prepare(lab, "restart", part="web", actor="me"),
        lambda: engine.prepare(lab, "restart", part="web", settings={}),
        lambda: engine.prepare(lab, "deploy", part="web"),
        lambda: engine.prepare(lab, timeout=5),
    ]
    for call in typed:
        with pytest.raises(TypeError):
            call()
    invalid: list[Callable[[], object]] = [
        lambda: engine.exec(lab, "web 01", ["routes"]),
        lambda: engine.exec(lab, "web", ["cat"], timeout=-1),
        lambda: engine.exec(lab, "web", ["cat"], max_output=-1),
        lambda: engine.copy_out(lab, "web", "/", tmp_path),
        lambda: engine.copy_out(lab, "web", "/srv", tmp_path, max_files=0),
        lambda: engine.capture(lab, "dmz", tmp_path / "it.pcap", count=0),
        lambda: engine.capture(lab, "dmz", tmp_path / "it.pcap", port=65536),
        lambda: engine.capture(lab, "dmz", tmp_path / "it.pcap", address="10.0.0.256"),
        lambda: engine.capture(lab, "dmz", tmp_path / "it.pcap", protocol="http"),  # type: ignore[arg-type]
        lambda: engine.restart(lab, "web.", timeout=5),
        lambda: engine.restart(lab, "web", timeout=-5),
    ]
    for call in invalid:
        with pytest.raises(decnet.DecnetError):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.docker
def test_on_docker_a_maze_is_entered_copied_from_captured_and_restarted(
    repo: decnet.Repo, tmp_path: Path, own_image: Path
) -> None:
    catalog_file = tmp_path / "own.toml"
    catalog_file.write_text(f"[services.shop]\nports = []\nimage = {{ build = '{own_image}' }}\nwritable_root = true\n")
    engine = decnet.Engine(repo, catalog=decnet.Catalog.from_file(catalog_file))
    lans = [{"name": "dmz", "subnet": "10.208.193.0/28", "dmz": True}, {"name": "office", "subnet": "10.208.193.16/28"}]
    gate = {"name": "gate", "services": [], "forwards_l3": True, "attachments": [{"lan": "dmz"}, {"lan": "office"}]}
    web = {"name": "web", "services": ["shop", "ssh"], "attachments": [{"lan": "office"}]}
    try:
        lab = engine.deploy(
            engine.apply({"format": "decnet.topology/1", "name": "entered", "lans": lans, "deckies": [gate, web]})
        ).row
        ran = engine.exec(lab, "web", ["sh", "-c", "cat; echo err >&2; exit 7"], input=b"typed\n" * 50_000)
        assert (ran.status, ran.stdout, ran.stderr) == (7, b"typed\n" * 50_000, b"err\n")
        assert engine.exec(lab, "web.shop", ["cat"]).stdout == b""
        assert engine.exec(lab, "web", ["missing"]).status in (126, 127), "Docker 20.10 reports 126"
        assert engine.exec(lab, "gate", ["connect", "web", "22"]).status == 0
        with pytest.raises(decnet.TimedOut) as late:
            engine.exec(lab, "web", ["sh", "-c", "echo begun; sleep 300"], timeout=3)
        assert late.value.stdout == b"begun\n"
        presser = press_after(1)
        with pytest.raises(KeyboardInterrupt):
            engine.exec(lab, "web", ["sleep", "300"])
        presser.join()

        made = "mkdir /tmp/loot; echo one > /tmp/loot/one; echo two > /tmp/loot/two"
        assert engine.exec(lab, "web", ["sh", "-c", made]).status == 0
        report = engine.copy_out(lab, "web", "/tmp/loot", tmp_path)
        assert (report.destination, report.files, report.folders, report.bytes) == (tmp_path / "loot", 2, 1, 8)
        assert (tmp_path / "loot/two").read_text() == "two\n"

        outcome = engine.restart(lab, "web", timeout=90)
        assert outcome.status == "active" and outcome.reason is None
        assert engine.exec(lab, "web", ["cat", "/tmp/loot/one"]).stdout == b"one\n", "the container is the same"
        assert engine.restart(lab, "web.ssh", timeout=90).changed == 1

        if os.geteuid() == 0:
            file = tmp_path / "icmp.pcap"
            done = threading.Event()

            def ping() -> None:
                while not done.wait(0.2):
                    engine.exec(lab, "gate", ["ping", "web"])

            pinger = threading.Thread(target=ping)
            pinger.start()
            try:
                captured = engine.capture(lab, "web.office", file, count=2, duration=60, protocol="icmp")
            finally:
                done.set()
                pinger.join()
            assert captured.captured == 2 and captured.dropped == 0 and "2 packet(s)" in repr(captured)
            assert file.read_bytes()[:4] == b"\x4d\x3c\xb2\xa1" and stat.S_IMODE(file.stat().st_mode) == 0o600
            size = file.stat().st_size
            assert engine.capture(lab, "dmz", file, duration=0.2).captured == 0 and file.stat().st_size < size
            with pytest.raises(FileNotFoundError, match="nowhere"):
                engine.capture(lab, "dmz", tmp_path / "nowhere/it.pcap", duration=1)
            presser = press_after(1)
            with pytest.raises(KeyboardInterrupt):
                engine.capture(lab, "dmz", file)
            presser.join()
            assert file.stat().st_size == 24, "the header"
    finally:
        for row in repo.list():
            if row.status not in ("pending", "torn_down"):
                engine.teardown(row)
        assert engine.reap()["orphans"] == []
