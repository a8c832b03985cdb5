//! Signatures of components: in a registry as people run them, beside files, and in the store.
#![allow(clippy::unwrap_used)]

mod common;

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt, path::Path, time::SystemTime};

use common::{component, config, key, push, resolver};
use probelet_plugin_store::{
    Digest, GARBAGE_GRACE, KeyError, MAX_COMPONENTS, PrivateKey, PublicKeys, Reference, Rejection, Resolved, Resolver,
    SignatureError, Source, StoreError, Verified, sign_file, signature_file, verify_file,
};
use probelet_registry::Registry as Running;
use serde_json::json;

fn name(registry: &Running, name: &str) -> Reference {
    format!("{}/{name}", registry.address()).parse().unwrap()
}

async fn verify(resolver: &Resolver, name: &Reference, keys: &PublicKeys) -> Result<Verified, SignatureError> {
    let resolved: Resolved = resolver.resolve(name).await.unwrap();
    resolver.verify(Source::Reference(name), &resolved, keys).await
}

#[tokio::test]
async fn what_is_signed_in_a_registry_counts_there_and_later_without_it() {
    let registry = Running::start();
    let (folder, resolver) = resolver(config());
    let (ours, known) = key(folder.path(), "ours");
    let (theirs, others) = key(folder.path(), "theirs");
    let tag = name(&registry, "team/ping:1");
    let manifest = push(resolver.registry(), &tag, component("x", 100)).await.unwrap();

    let error = verify(&resolver, &tag, &known).await.unwrap_err();
    let told = error.to_string();
    let place = format!("{}/team/ping:sha256-{}.sig", registry.address(), manifest.hex());
    assert!(matches!(error, SignatureError::Unsigned { .. }), "{told}");
    for part in [
        &tag.to_string(),
        &manifest.to_string(),
        &place,
        "ours.pub",
        "probelet plugin sign",
    ] {
        assert!(told.contains(part), "`{part}` is missing: {told}");
    }

    assert_eq!(resolver.registry().sign(&tag, &theirs).await.unwrap(), (manifest, true));
    let error = verify(&resolver, &tag, &known).await.unwrap_err();
    let SignatureError::Rejected { reasons, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(reasons, &[Rejection::UnknownKey]);

    // A second one beside the first, and no third by the same key.
    assert_eq!(resolver.registry().sign(&tag, &ours).await.unwrap(), (manifest, true));
    assert_eq!(resolver.registry().sign(&tag, &ours).await.unwrap(), (manifest, false));
    for (keys, file) in [(&known, "ours.pub"), (&others, "theirs.pub")] {
        let verified = verify(&resolver, &tag, keys).await.unwrap();
        assert_eq!(verified.key, folder.path().join(file));
    }

    // What goes away with the registry is only what was never asked for.
    drop(registry);
    let pinned = tag.pinned(manifest);
    verify(&resolver, &pinned, &known).await.unwrap();
    let (_, strangers) = key(folder.path(), "strangers");
    let error = verify(&resolver, &pinned, &strangers).await.unwrap_err();
    assert!(matches!(error, SignatureError::Registry(_)), "{error}");
}

#[tokio::test]
async fn signatures_stay_for_each_manifest_of_a_component_that_is_kept() {
    let registry = Running::start();
    let (folder, resolver) = resolver(config());
    let (ours, known) = key(folder.path(), "ours");
    let bytes = component("x", 100);
    let digest = registry.push("team/ping", "1", &bytes);
    // As by another tool: the same component, and more in its manifest.
    let description = registry.push_content("team/ping", b"{}");
    let layer = json!({ "mediaType": "application/wasm", "digest": digest, "size": bytes.len(),
        "annotations": { "built": "later" } });
    registry.put_manifest("team/ping", "2", &json!([layer]), &description);
    let mut pinned = Vec::new();
    for tag in ["1", "2"] {
        let tag = name(&registry, &format!("team/ping:{tag}"));
        let (manifest, _) = resolver.registry().sign(&tag, &ours).await.unwrap();
        verify(&resolver, &tag, &known).await.unwrap();
        pinned.push(tag.pinned(manifest));
    }
    assert_ne!(pinned[0], pinned[1]);

    let kept = fs::read_dir(folder.path().join("plugins/signatures")).unwrap();
    for file in kept.map(|entry| entry.unwrap().path()) {
        let file = fs::File::options().write(true).open(file).unwrap();
        file.set_modified(SystemTime::now() - GARBAGE_GRACE).unwrap();
    }
    let used = HashSet::from([Digest::of(&bytes)]);
    assert_eq!(resolver.store().collect_garbage(&used).unwrap(), []);
    drop(registry);
    for name in &pinned {
        verify(&resolver, name, &known).await.unwrap();
    }
}

#[tokio::test]
async fn a_signature_moved_to_another_name_or_component_is_refused() {
    let registry = Running::start();
    let (folder, resolver) = resolver(config());
    let (ours, known) = key(folder.path(), "ours");
    let (good, bad) = (name(&registry, "team/good:1"), name(&registry, "team/bad:1"));
    let bytes = component("x", 100);
    let manifest = push(resolver.registry(), &good, bytes.clone()).await.unwrap();
    resolver.registry().sign(&good, &ours).await.unwrap();

    // The same manifest, with its signature, under another name: whoever may write there can copy both.
    let folders = registry.folder().join("registry/docker/registry/v2/repositories/team");
    copy(&folders.join("good"), &folders.join("bad"));
    let resolved = resolver.resolve(&bad).await.unwrap();
    assert_eq!(resolved.manifest_digest, Some(manifest));
    let (elsewhere, fresh) = common::resolver(config());
    let error = verify(&fresh, &bad, &known).await.unwrap_err();
    let SignatureError::Rejected { reasons, .. } = &error else {
        panic!("{error}")
    };
    let [Rejection::OtherReference { found }] = &reasons[..] else {
        panic!("{error}")
    };
    assert_eq!(found, &good.name());
    drop(elsewhere);

    // Another component with the first one's signature: what signs another manifest is called by this one's digest.
    let other = name(&registry, "team/good:2");
    let second = push(resolver.registry(), &other, component("y", 100)).await.unwrap();
    let tags = folders.join("good/_manifests/tags");
    copy(
        &tags.join(format!("sha256-{}.sig", manifest.hex())),
        &tags.join(format!("sha256-{}.sig", second.hex())),
    );
    let error = verify(&resolver, &other, &known).await.unwrap_err();
    let SignatureError::Rejected { reasons, .. } = &error else {
        panic!("{error}")
    };
    let found = manifest.to_string();
    assert_eq!(reasons, &[Rejection::OtherDigest { found }]);
}

fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

#[tokio::test]
async fn what_openssl_makes_is_understood_as_cosign_would_put_it() {
    let registry = Running::start();
    let (folder, resolver) = resolver(config());
    let tag = name(&registry, "team/ping:1");
    let manifest = push(resolver.registry(), &tag, component("x", 100)).await.unwrap();
    let at = |file: &str| folder.path().join(file).to_str().unwrap().to_owned();
    let openssl = |arguments: &[&str]| {
        let done = std::process::Command::new("openssl").args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    // The white space that other tools write, and the fields that they add.
    let payload = format!(
        "{{\"critical\": {{\"identity\": {{\"docker-reference\": \"{}\"}}, \"image\": {{\"docker-manifest-digest\": \
         \"{manifest}\"}}, \"type\": \"cosign container image signature\"}},\n \"optional\": {{\"built\": 1}}}}",
        tag.name()
    );
    fs::write(at("payload"), &payload).unwrap();
    for (kind, options, raw) in [
        (
            "ec",
            &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..],
            false,
        ),
        ("ed", &["-algorithm", "ed25519"], true),
    ] {
        let (private, public) = (at(kind), at(&format!("{kind}.pub")));
        openssl(&[&["genpkey", "-out", &private], options].concat());
        openssl(&["pkey", "-in", &private, "-pubout", "-out", &public]);
        if raw {
            openssl(&[
                "pkeyutl",
                "-sign",
                "-rawin",
                "-inkey",
                &private,
                "-in",
                &at("payload"),
                "-out",
                &at("sig"),
            ]);
        } else {
            openssl(&["dgst", "-sha256", "-sign", &private, "-out", &at("sig"), &at("payload")]);
        }
        let signature =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, fs::read(at("sig")).unwrap());
        let digest = registry.push_content("team/ping", payload.as_bytes());
        let layer = json!({
            "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json",
            "digest": digest,
            "size": payload.len(),
            "annotations": { "dev.cosignproject.cosign/signature": signature },
        });
        let place = format!("sha256-{}.sig", manifest.hex());
        registry.put_manifest("team/ping", &place, &json!([layer]), &digest);
        let keys = PublicKeys::read(&[public.clone().into()]).unwrap();
        assert_eq!(verify(&resolver, &tag, &keys).await.unwrap().key, Path::new(&public));
        // Nor is a key that openssl has made any other than ours.
        let private = PrivateKey::read(Path::new(&private)).unwrap();
        assert_eq!(
            resolver.registry().sign(&tag, &private).await.unwrap(),
            (manifest, false)
        );
    }
}

