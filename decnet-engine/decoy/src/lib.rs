//! Where the program stands, for the build script of the engine.
pub mod protocol;
/// The folder of this package.
pub const MANIFEST_DIR: &str = env!("CARGO_MANIFEST_DIR");
