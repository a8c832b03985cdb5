//! Redis and PostgreSQL.

use std::{
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::Path,
    process::Command,
};

use probelet_tests::finished::Finished;
use serde_json::json;

use crate::{
    run,
    server::{Server, command, folder, free_port, unpacked},
    silent_then_gone,
};

/// The user `nobody`, since PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

pub(crate) fn redis(options: &[&str]) -> Server {
    let (folder, port) = (folder(), free_port());
    let mut redis = command("redis-server");
    redis.args([
        "--port",
        &port.to_string(),
        "--bind",
        "127.0.0.1",
        "--save",
        "",
        "--dir",
    ]);
    redis.arg(folder.path()).args(options);
    Server::start(redis, folder, port, "eady to accept connections", true)
}

#[test]
fn redis_answers_has_a_role_and_hears_of_its_master() {
    let master = redis(&[]);
    let config = json!({ "port": master.port, "role": "master" });
    let fields = run("redis", &config, &master.address(), &[]).is("healthy", "");
    assert_eq!(fields["role"], "master");

    let replica = redis(&["--replicaof", "127.0.0.1", &master.port.to_string()]);
    let follows = json!({ "port": replica.port, "role": "replica", "maxLagSeconds": 60 });
    // The link takes a moment.
    let linked = (0..200).any(|_| run("redis", &follows, &replica.address(), &[]).outcome == "healthy");
    assert!(linked, "{}", run("redis", &follows, &replica.address(), &[]).message);
    let wants_master = json!({ "port": replica.port, "role": "master" });
    run("redis", &wants_master, &replica.address(), &[]).is("unhealthy", "it is a replica, not a master");

    silent_then_gone("redis", &config, master);
    let cut = (0..200).find_map(|_| {
        let run = run("redis", &follows, &replica.address(), &[]);
        (run.outcome == "unhealthy").then_some(run)
    });
    cut.expect("the replica notices that its master is gone")
        .is("unhealthy", "no link to the master");
}

#[test]
fn redis_with_a_password_is_checked_with_it_only() {
    let server = redis(&["--requirepass", "secret"]);
    let config = json!({ "port": server.port });
    run("redis", &config, &server.address(), &[]).is("errored", "passwordVariable");
}

/// A database whose user `nobody` has the password `secret`, and whose server takes so many connections.
pub(crate) fn postgres(connections: u16) -> Server {
    postgres_with(connections, "scram-sha-256", |_| Vec::new())
}

/// The same with another way to log in, and with settings, for which files may be put into the folder.
pub(crate) fn postgres_with(
    connections: u16,
    authentication: &str,
    settings: impl FnOnce(&Path) -> Vec<String>,
) -> Server {
    let (folder, port) = (folder(), free_port());
    let data = folder.path().join("data");
    let password = folder.path().join("password");
    fs::write(&password, "secret").expect("/tmp can be written");
    let settings = settings(folder.path());
    let files = fs::read_dir(folder.path()).expect("a folder").flatten();
    for path in files.map(|file| file.path()).chain([folder.path().to_owned()]) {
        // It takes no key that others may read.
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).expect("this is root");
    }
    let mut initdb = command("initdb");
    initdb.args([
        "--no-sync",
        "--username",
        "nobody",
        "--auth",
        authentication,
        "--locale",
        "C",
        "--pwfile",
    ]);
    Finished::run(initdb.arg(password).arg("--pgdata").arg(&data).uid(NOBODY).gid(NOBODY)).success();
    let mut server: Command = command("postgres");
    server
        .arg("-D")
        .arg(&data)
        .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c"]);
    server.arg(format!("unix_socket_directories={}", folder.path().display()));
    server.args(["-c", "fsync=off", "-c", "superuser_reserved_connections=0", "-c"]);
    server
        .arg(format!("max_connections={connections}"))
        .args(["-c", "max_wal_senders=0"]);
    for setting in settings {
        server.args(["-c", &setting]);
    }
    server.uid(NOBODY).gid(NOBODY).env("LC_ALL", "C");
    Server::start(server, folder, port, "ready to accept connections", false)
}

#[test]
fn postgres_takes_connections_or_not() {
    let server = postgres(10);
    let config = json!({ "port": server.port });
    run("postgres", &config, &server.address(), &[]).is("healthy", "");
    let named = json!({ "port": server.port, "user": "nobody", "query": "SELECT 1" });
    run("postgres", &named, &server.address(), &[]).is("errored", "passwordVariable");
    silent_then_gone("postgres", &config, server);
}

#[test]
fn several_checks_are_one() {
    let (near, far) = (redis(&[]), redis(&[]));
    let part =
        |name: &str, server: &Server| json!({ "name": name, "check": "redis", "config": { "port": server.port } });
    let parts = [part("near", &near), part("far", &far)];
    let (all, any) = (json!({ "checks": parts }), json!({ "checks": parts, "atLeast": 1 }));
    let address = near.address();
    run("combine", &all, &address, &[]).is("healthy", "");
    drop(near);
    run("combine", &all, &address, &[]).is("unhealthy", "near: cannot connect");
    let fields = run("combine", &any, &address, &[]).is("degraded", "near: cannot connect");
    assert_eq!(fields, json!({ "near": false, "far": true }));
    drop(far);
    run("combine", &any, &address, &[]).is("unhealthy", "far: cannot connect");
}

#[test]
fn mysql_takes_connections_or_not() {
    let (folder, port) = (folder(), free_port());
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("/tmp can be written");
    let mut server = command("mariadbd");
    // The tables of users are not needed where nobody logs in.
    server.args([
        "--no-defaults",
        "--user=root",
        "--bind-address=127.0.0.1",
        "--skip-grant-tables",
        "--innodb=OFF",
    ]);
    server
        .args(["--default-storage-engine=Aria", "--aria-log-dir-path"])
        .arg(&data)
        .arg("--datadir")
        .arg(&data);
    server
        .arg(format!("--port={port}"))
        .arg(format!("--socket={}", folder.path().join("socket").display()));
    server
        .args(["--skip-networking=0", "--max-connections=10", "--pid-file"])
        .arg(folder.path().join("pid"));
    let messages = unpacked().join("usr/share/mysql");
    if messages.is_dir() {
        server.arg("--lc-messages-dir").arg(messages);
    }
    let server = Server::start(server, folder, port, "ready for connections", false);
    let config = json!({ "port": port });
    let fields = run("mysql", &config, &server.address(), &[]).is("healthy", "");
    assert!(
        fields["version"]
            .as_str()
            .is_some_and(|version| version.contains("MariaDB")),
        "{fields}"
    );
    silent_then_gone("mysql", &config, server);
}

pub(crate) fn nats(options: &[&str]) -> Server {
    let (folder, port) = (folder(), free_port());
    let mut server = command("nats-server");
    server
        .args(["--addr", "127.0.0.1", "--port", &port.to_string()])
        .args(options);
    Server::start(server, folder, port, "Server is ready", false)
}

#[test]
fn nats_answers_or_not() {
    let server = nats(&[]);
    let port = server.port;
    let config = json!({ "port": port });
    run("nats", &config, &server.address(), &[]).is("healthy", "");
    let stream = json!({ "port": port, "jetstream": true });
    run("nats", &stream, &server.address(), &[]).is("unhealthy", "it has no JetStream");
    silent_then_gone("nats", &config, server);
}
