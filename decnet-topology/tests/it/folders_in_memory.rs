use decnet_topology::{Catalog, Tmpfs};

#[test]
fn a_folder_in_memory_is_an_absolute_path_outside_of_the_kernels_folders() {
    let read = |folder: &str| {
        let text = format!("[services.pot]\nports = []\ntmpfs = [\"/var/log\", \"{folder}\"]");
        Catalog::empty().extend_from_toml(text)
    };
    for folder in ["/tmp", "/opt/a-b_c.d/log", "/var/log"] {
        let catalog = read(folder).unwrap_or_else(|refused| panic!("{folder}: {refused}"));
        assert!(
            catalog
                .service("pot")
                .expect("a service")
                .tmpfs
                .iter()
                .any(|own| own.path == folder && own.size.is_none())
        );
    }
    let long = format!("/{}", "a".repeat(1024));
    for folder in [
        "",
        "/",
        "log",
        "/var/",
        "/var//log",
        "/a/../b",
        "/./a",
        "/a,b",
        "/a b",
        "/proc/1",
        "/sys",
        "/dev/shm",
        &long,
    ] {
        let refused = read(folder).expect_err(folder);
        assert_eq!(refused.findings.len(), 1, "{folder}: {refused}");
        let message = &refused.findings[0].message;
        assert!(
            message.starts_with("services.pot.tmpfs: ") && message.contains("must be an absolute path"),
            "{message}"
        );
        assert_eq!(refused.findings[0].place_in("c.toml"), "c.toml:3:23");
    }
    let many: Vec<_> = (0..33).map(|at| format!("\"/a{at}\"")).collect();
    let text = format!("[services.pot]\nports = []\ntmpfs = [{}]", many.join(", "));
    let refused = Catalog::empty().extend_from_toml(text).expect_err("too many");
    assert!(
        refused.to_string().contains("it has 33 folders, more than 32"),
        "{refused}"
    );
}

#[test]
fn a_folder_that_docker_or_the_engine_mounts_is_refused() {
    let faults = |keys: &str| {
        let refused = Catalog::empty().extend_from_toml(format!("[services.pot]\nports = []\n{keys}"));
        refused.map_or_else(|refused| refused.to_string(), |_| String::new())
    };
    for file in ["/etc/hosts", "/etc/resolv.conf", "/etc/hostname", "/etc/hosts/a"] {
        let of_folder = faults(&format!("tmpfs = [\"{file}\"]"));
        assert!(
            of_folder.contains("services.pot.tmpfs: Docker mounts the file"),
            "{of_folder}"
        );
        let of_volume = faults(&format!("image = \"pot:1\"\nvolumes = [\"a:{file}\"]"));
        assert!(
            of_volume.contains("services.pot.volumes: Docker mounts the file"),
            "{of_volume}"
        );
    }
    for folder in ["/var", "/var/lib", "/var/lib/pot"] {
        let refused = faults(&format!("tmpfs = [\"{folder}\"]"));
        let end = format!("/var/lib of a built-in service has its state; use another folder than {folder}");
        assert!(refused.contains(&end), "{refused}");
        // A user's own image has no state of the engine.
        assert_eq!(faults(&format!("image = \"pot:1\"\ntmpfs = [\"{folder}\"]")), "");
    }
    assert_eq!(faults("tmpfs = [\"/etc\", \"/etc/hosts.d\", \"/var/libs\"]"), "");
    let many: Vec<_> = (0..33).map(|at| format!("\"v{at}:/a{at}\"")).collect();
    let refused = faults(&format!("image = \"pot:1\"\nvolumes = [{}]", many.join(", ")));
    assert!(refused.contains("it has 33 volumes, more than 32"), "{refused}");
}

#[test]
fn options_are_those_of_compose_files() {
    for (text, printed) in [
        ("/run:size=16m,uid=1000", "/run:size=16m,uid=1000"),
        ("/tmp/pot:uid=2000,gid=2000", "/tmp/pot:uid=2000,gid=2000"),
        ("/a:mode=700,size=1048576", "/a:size=1m,mode=0700"),
        ("/a:rw,noexec,nosuid,nodev", "/a"),
        ("/a:size=5000", "/a:size=5000"),
    ] {
        let folder: Tmpfs = text.parse().expect(text);
        assert_eq!(folder.to_string(), printed);
        assert_eq!(printed.parse().as_ref(), Ok(&folder));
        let json = serde_json::to_string(&folder).expect("JSON");
        assert_eq!(serde_json::from_str::<Tmpfs>(&json).expect("a folder"), folder);
    }
    for (text, reason) in [
        ("/a:exec", "nothing in it can be executed"),
        ("/a:siz=1m", "unknown option `siz=1m`; use size, uid, gid and mode"),
        ("/a:size=0", "a size from 4k to 64g"),
        ("/a:size=16x", "a size from 4k to 64g"),
        ("/a:uid=root", "`uid` must be a number like 1000, not `root`"),
        ("/a:mode=9", "octal permissions"),
        ("a:size=1m", "an absolute path"),
    ] {
        let refused = text.parse::<Tmpfs>().expect_err(text);
        assert!(refused.to_string().contains(reason), "{refused}");
        assert_eq!(refused.code(), "malformed_tmpfs");
    }
}
