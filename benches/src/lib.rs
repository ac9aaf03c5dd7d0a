//! Shared code of the benches: mazes of given sizes, measuring something against its floor, and tables of results.
//!
//! A **floor** is the minimal work with the same result. It is measured alternately with the subject, so that other load on the
//! machine slows both equally, and their ratio shows the possible gain.
//!
//! Benches on Docker get an engine and mazes from [`running`]: `docker` has the bare calls of the API as its floor, `compose` has
//! Docker Compose, and `watch` measures what the loop adds to Docker's own time. `cargo bench --bench docker -- reconcile` runs
//! only one part.
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
pub mod running;
mod table;

pub use maze::{SIZES, drawn, drawn_from, maze};
pub use measure::{Timed, alternate, median, median_of, repeat, repeat_on_the_clock};
pub use table::{Limit, Row, Table, Unit, of_kind};
