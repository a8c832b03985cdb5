//! What a server in a container needs for TLS.

use std::fs;

use tempfile::TempDir;

/// A key and a certificate of nobody in particular: probes check none. They lie in a folder of the machine, which is removed
/// with this.
pub struct Identity(TempDir);

impl Identity {
    /// Makes new ones.
    #[expect(clippy::new_without_default, reason = "it makes files")]
    pub fn new() -> Self {
        let folder = tempfile::tempdir().expect("/tmp can be written");
        let made = rcgen::generate_simple_self_signed(["somebody-else".to_owned()]).expect("a certificate");
        for (file, text) in [
            ("certificate.pem", made.cert.pem()),
            ("key.pem", made.signing_key.serialize_pem()),
        ] {
            fs::write(folder.path().join(file), text).expect("/tmp can be written");
        }
        Self(folder)
    }

    /// The pod's fields that have them as a volume `tls`, indented by two.
    pub fn volume(&self) -> String {
        let folder = self.0.path().display();
        format!("  volumes: [{{ name: tls, hostPath: {{ path: {folder}, type: Directory }} }}]")
    }

    /// The container's fields that mount it, with `certificate.pem` and `key.pem` in `/tls`, indented by four.
    pub const MOUNT: &str = "    volumeMounts: [{ name: tls, mountPath: /tls, readOnly: true }]";
}
