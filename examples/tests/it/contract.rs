use decnet_examples::audited::Audited;
use decnet_topology::{MemoryRepo, testing::contract::Subject};

decnet_topology::repo_contract!(async || Subject::new(Audited::new(MemoryRepo::new())));
