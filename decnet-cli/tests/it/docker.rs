//! Tests on a Docker daemon: common tasks, and accidents.

mod accidents;
mod browsing;
mod catalogs;
mod clients;
mod converging;
mod daemon;
mod daily;
mod everyday;
mod following;
mod hosts;
mod lab;
mod live;
mod matrix;
mod mistakes;
mod mutating;
mod obstacles;
mod restarting;
mod unwritable;
mod visits;
mod walking;
mod watching;
