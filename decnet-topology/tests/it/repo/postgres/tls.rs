//! Connections with TLS.

use std::{fs, path::Path, process::Command};

use decnet_topology::{PostgresRepo, RepoError, TopologyStore};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};

use super::server::Server;

/// Writes an authority, and a certificate of it for a host, into a folder; the key belongs to the owner of the server's data.
fn certify(folder: &Path, host: &str) {
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec![host.to_owned()]).expect("parameters");
    let certificate = certificate.signed_by(&key, &authority).expect("a certificate");
    fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
    fs::write(folder.join("server.pem"), certificate.pem()).expect("written");
    fs::write(folder.join("server.key"), key.serialize_pem()).expect("written");
    let same_owner = |file: &Path| {
        let owner = format!("--reference={}", folder.join("data").display());
        let changed = Command::new("chown").arg(owner).arg(file).status();
        assert!(changed.expect("chown").success());
        assert!(
            Command::new("chmod")
                .arg("600")
                .arg(file)
                .status()
                .expect("chmod")
                .success()
        );
    };
    same_owner(&folder.join("server.key"));
}

#[tokio::test]
async fn the_server_proves_what_the_mode_asks_for() {
    let Some(server) = Server::start(&[]) else { return };
    let folder = server.folder().to_owned();
    let database = server.database();
    let open = async |query: &str| PostgresRepo::open(&format!("{}?{query}", database.url())).await;
    let refusal = open("sslmode=require").await.expect_err("it has no TLS");
    assert!(matches!(refusal, RepoError::DatabaseRefused { .. }), "{refusal:?}");

    certify(&folder, "127.0.0.1");
    server.down("fast");
    let file = |name: &str| folder.join(name).display().to_string();
    server.up(&[
        "ssl=on",
        &format!("ssl_cert_file='{}'", file("server.pem")),
        &format!("ssl_key_file='{}'", file("server.key")),
    ]);
    let own = file("ca.pem");
    let other = tempfile::tempdir().expect("a folder");
    fs::create_dir(other.path().join("data")).expect("a folder");
    certify(other.path(), "127.0.0.1");
    let foreign = other.path().join("ca.pem").display().to_string();
    for query in [
        "sslmode=require".to_owned(),
        "sslmode=prefer".to_owned(),
        format!("sslmode=verify-ca&sslrootcert={own}"),
        format!("sslmode=verify-full&sslrootcert={own}"),
    ] {
        let repo = open(&query).await.expect(&query);
        repo.instance().await.expect("it answers");
        let encrypted = "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                         WHERE application_name = 'decnet'";
        assert_eq!(database.run(encrypted), ["t"], "{query}");
    }
    for query in [
        format!("sslmode=verify-full&sslrootcert={foreign}"),
        format!("sslmode=verify-ca&sslrootcert={foreign}"),
        format!("sslmode=require&sslrootcert={foreign}"),
        "sslmode=verify-full".to_owned(),
    ] {
        let refusal = open(&query).await.expect_err(&query);
        assert!(
            matches!(refusal, RepoError::DatabaseRefused { .. }),
            "{query}: {refusal:?}"
        );
    }
    // The certificate is for the number of the host, not for its name.
    let named = database.url().replace("127.0.0.1", "localhost");
    let full = format!("{named}?sslmode=verify-full&sslrootcert={own}");
    let refusal = PostgresRepo::open(&full).await.expect_err("another name");
    assert!(matches!(refusal, RepoError::DatabaseRefused { .. }), "{refusal:?}");
    let authority = format!("{named}?sslmode=verify-ca&sslrootcert={own}");
    PostgresRepo::open(&authority)
        .await
        .expect("the authority is the right one");

    for (query, expected) in [
        ("sslmode=verify-full&sslrootcert=/nonexistent", "/nonexistent"),
        (
            "sslmode=require&sslcert=/nonexistent&sslkey=/nonexistent",
            "sslkey in /nonexistent",
        ),
    ] {
        let refusal = open(query).await.expect_err(query);
        assert_eq!(refusal.code(), "database_address");
        assert!(refusal.to_string().contains(expected), "{refusal}");
    }
}
