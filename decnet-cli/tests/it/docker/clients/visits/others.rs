//! Visits of the databases, of the Windows server, of the container host and of the controller.

use super::{super::Visit, visit};

const IMPACKET: &str = "/usr/share/doc/python3-impacket/examples/rdp_check.py";
const PYMONGO: &str = "/usr/lib/python3/dist-packages/pymongo";

pub(super) const VISITS: &[Visit] = &[
    visit(
        "redis-cli",
        ("db", "redis"),
        "redis-cli -h {db} -a bad --no-auth-warning ping",
        "WRONGPASS",
        &[(
            "auth.attempt",
            &[("event.outcome", "failure"), ("decnet.password", "bad")],
        )],
    ),
    visit(
        "redis-cli",
        ("db", "redis"),
        "redis-cli -h {db} -a r3 --no-auth-warning set a b",
        "OK",
        &[
            (
                "auth.attempt",
                &[("event.outcome", "success"), ("decnet.password", "r3")],
            ),
            ("command", &[("process.command_line", "set a b")]),
        ],
    ),
    visit(
        "mariadb",
        ("db", "mysql"),
        "mariadb -h {db} -u root -ptest --skip-ssl -e 'select 1'",
        "ERROR 1045 (28000): Access denied for user 'root'@'{client}' (using password: YES)",
        &[(
            "auth.attempt",
            &[
                ("decnet.method", "mysql_native_password"),
                ("user.name", "root"),
                ("decnet.hash", "$mysqlna$*"),
            ],
        )],
    ),
    visit(
        "mariadb",
        ("db", "mysql"),
        "mariadb -h {db} -u root -pright --skip-ssl -e 'show databases'",
        "information_schema",
        &[
            ("auth.attempt", &[("event.outcome", "success"), ("user.name", "root")]),
            (
                "request",
                &[("decnet.operation", "query"), ("decnet.target", "show databases")],
            ),
        ],
    ),
    visit(
        "psql",
        ("db", "postgres"),
        "PGPASSWORD=pg psql -h {db} -U postgres -c 'select version()'",
        "PostgreSQL 15.",
        &[
            (
                "auth.attempt",
                &[
                    ("event.outcome", "success"),
                    ("user.name", "postgres"),
                    ("decnet.password", "pg"),
                ],
            ),
            (
                "request",
                &[("decnet.operation", "query"), ("decnet.target", "select version()")],
            ),
        ],
    ),
    visit(
        "psql",
        ("db", "postgres"),
        "PGPASSWORD=guess psql -h {db} -U admin -d crm -c 'select 1'",
        "password authentication failed for user \"admin\"",
        &[(
            "auth.attempt",
            &[
                ("user.name", "admin"),
                ("user.domain", "crm"),
                ("decnet.password", "guess"),
            ],
        )],
    ),
    visit(
        PYMONGO,
        ("db", "mongodb"),
        "/usr/bin/python3 -c \"from pymongo import MongoClient; MongoClient('{db}', username='root', password='pw', \
         serverSelectionTimeoutMS=9000).admin.command('ping')\"",
        "Authentication failed",
        &[(
            "auth.attempt",
            &[
                ("decnet.method", "scram-sha-*"),
                ("user.name", "root"),
                ("user.domain", "admin"),
                ("decnet.hash", "n=root,*"),
            ],
        )],
    ),
    visit(
        "mosquitto_pub",
        ("db", "mqtt"),
        "mosquitto_pub -h {db} -t a/b -m hi -u u -P p -V mqttv5; echo status $?",
        "status 0",
        &[
            ("auth.attempt", &[("user.name", "u"), ("decnet.password", "p")]),
            (
                "request",
                &[
                    ("decnet.operation", "PUBLISH"),
                    ("decnet.target", "a/b"),
                    ("decnet.data", "hi"),
                ],
            ),
        ],
    ),
    visit(
        "mosquitto_pub",
        ("db", "mqtt"),
        "mosquitto_pub -h {db} -t c -m hi -u old -P p311 -V mqttv311; echo status $?",
        "status 0",
        &[("auth.attempt", &[("user.name", "old"), ("decnet.password", "p311")])],
    ),
    visit(
        "ldapsearch",
        ("win", "ldap"),
        "ldapsearch -x -D cn=admin -w pw -H ldap://{win} -b dc=corp,dc=local",
        "Invalid credentials (49)",
        &[("auth.attempt", &[("user.name", "cn=admin"), ("decnet.password", "pw")])],
    ),
    visit(
        "ldapsearch",
        ("win", "ldap"),
        "LDAPTLS_REQCERT=never ldapsearch -x -D 'CORP\\bob' -w pw4 -H ldaps://{win} -s base",
        "Invalid credentials (49)",
        &[(
            "auth.attempt",
            &[("user.name", "CORP\\bob"), ("decnet.password", "pw4")],
        )],
    ),
    visit(
        "smbclient",
        ("win", "smb"),
        "smbclient -N -L {win}",
        "finance",
        &[("request", &[("decnet.target", "NetrShareEnum")])],
    ),
    visit(
        "smbclient",
        ("win", "smb"),
        "smbclient -U 'CORP\\bob%pw' -L {win}",
        "",
        &[(
            "auth.attempt",
            &[
                ("decnet.method", "ntlmv2"),
                ("user.name", "bob"),
                ("user.domain", "CORP"),
                ("decnet.hash", "bob::CORP:*"),
            ],
        )],
    ),
    visit(
        IMPACKET,
        ("win", "rdp"),
        "/usr/bin/python3 /usr/share/doc/python3-impacket/examples/rdp_check.py 'CORP/carol:pw@{win}'",
        "[-] ",
        &[(
            "auth.attempt",
            &[
                ("decnet.method", "ntlmv2"),
                ("user.name", "carol"),
                ("user.domain", "CORP"),
                ("decnet.hash", "carol::CORP:*"),
            ],
        )],
    ),
    visit(
        "tsql",
        ("win", "mssql"),
        "echo quit | tsql -H {win} -p 1433 -U sa -P Passw0rd",
        "Login failed for user 'sa'",
        &[("auth.attempt", &[("user.name", "sa"), ("decnet.password", "Passw0rd")])],
    ),
    visit(
        "vncsnapshot",
        ("win", "vnc"),
        "printf '\\333\\330\\074\\375\\162\\172\\024\\130' > word; vncsnapshot -passwd word {win}:0 screen.jpg",
        "authentication failed",
        &[("auth.attempt", &[("decnet.method", "vnc"), ("decnet.hash", "$vnc$*")])],
    ),
    visit(
        "dig",
        ("win", "llmnr"),
        "dig +short +norecurse -p 5355 @{win} win a",
        "{win}",
        &[("request", &[("decnet.operation", "A"), ("decnet.target", "win")])],
    ),
    visit(
        "curl",
        ("misc", "elasticsearch"),
        "curl -sS -u elastic:changeme http://{misc}:9200/",
        "You Know, for Search",
        &[
            (
                "auth.attempt",
                &[("user.name", "elastic"), ("decnet.password", "changeme")],
            ),
            ("request", &[("url.original", "/")]),
        ],
    ),
    visit(
        "docker",
        ("misc", "docker_api"),
        "docker -H tcp://{misc}:2375 ps",
        "CONTAINER ID",
        &[(
            "request",
            &[("url.original", "/v1*"), ("user_agent.original", "Docker-Client/*")],
        )],
    ),
    visit(
        "docker",
        ("misc", "docker_api"),
        "docker -H tcp://{misc}:2375 run --rm -v /:/mnt alpine chroot /mnt id",
        "uid=0(root)",
        &[("command", &[("process.command_line", "chroot /mnt id*")])],
    ),
    visit(
        "curl",
        ("misc", "k8s"),
        "curl -sSk -H 'Authorization: Bearer abc.def' https://{misc}:6443/api/v1/secrets",
        "Unauthorized",
        &[
            (
                "auth.attempt",
                &[("decnet.method", "bearer"), ("decnet.password", "abc.def")],
            ),
            ("request", &[("url.original", "/api/v1/secrets")]),
        ],
    ),
    visit(
        "sipsak",
        ("misc", "sip"),
        "sipsak -v -U -C empty -s sip:100@{misc} -u 100 -a 1234",
        "403",
        &[(
            "auth.attempt",
            &[
                ("decnet.method", "digest"),
                ("user.name", "100"),
                ("decnet.hash", "$sip$*"),
            ],
        )],
    ),
    visit(
        "tftp",
        ("misc", "tftp"),
        "tftp {misc} -c get config.txt && cat config.txt",
        "misc",
        &[("file", &[("decnet.direction", "download"), ("file.name", "config.txt")])],
    ),
    visit(
        "tftp",
        ("misc", "tftp"),
        "echo hello > up.txt; tftp {misc} -m binary -c put up.txt; echo status $?",
        "status 0",
        &[(
            "file",
            &[
                ("decnet.direction", "upload"),
                ("file.name", "up.txt"),
                ("file.size", "6"),
            ],
        )],
    ),
    visit(
        "curl",
        ("plc", "conpot"),
        "curl -sSL -u plant:manager http://{plc}/",
        "Siemens",
        &[
            (
                "auth.attempt",
                &[("user.name", "plant"), ("decnet.password", "manager")],
            ),
            ("request", &[("url.original", "/")]),
        ],
    ),
    visit(
        "mbpoll",
        ("plc", "conpot"),
        "mbpoll -m tcp -a 1 -t 4 -r 1 -c 2 -1 {plc}",
        "[1]:",
        &[(
            "request",
            &[
                ("decnet.operation", "read holding registers"),
                ("decnet.target", "unit 1 address 0 count 2"),
            ],
        )],
    ),
    visit(
        "snmpget",
        ("plc", "conpot"),
        "snmpget -v2c -c private -r 0 {plc} 1.3.6.1.2.1.1.1.0",
        "Timeout: No Response",
        &[(
            "auth.attempt",
            &[("decnet.method", "community"), ("decnet.password", "private")],
        )],
    ),
];
