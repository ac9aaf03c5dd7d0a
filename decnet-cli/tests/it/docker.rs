//! On a Docker daemon: what people do, and what must not happen.

mod accidents;
mod daemon;
mod everyday;
mod following;
mod lab;
mod matrix;
mod mutating;
mod obstacles;
mod restarting;
mod unwritable;
mod watching;
