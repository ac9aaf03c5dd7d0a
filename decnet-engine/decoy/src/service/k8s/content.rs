//! What the API server shows: its version and the objects in its namespaces.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;

use super::{
    ApiServer,
    answer::Answer,
    kinds::{kind_of, list},
    resource::Resource,
};
use crate::service::wire::http::{hex, quoted};

/// The builds of releases: version, commit, date and version of Go.
const BUILDS: &[(&str, &str, &str, &str)] = &[
    (
        "v1.27.1",
        "4c9411232e10168d7b050c49a1b59f6df9d7ea4b",
        "2023-04-14T13:14:42Z",
        "go1.20.3",
    ),
    (
        "v1.27.2",
        "7f6f68fdabc4df88cfea2dcf9a19b2b830f1e647",
        "2023-05-17T14:13:28Z",
        "go1.20.4",
    ),
    (
        "v1.27.3",
        "25b4e43193bcda6c7328a6d147b1fb73a33f1598",
        "2023-06-14T09:47:40Z",
        "go1.20.5",
    ),
    (
        "v1.27.4",
        "fa3d7990104d7c1f16943a67f11b154b71f6a132",
        "2023-07-19T12:14:49Z",
        "go1.20.6",
    ),
];

impl ApiServer {
    pub(super) fn show_version(&self) -> Answer {
        let mut parts = self.version.trim_start_matches('v').split('.');
        let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let known = BUILDS.iter().find(|(version, ..)| *version == self.version);
        let (commit, date, go) = known.map_or_else(
            || {
                let commit: [u8; 20] = self.context.stable(&format!("build {}", self.version));
                (hex(&commit), "2023-09-13T09:29:07Z", "go1.20.8")
            },
            |(_, commit, date, go)| ((*commit).to_owned(), *date, *go),
        );
        Answer {
            status: 200,
            kind: "application/json",
            body: format!(
                "{{\n  \"major\": {},\n  \"minor\": {},\n  \"gitVersion\": {},\n  \"gitCommit\": \"{commit}\",\n  \
                \"gitTreeState\": \"clean\",\n  \"buildDate\": \"{date}\",\n  \"goVersion\": \"{go}\",\n  \
                \"compiler\": \"gc\",\n  \"platform\": \"linux/amd64\"\n}}",
                quoted(major),
                quoted(minor),
                quoted(&self.version)
            ),
            is_raw: true,
        }
    }

    pub(super) fn show_api(&self) -> String {
        let address = self.context.session.local;
        format!(
            "{{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[{{\"clientCIDR\":\"0.0.0.0/0\",\
            \"serverAddress\":\"{address}:6443\"}}]}}"
        )
    }

    pub(super) fn resource_version(&self, now: Timestamp) -> String {
        let [offset]: [u8; 1] = self.context.stable("resource version");
        let version = now.as_second().saturating_sub(1_690_000_000) / 7 + i64::from(offset);
        version.max(1).to_string()
    }

    /// Lists the objects of a kind in one namespace or in all.
    pub(super) fn list(&self, resource: &Resource<'_>, now: Timestamp) -> Answer {
        let objects = self.objects(resource, now);
        let objects: Vec<String> = objects.into_iter().map(|(_, _, object)| object).collect();
        let answer = list(resource.kind, resource.group, &objects);
        let version = format!("\"resourceVersion\":\"{}\"", self.resource_version(now));
        Answer {
            body: answer.body.replacen("\"resourceVersion\":\"1\"", &version, 1),
            ..answer
        }
    }

