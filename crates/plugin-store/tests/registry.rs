//! Pulling from and pushing to a registry as people run them: docker's own, from Debian's package docker-registry.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    collections::HashSet,
    fs::{self, File},
    sync::Mutex,
    time::SystemTime,
};

use common::{component, config, push, resolver};
use probelet_plugin_store::{
    Digest, GARBAGE_GRACE, MAX_COMPONENT_BYTES, MAX_MANIFESTS, Origin, Reference, Registry, RegistryConfig,
    RegistryError, ResolveError, StoreError, Uploaded, silent,
};
use probelet_registry::Registry as Running;
use serde_json::json;

fn name(registry: &Running, name: &str) -> Reference {
    format!("{}/{name}", registry.address()).parse().unwrap()
}

fn client() -> Registry {
    Registry::new(config())
}

fn refusal(result: Result<impl std::fmt::Debug, ResolveError>) -> RegistryError {
    match result.unwrap_err() {
        ResolveError::Registry(error) => error,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_tag_is_followed_and_a_digest_is_for_good() {
    let registry = Running::start();
    let (folder, resolver) = resolver(config());
    let (first, second) = (component("first", 100_000), component("second", 100));
    let tag = name(&registry, "team/ping:1");
    let manifest = push(resolver.registry(), &tag, first.clone()).await.unwrap();

    let resolved = resolver.resolve(&tag).await.unwrap();
    assert_eq!(
        (resolved.digest, resolved.size),
        (Digest::of(&first), first.len() as u64)
    );
    assert_eq!(
        (resolved.manifest_digest, resolved.origin),
        (Some(manifest), Origin::Registry)
    );
    assert_eq!(resolver.store().get(&resolved.digest).unwrap(), first);
    let listed = resolver.store().list().unwrap();
    assert_eq!(
        listed.iter().map(|entry| &entry.reference).collect::<Vec<_>>(),
        [&tag.pinned(manifest)]
    );

    // The tag moves on.
    let moved = push(resolver.registry(), &tag, second.clone()).await.unwrap();
    assert_eq!(resolver.resolve(&tag).await.unwrap().digest, Digest::of(&second));
    let pinned = name(&registry, &format!("team/ping:ignored@{manifest}"));
    assert_eq!(resolver.resolve(&pinned).await.unwrap(), resolved);

    // Somebody who has nothing yet pulls by digest as well.
    let other = client();
    let located = other.locate(&pinned).await.unwrap();
    assert_eq!((located.digest, located.manifest_digest), (resolved.digest, manifest));
    assert_eq!(other.fetch(&pinned, &located, &silent).await.unwrap(), first);

    // Without the registry only what cannot have changed is known.
    drop(registry);
    assert_eq!(resolver.resolve(&pinned).await.unwrap(), resolved);
    let error = refusal(resolver.resolve(&tag).await);
    assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");

    // What was pulled goes when nobody uses it, and its name with it.
    for digest in [Digest::of(&first), Digest::of(&second)] {
        let blob = folder.path().join("plugins/blobs/sha256").join(digest.hex());
        let blob = File::options().write(true).open(blob).unwrap();
        blob.set_modified(SystemTime::now() - GARBAGE_GRACE).unwrap();
    }
    let used = HashSet::from([Digest::of(&second)]);
    assert_eq!(resolver.store().collect_garbage(&used).unwrap(), [Digest::of(&first)]);
    let listed = resolver.store().list().unwrap();
    assert_eq!(
        listed.iter().map(|entry| &entry.reference).collect::<Vec<_>>(),
        [&tag.pinned(moved)]
    );
}

#[tokio::test]
async fn each_manifest_of_the_same_bytes_is_known_without_the_registry_up_to_a_bound() {
    let registry = Running::start();
    let (_folder, resolver) = resolver(config());
    let bytes = component("x", 100);
    let digest = registry.push("team/ping", "plain", &bytes);
    let config = registry.push_content("team/ping", b"{}");
    let mut pinned = Vec::new();
    for number in 0..MAX_MANIFESTS + 2 {
        let tag = number.to_string();
        let layer = json!({ "mediaType": "application/wasm", "digest": digest, "size": bytes.len(),
            "annotations": { "number": tag } });
        registry.put_manifest("team/ping", &tag, &json!([layer]), &config);
        let name = name(&registry, &format!("team/ping:{tag}"));
        let resolved = resolver.resolve(&name).await.unwrap();
        pinned.push(name.pinned(resolved.manifest_digest.unwrap()));
    }
    drop(registry);
    let (oldest, known) = pinned.split_at(2);
    for name in known {
        assert_eq!(resolver.resolve(name).await.unwrap().digest, Digest::of(&bytes));
    }
    for name in oldest {
        let error = refusal(resolver.resolve(name).await);
        assert!(matches!(error, RegistryError::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn a_tampered_blob_is_refused_on_either_side() {
    let registry = Running::start();
    let (folder, resolver) = resolver(config());
    let bytes = component("true", 100);
    let name = name(&registry, "ping:1");
    push(resolver.registry(), &name, bytes.clone()).await.unwrap();
    let digest = Digest::of(&bytes);

    let blob = registry.blob(&digest.to_string());
    fs::write(&blob, component("evil", 100)).unwrap();
    let error = refusal(resolver.resolve(&name).await);
    let RegistryError::Corrupt {
        what, expected, found, ..
    } = error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (what, expected, found),
        ("component", digest, Digest::of(&component("evil", 100)))
    );
    assert!(matches!(resolver.store().get(&digest), Err(StoreError::Missing { .. })));

    fs::write(&blob, &bytes).unwrap();
    resolver.resolve(&name).await.unwrap();
    fs::write(folder.path().join("plugins/blobs/sha256").join(digest.hex()), b"evil").unwrap();
    assert!(matches!(resolver.store().get(&digest), Err(StoreError::Corrupt { .. })));
    resolver.resolve(&name).await.unwrap();
    assert_eq!(resolver.store().get(&digest).unwrap(), bytes, "pulled anew");
}

#[tokio::test]
async fn what_is_no_component_is_refused_before_it_is_downloaded() {
    let registry = Running::start();
    let (_folder, resolver) = resolver(config());
    let bytes = component("x", 100);
    let digest = Digest::of(&bytes);
    push(resolver.registry(), &name(&registry, "a:good"), bytes.clone())
        .await
        .unwrap();
    let layer = |media_type: &str, size: usize| json!({ "mediaType": media_type, "digest": digest, "size": size });

    let old = json!([layer("application/vnd.wasm.content.layer.v1+wasm", bytes.len())]);
    registry.put_manifest("a", "old", &old, &digest.to_string());
    assert_eq!(
        resolver.resolve(&name(&registry, "a:old")).await.unwrap().digest,
        digest
    );

    let tar = json!([layer("application/vnd.oci.image.layer.v1.tar", bytes.len())]);
    registry.put_manifest("a", "image", &tar, &digest.to_string());
    let error = refusal(resolver.resolve(&name(&registry, "a:image")).await);
    assert!(
        matches!(&error, RegistryError::NotComponent { reason, .. } if reason.contains("image.layer")),
        "{error}"
    );

    let large = json!([layer("application/wasm", MAX_COMPONENT_BYTES + 1)]);
    registry.put_manifest("a", "large", &large, &digest.to_string());
    let error = refusal(resolver.resolve(&name(&registry, "a:large")).await);
    assert!(
        matches!(
            error,
            RegistryError::TooLarge {
                limit: MAX_COMPONENT_BYTES,
                ..
            }
        ),
        "{error}"
    );

    for absent in ["a:absent", "b:1", &format!("a@{}", Digest::of(b""))] {
        let error = refusal(resolver.resolve(&name(&registry, absent)).await);
        assert!(matches!(error, RegistryError::NotFound { .. }), "{error}");
        assert!(error.to_string().contains(absent), "{error}");
    }
    let pushed = push(resolver.registry(), &name(&registry, "a:bad"), b"text".to_vec()).await;
    assert!(matches!(pushed, Err(RegistryError::NotComponent { .. })));
}

#[tokio::test]
async fn a_registry_with_a_password_wants_the_right_one() {
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users");
    // The password is `secret`.
    fs::write(
        &users,
        "anna:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n",
    )
    .unwrap();
    let registry = Running::start_in(
        folder,
        &json!({ "auth": { "htpasswd": { "realm": "test", "path": users } } }),
    );
    let name = name(&registry, "ping:1");
    let credentials = registry.folder().join("config.json");
    let with_password = Registry::new(RegistryConfig {
        credentials: Some(credentials.clone()),
        ..config()
    });
    let bytes = component("x", 100);
    let auth = |password: &str| {
        let auth = json!({ "username": "anna", "password": password });
        json!({ "auths": { registry.address().to_string(): auth } }).to_string()
    };

    fs::write(&credentials, auth("guess")).unwrap();
    let error = push(&with_password, &name, bytes.clone()).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unauthorized { reason, .. } if reason.contains("\"anna\"")),
        "{error}"
    );
    assert!(!error.to_string().contains("guess"), "{error}");
    fs::write(&credentials, auth("secret")).unwrap();
    let manifest = push(&with_password, &name, bytes).await.unwrap();
    assert_eq!(with_password.locate(&name).await.unwrap().manifest_digest, manifest);
    let error = client().locate(&name).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unauthorized { reason, .. } if reason.contains("config.json")),
        "{error}"
    );
}

#[tokio::test]
async fn another_machine_is_spoken_to_with_tls_and_a_known_authority() {
    // To Linux this address is this machine, and to our client it is not.
    let outside = "0.0.0.0";
    let made = rcgen::generate_simple_self_signed([outside.to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let http = json!({ "addr": "127.0.0.1:0", "secret": "x", "tls": { "certificate": certificate, "key": key } });
    let registry = Running::start_in(folder, &json!({ "http": http }));
    let name: Reference = format!("{outside}:{}/ping:1", registry.address().port())
        .parse()
        .unwrap();
    let bytes = component("x", 100);
    let trusting = Registry::new(RegistryConfig {
        certificate_authorities: Some(certificate),
        ..config()
    });
    push(&trusting, &name, bytes.clone()).await.unwrap();
    let located = trusting.locate(&name).await.unwrap();
    assert_eq!(trusting.fetch(&name, &located, &silent).await.unwrap(), bytes);
    let error = client().locate(&name).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("certificate")),
        "{error}"
    );

    let plain = Running::start();
    let name: Reference = format!("{outside}:{}/ping:1", plain.address().port()).parse().unwrap();
    let error = client().locate(&name).await.unwrap_err();
    assert!(
        matches!(&error, RegistryError::Unreachable { reason, .. } if reason.contains("over HTTPS")),
        "{error}"
    );
}

#[tokio::test]
async fn what_is_there_already_is_not_sent_again() {
    let registry = Running::start();
    let (_folder, resolver) = resolver(config());
    let bytes = component("x", 100_000);
    let (first, second) = (name(&registry, "team/ping:1"), name(&registry, "team/ping:2"));
    let pushed = resolver.push(&first, bytes.clone(), &silent).await.unwrap();
    assert_eq!(pushed.uploaded, Uploaded::Sent);

    // The same tag again is left alone, with its digest; another tag of the repository needs a manifest only.
    let again = resolver.push(&first, bytes.clone(), &silent).await.unwrap();
    assert_eq!(
        (again.manifest_digest, again.uploaded),
        (pushed.manifest_digest, Uploaded::Present)
    );
    let tagged = resolver.push(&second, bytes.clone(), &silent).await.unwrap();
    assert_eq!(tagged.uploaded, Uploaded::Present);
    assert_eq!(
        tagged.manifest_digest, pushed.manifest_digest,
        "whoever has signed the one has signed the other"
    );

    // Another repository takes it from the first, once it is known that it was pulled from there.
    let elsewhere = name(&registry, "other/ping:1");
    resolver.resolve(&first).await.unwrap();
    let mounted = resolver.push(&elsewhere, bytes.clone(), &silent).await.unwrap();
    assert_eq!(mounted.uploaded, Uploaded::Mounted);
    let located = client().locate(&elsewhere).await.unwrap();
    assert_eq!(client().fetch(&elsewhere, &located, &silent).await.unwrap(), bytes);

    // A repository that has nothing to take it from does not matter.
    let third = name(&registry, "third/ping:1");
    let sent = client()
        .push(&third, bytes, Some("nobody/has/it"), &silent)
        .await
        .unwrap();
    assert_eq!(sent.uploaded, Uploaded::Sent);
}

#[tokio::test]
async fn a_large_component_goes_in_pieces_and_is_whole() {
    let registry = Running::start();
    let name = name(&registry, "large:1");
    let bytes = component("x", 9 << 20);
    let total = bytes.len() as u64;
    let seen = Mutex::new(Vec::new());
    let watch = |done, of| seen.lock().unwrap().push((done, of));
    let pushed = client().push(&name, bytes.clone(), None, &watch).await.unwrap();
    assert_eq!((pushed.digest, pushed.uploaded), (Digest::of(&bytes), Uploaded::Sent));
    let pieces = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(
        pieces,
        [(4 << 20, total), (8 << 20, total), (total, total), (total, total)]
    );

    let located = client().locate(&name).await.unwrap();
    assert_eq!(client().fetch(&name, &located, &watch).await.unwrap(), bytes);
    let seen = seen.lock().unwrap();
    assert_eq!(seen.last(), Some(&(total, total)));
    assert!(seen.is_sorted() && seen.iter().all(|(_, of)| *of == total));
}
