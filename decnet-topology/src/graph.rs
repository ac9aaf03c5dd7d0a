//! The maze as a graph.
