"""Prints the licences of the crates that a package links.

    python3 scripts/licences.py PACKAGE TARGET
"""

import json
import subprocess
import sys
from pathlib import Path

package, target = sys.argv[1:]
command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
metadata = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
crates = {crate["id"]: crate for crate in metadata["packages"]}
nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}

# The crates that the program or a build script of it needs; dev-dependencies are left out. The decoy program has other features.
decoy = [crate["id"] for crate in crates.values() if crate["name"] == "decnet-decoy"]
waiting = [crate["id"] for crate in crates.values() if crate["name"] == package] + decoy
linked: set[str] = set()
while waiting:
    one = waiting.pop()
    if one in linked:
        continue
    linked.add(one)
    for dependency in nodes[one]["deps"]:
        if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
            waiting.append(dependency["pkg"])

print("The programs of DECNET contain these crates, the C library of the machine that built them, and SQLite (public domain).")
texts: dict[str, list[str]] = {}
for crate in sorted((crates[one] for one in linked), key=lambda crate: (crate["name"], crate["version"])):
    if crate["source"] is None:
        continue
    name = f"{crate['name']} {crate['version']}"
    print(f"- {name}: {crate['license']}")
    for file in sorted(Path(crate["manifest_path"]).parent.iterdir()):
        if file.is_file() and file.name.upper().startswith(("LICEN", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE")):
            texts.setdefault(file.read_text(errors="replace").strip(), []).append(name)
for text, names in texts.items():
    print(f"\n{'=' * 80}\n{', '.join(dict.fromkeys(names))}\n{'=' * 80}\n\n{text}")
