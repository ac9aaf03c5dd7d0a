"""Validates maze files: `check_files.py maze.yaml ...`. Without arguments it validates those of `examples/mazes`."""

import sys
from pathlib import Path

import decnet

here = Path(__file__).parent
files = [Path(name) for name in sys.argv[1:]] or sorted((here.parent / "mazes").glob("*.yaml"))
forge = decnet.Catalog.from_file(here.parent / "mazes" / "forge.toml")

worst = 0
for file in files:
    report = decnet.validate(file, catalog=forge)
    print(f"{file.name}: {'valid' if report.is_clean else 'invalid'}")
    for finding in report:
        print(f"  {finding}")
    worst = max(worst, 0 if report.is_clean else 3)
sys.exit(worst)
