//! The databases of one conversation.

use super::super::context::Context;

/// The maximum number of collections that the visitor can add.
const COLLECTIONS: usize = 64;

/// The databases and their collections. What the visitor changes ends with the conversation.
#[derive(Debug)]
pub(super) struct Store {
    pub(super) databases: Vec<(String, Vec<String>)>,
}

impl Store {
    pub(super) fn new(context: &Context) -> Self {
        let mut names: Vec<&str> = vec!["admin", "config", "local"];
        names.extend(context.fields().lines("databases"));
        names.sort_unstable();
        names.dedup();
        let collection = |name: &str| match name {
            "admin" => "system.version",
            "config" => "system.sessions",
            "local" => "startup_log",
            _ => "data",
        };
        let databases = names
            .iter()
            .map(|name| ((*name).to_owned(), vec![collection(name).to_owned()]));
        Self {
            databases: databases.collect(),
        }
    }

    pub(super) fn collections(&self, database: &str) -> &[String] {
        let found = self.databases.iter().find(|(name, _)| name == database);
        found.map_or(&[], |(_, collections)| collections.as_slice())
    }

    pub(super) fn add(&mut self, database: &str, collection: &str) {
        let count: usize = self.databases.iter().map(|(_, collections)| collections.len()).sum();
        let is_known = self.collections(database).iter().any(|known| known == collection);
        if is_known || count > COLLECTIONS || database.len() > 63 || collection.len() > 120 {
            return;
        }
        match self.databases.iter_mut().find(|(name, _)| name == database) {
            Some((_, collections)) => collections.push(collection.into()),
            None => self.databases.push((database.into(), vec![collection.into()])),
        }
    }

    /// Removes a collection. Returns false if there is none of this name.
    pub(super) fn remove(&mut self, database: &str, collection: &str) -> bool {
        let count = self.collections(database).len();
        for (_, collections) in self.databases.iter_mut().filter(|(name, _)| name == database) {
            collections.retain(|known| known != collection);
        }
        self.collections(database).len() < count
    }
}