    /// Returns one object.
    pub(super) fn find(&self, resource: &Resource<'_>, name: &str, now: Timestamp) -> Option<String> {
        let kind = kind_of(resource.kind)?;
        let objects = self.objects(resource, now);
        let found = objects.into_iter().find(|(_, known, _)| known == name);
        let (_, _, object) = found?;
        let rest = object.strip_prefix('{')?;
        Some(format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"v1\",{rest}"))
    }

    /// Returns the objects of a kind: namespace, name and JSON.
    fn objects(&self, resource: &Resource<'_>, now: Timestamp) -> Vec<(String, String, String)> {
        let mut objects = Vec::new();
        let mut add = |namespace: &str, name: &str, rest: String| {
            let is_wanted = resource.namespace.is_none_or(|wanted| wanted == namespace);
            if is_wanted {
                let metadata = self.metadata(resource.kind, namespace, name, now);
                objects.push((
                    namespace.into(),
                    name.into(),
                    format!("{{\"metadata\":{metadata}{rest}}}"),
                ));
            }
        };
        let host = &self.context.persona().hostname;
        match (resource.group, resource.kind) {
            ("", "namespaces") => {
                for name in &self.namespaces {
                    let rest = ",\"spec\":{\"finalizers\":[\"kubernetes\"]},\"status\":{\"phase\":\"Active\"}";
                    add("", name, rest.into());
                }
            }
            ("", "nodes") => {
                let rest = format!(
                    ",\"spec\":{{\"podCIDR\":\"10.244.0.0/24\"}},\"status\":{{\"addresses\":[{{\"type\":\"InternalIP\",\
                    \"address\":\"{}\"}},{{\"type\":\"Hostname\",\"address\":{}}}],\"nodeInfo\":{{\"kubeletVersion\":{},\
                    \"containerRuntimeVersion\":\"containerd://1.6.20\",\"operatingSystem\":\"linux\",\
                    \"architecture\":\"amd64\"}}}}",
                    self.context.session.local,
                    quoted(host),
                    quoted(&self.version)
                );
                add("", host, rest);
            }
            ("", "pods") => {
                for (namespace, name, image) in self.pods() {
                    let rest = format!(
                        ",\"spec\":{{\"containers\":[{{\"name\":{},\"image\":{},\"resources\":{{}},\
                        \"imagePullPolicy\":\"IfNotPresent\"}}],\"restartPolicy\":\"Always\",\
                        \"serviceAccountName\":\"default\",\"nodeName\":{}}},\"status\":{{\"phase\":\"Running\",\
                        \"hostIP\":\"{}\",\"qosClass\":\"BestEffort\"}}",
                        quoted(name.split('-').next().unwrap_or_default()),
                        quoted(&image),
                        quoted(host),
                        self.context.session.local
                    );
                    add(&namespace, &name, rest);
                }
            }
            ("", "secrets") => {
                for namespace in self.own_namespaces() {
                    let password = hex(&self.context.stable::<9>(&format!("secret {namespace}")));
                    let rest = format!(
                        ",\"data\":{{\"password\":\"{}\",\"username\":\"{}\"}},\"type\":\"Opaque\"",
                        STANDARD.encode(password),
                        STANDARD.encode("app")
                    );
                    add(namespace, "db-credentials", rest);
                }
            }
            ("", "serviceaccounts") => {
                for namespace in &self.namespaces {
                    add(namespace, "default", String::new());
                }
            }
            ("", "services") => {
                let rest = ",\"spec\":{\"ports\":[{\"name\":\"https\",\"protocol\":\"TCP\",\"port\":443,\"targetPort\":6443}],\
                    \"clusterIP\":\"10.96.0.1\",\"type\":\"ClusterIP\"},\"status\":{\"loadBalancer\":{}}";
                add("default", "kubernetes", rest.into());
            }
            _ => {}
        }
        objects
    }

    fn metadata(&self, kind: &str, namespace: &str, name: &str, now: Timestamp) -> String {
        let label = format!("{kind} {namespace} {name}");
        let [days, minutes]: [u8; 2] = self.context.stable(&label);
        let age = (40 + i64::from(days % 50)) * 86_400 + i64::from(minutes) * 61;
        let created = Timestamp::from_second(now.as_second().saturating_sub(age)).unwrap_or(now);
        let place = if namespace.is_empty() {
            String::new()
        } else {
            format!("\"namespace\":{},", quoted(namespace))
        };
        format!(
            "{{\"name\":{},{place}\"uid\":\"{}\",\"resourceVersion\":\"{}\",\"creationTimestamp\":\"{}\"}}",
            quoted(name),
            self.uid(&label),
            300 + u32::from(days) * 13,
            created.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
    }

    fn own_namespaces(&self) -> impl Iterator<Item = &String> {
        self.namespaces.iter().filter(|name| !name.starts_with("kube-"))
    }

    /// The pods of the control plane, and one in each other namespace: namespace, name and image.
    fn pods(&self) -> Vec<(String, String, String)> {
        let host = &self.context.persona().hostname;
        let mut pods: Vec<(String, String, String)> = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
            .map(|name| {
                let image = format!("registry.k8s.io/{name}:{}", self.version);
                ("kube-system".into(), format!("{name}-{host}"), image)
            })
            .to_vec();
        let etcd = "registry.k8s.io/etcd:3.5.7-0";
        pods.push(("kube-system".into(), format!("etcd-{host}"), etcd.into()));
        for namespace in self.own_namespaces() {
            let (name, image) = self.context.pick(
                &format!("pod {namespace}"),
                &[
                    &("web", "nginx:1.23"),
                    &("api", "api:2.4.1"),
                    &("redis", "redis:6.2"),
                    &("postgres", "postgres:14"),
                ],
            );
            let tail = hex(&self.context.stable::<5>(&format!("pod {namespace} {name}")));
            pods.push((namespace.clone(), format!("{name}-{tail}"), (*image).into()));
        }
        pods
    }
}
