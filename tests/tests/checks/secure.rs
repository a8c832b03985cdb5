//! Certificates of real servers: of nginx for pages and for mail, and of PostgreSQL.

use std::{fs, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::{
    databases::{postgres, postgres_with},
    run, run_with,
    server::{Server, command, folder, free_port, unpacked},
    silent_then_gone,
};

/// An authority in PEM.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    pub(crate) pem: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "The authority");
        let key = KeyPair::generate().expect("a key");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("an authority");
        let pem = issuer.pem();
        Self { issuer, pem }
    }

    /// Signs a certificate that is valid for so many days from now on, and puts it with its key into a folder, as
    /// `cert.pem` and `key.pem`.
    pub(crate) fn sign(&self, names: &[&str], days: i64, folder: &Path) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        let now = std::time::SystemTime::now();
        let day = std::time::Duration::from_secs(86_400);
        params.not_before = (now - day * 1000).into();
        // Not to the second, so that it does not matter how long the test takes.
        let hour = std::time::Duration::from_secs(3_600);
        let later = day * u32::try_from(days.unsigned_abs()).expect("a few days") + hour;
        params.not_after = if days < 0 { now - later } else { now + later }.into();
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        fs::write(folder.join("cert.pem"), certificate.pem()).expect("/tmp can be written");
        fs::write(folder.join("key.pem"), key.serialize_pem()).expect("/tmp can be written");
    }
}

const SITE: &str = r#"
daemon off; master_process off; pid FOLDER/pid; error_log stderr notice;
load_module MODULE;
events {}
http {
  access_log off;
  client_body_temp_path FOLDER; proxy_temp_path FOLDER; fastcgi_temp_path FOLDER; uwsgi_temp_path FOLDER;
  scgi_temp_path FOLDER;
  ssl_certificate FOLDER/cert.pem; ssl_certificate_key FOLDER/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
  server { listen 127.0.0.1:PORT ssl; location = /healthz { return 200 'up'; } }
}
mail {
  ssl_certificate FOLDER/cert.pem; ssl_certificate_key FOLDER/key.pem;
  auth_http 127.0.0.1:1; starttls on; server_name mail.example;
  server { listen 127.0.0.1:SMTP; protocol smtp; smtp_auth none; }
  server { listen 127.0.0.1:IMAP; protocol imap; }
  server { listen 127.0.0.1:POP3; protocol pop3; }
}
"#;

/// nginx with pages by TLS, and as a server of mail, whose clients begin without.
struct Nginx {
    server: Server,
    smtp: u16,
    imap: u16,
    pop3: u16,
}

fn nginx(authority: &Authority, names: &[&str], days: i64) -> Nginx {
    let (folder, port) = (folder(), free_port());
    let [smtp, imap, pop3] = [(); 3].map(|()| free_port());
    authority.sign(names, days, folder.path());
    let module = "usr/lib/nginx/modules/ngx_mail_module.so";
    let module = [Path::new("/").to_owned(), unpacked()].map(|root| root.join(module));
    let module = module
        .iter()
        .find(|path| path.exists())
        .expect("nginx' module for mail");
    let site = SITE
        .replace("FOLDER", &folder.path().display().to_string())
        .replace("MODULE", &module.display().to_string())
        .replace("PORT", &port.to_string())
        .replace("SMTP", &smtp.to_string())
        .replace("IMAP", &imap.to_string())
        .replace("POP3", &pop3.to_string());
    let path = folder.path().join("nginx.conf");
    fs::write(&path, site).expect("/tmp can be written");
    let mut nginx = command("nginx");
    nginx.arg("-p").arg(folder.path()).arg("-c").arg(path);
    nginx.args(["-e", "stderr"]);
    let server = Server::start(nginx, folder, port, "getrlimit(RLIMIT_NOFILE)", false);
    Nginx {
        server,
        smtp,
        imap,
        pop3,
    }
}

fn expiry(config: &Value, address: &str) -> crate::Run {
    run("tls-expiry", config, address, &[])
}

