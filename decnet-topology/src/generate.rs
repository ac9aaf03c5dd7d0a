//! From a config to a maze.
