"""Stores for tests: files, and databases on the PostgreSQL server of `DECNET_TEST_POSTGRES` (see `scripts/postgres-up`)."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest

#: Runs a statement in a file of SQLite.
IN_A_FILE = """
import contextlib, sqlite3, sys
with contextlib.closing(sqlite3.connect(sys.argv[1])) as connection, connection:
    connection.execute(sys.argv[2])
"""

#: The files that `scripts/servers-up` unpacks.
UNPACKED = Path("/var/cache/decnet/servers")


@contextmanager
def place(kind: str, folder: Path) -> Iterator[str]:
    """Returns the path of a file, or the address of a new database: what `Repo.open` takes."""
    if kind == "file":
        yield str(folder / "decnet.db")
    else:
        with database() as url:
            yield url


@contextmanager
def database() -> Iterator[str]:
    """Creates a database on the server, and removes it at the end. Without a server, the test is skipped."""
    server = os.environ.get("DECNET_TEST_POSTGRES")
    if not server:
        pytest.skip("DECNET_TEST_POSTGRES names no server; see scripts/postgres-up")
    name = f"decnet_test_{uuid.uuid4().hex}"
    run(server, f"CREATE DATABASE {name}")
    try:
        yield urlsplit(server)._replace(path=f"/{name}").geturl()
    finally:
        run(server, f"DROP DATABASE {name} WITH (FORCE)")


def run(place: str, statement: str) -> None:
    """Runs a statement in a store, for what only other programs write."""
    if "://" not in place:
        # Another process: two copies of SQLite in one process do not see each other's locks.
        subprocess.run([sys.executable, "-c", IN_A_FILE, place, statement], check=True)
        return
    program, variables = psql()
    command = [program, "--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--dbname", place, "--command", statement]
    subprocess.run(command, check=True, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)


def psql() -> tuple[str, dict[str, str]]:
    """Returns the client of PostgreSQL, and the environment variables that it needs."""
    if installed := shutil.which("psql"):
        return installed, {}
    unpacked = sorted(UNPACKED.glob("usr/lib/postgresql/*/bin/psql"))
    if not unpacked:
        pytest.skip("there is no psql; see scripts/postgres-up")
    triple = f"{platform.machine()}-linux-gnu"
    folders = [str(UNPACKED / "usr/lib" / triple), str(UNPACKED / "lib" / triple)]
    return str(unpacked[-1]), {"LD_LIBRARY_PATH": ":".join(folders)}


def add_host(place: str, name: str, address: str) -> None:
    """Adds a host to a store, as if it had joined: only the agent of a host can do that, with the token of `Repo.enroll_host`."""
    profile = json.dumps({"labels": [], "capacity": 250, "underlay": "192.0.2.7", "mtu": 1500})
    now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    values = (str(uuid.uuid4()), name, address, profile, now)
    listed = ", ".join(f"'{value}'" for value in values)
    run(place, f"INSERT INTO hosts (id, name, address, profile, enrolled_at) VALUES ({listed})")


def set_placement(place: str, placement: dict[str, object]) -> None:
    """Stores the placement of all topologies, as a deploy on hosts does. LANs and deckies have their numbers."""
    run(place, f"UPDATE topologies SET placement = '{json.dumps(placement)}'")
