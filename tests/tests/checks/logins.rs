//! Logins with a password, in each way that a server knows: the right one, the wrong one, and none.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use probelet_tests::finished::Finished;
use serde_json::{Value, json};

use crate::{
    Run,
    databases::{nats, postgres_with, redis},
    run_with,
    secure::Authority,
    server::{Server, command, folder, free_port, unpacked},
};

const SECRET: &str = "secret";
const GRANT: [&str; 2] = ["--allow", "{environment: [PASSWORD]}"];

fn log_in(check: &str, config: &Value, server: &Server, password: &str) -> Run {
    run_with(check, config, &server.address(), &GRANT, &[("PASSWORD", password)])
}

/// The right password finds the server well; a wrong one is nothing that the server is to blame for.
#[track_caller]
fn is_let_in(check: &str, config: &Value, server: &Server) -> Value {
    let fields = log_in(check, config, server, SECRET).is("healthy", "");
    let wrong = log_in(check, config, server, "wrong");
    assert_eq!(wrong.outcome, "errored", "{}", wrong.message);
    assert!(!wrong.message.contains("wrong\""), "{}", wrong.message);
    fields
}

#[test]
fn postgres_lets_in_by_scram_and_by_md5() {
    for authentication in ["scram-sha-256", "md5", "password"] {
        let server = postgres_with(10, authentication, |_| Vec::new());
        let config = json!({
            "port": server.port, "user": "nobody", "database": "postgres", "passwordVariable": "PASSWORD",
            "query": "SELECT 40 + 2", "expect": "42"
        });
        let fields = is_let_in("postgres", &config, &server);
        assert_eq!(fields["value"], "42", "{authentication}");
        let mut other = config.clone();
        other["expect"] = json!("43");
        log_in("postgres", &other, &server, SECRET).is("unhealthy", "the query's value is 42, not 43");
        // A login is thousands of rounds of SHA-256, and has to leave room below the 100M that a check has by default.
        let frugal = [&GRANT[..], &["--limits", "{fuel: 50M}"]].concat();
        run_with("postgres", &config, &server.address(), &frugal, &[("PASSWORD", SECRET)]).is("healthy", "");
    }
}

#[test]
fn redis_lets_in_by_password_and_by_user() {
    let server = redis(&["--requirepass", SECRET]);
    let config = json!({ "port": server.port, "passwordVariable": "PASSWORD", "role": "master" });
    let fields = is_let_in("redis", &config, &server);
    assert_eq!(fields["role"], "master");

    let server = redis(&["--user", "shop", "on", ">secret", "~*", "+ping", "+info"]);
    let config = json!({ "port": server.port, "user": "shop", "passwordVariable": "PASSWORD", "role": "master" });
    is_let_in("redis", &config, &server);
    // Who may log in, and may do nothing, says nothing of the server.
    let server = redis(&["--user", "shop", "on", ">secret", "~*", "-@all"]);
    let config = json!({ "port": server.port, "user": "shop", "passwordVariable": "PASSWORD" });
    let nothing = log_in("redis", &config, &server, SECRET);
    assert!(nothing.message.contains("NOPERM"), "{}", nothing.message);
}

#[test]
fn redis_lets_in_by_tls() {
    let (authority, folder) = (Authority::new(), folder());
    authority.sign(&["cache.example"], 90, folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("authority.pem"), &authority.pem).expect("/tmp can be written");
    // The port that the others have is that of TLS here.
    let (port, plain) = (free_port(), free_port());
    let server = redis(&[
        "--port",
        &plain.to_string(),
        "--tls-port",
        &port.to_string(),
        "--tls-auth-clients",
        "no",
        "--tls-cert-file",
        &path("cert.pem"),
        "--tls-key-file",
        &path("key.pem"),
        "--tls-ca-cert-file",
        &path("authority.pem"),
        "--requirepass",
        SECRET,
    ]);
    let tls = json!({ "serverName": "cache.example", "authorities": authority.pem });
    let config = json!({ "port": port, "passwordVariable": "PASSWORD", "tls": tls });
    is_let_in("redis", &config, &server);
    let stranger = json!({ "port": port, "passwordVariable": "PASSWORD", "tls": {} });
    log_in("redis", &stranger, &server, SECRET).is("unhealthy", "is not to be trusted");
    let without = json!({ "port": plain, "passwordVariable": "PASSWORD", "tls": {} });
    // It waits for the end of a line.
    log_in("redis", &without, &server, SECRET).is("unhealthy", "did not answer within");
}

#[test]
fn postgres_lets_in_by_tls() {
    let authority = Authority::new();
    let server = postgres_with(10, "scram-sha-256", |folder| {
        authority.sign(&["db.example"], 90, folder);
        vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", folder.join("cert.pem").display()),
            format!("ssl_key_file={}", folder.join("key.pem").display()),
        ]
    });
    let config = json!({
        "port": server.port, "user": "nobody", "database": "postgres", "passwordVariable": "PASSWORD",
        "tls": { "serverName": "db.example", "authorities": authority.pem },
        "query": "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", "expect": "t"
    });
    is_let_in("postgres", &config, &server);
}

