"""Finds with networkx the deckies whose loss splits a maze. All paths to the part behind such a decky lead through it."""

import networkx

import decnet

maze = decnet.generate(name="plant", depth=3, branching_factor=2, cross_edge_probability=0.3, seed=11)
graph = maze.to_networkx()
for kind, name in sorted(networkx.articulation_points(graph)):
    if kind == "decky":
        print(name, "connects", ", ".join(edge.lan for edge in maze.decky(name).attachments))
