//! Tests that require a real daemon.

use decnet_engine::{
    Action, ApiVersion, Docker, DockerHost, DockerOptions, Effect, ImageSpec, Runtime, RuntimeError, seccomp_profile,
};

use super::lab::{docker, docker_host, docker_lab};
use decnet_engine::testing::contract::{create_base, create_network, create_service};

#[tokio::test]
#[ignore = "needs Docker"]
async fn the_daemon_describes_itself_and_the_api_is_negotiated() {
    let lab = docker_lab(0).await;
    let info = lab.runtime.info().await.expect("info");
    let version = docker(&["version", "--format", "{{.Server.Version}} {{.Server.APIVersion}}"]);
    let (engine, api) = version.split_once(' ').expect("two words");
    assert_eq!(info.version, engine);
    let newest = api
        .split_once('.')
        .and_then(|(_, minor)| minor.parse().ok())
        .expect("a version");
    assert!(
        info.api >= Docker::OLDEST_API && info.api <= ApiVersion::v1(newest),
        "{:?} of {api}",
        info.api
    );
    assert_eq!(info.endpoint, docker_host().to_string());
    assert!(info.cpus > 0);
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_state_refused_by_the_program_inside_is_reported_with_its_message() {
    let lab = docker_lab(160).await;
    let base = lab.create_base("near", "web").await;
    let set = Action::SetState {
        container: base.name.clone(),
        state: decnet_decoy::protocol::NetState {
            interfaces: vec![lab.ip(0, 2), lab.ip(0, 77)],
            ..Default::default()
        },
    };
    let error = lab.refuse(&set).await;
    assert!(
        matches!(&error, RuntimeError::State { reason, .. } if reason.contains(&lab.ip(0, 77).to_string())),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_image_that_cannot_be_pulled_is_reported_with_the_registrys_message() {
    let lab = docker_lab(0).await;
    let image = ImageSpec::Pulled {
        reference: "127.0.0.1:1/nothing/here".into(),
    };
    let error = lab.refuse(&Action::EnsureImage { image, host: None }).await;
    assert!(
        matches!(&error, RuntimeError::ImageUnavailable { reason, .. } if reason.contains("127.0.0.1:1")),
        "{error}"
    );
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_folder_with_a_dockerfile_is_built_labelled_and_removed() {
    let lab = docker_lab(0).await;
    let folder = tempfile::tempdir().expect("folder");
    let image = ImageSpec::Built {
        reference: format!("decnet-built:{}", lab.instance),
        context: folder.path().to_owned(),
    };
    let reference = image.reference().to_owned();
    let ensure = Action::EnsureImage { image, host: None };
    let error = lab.refuse(&ensure).await;
    assert!(
        matches!(error, RuntimeError::ImageUnavailable { .. }),
        "no Dockerfile: {error}"
    );

    std::fs::write(folder.path().join("file"), "content").expect("write");
    std::fs::write(folder.path().join("Dockerfile"), "FROM scratch\nCOPY file /file\n").expect("write");
    lab.change(&ensure).await;
    lab.keep(&ensure).await;
    assert!(lab.observe().await.has_image(&reference));
    lab.change(&Action::RemoveImage {
        reference: reference.clone(),
        host: None,
    })
    .await;
    assert!(!lab.observe().await.has_image(&reference));
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn an_image_that_was_removed_meanwhile_is_loaded_again() {
    let lab = docker_lab(168).await;
    lab.change(&create_network(&lab.network("near", 0))).await;
    // Nothing ensured the image; another store may have removed it since.
    lab.change(&create_base(&lab.base("web", &[lab.interface("near", 0, 2)])))
        .await;
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn containers_are_confined() {
    let lab = docker_lab(176).await;
    let base = lab.create_base("near", "web").await;
    let service = lab.service("web", "telnet");
    lab.change(&create_service(&service)).await;
    let inspect = |name: &str, format: &str| docker(&["inspect", "--format", format, name]);
    for (name, added, mount) in [
        (&base.name, "NET_ADMIN", "volume true"),
        (&service.name, "", "volume false"),
    ] {
        let name = name.as_str();
        assert_eq!(inspect(name, "{{.HostConfig.CapDrop}}"), "[ALL]");
        assert!(inspect(name, "{{.HostConfig.CapAdd}}").contains(added));
        assert_eq!(
            inspect(name, "{{len .HostConfig.CapAdd}}"),
            if added.is_empty() { "0" } else { "1" }
        );
        let security = inspect(name, "{{.HostConfig.SecurityOpt}}");
        let profile = format!("[no-new-privileges seccomp={}]", seccomp_profile());
        assert_eq!(security, profile);
        assert_eq!(inspect(name, "{{.HostConfig.ReadonlyRootfs}}"), "true");
        let mounted = inspect(name, "{{range .Mounts}}{{.Type}} {{.RW}}{{end}}");
        assert_eq!(
            (mounted.as_str(), inspect(name, "{{.HostConfig.Binds}}").as_str()),
            (mount, "[]")
        );
        assert_eq!(inspect(name, "{{.HostConfig.RestartPolicy.Name}}"), "always");
        assert_eq!(inspect(name, "{{.HostConfig.PidsLimit}}"), "32");
        assert_eq!(
            inspect(name, "{{index .HostConfig.LogConfig.Config \"max-size\"}}"),
            "5m"
        );
    }
    assert_eq!(inspect(base.name.as_str(), "{{.HostConfig.Dns}}"), "[127.0.0.1]");
    let network = "{{.HostConfig.NetworkMode}} {{.Config.NetworkDisabled}}";
    assert_eq!(inspect(service.name.as_str(), network), "none true");
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn removing_a_container_that_another_process_removes_is_not_an_error() {
    let lab = docker_lab(184).await;
    let base = lab.create_base("near", "web").await;
    let remove = create_base(&base).inverse().expect("inverse");
    let (first, second) = tokio::join!(lab.perform(&remove), lab.perform(&remove));
    let effects = [first.expect("remove"), second.expect("remove")];
    assert!(effects.contains(&Effect::Changed), "{effects:?}");
    assert!(lab.observe().await.containers.is_empty());
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_daemon_is_reached_over_tcp() {
    let DockerHost::Unix(socket) = docker_host() else {
        panic!("these tests talk to a daemon of this machine");
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("port");
    let address = listener.local_addr().expect("address").to_string();
    tokio::spawn(async move {
        while let Ok((mut outer, _)) = listener.accept().await {
            let mut inner = tokio::net::UnixStream::connect(&socket).await.expect("socket");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut outer, &mut inner).await });
        }
    });
    let options = DockerOptions::default().host(DockerHost::Tcp {
        address: address.clone(),
    });
    let docker = Docker::connect(options).await.expect("connect");
    let info = docker.info().await.expect("info");
    assert_eq!((info.endpoint, info.local), (format!("tcp://{address}"), false));
}

#[tokio::test]
#[ignore = "needs Docker"]
async fn a_network_whose_containers_were_removed_at_once_can_be_removed() {
    let lab = docker_lab(200).await;
    lab.ensure_decoy().await;
    let network = create_network(&lab.network("near", 0));
    lab.change(&network).await;
    let bases: Vec<_> = (2..18)
        .map(|host| create_base(&lab.base(&format!("web-{host}"), &[lab.interface("near", 0, host)])))
        .collect();
    for base in &bases {
        lab.change(base).await;
    }
    let removals = bases
        .iter()
        .map(|base| async { lab.change(&base.inverse().expect("inverse")).await });
    futures_util::future::join_all(removals).await;
    lab.change(&network.inverse().expect("inverse")).await;
    assert!(lab.observe().await.is_empty());
}
