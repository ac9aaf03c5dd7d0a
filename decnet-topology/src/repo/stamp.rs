/// A number that stands for the state of a store, for a cache of what was read from it.
///
/// Two equal stamps of one repo value mean that nothing was committed between them, by this process or by another. Stamps of
/// different repo values have nothing in common.
///
/// The stamp must be taken *before* the read whose result is kept: what was read is then at least as new as the stamp says, and a
/// later equal stamp proves that it is still current.
///
/// ```
/// use decnet_topology::{ChangeLog, MemoryRepo, NewTopology, Timestamp, Topology, TopologyStore};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let repo = MemoryRepo::new();
/// let before = repo.stamp().expect("a store in memory always has one");
/// assert_eq!(repo.stamp(), Some(before));
/// repo.create(NewTopology::new("corp".parse()?, Topology::default()), Timestamp::now()).await?;
/// assert_ne!(repo.stamp(), Some(before));
/// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// Wraps a number.
    pub fn new(number: u64) -> Self {
        Self(number)
    }
}
