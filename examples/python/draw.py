"""Generates a maze from a seed, and prints it as a Mermaid diagram."""

import decnet

maze = decnet.generate(name="corp", depth=2, branching_factor=2, dmz_gateway=True, seed=7)
report = maze.validate()
assert report.is_clean, report
print(maze.to_mermaid())
