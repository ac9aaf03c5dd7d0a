"""The agent of a host. The listener of its master is the program that `DECNET` names, as `scripts/test-python` does."""

from __future__ import annotations

import asyncio
import datetime
import json
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import decnet
from decnet import aio

#: How long anything may take. The machine may be busy.
LIMIT = 60.0


@dataclass(frozen=True)
class Master:
    """A store, and the address of the listener to which hosts join."""

    repo: decnet.Repo
    address: str

    def token(self) -> str:
        return self.repo.enroll_host("east", underlay="192.0.2.11")


@pytest.fixture
def master(tmp_path: Path) -> Iterator[Master]:
    program = os.environ.get("DECNET")
    if not program:
        pytest.skip("DECNET names no program that can be the master")
    store = tmp_path / "master.db"
    command = [program, "--json", "--db", str(store), "host", "serve", "--listen", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        listening = json.loads(serving.stdout.readline())["listening"]
        with decnet.Repo.open(store) as repo:
            yield Master(repo, listening)
        serving.send_signal(signal.SIGTERM)


def free_address() -> str:
    """Returns an address that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{bound.getsockname()[1]}"


def until(what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT
    while not is_so():
        assert time.monotonic() < end, f"not {what}"
        time.sleep(0.05)


def answers(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    with socket.socket() as probe:
        return probe.connect_ex((host, int(port))) == 0


@contextmanager
def serving(agent: decnet.Agent, address: str, docker: decnet.Simulated | None) -> Iterator[threading.Thread]:
    """Serves the agent in a thread; at the end it is closed, and the thread has ended without an exception."""
    failures: list[BaseException] = []

    def serve() -> None:
        try:
            agent.serve(listen=address, docker=docker)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        until("serving", lambda: answers(address) or not thread.is_alive())
        yield thread
    finally:
        agent.close()
        thread.join(LIMIT)
        assert not thread.is_alive() and failures == []


def test_a_host_joins_serves_a_maze_and_is_closed(master: Master, maze: decnet.Topology, tmp_path: Path) -> None:
    folder, address, docker = tmp_path / "agent", free_address(), decnet.Simulated()
    agent = decnet.Agent(folder)
    assert agent.identity is None and repr(agent) == f'<Agent in "{folder}">'
    with pytest.raises(decnet.NotFound) as early:
        agent.serve(listen=address, docker=docker)
    assert early.value.code == "not_joined"

    agent.join(master.token(), name="east", master=master.address, address=address)
    identity, host = agent.identity, master.repo.host("east")
    assert identity is not None
    assert (identity["name"], identity["host"], identity["address"]) == ("east", host.id, address)
    assert identity["master"] == master.address
    until_day = datetime.datetime.fromisoformat(identity["certificate_until"].replace("Z", "+00:00"))
    assert until_day > datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=6)

    # Gateways need the label `public`, which this host lacks.
    inner = decnet.generate(name="corp", depth=2, branching_factor=2, seed=7)
    with serving(agent, address, docker):
        until("heard", lambda: master.repo.host("east").state == "ready")
        with pytest.raises(decnet.DecnetError, match="serves already"):
            agent.serve(listen=free_address(), docker=docker)
        with pytest.raises(decnet.DecnetError, match="serves already"):
            agent.join(master.token(), name="east", master=master.address, address=address)
        stored = master.repo.create(inner)
        with decnet.Engine(master.repo) as engine:
            assert engine.deploy(stored, hosts=["east"]).status == "active"
            assert len(docker.containers) > 0
            assert master.repo.host("east").mazes == ["corp"]
            assert engine.teardown(stored).status == "torn_down"
        assert docker.containers == {} and docker.networks == {}
    with pytest.raises(decnet.RepoError, match="the agent is closed"):
        agent.serve(listen=address)
    assert repr(agent) == "<Agent, closed>"

    # The folder keeps what it joined as.
    with decnet.Agent(folder) as again:
        assert again.identity == identity


@pytest.mark.docker
def test_an_agent_serves_the_docker_that_the_master_uses_too(master: Master, tmp_path: Path) -> None:
    address = free_address()
    agent = decnet.Agent(tmp_path / "agent")
    agent.join(master.token(), name="east", master=master.address, address=address)

    def maze(name: str, pool: str) -> decnet.StoredTopology:
        settings: dict[str, Any] = {"depth": 1, "branching_factor": 1, "subnet_base_prefix": pool, "deckies_per_lan_max": 1, "seed": 7}
        return master.repo.create(decnet.generate(name=name, **settings))

    there, here = maze("there", "10.208.224.0/20"), maze("here", "10.208.240.0/20")
    with serving(agent, address, None), decnet.Engine(master.repo) as engine:
        try:
            for stored, hosts in [(there, ["east"]), (here, [])]:
                outcome = engine.deploy(stored, hosts=hosts)
                assert (outcome.status, outcome.reason, outcome.row.placed_on) == ("active", None, hosts)
            for stored in (there, here):
                assert engine.reconcile(stored).changed == 0
                assert engine.verify(stored).is_clean
            assert engine.teardown(here).status == "torn_down"
            assert engine.reconcile(there).changed == 0
        finally:
            for row in master.repo.list():
                assert engine.teardown(row).status == "torn_down"


def test_refusals_have_codes_and_leave_the_folder_as_it_was(master: Master, tmp_path: Path) -> None:
    folder, address = tmp_path / "agent", free_address()
    with decnet.Agent(folder) as agent:

        def refused(token: str, name: str = "east", at: str = master.address) -> str | None:
            with pytest.raises(decnet.DecnetError) as refusal:
                agent.join(token, name=name, master=at, address=address)
            assert agent.identity is None
            return refusal.value.code

        token = master.token()
        assert refused(token[:-4]) == "token_malformed"
        assert refused(token, name="west") == "token_name"
        assert refused(token, at=free_address()) == "peer_unreachable"
        assert refused(token, at="nowhere") == "peer_address"
        agent.join(token, name="east", master=master.address, address=address)
        with pytest.raises(decnet.DecnetError) as used:
            agent.join(token, name="east", master=master.address, address=address)
        assert used.value.code == "token_used"
        with pytest.raises(decnet.DecnetError) as second:
            decnet.Agent(folder)
        assert second.value.code == "folder_in_use"
        master.repo.revoke_host("east")
        with pytest.raises(decnet.DecnetError, match="revoked") as revoked:
            agent.serve(listen=address, docker=decnet.Simulated())
        assert revoked.value.code == "host_revoked"
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o755)
    with pytest.raises(decnet.DecnetError, match="remove their permissions"):
        decnet.Agent(open_to_all)
    with pytest.raises(decnet.FileError):
        decnet.Agent("/proc/agent")


def test_arguments_of_another_kind_are_refused(tmp_path: Path) -> None:
    with decnet.Agent(tmp_path / "agent") as agent:
        kinds: list[tuple[Callable[[], object], str]] = [
            (lambda: agent.serve(orphan_after=60), "orphan_after must be a timedelta, not int"),  # type: ignore[arg-type]
            (lambda: agent.serve(docker=1), "docker must be None, a str or a Simulated"),  # type: ignore[arg-type]
            (lambda: agent.join(1, name="east", master="a:1", address="b:1"), "a token must be"),  # type: ignore[arg-type]
        ]
        for call, message in kinds:
            with pytest.raises(TypeError, match=message):
                call()
        values: list[tuple[Callable[[], object], str]] = [
            (lambda: agent.serve(orphan_after=datetime.timedelta(seconds=59)), "one minute or longer"),
            (lambda: agent.serve(listen="localhost"), "an address to listen on"),
            (lambda: agent.serve(logs="ftp://logs"), "ftp"),
        ]
        for call, message in values:
            with pytest.raises(decnet.DecnetError, match=message):
                call()


def test_a_task_that_is_cancelled_ends_the_agent(master: Master, tmp_path: Path) -> None:
    address = free_address()

    async def main() -> None:
        async with aio.Agent(tmp_path / "agent") as agent:
            await agent.join(master.token(), name="east", master=master.address, address=address)
            task = asyncio.create_task(agent.serve(listen=address, docker=decnet.Simulated()))
            while not answers(address):
                assert not task.done()
                await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(task, LIMIT)
            assert not answers(address)
            # It can serve again.
            again = asyncio.create_task(agent.serve(listen=address, docker=decnet.Simulated()))
            while not answers(address):
                assert not again.done()
                await asyncio.sleep(0.05)
        await asyncio.wait_for(again, LIMIT)

    asyncio.run(main())
