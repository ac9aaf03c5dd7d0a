use serde_json::{Map, Value, json};

use crate::{
    decode::{At, Diagnostics, Problem, Value as Tree},
    mutation::{Mutation, MutationError},
};

/// The refusal of a field that the payload already has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` is given twice")]
pub struct DoubledField {
    /// The key.
    pub key: String,
}

impl DoubledField {
    /// Returns a stable code for programs.
    pub const fn code(&self) -> &'static str {
        "doubled_field"
    }
}

/// The keys that belong in the patch of an update.
const PATCHED: [&str; 6] = [
    "service_config",
    "archetype",
    "persona",
    "forwards_l3",
    "subnet",
    "is_dmz",
];

/// The ops that can recreate a running container; the others never do.
const FORCED: [&str; 2] = ["attach_decky", "update_decky"];

impl Mutation {
    /// Adds fields that are given one by one (by flags, a form or keyword arguments) to the payload of an op.
    ///
    /// The patch of an update need not be spelled out: its keys are put into it. `force` is ignored for an op that has no such
    /// key, because it never recreates a container; it replaces a `force` of the payload.
    ///
    /// ```
    /// use decnet_topology::Mutation;
    /// use decnet_topology::serde_json::{Map, json};
    ///
    /// let fields = [("forwards_l3".into(), json!(true)), ("force".into(), json!(true))];
    /// let mut payload = Map::from_iter([("decky".into(), json!("jump-01"))]);
    /// Mutation::add_fields("update_decky", &mut payload, fields)?;
    /// let expected = json!({"decky": "jump-01", "patch": {"forwards_l3": true}, "force": true});
    /// assert_eq!(json!(payload), expected);
    /// # Ok::<(), decnet_topology::DoubledField>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the payload, or its patch, already has the key.
    pub fn add_fields(
        op: &str,
        payload: &mut Map<String, Value>,
        fields: impl IntoIterator<Item = (String, Value)>,
    ) -> Result<(), DoubledField> {
        // The patch comes first, because other fields are put into it.
        let (patch, others): (Vec<_>, Vec<_>) = fields.into_iter().partition(|(key, _)| key == "patch");
        for (key, value) in patch.into_iter().chain(others) {
            if key == "force" {
                if FORCED.contains(&op) {
                    payload.insert(key, value);
                }
                continue;
            }
            let target = if op.starts_with("update_") && PATCHED.contains(&key.as_str()) {
                payload.entry("patch").or_insert_with(|| json!({})).as_object_mut()
            } else {
                Some(&mut *payload)
            };
            // A patch that is not an object is reported when the mutation is read.
            let Some(target) = target else { continue };
            if target.contains_key(&key) {
                return Err(DoubledField { key });
            }
            target.insert(key, value);
        }
        Ok(())
    }

    /// Reads a JSON text that must be an object without repeated keys: a payload, or a part of one, which other fields complete.
    /// `what` names it in the error.
    pub fn object_from_json(what: &str, text: &str) -> Result<Map<String, Value>, MutationError> {
        let refused = |why: String| MutationError::Syntax {
            message: format!("{what} {why}"),
        };
        let tree: Tree<'_> = serde_json::from_str(text).map_err(|error| refused(format!("is not JSON: {error}")))?;
        let diagnostics = Diagnostics::new("");
        let Some(Value::Object(object)) = At::root(&diagnostics, &tree).json() else {
            return Err(refused("must be an object like {\"name\": \"web-01\"}".into()));
        };
        match diagnostics.finish().0.into_iter().next().map(|fault| fault.problem) {
            Some(Problem::DoubledKey { parent, key }) => {
                let dot = if parent.is_empty() { "" } else { "." };
                let whole = format!("payload{dot}{parent}");
                Err(refused(format!(
                    "is ambiguous: `{key}` occurs twice in {whole}; remove one"
                )))
            }
            _ => Ok(object),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete(op: &str, text: &str, fields: Value) -> Result<Value, DoubledField> {
        let Value::Object(fields) = fields else {
            panic!("an object of fields")
        };
        let mut payload = Mutation::object_from_json("the payload", text).expect("an object");
        Mutation::add_fields(op, &mut payload, fields).map(|()| payload.into())
    }

    #[test]
    fn fields_go_into_the_payload_and_those_of_an_update_into_its_patch() {
        let fields = json!({"decky": "web", "forwards_l3": true, "services": ["ssh"], "x": -1.5});
        assert_eq!(complete("attach_decky", "{}", fields.clone()), Ok(fields.clone()));
        let mut forced = fields.clone();
        forced["force"] = true.into();
        assert_eq!(
            complete("add_decky", "{}", forced.clone()),
            Ok(fields),
            "nothing to force"
        );
        let within = json!({
            "decky": "web", "patch": {"forwards_l3": true}, "services": ["ssh"], "x": -1.5, "force": true
        });
        assert_eq!(complete("update_decky", "{}", forced), Ok(within));
    }

    #[test]
    fn force_replaces_that_of_the_payload() {
        for given in [r#"{"force": false}"#, r#"{"force": true}"#] {
            assert_eq!(
                complete("update_decky", given, json!({"force": true})),
                Ok(json!({"force": true}))
            );
        }
    }

    #[test]
    fn a_payload_is_completed_unless_it_has_the_key() {
        let fields = json!({"forwards_l3": false, "patch": {"archetype": null}});
        let whole = json!({"decky": "web", "patch": {"archetype": null, "forwards_l3": false}});
        assert_eq!(
            complete("update_decky", r#"{"decky": "web"}"#, fields.clone()),
            Ok(whole)
        );
        let twice = complete("update_decky", r#"{"patch": {}}"#, fields);
        assert_eq!(twice.expect_err("two patches").key, "patch");
        let twice = complete(
            "update_decky",
            r#"{"patch": {"subnet": null}}"#,
            json!({"subnet": "10.0.0.0/24"}),
        );
        assert_eq!(twice.expect_err("two subnets").to_string(), "`subnet` is given twice");
    }

    #[test]
    fn a_payload_that_is_not_an_object_or_repeats_a_key_is_refused() {
        for (text, reason) in [
            ("", "is not JSON"),
            ("[]", "must be an object"),
            ("null", "must be an object"),
            ("{\"a\": 1}x", "is not JSON"),
            (r#"{"a": 1, "a": 2}"#, "`a` occurs twice in payload"),
            (r#"{"a": {"b": 1, "b": 2}}"#, "`b` occurs twice in payload.a"),
        ] {
            let error = Mutation::object_from_json("--patch", text).expect_err(text);
            assert_eq!(error.code(), "SYNTAX");
            let said = error.to_string();
            assert!(said.contains("--patch") && said.contains(reason), "{text}: {said}");
        }
    }
}