#[tokio::test]
async fn a_file_has_its_signature_beside_it_and_takes_it_along() {
    let (folder, resolver) = resolver(config());
    let (ours, known) = key(folder.path(), "ours");
    let path = folder.path().join("ping.wasm");
    let bytes = component("x", 100);
    fs::write(&path, &bytes).unwrap();
    let unsigned = verify_file(&path, &bytes, &known).unwrap_err();
    assert!(unsigned.to_string().contains("ping.wasm.sig"), "{unsigned}");

    assert_eq!(sign_file(&path, &ours).unwrap(), signature_file(&path));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(
        mode(&signature_file(&path)),
        mode(&path),
        "who may read the one may read the other"
    );
    assert_eq!(
        verify_file(&path, &bytes, &known).unwrap().key,
        folder.path().join("ours.pub")
    );
    let resolved = resolver.resolve_file(&path).await.unwrap();
    resolver.verify(Source::File(&path), &resolved, &known).await.unwrap();
    // What counts is what was found, not what is there now.
    let changed = component("y", 100);
    fs::write(&path, &changed).unwrap();
    resolver.verify(Source::File(&path), &resolved, &known).await.unwrap();
    let error = verify_file(&path, &changed, &known).unwrap_err();
    assert!(matches!(error, SignatureError::Rejected { .. }), "{error}");

    fs::write(&path, &bytes).unwrap();
    let imported: Reference = "ping:1".parse().unwrap();
    let done = resolver.store().import_file(&imported, &path).unwrap();
    assert_eq!((done.digest, done.has_signature), (Digest::of(&bytes), true));
    fs::remove_file(signature_file(&path)).unwrap();
    verify(&resolver, &imported, &known).await.unwrap();
    let other: Reference = "pong:1".parse().unwrap();
    resolver.store().import(&other, &changed).unwrap();
    let error = verify(&resolver, &other, &known).await.unwrap_err().to_string();
    assert!(
        error.contains("\"pong:1\"") && error.contains("import it again"),
        "{error}"
    );
}

