use std::{
    io::{Read, Write},
    process::{Command, Stdio},
};

use super::*;

fn entries(archive: &[u8]) -> Vec<(String, u32, u64, u64, Vec<u8>)> {
    tar::Archive::new(archive)
        .entries()
        .unwrap()
        .map(|entry| {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            let path = String::from_utf8(header.path_bytes().into_owned()).unwrap();
            (
                path,
                header.mode().unwrap(),
                header.uid().unwrap(),
                header.mtime().unwrap(),
                content,
            )
        })
        .collect()
}

#[test]
fn the_image_of_a_program_is_the_same_in_every_version() {
    let image = DecoyImage::pack(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0 and so on");
    assert_eq!(
        image,
        DecoyImage::pack(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0 and so on")
    );
    assert_eq!(image.reference, "decnet-decoy:ba1af42147c8");
    assert_eq!(
        image.id,
        "sha256:345048079880cdf0546e11c72ca91ba04b404b9df44802c32349d932ae41205b"
    );
    assert_eq!(
        digest(&image.archive),
        "c1d0ae764a897177cc48881b6786b050522b202caae2177048a7a5532156f750"
    );
}

#[test]
fn another_program_gives_another_image() {
    let (one, other) = (DecoyImage::pack(b"one"), DecoyImage::pack(b"other"));
    assert_ne!(one.id, other.id);
    assert_ne!(one.reference, other.reference);
}

#[test]
fn the_archive_has_a_manifest_a_configuration_and_one_layer_with_matching_names() {
    let image = DecoyImage::pack(b"a program");
    let files = entries(&image.archive);
    let [config, layer, manifest] = files.as_slice() else {
        panic!("{} files", files.len())
    };
    let manifest: serde_json::Value = serde_json::from_slice(&manifest.4).unwrap();
    assert_eq!(manifest[0]["Config"], config.0.as_str());
    assert_eq!(manifest[0]["Layers"], json!([layer.0]));
    assert_eq!(manifest[0]["RepoTags"], json!([image.reference]));
    assert_eq!(format!("sha256:{}", digest(&config.4)), image.id);
    let config: serde_json::Value = serde_json::from_slice(&config.4).unwrap();
    assert_eq!(
        config["rootfs"]["diff_ids"],
        json!([format!("sha256:{}", digest(&layer.4))])
    );
    assert_eq!(
        config["config"],
        json!({"Entrypoint": ["/sbin/init"], "Labels": {"decnet.decoy": "true"}})
    );
    let inside = entries(&layer.4);
    let listed: Vec<_> = inside
        .iter()
        .map(|(path, mode, owner, time, content)| (path.as_str(), *mode, *owner, *time, content.len()))
        .collect();
    let folder = |path| (path, 0o755, u64::from(KEEPER), 0, 0);
    let program = ("sbin/init", 0o111, u64::from(KEEPER), 0, "a program".len());
    assert_eq!(
        listed,
        [
            folder("./"),
            folder("dev"),
            folder("etc"),
            folder("proc"),
            folder("sbin"),
            folder("sys"),
            folder("var"),
            folder("var/lib"),
            ("var/lib/ports", 0o755, 0, 0, 0),
            program
        ]
    );
}

#[test]
fn the_processor_is_read_from_the_program() {
    let elf = |machine: u8| [b"\x7fELF".as_slice(), &[0; 14], &[machine, 0]].concat();
    assert_eq!(architecture(&elf(62)), "amd64");
    assert_eq!(architecture(&elf(183)), "arm64");
}

/// Returns the types of the segments of a 64-bit little-endian program.
fn program_headers(program: &[u8]) -> impl Iterator<Item = u32> {
    let number = |at: usize, length: usize| {
        program[at..at + length]
            .iter()
            .rev()
            .fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let (start, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    (0..count).map(move |at| u32::try_from(number(start + at * size, 4)).unwrap())
}

#[test]
#[cfg(all(target_os = "linux", target_pointer_width = "64", target_endian = "little"))]
fn a_small_static_program_is_embedded() {
    let program = DecoyImage::embedded_program().unwrap();
    assert!(program.starts_with(b"\x7fELF"));
    assert!(program.len() < 6 << 20, "{} bytes", program.len());
    assert!(
        program_headers(program).all(|kind| kind != 3),
        "a dynamic program names its interpreter (PT_INTERP)"
    );
}

#[test]
#[ignore = "needs Docker"]
fn docker_uses_the_computed_image_id() {
    // Not the real program: another test may use its image.
    let program = format!("a fake program of process {}", std::process::id());
    let image = DecoyImage::pack(program.as_bytes());
    let docker = |arguments: &[&str], input: &[u8]| {
        let mut child = Command::new("docker")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    };
    docker(&["load"], &image.archive);
    let inspected = docker(
        &[
            "image",
            "inspect",
            "--format",
            "{{.Id}} {{.Os}} {{json .Config.Labels}}",
            &image.reference,
        ],
        b"",
    );
    let removed = docker(&["image", "rm", &image.reference], b"");
    assert_eq!(
        inspected.trim(),
        format!("{} linux {{\"decnet.decoy\":\"true\"}}", image.id)
    );
    assert!(removed.contains("Deleted"), "{removed}");
}
