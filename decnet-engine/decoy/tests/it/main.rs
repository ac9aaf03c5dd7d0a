//! The program where it belongs: in containers, driven by the docker command.
#![cfg(target_os = "linux")]

mod base;
mod lab;
mod routing;
mod service;
