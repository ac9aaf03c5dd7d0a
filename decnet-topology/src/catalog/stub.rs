//! Stands in for the catalogue that another branch makes: names and ports only.

use super::{BTreeMap, BTreeSet, Catalog, ImageSource, Port, Protocol, Service, ServiceName};

const SERVICES: &[(&str, &[(u16, Protocol)])] = {
    use Protocol::{Tcp, Udp};
    &[
        ("conpot", &[(80, Tcp), (502, Tcp), (161, Udp)]),
        ("dns", &[(53, Tcp), (53, Udp)]),
        ("docker_api", &[(2375, Tcp), (2376, Tcp)]),
        ("elasticsearch", &[(9200, Tcp)]),
        ("ftp", &[(21, Tcp)]),
        ("http", &[(80, Tcp)]),
        ("https", &[(443, Tcp)]),
        ("imap", &[(143, Tcp), (993, Tcp)]),
        ("k8s", &[(6443, Tcp), (8080, Tcp)]),
        ("ldap", &[(389, Tcp), (636, Tcp)]),
        ("llmnr", &[(5353, Udp), (5355, Udp)]),
        ("mongodb", &[(27017, Tcp)]),
        ("mqtt", &[(1883, Tcp)]),
        ("mssql", &[(1433, Tcp)]),
        ("mysql", &[(3306, Tcp)]),
        ("pop3", &[(110, Tcp), (995, Tcp)]),
        ("postgres", &[(5432, Tcp)]),
        ("rdp", &[(3389, Tcp)]),
        ("redis", &[(6379, Tcp)]),
        ("sip", &[(5060, Tcp), (5060, Udp)]),
        ("smb", &[(139, Tcp), (445, Tcp)]),
        ("smtp", &[(25, Tcp), (587, Tcp)]),
        ("smtp_relay", &[(25, Tcp), (587, Tcp)]),
        ("snmp", &[(161, Udp)]),
        ("ssh", &[(22, Tcp)]),
        ("telnet", &[(23, Tcp)]),
        ("tftp", &[(69, Udp)]),
        ("vnc", &[(5900, Tcp)]),
        ("sniffer", &[]),
    ]
};

impl Catalog {
    /// Returns the services that are built in.
    pub fn builtin() -> Self {
        let services = SERVICES.iter().map(|(name, ports)| {
            let name = ServiceName::new(name);
            let ports = ports.iter().map(|&(number, protocol)| Port { number, protocol });
            let service = Service {
                ports: ports.collect(),
                image: ImageSource::Builtin,
                banner: None,
                fields: Vec::new(),
                capabilities: BTreeSet::new(),
                writable_root: false,
                user: None,
                environment: BTreeMap::new(),
                singleton: name.as_str() == "sniffer",
                name: name.clone(),
            };
            (name, service)
        });
        Self {
            services: services.collect(),
            archetypes: BTreeMap::new(),
        }
    }
}