#[test]
fn a_signed_file_is_imported_with_its_signature_or_not_at_all() {
    let (folder, store) = common::store();
    let (ours, _) = key(folder.path(), "ours");
    let (path, name) = (folder.path().join("ping.wasm"), "ping:1".parse().unwrap());
    let bytes = component("x", 100);
    fs::write(&path, &bytes).unwrap();
    sign_file(&path, &ours).unwrap();
    let signatures = folder.path().join("plugins/signatures");
    let count = || fs::read_dir(&signatures).unwrap().count();

    let by_digest: Reference = format!("ping@{}", Digest::of(&bytes)).parse().unwrap();
    let error = store.import_file(&by_digest, &path).unwrap_err();
    assert!(matches!(error, StoreError::ImportByDigest { .. }), "{error}");
    assert_eq!(count(), 0, "an import that fails changes nothing");

    for number in 0..MAX_COMPONENTS {
        fs::write(signatures.join(format!("{number}.json")), "[]").unwrap();
    }
    let error = store.import_file(&name, &path).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::SignaturesFull {
                limit: MAX_COMPONENTS,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("probelet plugin remove"), "{error}");
    assert_eq!((count(), store.list().unwrap()), (MAX_COMPONENTS, Vec::new()));
    assert!(matches!(
        store.get(&Digest::of(&bytes)),
        Err(StoreError::Missing { .. })
    ));

    fs::remove_file(signatures.join("0.json")).unwrap();
    assert!(store.import_file(&name, &path).unwrap().has_signature);
    // Its own needs no room a second time, and one without needs none at all.
    assert!(store.import_file(&name, &path).unwrap().has_signature);
    fs::remove_file(signature_file(&path)).unwrap();
    assert!(!store.import_file(&name, &path).unwrap().has_signature);
    assert_eq!(count(), MAX_COMPONENTS);
}

#[test]
fn what_lies_beside_a_file_and_is_no_signature_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, known) = key(folder.path(), "ours");
    let path = folder.path().join("ping.wasm");
    fs::write(&path, "no component").unwrap();
    let error = sign_file(&path, &ours).unwrap_err();
    assert!(matches!(error, SignatureError::Store(_)), "{error}");
    assert!(!signature_file(&path).exists());
    let bytes = component("x", 100);
    fs::write(&path, &bytes).unwrap();
    for text in [&b""[..], b"not base64!", &[b'A'; 100_000]] {
        fs::write(signature_file(&path), text).unwrap();
        let error = verify_file(&path, &bytes, &known).unwrap_err();
        assert!(
            matches!(&error, SignatureError::Store(_)) && error.to_string().contains("ping.wasm.sig"),
            "{error}"
        );
        let (_folder, store) = common::store();
        assert!(store.import_file(&"ping:1".parse().unwrap(), &path).is_err());
        assert_eq!(store.list().unwrap(), [], "nothing is imported");
    }
    let KeyError { file, .. } = PrivateKey::read(&path).unwrap_err();
    assert_eq!(file, path);
}
