//! Registries that do what no honest one does: everything ends, in time and with little memory.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use common::{
    component, config,
    fake::{Reply, ok, registry, status},
    key, push, resolver,
};
use probelet_plugin_store::{
    Digest, PublicKeys, Reference, Registry, RegistryConfig, RegistryError, Rejection, ResolveError, SignatureError,
    Verified,
};
use serde_json::{Value, json};

fn manifest(bytes: &[u8], size: usize) -> String {
    let layer = json!({ "mediaType": "application/wasm", "digest": Digest::of(bytes), "size": size });
    json!({ "schemaVersion": 2, "layers": [layer] }).to_string()
}

async fn resolve(address: SocketAddr, config: RegistryConfig) -> Result<Digest, RegistryError> {
    let (_folder, resolver) = resolver(config);
    let reference: Reference = format!("{address}/a:1").parse().unwrap();
    match resolver.resolve(&reference).await {
        Ok(resolved) => Ok(resolved.digest),
        Err(ResolveError::Registry(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn endless_answers_are_left_at_their_limit() {
    let bytes = component("x", 100);
    let address = registry(|_| Reply::Endless).await;
    let error = resolve(address, config()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::TooLarge { what: "manifest", .. }),
        "{error}"
    );

    let said = manifest(&bytes, bytes.len());
    let blob = move |head: &str| {
        if head.contains("/manifests/") {
            ok(said.clone())
        } else {
            Reply::Endless
        }
    };
    let error = resolve(registry(blob).await, config()).await.unwrap_err();
    let limit = bytes.len();
    assert!(
        matches!(error, RegistryError::TooLarge { what: "component", limit: found, .. } if found == limit),
        "{error}"
    );
}

#[tokio::test]
async fn a_component_other_than_announced_is_refused() {
    let bytes = component("x", 100);
    let of = |manifest: String, bytes: Vec<u8>| {
        registry(move |head| {
            ok(if head.contains("/manifests/") {
                manifest.clone().into()
            } else {
                bytes.clone()
            })
        })
    };
    let longer = of(manifest(&bytes, bytes.len() - 1), bytes.clone()).await;
    let error = resolve(longer, config()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::TooLarge { what: "component", .. }),
        "{error}"
    );

    let shorter = of(manifest(&bytes, bytes.len()), bytes[..50].to_vec()).await;
    let error = resolve(shorter, config()).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Corrupt { what: "component", .. }),
        "{error}"
    );

    let text = of(manifest(b"text", 4), b"text".to_vec()).await;
    let error = resolve(text, config()).await.unwrap_err();
    assert!(matches!(error, RegistryError::NotComponent { .. }), "{error}");

    let honest = of(manifest(&bytes, bytes.len()), bytes.clone()).await;
    assert_eq!(resolve(honest, config()).await.unwrap(), Digest::of(&bytes));

    let other = Registry::new(config());
    let reference: Reference = format!("{honest}/a@{}", Digest::of(b"")).parse().unwrap();
    let error = other.locate(&reference).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::Corrupt { what: "manifest", .. }),
        "{error}"
    );
}

#[tokio::test]
async fn silence_ends_at_the_deadline_and_a_cut_at_once() {
    let hurried = RegistryConfig {
        deadline: Duration::from_millis(200),
        ..config()
    };
    let error = resolve(registry(|_| Reply::Silence).await, hurried).await.unwrap_err();
    assert!(matches!(error, RegistryError::Deadline { .. }), "{error}");
    let error = resolve(registry(|_| Reply::Cut).await, config()).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    let error = resolve(registry(|_| status("500 Oops")).await, config())
        .await
        .unwrap_err();
    assert!(matches!(error, RegistryError::Refused { .. }), "{error}");
}

#[tokio::test]
async fn nothing_leads_from_this_machine_to_another_in_plain() {
    for place in ["http://192.0.2.1/x", "https://192.0.2.1/x"] {
        let head = format!("307 Temporary Redirect\r\nlocation: {place}\r\n");
        let address = registry(move |_| Reply::Answer(head.clone(), Vec::new())).await;
        let error = resolve(address, config()).await.unwrap_err();
        assert!(
            matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("another machine")),
            "{error}"
        );
    }
    let head = "401 Unauthorized\r\nwww-authenticate: Bearer realm=\"http://192.0.2.1/token\"\r\n";
    let address = registry(move |_| Reply::Answer(head.to_owned(), Vec::new())).await;
    let error = resolve(address, config()).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("neither HTTPS")),
        "{error}"
    );

    // Round and round.
    let head = "307 Temporary Redirect\r\nlocation: /again\r\n";
    let address = registry(move |_| Reply::Answer(head.to_owned(), Vec::new())).await;
    let error = resolve(address, config()).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("redirects")),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_is_fetched_with_the_password_and_used_for_the_rest() {
    let bytes = component("x", 100);
    let (served, said) = (bytes.clone(), manifest(&bytes, bytes.len()));
    let reply = move |head: &str| {
        let line = head.lines().next().unwrap_or_default();
        let host = head
            .lines()
            .find_map(|line| line.strip_prefix("host: "))
            .unwrap_or_default();
        if line.starts_with("get /token?service=it&scope=repository%3aa%3apull ") {
            // `anna:secret`
            let known = head.contains("authorization: basic yw5uytpzzwnyzxq=");
            return if known {
                ok(r#"{"token": "t0k3n"}"#)
            } else {
                status("401 Unauthorized")
            };
        }
        if !head.contains("authorization: bearer t0k3n") {
            let ask = format!("Bearer realm=\"http://{host}/token\",service=\"it\",scope=\"repository:a:pull\"");
            return Reply::Answer(format!("401 Unauthorized\r\nwww-authenticate: {ask}\r\n"), Vec::new());
        }
        ok(if line.contains("/manifests/1") {
            said.clone().into_bytes()
        } else {
            served.clone()
        })
    };
    let address = registry(reply).await;
    let folder = tempfile::tempdir().unwrap();
    let signed_in = RegistryConfig {
        credentials: Some(password(folder.path(), address)),
        ..config()
    };
    assert_eq!(resolve(address, signed_in).await.unwrap(), Digest::of(&bytes));
    let error = resolve(address, config()).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unauthorized { reason, .. } if reason.contains("--registry-config")),
        "{error}"
    );
}

