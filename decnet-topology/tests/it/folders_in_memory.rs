use decnet_topology::Catalog;

#[test]
fn a_folder_in_memory_is_an_absolute_path_outside_of_the_kernels_folders() {
    let read = |folder: &str| {
        let text = format!("[services.pot]\nports = []\ntmpfs = [\"/var/log\", \"{folder}\"]");
        Catalog::empty().extend_from_toml(text)
    };
    for folder in ["/tmp", "/opt/a-b_c.d/log", "/var/log"] {
        let catalog = read(folder).unwrap_or_else(|refused| panic!("{folder}: {refused}"));
        assert!(catalog.service("pot").expect("a service").tmpfs.contains(folder));
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
        "/a:size=1g",
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
            message.starts_with("services.pot.tmpfs: ") && message.contains("an absolute path"),
            "{message}"
        );
        assert_eq!(refused.findings[0].place_in("c.toml"), "c.toml:3:1");
    }
    let many: Vec<_> = (0..33).map(|at| format!("\"/a{at}\"")).collect();
    let text = format!("[services.pot]\nports = []\ntmpfs = [{}]", many.join(", "));
    let refused = Catalog::empty().extend_from_toml(text).expect_err("too many");
    assert!(
        refused.to_string().contains("it has 33 folders, more than 32"),
        "{refused}"
    );
}
