use std::ops::Range;

use petgraph::graph::NodeIndex;

use crate::{
    graph::{Graph, GraphNode},
    model::Lan,
};

/// What each decky cuts off from the DMZ if it fails.
#[derive(Debug, Clone)]
pub(super) struct Losses {
    /// The nodes that are connected to the DMZ, in the order of a search, depth first.
    order: Vec<GraphNode>,
    /// The number of LANs before each place in this order.
    lans_before: Vec<usize>,
    /// For each decky, the places of the nodes that it cuts off.
    of_deckies: Vec<Vec<Range<usize>>>,
}

/// A node of which not all neighbours have been seen.
struct Open<I> {
    node: NodeIndex,
    neighbours: I,
    place: usize,
    /// The earliest place with an edge from this node or from those found through it. A DMZ has an edge to the outside.
    earliest: Option<usize>,
}

impl Losses {
    /// Searches the maze depth first, as Tarjan's search for articulation points does. A decky cuts off what was found through one
    /// of its LANs if no edge leads from there to an earlier node. The stack is on the heap: a maze may be thousands of LANs deep.
    pub(super) fn new(graph: &Graph<'_>) -> Self {
        let (maze, lans) = (&graph.maze, graph.topology.lans());
        let mut places: Vec<Option<usize>> = vec![None; maze.node_count()];
        let mut losses = Self {
            order: Vec::with_capacity(maze.node_count()),
            lans_before: vec![0],
            of_deckies: vec![Vec::new(); graph.topology.deckies().len()],
        };
        let is_dmz = |node: NodeIndex| lans.get(node.index()).is_some_and(Lan::is_dmz);
        for start in maze.node_indices().filter(|node| is_dmz(*node)) {
            if places[start.index()].is_some() {
                continue;
            }
            let mut stack = Vec::new();
            let mut next = Some(start);
            loop {
                if let Some(node) = next.take() {
                    let place = losses.add(maze[node]);
                    places[node.index()] = Some(place);
                    stack.push(Open {
                        node,
                        neighbours: maze.neighbors(node),
                        place,
                        earliest: (!is_dmz(node)).then_some(place),
                    });
                }
                let Some(open) = stack.last_mut() else { break };
                if let Some(neighbour) = open.neighbours.next() {
                    match places[neighbour.index()] {
                        Some(place) => open.earliest = open.earliest.min(Some(place)),
                        None => next = Some(neighbour),
                    }
                    continue;
                }
                let Some(done) = stack.pop() else { break };
                let Some(parent) = stack.last_mut() else { break };
                // The edge to the parent itself counts too: its place is not earlier than the parent.
                if done.earliest >= Some(parent.place)
                    && let Some(decky) = parent.node.index().checked_sub(lans.len())
                {
                    losses.of_deckies[decky].push(done.place..losses.order.len());
                }
                parent.earliest = parent.earliest.min(done.earliest);
            }
        }
        losses
    }

    fn add(&mut self, node: GraphNode) -> usize {
        let before = self.lans_before[self.order.len()];
        self.lans_before
            .push(before + usize::from(matches!(node, GraphNode::Lan(_))));
        self.order.push(node);
        self.order.len() - 1
    }

    /// Walks the nodes that the decky at a position cuts off.
    pub(super) fn nodes(&self, decky: Option<usize>) -> impl Iterator<Item = GraphNode> {
        let ranges = decky.map_or(&[][..], |decky| &self.of_deckies[decky]);
        ranges.iter().flat_map(|range| &self.order[range.clone()]).copied()
    }

    /// Counts the LANs and the deckies that the decky at a position cuts off.
    pub(super) fn counts(&self, decky: usize) -> (usize, usize) {
        let of_range = |range: &Range<usize>| {
            let lans = self.lans_before[range.end] - self.lans_before[range.start];
            (lans, range.len() - lans)
        };
        let all = self.of_deckies[decky].iter().map(of_range);
        all.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1))
    }
}