#[test]
fn a_certificate_is_valid_and_trusted_or_not() {
    let authority = Authority::new();
    let site = nginx(&authority, &["shop.example", "127.0.0.1"], 90);
    let (port, address) = (site.server.port, site.server.address());
    let good = json!({ "port": port, "serverName": "shop.example", "authorities": authority.pem });
    let fields = expiry(&good, &address).is("healthy", "");
    assert_eq!(fields["days-left"], 90.0);
    assert_eq!(fields["protocol"], "TLSv1.3");
    assert!(
        fields["issuer"]
            .as_str()
            .is_some_and(|issuer| issuer.contains("The authority")),
        "{fields}"
    );
    let by_address = json!({ "port": port, "authorities": authority.pem });
    expiry(&by_address, &address).is("healthy", "");

    let stranger = json!({ "port": port, "serverName": "shop.example" });
    expiry(&stranger, &address).is("unhealthy", "no trusted authority has signed its certificate");
    let unverified = json!({ "port": port, "verify": false });
    expiry(&unverified, &address).is("healthy", "");
    let other = json!({ "port": port, "serverName": "other.example", "authorities": authority.pem });
    expiry(&other, &address).is("unhealthy", "for other names; it is for shop.example, 127.0.0.1");
    let warned = json!({ "port": port, "verify": false, "warnDays": 100 });
    expiry(&warned, &address).is("degraded", "the certificate expires in 90 days");
    let failed = json!({ "port": port, "verify": false, "failDays": 100 });
    expiry(&failed, &address).is("unhealthy", "expires in 90 days, fewer than 100");
    silent_then_gone("tls-expiry", &good, site.server);
}

#[test]
fn an_expired_certificate_is_told_as_one() {
    let authority = Authority::new();
    let site = nginx(&authority, &["shop.example"], -3);
    let config = json!({ "port": site.server.port, "serverName": "shop.example", "authorities": authority.pem });
    let fields = expiry(&config, &site.server.address()).is("unhealthy", "the certificate has expired at 20");
    assert_eq!(fields["days-left"], -4.0);
}

#[test]
fn mail_begins_without_tls() {
    let authority = Authority::new();
    let site = nginx(&authority, &["mail.example"], 90);
    for (protocol, port) in [("smtp", site.smtp), ("imap", site.imap), ("pop3", site.pop3)] {
        let config = json!({
            "port": port, "startTls": protocol, "serverName": "mail.example", "authorities": authority.pem
        });
        let fields = expiry(&config, &format!("127.0.0.1:{port}")).is("healthy", "");
        assert_eq!(fields["days-left"], 90.0);
        // Who begins with TLS is not understood.
        let at_once = json!({ "port": port, "verify": false });
        expiry(&at_once, &format!("127.0.0.1:{port}")).is("unhealthy", "no TLS with 127.0.0.1");
        // And no server of another protocol is taken for one.
        let wrong = json!({ "port": site.server.port, "startTls": protocol, "verify": false });
        let told = run("tls-expiry", &wrong, &site.server.address(), &["--timeout", "500ms"]);
        assert_eq!(told.outcome, "unhealthy", "{}", told.message);
    }
}

#[test]
fn a_database_begins_without_tls() {
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
        "port": server.port, "startTls": "postgres", "serverName": "db.example", "authorities": authority.pem
    });
    expiry(&config, &server.address()).is("healthy", "");
    let plain = postgres(10);
    let config = json!({ "port": plain.port, "startTls": "postgres", "verify": false });
    expiry(&config, &plain.address()).is("unhealthy", "has no TLS");
}

#[test]
fn a_page_is_what_it_should_be_and_so_is_its_certificate() {
    let authority = Authority::new();
    let site = nginx(&authority, &["127.0.0.1"], 20);
    let folder = folder();
    let authorities = folder.path().join("authorities.pem");
    fs::write(&authorities, &authority.pem).expect("/tmp can be written");
    let trusting = [("SSL_CERT_FILE", authorities.to_str().expect("UTF-8"))];
    let address = site.server.address();
    let assert = |certificate: Value| {
        let config = json!({
            "port": site.server.port, "scheme": "HTTPS", "path": "/healthz", "contains": ["up"], "certificate": certificate
        });
        run_with("http-assert", &config, &address, &[], &trusting)
    };
    let fields = assert(json!({})).is("healthy", "");
    assert_eq!((&fields["status"], &fields["days-left"]), (&json!(200), &json!(20)));
    assert(json!({ "warnDays": 30 })).is("degraded", "the certificate expires in 20 days");
    assert(json!({ "failDays": 30 })).is("unhealthy", "the certificate expires in 20 days, fewer than 30");
}
