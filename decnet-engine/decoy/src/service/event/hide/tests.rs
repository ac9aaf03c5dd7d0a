use super::*;

fn hidden(line: &str) -> String {
    match Hiding::new("telnet").hide(Event::command(line)) {
        Event::Command(command) => command.line.as_str().into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_looks_like_a_password_is_hidden_in_commands() {
    for (line, shown) in [
        ("PASS hunter2", "PASS ***"),
        ("pass hunter2 and more", "pass ***"),
        ("a1 LOGIN bob hunter2", "a1 LOGIN ***"),
        ("AUTH PLAIN AGJvYgBodW50ZXIy", "AUTH ***"),
        ("a1 AUTHENTICATE PLAIN AGJvYgBodW50ZXIy", "a1 AUTHENTICATE ***"),
        ("auth bob hunter2", "auth ***"),
        (
            "MIGRATE 10.0.0.1 6379 key 0 10 AUTH hunter2",
            "MIGRATE 10.0.0.1 6379 key 0 10 AUTH ***",
        ),
        ("config set requirepass hunter2", "config set requirepass ***"),
        ("ACL SETUSER bob on >hunter2", "ACL SETUSER ***"),
        (
            "CREATE USER bob IDENTIFIED BY 'hunter2'",
            "CREATE USER bob IDENTIFIED BY '***'",
        ),
        (
            "ALTER ROLE bob WITH PASSWORD 'hun ter2' LOGIN",
            "ALTER ROLE bob WITH PASSWORD '***' LOGIN",
        ),
        ("SELECT PASSWORD('hunter2')", "SELECT PASSWORD('***')"),
        ("echo root:hunter2 | chpasswd", "*** | chpasswd"),
        (
            "echo hunter2 | sudo passwd --stdin root",
            "*** | sudo passwd --stdin root",
        ),
        ("sshpass -p hunter2 ssh bob@db", "sshpass -p *** ssh bob@db"),
        ("sshpass -phunter2 ssh bob@db", "sshpass -p*** ssh bob@db"),
        ("/usr/bin/mysql -uroot -phunter2", "/usr/bin/mysql -uroot -p***"),
        ("redis-cli -a hunter2 info", "redis-cli -a *** info"),
        ("curl -u bob:hunter2 http://web", "curl -u bob:*** http://web"),
        ("smbclient -Ubob%hunter2 //web/c", "smbclient -Ubob%*** //web/c"),
        ("wget --password=hunter2 ftp://web", "wget --password=*** ftp://web"),
        ("wget http://bob:hunter2@web/x", "wget http://bob:***@web/x"),
        (
            "curl -H 'Authorization: Basic Ym9iOmh1bnRlcjI=' http://web",
            "curl -H 'Authorization: ***",
        ),
        ("export DB_PASSWORD=hunter2 X=1", "export DB_PASSWORD=*** X=1"),
        ("net user bob hunter2 /add", "net user bob ***"),
        ("docker login -u bob -p hunter2", "docker login ***"),
        ("sudo docker login -u bob -p hunter2", "sudo docker login ***"),
    ] {
        assert_eq!(hidden(line), shown);
    }
}

#[test]
fn the_options_of_programs_that_take_a_password_are_known() {
    for (line, shown) in [
        (
            "ldapsearch -D cn=admin -w hunter2 -b dc=x",
            "ldapsearch -D cn=admin -w *** -b dc=x",
        ),
        ("ldapsearch -x -whunter2", "ldapsearch -x -w***"),
        (
            "curl --proxy-user bob:hunter2 http://web",
            "curl --proxy-user bob:*** http://web",
        ),
        (
            "curl --proxy-user=bob:hunter2 http://web",
            "curl --proxy-user=bob:*** http://web",
        ),
        ("curl -U bob:hunter2 http://web", "curl -U bob:*** http://web"),
        ("curl -u 'bob:hun ter2' http://web", "curl -u 'bob:***' http://web"),
        (
            "curl --oauth2-bearer hunter2 http://web",
            "curl --oauth2-bearer *** http://web",
        ),
        (
            "curl -H\"Authorization: Bearer hunter2\" http://web",
            "curl -H\"Authorization: ***",
        ),
        ("xfreerdp /u:bob /p:hunter2 /v:web", "xfreerdp /u:bob /p:*** /v:web"),
        ("xfreerdp /v:web /P:'hun ter2' /f", "xfreerdp /v:web /P:'***' /f"),
        ("rdesktop -u bob -p hunter2 web", "rdesktop -u bob -p *** web"),
        ("smbclient -U bob%hunter2 //web/c", "smbclient -U bob%*** //web/c"),
        ("smbclient //web/c hunter2 -U bob", "smbclient //web/c *** -U bob"),
        (
            "rpcclient -U 'corp\\\\bob%hunter2' web",
            "rpcclient -U 'corp\\\\bob%***' web",
        ),
        ("sshpass -p 'hun ter2' ssh bob@db", "sshpass -p '***' ssh bob@db"),
        ("SSHPASS=hunter2 sshpass -e ssh db", "SSHPASS=*** sshpass -e ssh db"),
        (
            "plink -ssh web -l bob -pw hunter2 id",
            "plink -ssh web -l bob -pw *** id",
        ),
        (
            "mysqldump -u root -phunter2 --all-databases",
            "mysqldump -u root -p*** --all-databases",
        ),
        ("MYSQL_PWD=hunter2 mysql -u root", "MYSQL_PWD=*** mysql -u root"),
        (
            "mongo --username bob --password hunter2",
            "mongo --username bob --password ***",
        ),
        ("mongosh -u bob -p hunter2", "mongosh -u bob -p ***"),
        ("PGPASSWORD=hunter2 psql -h db", "PGPASSWORD=*** psql -h db"),
        (
            "REDISCLI_AUTH=hunter2 redis-cli info",
            "REDISCLI_AUTH=*** redis-cli info",
        ),
        (
            "wget --http-password=hunter2 http://web",
            "wget --http-password=*** http://web",
        ),
        (
            "net use Z: \\\\web\\c hunter2 /user:bob",
            "net use Z: \\\\web\\c *** /user:bob",
        ),
        (
            "cmd /c net use \\\\web\\c /user:bob hunter2",
            "cmd /c net use \\\\web\\c /user:bob ***",
        ),
        ("lftp -u bob,hunter2 ftp.corp", "lftp -u bob,*** ftp.corp"),
        // Options without a value.
        ("SITE /p: x", "SITE /p: x"),
        ("--user=bob: x", "--user=bob: x"),
        ("mysql -uroot: x", "mysql -uroot: x"),
        ("smbclient -ubob% x", "smbclient -ubob% x"),
        ("curl --user=bob: 'x", "curl --user=bob: 'x"),
        ("psexec.py corp/bob:hunter2@10.0.0.1", "psexec.py corp/bob:***@10.0.0.1"),
        (
            "crackmapexec smb web -u bob -p hunter2",
            "crackmapexec smb web -u bob -p ***",
        ),
        ("zip -P hunter2 a.zip x", "zip -P *** a.zip x"),
        ("7z a -phunter2 a.7z x", "7z a -p*** a.7z x"),
        (
            "ipmitool -H bmc -U admin -P hunter2 chassis status",
            "ipmitool -H bmc -U admin -P *** chassis status",
        ),
        ("openssl passwd -1 hunter2", "openssl passwd ***"),
        ("chpasswd <<< root:hunter2", "chpasswd <<< ***"),
        ("echo hunter2 | sudo -S id", "*** | sudo -S id"),
        (
            "export AWS_SECRET_ACCESS_KEY=hunter2",
            "export AWS_SECRET_ACCESS_KEY=***",
        ),
        ("wpa_passphrase home hunter2", "wpa_passphrase ***"),
    ] {
        assert_eq!(hidden(line), shown);
        assert!(!hidden(line).contains("ter2"), "{line}");
    }
}

#[test]
fn other_commands_stay_as_they_are() {
    for line in [
        "cat /etc/passwd",
        "grep root /etc/passwd /etc/shadow",
        "ls -la /tmp",
        "mkdir -p /tmp/x",
        "ssh -p 2222 web",
        "passwd",
        "passwd -l root",
        "PASS",
        "wget http://10.0.0.1:8080/x.sh",
        "cat /etc/passwd | head",
        "GET key",
        "uname -a; id",
        "docker run -p 80:80 nginx",
        "mysql -u root; ssh -p 2222 web",
        "ldapsearch -W -b dc=x",
        "curl -x proxy:3128 http://web",
        "net use",
        "net use Z: /delete",
        "scp bob@web:/tmp/x .",
        "find / -perm -u=s -type f",
        "MAIL FROM:<bob@corp.example>",
        "sudo -S id",
    ] {
        assert_eq!(hidden(line), line);
    }
}

fn request(target: &str, body: &str) -> (String, String) {
    let event = Event::Request(Request {
        method: "POST".into(),
        target: Some(target.into()),
        body: Some(body.into()),
        ..Request::default()
    });
    match Hiding::new("telnet").hide(event) {
        Event::Request(request) => (request.target.unwrap().into(), request.body.unwrap().into()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_looks_like_a_password_is_hidden_in_requests() {
    for (body, shown) in [
        ("user=bob&password=hunter2&x=1", "user=bob&password=***&x=1"),
        (
            r#"{"user":"bob","password": "hun ter2"}"#,
            r#"{"user":"bob","password": "***"}"#,
        ),
        (
            "<login><password>hunter2</password></login>",
            "<login><password>***</password></login>",
        ),
        (
            "name=\"password\"\r\n\r\nhunter2\r\n--x",
            "name=\"password\"\\x0d\\x0a\\x0d\\x0a***\\x0d\\x0a--x",
        ),
    ] {
        assert_eq!(request("/x?pwd=hunter2", body), ("/x?pwd=***".into(), shown.into()));
    }
}

#[test]
fn the_passwords_of_login_attempts_are_left_out_and_hidden_later() {
    let mut hiding = Hiding::new("telnet");
    let attempt = Event::password("password", b"bob", b"hunter2", true);
    match hiding.hide(attempt) {
        Event::Auth(auth) => assert_eq!((auth.proof, auth.accepted), (Proof::None, true)),
        other => panic!("{other:?}"),
    }
    // The password is also a user's name, which the log has.
    hiding.hide(Event::password("password", b"root", b"root", false));
    let later = hiding.hide(Event::command("echo hunter2; echo hunter22; ls /root"));
    assert_eq!(later, Event::command("echo ***; echo hunter22; ls /root"));
    let probe = hiding.hide(Event::probe("not this protocol", b"hunter2"));
    assert!(matches!(probe, Event::Probe(Probe { input: None, .. })), "{probe:?}");
    let clipboard = hiding.hide(Event::request("clipboard", "other"));
    assert_eq!(clipboard, Event::request("clipboard", "***"));
    let typed = Hiding::new("vnc").hide(Event::command("hunter2"));
    assert_eq!(typed, Event::command("***"));
    let hash = Event::Auth(Auth {
        proof: Proof::Hash("$NETNTLMv2$x".into()),
        ..Auth::default()
    });
    assert_eq!(hiding.hide(hash.clone()), hash);
}
