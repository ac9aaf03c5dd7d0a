//! The homes of the repo: both keep the contract; SQLite also survives other processes, crashes and bad files.

mod memory {
    use decnet_topology::{repo::MemoryRepo, testing::contract::Subject};

    decnet_topology::repo_contract!(async || Subject::new(MemoryRepo::new()));
}

mod sqlite_file {
    use decnet_topology::{repo::SqliteRepo, testing::contract::Subject};

    decnet_topology::repo_contract!(async || {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = SqliteRepo::open(folder.path().join("decnet.db")).expect("a store");
        Subject::new(repo).keeping(folder)
    });
}

mod sqlite_in_memory {
    use decnet_topology::{repo::SqliteRepo, testing::contract::Subject};

    decnet_topology::repo_contract!(async || Subject::new(SqliteRepo::open_in_memory().expect("a store")));
}
