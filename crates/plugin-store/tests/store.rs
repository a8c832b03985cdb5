//! The store on disk: what goes in comes out, and nothing else.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    collections::HashSet,
    fs::{self, File},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    time::SystemTime,
};

use common::{component, resolver, store};
use probelet_plugin_store::{
    Digest, GARBAGE_GRACE, MAX_COMPONENT_BYTES, MAX_COMPONENTS, Origin, Reference, RegistryConfig, ResolveError, Store,
    StoreError,
};

fn name(text: &str) -> Reference {
    text.parse().unwrap()
}

fn blob(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("plugins/blobs/sha256").join(digest.hex())
}

/// As if it had been put there long ago.
fn age(path: &Path) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - GARBAGE_GRACE).unwrap();
}

#[test]
fn what_is_imported_is_found_by_its_name_and_its_digest() {
    let (folder, store) = store();
    let (first, second) = (component("first", 10), component("second", 10));
    let digest = store.import(&name("redis-ping:1"), &first).unwrap();
    assert_eq!(digest, Digest::of(&first));
    assert_eq!(store.get(&digest).unwrap(), first);

    let entry = store.find(&name("redis-ping:1")).unwrap().unwrap();
    assert_eq!(
        (entry.digest, entry.size, entry.manifest_digest),
        (digest, first.len() as u64, None)
    );
    let by_digest = name(&format!("redis-ping@{digest}"));
    assert_eq!(store.find(&by_digest).unwrap(), Some(entry.clone()));
    for other in [
        "redis-ping",
        "redis-ping:2",
        "x.y/redis-ping:1",
        &format!("other@{digest}"),
    ] {
        assert_eq!(store.find(&name(other)).unwrap(), None, "{other}");
    }

    // A name may move on; another process sees the same.
    let moved = store.import(&name("redis-ping:1"), &second).unwrap();
    let again = Store::open(&folder.path().join("plugins")).unwrap();
    let listed: Vec<_> = again
        .list()
        .unwrap()
        .into_iter()
        .map(|entry| (entry.reference, entry.digest))
        .collect();
    assert_eq!(listed, [(name("redis-ping:1"), moved)]);
    assert_eq!(again.get(&digest).unwrap(), first, "what pods run with stays");

    assert_eq!(again.remove(&name("redis-ping:1")).unwrap().digest, moved);
    assert!(matches!(
        again.remove(&name("redis-ping:1")),
        Err(StoreError::NotFound { .. })
    ));
    assert_eq!(store.list().unwrap(), []);
}

#[test]
fn a_file_is_imported_through_a_link_but_not_from_a_pipe_or_beyond_the_limit() {
    let (folder, store) = store();
    let path = |file: &str| folder.path().join(file);
    let bytes = component("file", 10);
    fs::write(path("plugin.wasm"), &bytes).unwrap();
    symlink("plugin.wasm", path("link.wasm")).unwrap();
    assert_eq!(
        store.import_file(&name("a"), &path("link.wasm")).unwrap().digest,
        Digest::of(&bytes)
    );

    rustix::fs::mkfifoat(rustix::fs::CWD, path("pipe"), rustix::fs::Mode::RUSR).unwrap();
    for odd in ["pipe", "absent", "plugins"] {
        let error = store.import_file(&name("b"), &path(odd)).unwrap_err();
        assert!(matches!(error, StoreError::File { .. }), "{odd}: {error}");
    }
    let large = File::create(path("large.wasm")).unwrap();
    large.set_len(MAX_COMPONENT_BYTES as u64 + 1).unwrap();
    let error = store.import_file(&name("b"), &path("large.wasm")).unwrap_err();
    assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    assert!(error.to_string().contains("large.wasm"));
    fs::write(path("text.wat"), "(component)").unwrap();
    let error = store.import_file(&name("b"), &path("text.wat")).unwrap_err();
    assert!(matches!(error, StoreError::NotComponent { .. }), "{error}");
    let by_digest = name(&format!("b@{}", Digest::of(&bytes)));
    assert!(matches!(
        store.import(&by_digest, &bytes),
        Err(StoreError::ImportByDigest { .. })
    ));
    assert_eq!(store.list().unwrap().len(), 1);
}

