"""Validates maze files: `check_files.py maze.yaml ...`. Without arguments it validates those of `examples/mazes`.

If there is a catalogue with the name of the file, `maze.toml`, the maze is validated with it.
"""

import sys
from pathlib import Path

import decnet

here = Path(__file__).parent
files = [Path(name) for name in sys.argv[1:]] or sorted((here.parent / "mazes").glob("*.yaml"))

worst = 0
for file in files:
    own = file.with_suffix(".toml")
    catalog = decnet.Catalog.from_file(own) if own.exists() else decnet.Catalog.builtin()
    report = decnet.validate(file, catalog=catalog)
    print(f"{file.name}: {'valid' if report.is_clean else 'invalid'}")
    for finding in report:
        print(f"  {finding}")
    worst = max(worst, 0 if report.is_clean else 3)
sys.exit(worst)
