//! A service as it is shown to people: its entry, how to let visitors log in, and an example.

use serde_json::{Map, Value, json};

use crate::catalog::{FieldType, Service, ServiceField};

impl Service {
    /// Returns the fields with the passwords that visitors can log in with. Without any, the service has no login.
    pub fn login_fields(&self) -> impl Iterator<Item = &ServiceField> {
        self.fields.iter().filter(|field| field.kind == FieldType::Password)
    }

    /// Returns the keys of a decky in a maze file that runs the service: `services`, and `service_config` and `persona` if they can be set.
    /// The values are the defaults, the first options and invented passwords; they are valid. Texts without a default are left out.
    ///
    /// ```
    /// let catalog = decnet_topology::Catalog::builtin();
    /// let example = catalog.find_service("redis")?.example();
    /// assert_eq!(
    ///     serde_json::Value::from(example),
    ///     serde_json::json!({
    ///         "services": ["redis"],
    ///         "service_config": {"redis": {"password": "Summer2024"}},
    ///         "persona": {"versions": {"redis": "7.0.15"}},
    ///     })
    /// );
    /// # Ok::<(), decnet_topology::ServiceNotFound>(())
    /// ```
    pub fn example(&self) -> Map<String, Value> {
        let mut example = Map::new();
        if self.singleton {
            return example;
        }
        let name = self.name.as_str();
        example.insert("services".into(), json!([name]));
        let values = self.fields.iter();
        let values: Map<String, Value> = values
            .filter_map(|field| Some((field.key.clone(), sample(field)?)))
            .collect();
        if !values.is_empty() {
            example.insert("service_config".into(), json!({ name: values }));
        }
        if let Some(version) = &self.version {
            example.insert("persona".into(), json!({"versions": {name: version}}));
        }
        example
    }

    /// Returns the entry as JSON, with the keys of [`login_fields`](Self::login_fields) as `login` and with
    /// [`example`](Self::example).
    #[expect(clippy::missing_panics_doc, reason = "all keys of an entry are texts")]
    pub fn described(&self) -> Value {
        let mut described = serde_json::to_value(self).expect("all keys are texts");
        let login: Vec<_> = self.login_fields().map(|field| &field.key).collect();
        described["login"] = json!(login);
        described["example"] = self.example().into();
        described
    }
}

/// Returns a value of a field, if there is one that makes sense in any maze.
fn sample(field: &ServiceField) -> Option<Value> {
    let first = || field.options.first().cloned();
    field.default.clone().or_else(|| match field.kind {
        FieldType::Password => Some("Summer2024".into()),
        FieldType::Enum => first().map(Value::from),
        FieldType::MultiEnum => first().map(|option| vec![option].into()),
        _ => None,
    })
}
