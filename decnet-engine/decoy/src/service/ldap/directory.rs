//! The entries of a directory: its root DSE, and a few of a small firm. Active Directory on Windows, OpenLDAP elsewhere.

use jiff::Timestamp;
use sha1::{Digest, Sha1};

use super::{
    super::context::Context,
    known::{OPENLDAP_CONTROLS, OPENLDAP_EXTENSIONS, OPENLDAP_FEATURES, WINDOWS_CONTROLS, WINDOWS_POLICIES},
};

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its name.
    pub(super) dn: String,
    /// The attributes in the order in which they are sent.
    attributes: Vec<Attribute>,
}

/// An attribute with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attribute {
    pub(super) name: &'static str,
    pub(super) values: Vec<Vec<u8>>,
    is_operational: bool,
}

impl Entry {
    /// Starts an entry without attributes.
    pub(super) fn new(dn: String) -> Self {
        Self {
            dn,
            attributes: Vec::new(),
        }
    }

    /// Adds a value to an attribute.
    pub(super) fn add(&mut self, name: &'static str, value: impl AsRef<[u8]>) -> &mut Self {
        self.push(name, value.as_ref(), false)
    }

    fn all(&mut self, name: &'static str, values: &[&str]) -> &mut Self {
        for value in values {
            self.add(name, value);
        }
        self
    }

    fn operational(&mut self, name: &'static str, values: &[&str]) -> &mut Self {
        for value in values {
            self.push(name, value.as_bytes(), true);
        }
        self
    }

    fn push(&mut self, name: &'static str, value: &[u8], is_operational: bool) -> &mut Self {
        match self.attributes.iter_mut().find(|own| own.name == name) {
            Some(attribute) => attribute.values.push(value.to_vec()),
            None => self.attributes.push(Attribute {
                name,
                values: vec![value.to_vec()],
                is_operational,
            }),
        }
        self
    }

    /// Returns the values of an attribute.
    pub(super) fn values(&self, name: &str) -> &[Vec<u8>] {
        let found = self.attributes.iter().find(|own| own.name.eq_ignore_ascii_case(name));
        found.map_or(&[], |attribute| &attribute.values)
    }

    /// Returns the attributes that a search asks for.
    pub(super) fn selected<'a>(&'a self, wanted: &'a [String]) -> impl Iterator<Item = &'a Attribute> {
        let has = |sign: &str| wanted.iter().any(|one| one == sign);
        let (all, operational) = (wanted.is_empty() || has("*"), has("+"));
        self.attributes.iter().filter(move |own| {
            let is_in_group = if own.is_operational { operational } else { all };
            is_in_group || wanted.iter().any(|one| one.eq_ignore_ascii_case(own.name))
        })
    }
}

/// Returns a name in the form that is compared: in lower case, without spaces around its signs.
pub(super) fn normal(dn: &str) -> String {
    let part = |part: &str| part.split('=').map(str::trim).collect::<Vec<_>>().join("=");
    dn.split(',').map(part).collect::<Vec<_>>().join(",").to_lowercase()
}

/// The names of a directory.
#[derive(Debug, Clone)]
pub(super) struct Directory {
    /// Whether it is Active Directory.
    pub(super) is_windows: bool,
    /// The DNS name of the domain.
    pub(super) domain: String,
    /// The `NetBIOS` name of the domain.
    pub(super) netbios: String,
    /// The base of the entries.
    pub(super) base: String,
    /// The name that may bind.
    pub(super) bind_dn: String,
    computer: String,
    context: Context,
}

/// People of the firm: the name of the login, the given name and the surname.
const PEOPLE: &[(&str, &str, &str)] = &[
    ("j.keller", "Julia", "Keller"),
    ("m.brandt", "Martin", "Brandt"),
    ("s.novak", "Simon", "Novak"),
    ("a.lindqvist", "Anna", "Lindqvist"),
    ("t.moreau", "Thomas", "Moreau"),
    ("p.rossi", "Paola", "Rossi"),
    ("d.hughes", "Daniel", "Hughes"),
    ("k.vermeer", "Karin", "Vermeer"),
    ("r.castillo", "Ramon", "Castillo"),
    ("e.schmidt", "Eva", "Schmidt"),
];

impl Directory {
    /// Takes the names from the fields, or from the host.
    pub(super) fn new(context: &Context) -> Self {
        let (fields, persona) = (context.fields(), context.persona());
        let is_windows = persona.is_windows();
        let domain = fields.text("domain").unwrap_or(&persona.domain).to_owned();
        let base = fields.text("base_dn").map_or_else(
            || {
                let key = if is_windows { "DC" } else { "dc" };
                let labels = domain.split('.').map(|label| format!("{key}={label}"));
                labels.collect::<Vec<_>>().join(",")
            },
            str::to_owned,
        );
        let usual = if is_windows {
            "CN=Administrator,CN=Users"
        } else {
            "cn=admin"
        };
        let label = domain.split('.').next().unwrap_or_default();
        Self {
            is_windows,
            netbios: label.chars().take(15).collect::<String>().to_uppercase(),
            bind_dn: fields
                .text("bind_dn")
                .map_or_else(|| format!("{usual},{base}"), str::to_owned),
            computer: if is_windows {
                persona.netbios()
            } else {
                persona.hostname.clone()
            },
            context: context.clone(),
            domain,
            base,
        }
    }

