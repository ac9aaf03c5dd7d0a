//! The homes of the repo: both keep the contract; SQLite also survives other processes, crashes and bad files.

mod memory {
    use decnet_topology::{repo::MemoryRepo, testing::contract::Subject};

    decnet_topology::repo_contract!(async || Subject::new(MemoryRepo::new()));
}
