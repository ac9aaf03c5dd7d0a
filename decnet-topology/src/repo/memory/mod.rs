//! The backend in memory.

mod repo;
mod stock;

pub use repo::MemoryRepo;