    /// Returns the root DSE.
    pub(super) fn root(&self, now: Timestamp) -> Entry {
        let mut root = Entry::new(String::new());
        let Self {
            base, domain, computer, ..
        } = self;
        if !self.is_windows {
            root.all("objectClass", &["top", "OpenLDAProotDSE"])
                .operational("structuralObjectClass", &["OpenLDAProotDSE"])
                .operational("configContext", &["cn=config"])
                .operational("namingContexts", &[base])
                .operational("supportedControl", OPENLDAP_CONTROLS)
                .operational("supportedExtension", OPENLDAP_EXTENSIONS)
                .operational("supportedFeatures", OPENLDAP_FEATURES)
                .operational("supportedLDAPVersion", &["3"])
                .operational("entryDN", &[""])
                .operational("subschemaSubentry", &["cn=Subschema"]);
            return root;
        }
        let level = "7";
        let configuration = format!("CN=Configuration,{base}");
        let schema = format!("CN=Schema,{configuration}");
        let server = format!("CN={computer},CN=Servers,CN=Default-First-Site-Name,CN=Sites,{configuration}");
        let realm = domain.to_uppercase();
        let host = computer.to_lowercase();
        // Numbers of changes grow with time.
        let changes = u64::from(u16::from_le_bytes(self.context.stable("usn")))
            + u64::try_from(now.as_second() / 1000).unwrap_or_default() % 1_000_000;
        root.all("domainFunctionality", &[level])
            .all("forestFunctionality", &[level])
            .all("domainControllerFunctionality", &[level])
            .all("rootDomainNamingContext", &[base])
            .add("ldapServiceName", format!("{domain}:{host}$@{realm}"))
            .all("isGlobalCatalogReady", &["TRUE"])
            .all(
                "supportedSASLMechanisms",
                &["GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"],
            )
            .all("supportedLDAPVersion", &["3", "2"])
            .all("supportedLDAPPolicies", WINDOWS_POLICIES);
        for number in WINDOWS_CONTROLS {
            root.add("supportedControl", format!("1.2.840.113556.1.4.{number}"));
        }
        for number in ["9", "10"] {
            root.add("supportedControl", format!("2.16.840.1.113730.3.4.{number}"));
        }
        for number in [800, 1670, 1791, 1935, 2080, 2237] {
            root.add("supportedCapabilities", format!("1.2.840.113556.1.4.{number}"));
        }
        root.add("subschemaSubentry", format!("CN=Aggregate,{schema}"))
            .all("serverName", &[&server])
            .all("schemaNamingContext", &[&schema])
            .all("namingContexts", &[base, &configuration, &schema])
            .add("namingContexts", format!("DC=DomainDnsZones,{base}"))
            .add("namingContexts", format!("DC=ForestDnsZones,{base}"))
            .all("isSynchronized", &["TRUE"])
            .add("highestCommittedUSN", changes.to_string())
            .add("dsServiceName", format!("CN=NTDS Settings,{server}"))
            .add("dnsHostName", format!("{computer}.{domain}"))
            .all("defaultNamingContext", &[base])
            .add("currentTime", now.strftime("%Y%m%d%H%M%S.0Z").to_string())
            .all("configurationNamingContext", &[&configuration]);
        root
    }

    /// Returns the entries under the base, the base first.
    pub(super) fn entries(&self) -> Vec<Entry> {
        let start = usize::from(u16::from_le_bytes(self.context.stable("people")));
        let people = PEOPLE.iter().cycle().skip(start % PEOPLE.len()).take(6);
        if self.is_windows {
            self.windows(people)
        } else {
            self.openldap(people)
        }
    }

    fn openldap<'a>(&self, people: impl Iterator<Item = &'a (&'a str, &'a str, &'a str)>) -> Vec<Entry> {
        let Self { base, domain, .. } = self;
        let label = domain.split('.').next().unwrap_or_default();
        let mut top = Entry::new(base.clone());
        top.all("objectClass", &["top", "dcObject", "organization"])
            .all("o", &[domain])
            .all("dc", &[label]);
        let mut entries = vec![top];
        for unit in ["people", "groups"] {
            let mut entry = Entry::new(format!("ou={unit},{base}"));
            entry.all("objectClass", &["organizationalUnit"]).all("ou", &[unit]);
            entries.push(entry);
        }
        let mut staff = Entry::new(format!("cn=staff,ou=groups,{base}"));
        staff
            .all("objectClass", &["posixGroup"])
            .all("cn", &["staff"])
            .all("gidNumber", &["5000"]);
        for (number, (login, given, surname)) in (10_001..).zip(people) {
            let mut entry = Entry::new(format!("uid={login},ou=people,{base}"));
            entry
                .all("objectClass", &["inetOrgPerson", "posixAccount", "shadowAccount"])
                .all("uid", &[login])
                .all("sn", &[surname])
                .all("givenName", &[given])
                .add("cn", format!("{given} {surname}"))
                .add("mail", format!("{login}@{domain}"))
                .add("uidNumber", number.to_string())
                .all("gidNumber", &["5000"])
                .all("loginShell", &["/bin/bash"])
                .add("homeDirectory", format!("/home/{login}"));
            staff.add("memberUid", login);
            entries.push(entry);
        }
        entries.push(staff);
        entries
    }

