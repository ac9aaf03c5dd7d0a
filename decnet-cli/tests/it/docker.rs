//! Tests on a Docker daemon: common tasks, and accidents.

mod accidents;
mod clients;
mod daemon;
mod everyday;
mod following;
mod lab;
mod matrix;
mod mutating;
mod obstacles;
mod restarting;
mod unwritable;
mod visits;
mod walking;
mod watching;
