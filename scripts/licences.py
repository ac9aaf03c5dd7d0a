"""Prints the licences of the crates that a package links, and of the C library in its static program.

    python3 scripts/licences.py PACKAGE TARGET

The licence of the C library comes from Debian's package `libc6-dev`, which has the library too.
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

# What a static program has of the C library is licensed under the LGPL 2.1, section 6: users get its text, and can link another
# version of the library.
library = Path("/usr/share/doc/libc6-dev/copyright")
lesser = Path("/usr/share/common-licenses/LGPL-2.1")
for file in (library, lesser):
    if not file.exists():
        sys.exit(f"licences: {file} is missing; build on Debian or Ubuntu with libc6-dev and base-files")
query = ["dpkg-query", "--show", "--showformat", "${source:Package} ${source:Version}", "libc6-dev"]
version = subprocess.run(query, check=True, capture_output=True, text=True).stdout

print("The programs of DECNET contain these crates, SQLite (public domain), and the GNU C Library.")
print(f"The C library is that of Debian's source package {version} (https://snapshot.debian.org). Its licence is the LGPL 2.1, at the end.")
print("To link another version of it, build the program from the source of DECNET with `scripts/dist`.")
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
for file, name in ((library, "GNU C Library"), (lesser, "GNU Lesser General Public License 2.1")):
    print(f"\n{'=' * 80}\n{name}\n{'=' * 80}\n\n{file.read_text(errors='replace').strip()}")