    fn windows<'a>(&self, people: impl Iterator<Item = &'a (&'a str, &'a str, &'a str)>) -> Vec<Entry> {
        let Self {
            base, domain, computer, ..
        } = self;
        let label = domain.split('.').next().unwrap_or_default();
        let mut top = self.object("", &["top", "domain", "domainDNS"], None);
        top.all("dc", &[label]).all("ms-DS-MachineAccountQuota", &["10"]);
        top.all("minPwdLength", &["7"]).all("lockoutThreshold", &["0"]);
        let mut entries = vec![top];
        for (name, class) in [
            ("CN=Users", "container"),
            ("CN=Computers", "container"),
            ("OU=Domain Controllers", "organizationalUnit"),
        ] {
            let mut entry = self.object(name, &["top", class], None);
            entry.add(
                if class == "container" { "cn" } else { "ou" },
                name.get(3..).unwrap_or_default(),
            );
            entries.push(entry);
        }
        let user_class = &["top", "person", "organizationalPerson", "user"];
        let admins = format!("CN=Domain Admins,CN=Users,{base}");
        let mut user = |name: &str, login: &str, id: u32, control: &str| {
            let mut entry = self.object(&format!("CN={name},CN=Users"), user_class, Some(id));
            entry
                .all("cn", &[name])
                .all("sAMAccountName", &[login])
                .add("userPrincipalName", format!("{login}@{domain}"))
                .all("userAccountControl", &[control])
                .all("sAMAccountType", &["805306368"])
                .all("primaryGroupID", &["513"])
                .add("objectCategory", format!("CN=Person,CN=Schema,CN=Configuration,{base}"));
            entries.push(entry);
            entries.len() - 1
        };
        let administrator = user("Administrator", "Administrator", 500, "66048");
        user("Guest", "Guest", 501, "66082");
        user("krbtgt", "krbtgt", 502, "514");
        for (id, (login, given, surname)) in (1104..).zip(people) {
            user(&format!("{given} {surname}"), login, id, "512");
        }
        if let Some(entry) = entries.get_mut(administrator) {
            entry.all("memberOf", &[&admins]).all("adminCount", &["1"]);
        }
        let mut group = self.object("CN=Domain Admins,CN=Users", &["top", "group"], Some(512));
        group
            .all("cn", &["Domain Admins"])
            .all("sAMAccountName", &["Domain Admins"]);
        group
            .add("member", format!("CN=Administrator,CN=Users,{base}"))
            .all("groupType", &["-2147483646"]);
        entries.push(group);
        let classes = &["top", "person", "organizationalPerson", "user", "computer"];
        let mut own = self.object(&format!("CN={computer},OU=Domain Controllers"), classes, Some(1000));
        own.all("cn", &[computer])
            .add("sAMAccountName", format!("{computer}$"))
            .add("dNSHostName", format!("{computer}.{domain}"))
            .all("userAccountControl", &["532480"])
            .add(
                "objectCategory",
                format!("CN=Computer,CN=Schema,CN=Configuration,{base}"),
            );
        entries.push(own);
        entries
    }

    /// Starts an object of Active Directory with its ids.
    fn object(&self, name: &str, classes: &[&str], id: Option<u32>) -> Entry {
        let comma = if name.is_empty() { "" } else { "," };
        let mut entry = Entry::new(format!("{name}{comma}{}", self.base));
        let guid: [u8; 16] = self.context.stable(&format!("guid {}", entry.dn));
        let dn = entry.dn.clone();
        entry
            .all("objectClass", classes)
            .all("distinguishedName", &[&dn])
            .add("objectGUID", guid);
        // S-1-5-21-a-b-c-id. The domain's part is the same on all hosts of the domain.
        let parts = Sha1::digest(&self.domain);
        let sid = [
            &[1, if id.is_some() { 5 } else { 4 }, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0][..],
            &parts[..12],
        ]
        .concat();
        let id = id.map(u32::to_le_bytes);
        if id.is_some() || name.is_empty() {
            entry.add("objectSid", [&sid[..], id.as_ref().map_or(&[], |id| &id[..])].concat());
        }
        entry
    }
}
