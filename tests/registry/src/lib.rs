//! A registry as people run them, for tests: docker's own, from Debian's package docker-registry, on this machine's
//! loopback.
//!
//! What a test pushes goes the way that other people's tools take (the OCI distribution specification), and not through
//! our own client: that one is what is tested.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const BYTES: &str = "application/octet-stream";

/// A registry with a folder of its own, on a port that was free. It ends with its owner.
pub struct Registry {
    process: Child,
    folder: TempDir,
    address: SocketAddr,
}

/// Where Debian's installer puts it, or `cargo xtask setup`.
fn program() -> PathBuf {
    let installed = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&installed).collect();
    let home = std::env::var_os("HOME").unwrap_or_default();
    folders.push(Path::new(&home).join(".cache/probelet/tools/docker-registry/root/usr/bin"));
    let found = folders
        .iter()
        .map(|folder| folder.join("docker-registry"))
        .find(|path| path.is_file());
    found.expect("there is no docker-registry; `cargo xtask setup` gets it")
}

impl Registry {
    /// Starts one that everybody may read and write.
    ///
    /// # Panics
    ///
    /// If there is no such program on this machine, or it does not start.
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("/tmp can be written"), &json!({}))
    }

    /// Starts one in a folder, whose configuration has the fields of `more` as well.
    ///
    /// # Panics
    ///
    /// If there is no such program on this machine, or it does not start.
    pub fn start_in(folder: TempDir, more: &Value) -> Self {
        let mut config = json!({
            "version": 0.1,
            "log": { "accesslog": { "disabled": true } },
            "storage": { "filesystem": { "rootdirectory": folder.path().join("registry") } },
            "http": { "addr": "127.0.0.1:0", "secret": "of a test" },
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            config[name] = value.clone();
        }
        let path = folder.path().join("config.yml");
        // JSON is YAML.
        fs::write(&path, config.to_string()).expect("/tmp can be written");
        let mut process = Command::new(program())
            .arg("serve")
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker-registry can be started");
        let mut log = BufReader::new(process.stderr.take().expect("stderr was asked for as a pipe"))
            .lines()
            .map_while(Result::ok);
        // It says where it listens, or ends.
        let address = log.find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            rest.split(['"', ',']).next()?.parse().ok()
        });
        let address = address.expect("docker-registry ended before it listened");
        // A full pipe would stop it.
        std::thread::spawn(move || log.for_each(drop));
        Self {
            process,
            folder,
            address,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The file in which it keeps the content with a digest, `sha256:…`.
    ///
    /// # Panics
    ///
    /// If that is no digest.
    pub fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").expect("a digest");
        let folder = self.folder.path().join("registry/docker/registry/v2/blobs/sha256");
        folder.join(&hex[..2]).join(hex).join("data")
    }

    /// Pushes a component to a repository such as `team/ping`, and has a tag stand for it from now on. Gives the digest
    /// of its bytes.
    ///
    /// # Panics
    ///
    /// If the registry does not take it.
    pub fn push(&self, repository: &str, tag: &str, component: &[u8]) -> String {
        let digest = self.put_blob(repository, component);
        let config = self.put_blob(repository, b"{}");
        let layers = json!([{ "mediaType": "application/wasm", "digest": digest, "size": component.len() }]);
        self.put_manifest(repository, tag, &layers, &config);
        digest
    }

    /// Has a tag stand for a manifest with these layers, whatever they are, and the description with the digest `config`.
    /// All of that must be in the repository.
    ///
    /// # Panics
    ///
    /// If the registry does not take it.
    pub fn put_manifest(&self, repository: &str, tag: &str, layers: &Value, config: &str) {
        let config = json!({ "mediaType": "application/vnd.wasm.config.v0+json", "digest": config, "size": 2 });
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
        let target = format!("/v2/{repository}/manifests/{tag}");
        self.send("PUT", &target, MANIFEST, manifest.to_string().as_bytes());
    }

    /// Puts some content into a repository, and gives its digest.
    ///
    /// # Panics
    ///
    /// If the registry does not take it.
    pub fn push_content(&self, repository: &str, content: &[u8]) -> String {
        self.put_blob(repository, content)
    }

    fn put_blob(&self, repository: &str, content: &[u8]) -> String {
        let digest: String = Sha256::digest(content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let digest = format!("sha256:{digest}");
        let begun = self.send("POST", &format!("/v2/{repository}/blobs/uploads/"), BYTES, b"");
        let location = begun.lines().find_map(|line| line.strip_prefix("Location: "));
        let location = location.expect("the registry says where to send a blob");
        self.send("PUT", &format!("{location}&digest={digest}"), BYTES, content);
        digest
    }

    /// Sends a request, and gives the response as text.
    fn send(&self, method: &str, target: &str, media_type: &str, body: &[u8]) -> String {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: {}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
             Connection: close\r\n\r\n",
            self.address,
            body.len()
        );
        let mut response = String::new();
        let mut exchange = || -> std::io::Result<usize> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(head.as_bytes())?;
            stream.write_all(body)?;
            stream.read_to_string(&mut response)
        };
        let exchanged = exchange();
        assert!(
            exchanged.is_ok() && response.starts_with("HTTP/1.1 20"),
            "{method} {target}: {exchanged:?} {response}"
        );
        response
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
