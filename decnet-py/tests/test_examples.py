"""The examples and the code in the documentation run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT

EXAMPLES = sorted((ROOT / "examples/python").glob("*.py"))


def run(*arguments: str | Path, folder: Path) -> str:
    command = [sys.executable, "-W", "error", *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PYTHONUTF8": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


@pytest.mark.parametrize("example", [one for one in EXAMPLES if one.stem != "on_docker"], ids=lambda path: path.stem)
def test_an_example_runs(example: Path, tmp_path: Path) -> None:
    assert run(example, folder=tmp_path)
    assert list(tmp_path.iterdir()) == [], "it leaves nothing behind"


@pytest.mark.docker
def test_the_example_on_docker_runs(tmp_path: Path) -> None:
    said = run(ROOT / "examples/python/on_docker.py", "10.208.176.0/20", folder=tmp_path)
    assert said.endswith("torn_down\n") and " 0 deviations" in said


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)


def test_the_page_on_python_runs_from_top_to_bottom(tmp_path: Path) -> None:
    script = tmp_path / "page.py"
    script.write_text("\n".join(blocks("docs/python.md")))
    run(script, folder=tmp_path)


@pytest.mark.docker
def test_the_script_of_the_readme_runs(tmp_path: Path) -> None:
    [script] = blocks("decnet-py/README.md")
    assert len(script.strip().splitlines()) <= 12
    file = tmp_path / "script.py"
    file.write_text(script)
    assert run(file, folder=tmp_path).split() == ["active", "torn_down"]