#[test]
fn what_was_changed_on_disk_is_never_handed_out() {
    let (folder, store) = store();
    let bytes = component("true", 10);
    let digest = store.import(&name("a"), &bytes).unwrap();
    let path = blob(folder.path(), &digest);

    fs::write(&path, component("false", 10)).unwrap();
    let error = store.get(&digest).unwrap_err();
    let StoreError::Corrupt { expected, found, .. } = error else {
        panic!("{error}")
    };
    assert_eq!((expected, found), (digest, Digest::of(&component("false", 10))));

    // The same content behind a link, which somebody might exchange between two reads.
    fs::write(folder.path().join("elsewhere"), &bytes).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(folder.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(store.get(&digest), Err(StoreError::Untrusted { .. })));

    File::create(folder.path().join("elsewhere")).unwrap();
    assert_eq!(
        store.import(&name("a"), &bytes).unwrap(),
        digest,
        "an import replaces what is broken"
    );
    assert_eq!(store.get(&digest).unwrap(), bytes);
    assert_eq!(
        fs::read(folder.path().join("elsewhere")).unwrap(),
        b"",
        "and writes through no link"
    );

    fs::remove_file(&path).unwrap();
    assert!(matches!(store.get(&digest), Err(StoreError::Missing { .. })));
}

#[test]
fn a_folder_that_others_may_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("plugins");
    Store::open(&root).unwrap();
    assert_eq!(fs::metadata(&root).unwrap().permissions().mode() & 0o777, 0o700);
    for inner in ["", "blobs", "blobs/sha256", "temporary"] {
        let path = root.join(inner);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o770)).unwrap();
        let error = Store::open(&root).unwrap_err();
        assert!(matches!(&error, StoreError::Untrusted { .. }), "{error}");
        assert!(error.to_string().contains("chmod go-w"), "{error}");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    }
    let link = folder.path().join("link");
    symlink(&root, &link).unwrap();
    assert!(matches!(Store::open(&link), Err(StoreError::Untrusted { .. })));
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&root, Some(65534), None).unwrap();
        assert!(matches!(Store::open(&root), Err(StoreError::Untrusted { .. })));
    }
}

