use std::collections::BTreeMap;

use serde_json::Value;

use crate::name::ServiceName;

/// The fields that one service is configured with: any JSON value each.
pub type ServiceFields = BTreeMap<String, Value>;

/// Configuration by service.
pub type ServiceConfig = BTreeMap<ServiceName, ServiceFields>;
