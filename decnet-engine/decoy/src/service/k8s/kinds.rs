//! The paths, the groups and the kinds of objects that the API server knows.

use super::answer::Answer;
use crate::service::wire::http::quoted;

/// The paths of the root.
pub(super) const PATHS: &str = "{\"paths\":[\"/.well-known/openid-configuration\",\"/api\",\"/api/v1\",\"/apis\",\"/apis/\",\
    \"/apis/admissionregistration.k8s.io\",\"/apis/admissionregistration.k8s.io/v1\",\"/apis/apiextensions.k8s.io\",\
    \"/apis/apiextensions.k8s.io/v1\",\"/apis/apiregistration.k8s.io\",\"/apis/apiregistration.k8s.io/v1\",\"/apis/apps\",\
    \"/apis/apps/v1\",\"/apis/authentication.k8s.io\",\"/apis/authentication.k8s.io/v1\",\"/apis/authorization.k8s.io\",\
    \"/apis/authorization.k8s.io/v1\",\"/apis/autoscaling\",\"/apis/autoscaling/v1\",\"/apis/autoscaling/v2\",\"/apis/batch\",\
    \"/apis/batch/v1\",\"/apis/networking.k8s.io\",\"/apis/networking.k8s.io/v1\",\"/apis/policy\",\"/apis/policy/v1\",\
    \"/apis/rbac.authorization.k8s.io\",\"/apis/rbac.authorization.k8s.io/v1\",\"/apis/storage.k8s.io\",\
    \"/apis/storage.k8s.io/v1\",\"/healthz\",\"/livez\",\"/logs\",\"/metrics\",\"/openapi/v2\",\"/openapi/v3\",\
    \"/openid/v1/jwks\",\"/readyz\",\"/version\"]}";

/// The resources of the core group.
pub(super) const RESOURCES: &str = "{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":[\
    {\"name\":\"configmaps\",\"singularName\":\"configmap\",\"namespaced\":true,\"kind\":\"ConfigMap\",\"verbs\":[\"create\",\
    \"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\"shortNames\":[\"cm\"]},\
    {\"name\":\"namespaces\",\"singularName\":\"namespace\",\"namespaced\":false,\"kind\":\"Namespace\",\"verbs\":[\"create\",\
    \"delete\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\"shortNames\":[\"ns\"]},\
    {\"name\":\"nodes\",\"singularName\":\"node\",\"namespaced\":false,\"kind\":\"Node\",\"verbs\":[\"create\",\"delete\",\
    \"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\"shortNames\":[\"no\"]},\
    {\"name\":\"pods\",\"singularName\":\"pod\",\"namespaced\":true,\"kind\":\"Pod\",\"verbs\":[\"create\",\"delete\",\
    \"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\"shortNames\":[\"po\"],\"categories\":[\"all\"]},\
    {\"name\":\"pods/exec\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"PodExecOptions\",\"verbs\":[\"create\",\
    \"get\"]},{\"name\":\"pods/log\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"Pod\",\"verbs\":[\"get\"]},\
    {\"name\":\"secrets\",\"singularName\":\"secret\",\"namespaced\":true,\"kind\":\"Secret\",\"verbs\":[\"create\",\"delete\",\
    \"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"]},\
    {\"name\":\"serviceaccounts\",\"singularName\":\"serviceaccount\",\"namespaced\":true,\"kind\":\"ServiceAccount\",\
    \"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\
    \"shortNames\":[\"sa\"]},{\"name\":\"services\",\"singularName\":\"service\",\"namespaced\":true,\"kind\":\"Service\",\
    \"verbs\":[\"create\",\"delete\",\"deletecollection\",\"get\",\"list\",\"patch\",\"update\",\"watch\"],\
    \"shortNames\":[\"svc\"],\"categories\":[\"all\"]}]}";

/// Returns the list of the API groups.
pub(super) fn groups() -> String {
    let names = [
        "apiregistration.k8s.io",
        "apps",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "autoscaling",
        "batch",
        "networking.k8s.io",
        "policy",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
        "admissionregistration.k8s.io",
        "apiextensions.k8s.io",
    ];
    let groups = names.map(|name| {
        let version = if name == "autoscaling" { "v2" } else { "v1" };
        let version = format!("{{\"groupVersion\":\"{name}/{version}\",\"version\":\"{version}\"}}");
        format!("{{\"name\":\"{name}\",\"versions\":[{version}],\"preferredVersion\":{version}}}")
    });
    format!(
        "{{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[{}]}}",
        groups.join(",")
    )
}

/// Returns a list of objects of a kind. The kind is that of a path, for instance `pods`.
pub(super) fn list(kind: &str, group: &str, objects: &[String]) -> Answer {
    let Some(name) = kind_of(kind) else {
        return Answer::failure(
            404,
            "NotFound",
            "the server could not find the requested resource",
            Some(""),
        );
    };
    let version = if group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{group}/v1")
    };
    Answer::json(
        200,
        format!(
            "{{\"kind\":\"{name}List\",\"apiVersion\":{},\"metadata\":{{\"resourceVersion\":\"1\"}},\"items\":[{}]}}",
            quoted(&version),
            objects.join(",")
        ),
    )
}

/// Returns the name of a kind in a path, for instance `Pod` for `pods`.
pub(super) fn kind_of(kind: &str) -> Option<&'static str> {
    let kinds = [
        ("configmaps", "ConfigMap"),
        ("namespaces", "Namespace"),
        ("nodes", "Node"),
        ("pods", "Pod"),
        ("secrets", "Secret"),
        ("serviceaccounts", "ServiceAccount"),
        ("services", "Service"),
        ("endpoints", "Endpoints"),
        ("events", "Event"),
        ("persistentvolumes", "PersistentVolume"),
        ("persistentvolumeclaims", "PersistentVolumeClaim"),
        ("deployments", "Deployment"),
        ("daemonsets", "DaemonSet"),
        ("replicasets", "ReplicaSet"),
        ("statefulsets", "StatefulSet"),
        ("jobs", "Job"),
        ("cronjobs", "CronJob"),
        ("ingresses", "Ingress"),
        ("roles", "Role"),
        ("rolebindings", "RoleBinding"),
        ("clusterroles", "ClusterRole"),
        ("clusterrolebindings", "ClusterRoleBinding"),
    ];
    kinds.iter().find(|(plural, _)| *plural == kind).map(|(_, name)| *name)
}
