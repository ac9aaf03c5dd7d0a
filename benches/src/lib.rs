//! What the benches share: mazes of given sizes, measuring something beside its floor, and tables of what came of it.
//!
//! A **floor** is the least that anything could do that comes to the same result. It is measured in turn with the subject, so what
//! else the machine does meanwhile slows both alike, and their ratio says how much is left to gain.
//!
//! Those on Docker have an engine and mazes from [`raised`]: `docker` has the bare calls of the API as its floor, `compose` has
//! Docker Compose, and `watch` tells what the loop adds to Docker's own time. `cargo bench --bench docker -- reconcile` makes one
//! part alone.
//!
//! ```no_run
//! use criterion::Criterion;
//! use decnet_benches::{Limit, SIZES, Table, maze, repeat};
//!
//! let mut criterion = Criterion::default();
//! let mut table = Table::new("clone", "a clone").limit(Limit::Ratio(1.2));
//! for lans in SIZES {
//!     let maze = maze(lans);
//!     table.compare(&mut criterion, &maze, repeat(|| maze.clone()), repeat(|| maze.clone()));
//! }
//! table.finish()?;
//! # Ok::<(), std::io::Error>(())
//! ```

pub mod machine;
mod maze;
mod measure;
pub mod plain;
pub mod raised;
mod table;

pub use maze::{SIZES, drawn, maze};
pub use measure::{Spell, alternate, median, median_of, repeat, repeat_on_the_clock};
pub use table::{Limit, Row, Table, Unit, of_kind};