/// MariaDB with a user `shop`, whose password is `secret`, and TLS.
fn mariadb(authority: &Authority) -> Server {
    let (folder, port) = (folder(), free_port());
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("/tmp can be written");
    authority.sign(&["db.example"], 90, folder.path());
    let messages = [Path::new("/").to_owned(), unpacked()].map(|root| root.join("usr/share/mysql"));
    let messages = messages
        .into_iter()
        .find(|folder| folder.is_dir())
        .expect("MariaDB's files");
    let mariadbd = || {
        let mut server: Command = command("mariadbd");
        server.args([
            "--no-defaults",
            "--user=root",
            "--innodb=OFF",
            "--default-storage-engine=Aria",
        ]);
        let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
        server.args([
            option("aria-log-dir-path", &data),
            option("datadir", &data),
            option("lc-messages-dir", &messages),
        ]);
        server
    };
    // As its own script for that does it.
    let tables = ["mysql_system_tables.sql", "mysql_system_tables_data.sql"];
    let tables = tables.map(|name| fs::read_to_string(messages.join(name)).expect("MariaDB's tables"));
    let script = folder.path().join("tables.sql");
    fs::write(
        &script,
        format!("CREATE DATABASE mysql;\nUSE mysql;\n{}", tables.concat()),
    )
    .expect("/tmp can be written");
    let mut bootstrap = mariadbd();
    bootstrap
        .arg("--bootstrap")
        .stdin(File::open(script).expect("it is there"));
    Finished::run(&mut bootstrap).success();

    let users = folder.path().join("users.sql");
    let users_text = "CREATE USER shop IDENTIFIED VIA mysql_native_password USING PASSWORD('secret');\n\
                      CREATE DATABASE goods;\nGRANT ALL ON goods.* TO shop;\n";
    fs::write(&users, users_text).expect("/tmp can be written");
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    let mut server = mariadbd();
    server.args(["--bind-address=127.0.0.1", "--skip-networking=0"]);
    server.arg(format!("--port={port}"));
    for (name, file) in [
        ("socket", "socket"),
        ("pid-file", "pid"),
        ("init-file", "users.sql"),
        ("ssl-cert", "cert.pem"),
        ("ssl-key", "key.pem"),
    ] {
        server.arg(format!("--{name}={}", path(file).display()));
    }
    Server::start(server, folder, port, "ready for connections", false)
}

#[test]
fn mysql_lets_in_with_and_without_tls() {
    let authority = Authority::new();
    let server = mariadb(&authority);
    let plain = json!({ "port": server.port, "user": "shop", "database": "goods", "passwordVariable": "PASSWORD" });
    let fields = is_let_in("mysql", &plain, &server);
    assert!(
        fields["version"]
            .as_str()
            .is_some_and(|version| version.contains("MariaDB")),
        "{fields}"
    );
    let mut secure = plain.clone();
    secure["tls"] = json!({ "serverName": "db.example", "authorities": authority.pem });
    is_let_in("mysql", &secure, &server);
    secure["tls"] = json!({ "serverName": "other.example", "authorities": authority.pem });
    log_in("mysql", &secure, &server, SECRET).is("unhealthy", "its certificate is for other names");
    let mut hidden = secure.clone();
    hidden["tls"] = json!({ "serverName": "db.example", "authorities": authority.pem });
    hidden["database"] = json!("nowhere");
    log_in("mysql", &hidden, &server, SECRET).is("errored", "lets `shop` not in");
    let mut elsewhere = plain;
    elsewhere["database"] = json!("nowhere");
    log_in("mysql", &elsewhere, &server, SECRET).is("errored", "lets `shop` not in");
}

#[test]
fn nats_lets_in_by_user_and_by_token() {
    let server = nats(&["--user", "shop", "--pass", SECRET]);
    let config = json!({ "port": server.port, "user": "shop", "passwordVariable": "PASSWORD" });
    is_let_in("nats", &config, &server);

    let server = nats(&["--auth", SECRET]);
    let config = json!({ "port": server.port, "tokenVariable": "PASSWORD" });
    is_let_in("nats", &config, &server);

    let (authority, folder) = (Authority::new(), folder());
    authority.sign(&["bus.example"], 90, folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let server = nats(&["--auth", SECRET, "--tls", "--tlscert", &certificate, "--tlskey", &key]);
    let tls = json!({ "serverName": "bus.example", "authorities": authority.pem });
    let config = json!({ "port": server.port, "tokenVariable": "PASSWORD", "tls": tls });
    is_let_in("nats", &config, &server);
}
