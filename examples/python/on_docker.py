"""Deploys a maze on Docker, verifies it from inside, and tears it down: `on_docker.py [POOL]`. Ctrl-C undoes the deploy."""

import sys
import tempfile
from pathlib import Path

import decnet

pool = sys.argv[1] if len(sys.argv) > 1 else "10.208.64.0/20"
with tempfile.TemporaryDirectory() as folder, decnet.Repo.open(Path(folder) / "decnet.db") as repo:
    engine = decnet.Engine(repo)
    try:
        engine.info()
    except decnet.DockerUnavailable as error:
        sys.exit(str(error))
    stored = engine.generate(name="corp", depth=2, branching_factor=1, subnet_base_prefix=pool, seed=7)
    try:
        engine.deploy(stored, progress=lambda event: print(event["topic"].rpartition(".")[2], event["payload"].get("text", "")))
        report = engine.verify(stored)
        print(report.deckies, "deckies,", report.probes, "probes,", len(report.deviations), "deviations")
    finally:
        print(engine.teardown(stored).status)