/// The file with a name and a password for a registry.
fn password(folder: &Path, address: SocketAddr) -> PathBuf {
    let path = folder.join("config.json");
    let auth = json!({ "username": "anna", "password": "secret" });
    std::fs::write(&path, json!({ "auths": { address.to_string(): auth } }).to_string()).unwrap();
    path
}

fn ask_for(challenge: &str) -> Reply {
    Reply::Answer(
        format!("401 Unauthorized\r\nwww-authenticate: {challenge}\r\n"),
        Vec::new(),
    )
}

#[tokio::test]
async fn whom_a_registry_sends_on_to_is_told_no_password() {
    let bytes = component("x", 100);
    for scheme in ["Basic realm=\"x\"", "Bearer realm=\"http://HOST/token\""] {
        // Asks everybody for a password.
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let other = registry(move |head| {
            let host = head.lines().find_map(|line| line.strip_prefix("host: "));
            let challenge = scheme.replace("HOST", host.unwrap());
            heard.lock().unwrap().push(head.to_owned());
            ask_for(&challenge)
        })
        .await;
        let said = manifest(&bytes, bytes.len());
        let address = registry(move |head| {
            let line = head.lines().next().unwrap();
            // `anna:secret`
            if !head.contains("authorization: basic yw5uytpzzwnyzxq=") {
                ask_for("Basic realm=\"ours\"")
            } else if line.contains("/manifests/1") {
                ok(said.clone())
            } else if line.starts_with("get /v2/a/blobs/") {
                let head = format!("307 Temporary Redirect\r\nlocation: http://{other}/blob\r\n");
                Reply::Answer(head, Vec::new())
            } else if line.starts_with("post ") {
                let head = format!("202 Accepted\r\nlocation: http://{other}/upload\r\n");
                Reply::Answer(head, Vec::new())
            } else {
                status("404 Not Found")
            }
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let signed_in = RegistryConfig {
            credentials: Some(password(folder.path(), address)),
            ..config()
        };
        let pulled = resolve(address, signed_in.clone()).await.unwrap_err();
        let name: Reference = format!("{address}/a:2").parse().unwrap();
        let pushed = push(&Registry::new(signed_in), &name, bytes.clone()).await.unwrap_err();
        for error in [pulled, pushed] {
            assert!(
                matches!(&error, RegistryError::Refused { answer, .. } if answer.contains(&other.to_string())),
                "{error}"
            );
        }
        let told = told.lock().unwrap();
        let asked: Vec<&str> = told.iter().map(|head| head.lines().next().unwrap()).collect();
        assert_eq!(asked.len(), 2, "{asked:?}");
        assert!(!told.iter().any(|head| head.contains("authorization:")), "{told:?}");
    }
}

#[tokio::test]
async fn signing_asks_for_one_token() {
    let bytes = component("x", 100);
    let said = manifest(&bytes, bytes.len());
    let tokens = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tokens);
    let address = registry(move |head| {
        let line = head.lines().next().unwrap();
        let host = head.lines().find_map(|line| line.strip_prefix("host: "));
        if line.starts_with("get /token") {
            counted.fetch_add(1, Ordering::SeqCst);
            ok(r#"{"token": "t0k3n"}"#)
        } else if !head.contains("authorization: bearer t0k3n") {
            ask_for(&format!("Bearer realm=\"http://{}/token\"", host.unwrap()))
        } else if line.contains("/manifests/1") {
            ok(said.clone())
        } else if line.starts_with("get ") {
            status("404 Not Found")
        } else if line.starts_with("put ") {
            status("201 Created")
        } else {
            // It has what is to be uploaded.
            ok("")
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let (ours, _) = key(folder.path(), "ours");
    let name: Reference = format!("{address}/a:1").parse().unwrap();
    let (_, is_new) = Registry::new(config()).sign(&name, &ours).await.unwrap();
    assert_eq!((is_new, tokens.load(Ordering::SeqCst)), (true, 1));
}

#[tokio::test]
async fn a_registry_that_is_busy_is_asked_again_and_not_for_ever() {
    let bytes = component("x", 100);
    for (refusals, answer, asked) in [
        (2, "503 Service Unavailable\r\n", 3),
        (2, "429 Too Many Requests\r\nretry-after: 0\r\n", 3),
        (usize::MAX, "503 Service Unavailable\r\n", 3),
        // So long nobody waits.
        (usize::MAX, "429 Too Many Requests\r\nretry-after: 3600\r\n", 1),
        // That does not pass.
        (usize::MAX, "400 Bad Request\r\n", 1),
    ] {
        let (served, said) = (bytes.clone(), manifest(&bytes, bytes.len()));
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let address = registry(move |head| {
            if !head.contains("/manifests/") {
                return ok(served.clone());
            }
            if counted.fetch_add(1, Ordering::SeqCst) < refusals {
                return Reply::Answer(answer.to_owned(), Vec::new());
            }
            ok(said.clone())
        })
        .await;
        let resolved = resolve(address, config()).await;
        assert_eq!(count.load(Ordering::SeqCst), asked, "{answer}");
        match resolved {
            Ok(digest) => assert_eq!((digest, refusals), (Digest::of(&bytes), 2)),
            Err(error) => assert!(
                matches!(error, RegistryError::Refused { .. }) && refusals > 2,
                "{error}"
            ),
        }
    }
}

const PAYLOAD_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

fn signed_layer(payload: &[u8], size: usize, signature: &str) -> Value {
    json!({
        "mediaType": PAYLOAD_TYPE,
        "digest": Digest::of(payload),
        "size": size,
        "annotations": { "dev.cosignproject.cosign/signature": signature },
    })
}

/// Asks for the signatures of a component, where `manifest` is that of the signatures, and each document is `payload`.
async fn signatures(manifest: Value, payload: impl Fn() -> Reply + Send + Sync + 'static) -> SignatureError {
    let (folder, resolver) = resolver(config());
    let (_, keys) = key(folder.path(), "ours");
    let address = registry(move |head| {
        if head.contains("/manifests/sha256-") {
            ok(manifest.to_string())
        } else {
            payload()
        }
    })
    .await;
    let found: Result<Verified, SignatureError> = verify(&resolver, address, &keys).await;
    found.unwrap_err()
}

async fn verify(
    resolver: &probelet_plugin_store::Resolver,
    address: SocketAddr,
    keys: &PublicKeys,
) -> Result<Verified, SignatureError> {
    let reference: Reference = format!("{address}/a:1").parse().unwrap();
    resolver
        .verify_manifest(&reference, &Digest::of(b"manifest"), keys)
        .await
}

#[tokio::test]
async fn signatures_are_bounded_and_their_documents_checked() {
    let layer = signed_layer(b"payload", 7, "AAAA");
    let served = || ok("payload");
    let reasons = |error: SignatureError| match error {
        SignatureError::Rejected { reasons, .. } => reasons,
        other => panic!("{other}"),
    };
    // What no key has signed is not even looked into.
    let one = signatures(json!({ "layers": [layer] }), served).await;
    assert_eq!(reasons(one), [Rejection::UnknownKey]);

    for (layers, hint) in [
        (vec![layer.clone(); 17], "there are 17"),
        (vec![signed_layer(b"payload", 1 << 20, "AAAA")], "1048576 bytes"),
        (vec![signed_layer(b"payload", 7, &"A".repeat(100_000))], "base64"),
    ] {
        let error = signatures(json!({ "layers": layers }), served).await;
        let SignatureError::Registry(RegistryError::Signatures { reason, .. }) = &error else {
            panic!("{error}")
        };
        assert!(reason.contains(hint), "{reason}");
    }
    let none = signatures(json!({ "layers": [] }), served).await;
    assert!(matches!(none, SignatureError::Unsigned { .. }), "{none}");

    let longer = signatures(json!({ "layers": [layer] }), || Reply::Endless).await;
    assert!(
        matches!(
            longer,
            SignatureError::Registry(RegistryError::TooLarge {
                what: "signature",
                limit: 7,
                ..
            })
        ),
        "{longer}"
    );
    let other = signatures(json!({ "layers": [layer] }), || ok("another")).await;
    assert!(
        matches!(
            other,
            SignatureError::Registry(RegistryError::Corrupt { what: "signature", .. })
        ),
        "{other}"
    );
    let gone = signatures(json!({ "layers": [layer] }), || status("404 Not Found")).await;
    assert!(
        matches!(gone, SignatureError::Registry(RegistryError::NotFound { .. })),
        "a signature that is announced and is not there says nothing: {gone}"
    );

    let (folder, resolver) = resolver(config());
    let (_, keys) = key(folder.path(), "ours");
    let endless = verify(&resolver, registry(|_| Reply::Endless).await, &keys)
        .await
        .unwrap_err();
    assert!(
        matches!(
            endless,
            SignatureError::Registry(RegistryError::TooLarge { what: "manifest", .. })
        ),
        "{endless}"
    );
}
