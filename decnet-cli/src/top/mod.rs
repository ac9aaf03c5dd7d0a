//! The live view of `decnet top`: rows of panes, a state machine for keys, drawing, and the terminal.
//!
//! [`rows`] turns what the engine reports into text. [`board`] keeps the rows of four panes. [`app`] is the state of the view, which only keys
//! and updates change. [`draw`] draws it. [`source`] collects updates in the background, [`screen`] owns the terminal, and [`session`] connects them.

mod app;
mod board;
mod draw;
mod rows;
mod screen;
mod session;
mod source;
#[cfg(test)]
mod tests;

pub(crate) use screen::check;
pub(crate) use session::run;