#[test]
fn the_number_of_components_and_of_names_has_an_end() {
    let (folder, store) = store();
    let bytes = component("one", 10);
    let digest = store.import(&name("a"), &bytes).unwrap();
    for number in 1..MAX_COMPONENTS {
        File::create(blob(folder.path(), &Digest::of(&number.to_le_bytes()))).unwrap();
    }
    let more = component("more", 10);
    let error = store.keep(&more).unwrap_err();
    assert!(
        matches!(
            error,
            StoreError::Full {
                limit: MAX_COMPONENTS,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("probelet plugin remove"), "{error}");
    assert!(matches!(store.import(&name("b"), &more), Err(StoreError::Full { .. })));
    assert_eq!(store.find(&name("b")).unwrap(), None);
    assert_eq!(
        store.import(&name("b"), &bytes).unwrap(),
        digest,
        "what is there needs no room"
    );

    let record = serde_json::json!({ "digest": digest, "size": 1, "created": "2026-01-01T00:00:00Z" });
    let names: serde_json::Map<_, _> = (0..MAX_COMPONENTS)
        .map(|number| (format!("name-{number}:1"), record.clone()))
        .collect();
    let index = folder.path().join("plugins/index.json");
    fs::write(&index, serde_json::json!({ "refs": names }).to_string()).unwrap();
    assert_eq!(store.list().unwrap().len(), MAX_COMPONENTS);
    assert!(matches!(store.import(&name("c"), &bytes), Err(StoreError::Full { .. })));
    store.import(&name("name-1:1"), &bytes).unwrap();

    fs::write(&index, "{").unwrap();
    let error = store.list().unwrap_err();
    assert!(
        matches!(&error, StoreError::Index { .. }) && error.to_string().contains("index.json"),
        "{error}"
    );
}

#[test]
fn garbage_is_what_has_no_name_is_not_in_use_and_has_rested() {
    let (folder, store) = store();
    let bytes = |text: &str| component(text, 10);
    let named = store.import(&name("a"), &bytes("named")).unwrap();
    let used = store.keep(&bytes("used")).unwrap();
    let fresh = store.keep(&bytes("fresh")).unwrap();
    let unused = store.keep(&bytes("unused")).unwrap();
    let abandoned = folder.path().join("plugins/temporary/.tmpabc");
    File::create(&abandoned).unwrap();
    for path in [&named, &used, &unused].map(|digest| blob(folder.path(), digest)) {
        age(&path);
    }
    age(&abandoned);

    assert_eq!(store.collect_garbage(&HashSet::from([used])).unwrap(), [unused]);
    assert!(matches!(store.get(&unused), Err(StoreError::Missing { .. })));
    assert!(!abandoned.exists());
    for digest in [named, used, fresh] {
        store.get(&digest).unwrap();
    }

    // Kept once more it counts as fresh; without its name the named is garbage as well.
    store.keep(&bytes("used")).unwrap();
    store.remove(&name("a")).unwrap();
    assert_eq!(store.collect_garbage(&HashSet::new()).unwrap(), [named]);
    store.get(&used).unwrap();
}

#[test]
fn many_at_once_lose_nothing() {
    let (folder, store) = store();
    let numbers = 0..16;
    std::thread::scope(|scope| {
        for number in numbers.clone() {
            let store = if number % 2 == 0 {
                store.clone()
            } else {
                Store::open(&folder.path().join("plugins")).unwrap()
            };
            scope.spawn(move || {
                store
                    .import(&name(&format!("n{number}")), &component("same", 10))
                    .unwrap()
            });
        }
    });
    assert_eq!(store.list().unwrap().len(), numbers.len());
    assert_eq!(
        fs::read_dir(folder.path().join("plugins/blobs/sha256"))
            .unwrap()
            .count(),
        1
    );
}

#[tokio::test]
async fn a_bare_name_is_of_this_machine_and_an_unknown_one_says_how_to_import_it() {
    let (folder, resolver) = resolver(RegistryConfig::default());
    let bytes = component("local", 10);
    let reference = name("redis-ping:1");
    let error = resolver.resolve(&reference).await.unwrap_err();
    assert!(matches!(&error, ResolveError::NotFound { .. }));
    let text = error.to_string();
    assert!(
        text.contains("probelet plugin import FILE --name redis-ping:1"),
        "{text}"
    );
    let by_digest = name(&format!("redis-ping@{}", Digest::of(b"")));
    let text = resolver.resolve(&by_digest).await.unwrap_err().to_string();
    assert!(text.contains("--name redis-ping`,"), "{text}");

    let digest = resolver.store().import(&reference, &bytes).unwrap();
    let resolved = resolver.resolve(&reference).await.unwrap();
    assert_eq!((resolved.digest, resolved.size), (digest, bytes.len() as u64));
    assert_eq!((resolved.origin, resolved.manifest_digest), (Origin::Local, None));

    // A name with a registry that was imported needs no registry; this one does not even exist.
    let far = name("registry.invalid/redis-ping:1");
    resolver.store().import(&far, &bytes).unwrap();
    assert_eq!(resolver.resolve(&far).await.unwrap().origin, Origin::Local);

    fs::write(blob(folder.path(), &digest), b"other").unwrap();
    let error = resolver.resolve(&reference).await.unwrap_err();
    assert!(
        matches!(error, ResolveError::Store(StoreError::Corrupt { .. })),
        "{error}"
    );

    let path = folder.path().join("plugin.wasm");
    fs::write(&path, &bytes).unwrap();
    let resolved = resolver.resolve_file(&path).await.unwrap();
    assert_eq!((resolved.digest, resolved.origin), (digest, Origin::File));
    assert_eq!(resolver.store().get(&digest).unwrap(), bytes);
}
