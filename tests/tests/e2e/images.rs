//! Images: those that are not there, and archives that are not what they seem.

use probelet_tests::{agent::images, finished::Finished};

use crate::{PATIENCE, busybox, namespace, own_agent};

fn waits_for(namespace: &probelet_tests::namespace::Namespace, reasons: &[&str]) {
    namespace
        .watch("imageless")
        .until(&format!("the container waits: {reasons:?}"), PATIENCE, |pod| {
            reasons.contains(&probelet_tests::pod::waiting_reason(pod))
        });
}

#[test]
fn an_image_that_is_not_there_cannot_be_pulled_and_the_import_command_is_named() {
    let namespace = namespace("image-pull");
    let manifest = busybox("imageless", "", "").replace("busybox:latest", "registry.example/nothing:1");
    namespace.apply(&manifest).success();
    waits_for(&namespace, &["ErrImagePull", "ImagePullBackOff"]);
    namespace
        .watch_events("imageless")
        .until("the way out is told", PATIENCE, |event| {
            event["reason"] == "Failed"
                && event["message"].as_str().is_some_and(|text| {
                    text.contains("registry.example/nothing:1") && text.contains("probelet image import")
                })
        });
}

#[test]
fn an_image_that_may_not_be_pulled_is_told_apart() {
    let namespace = namespace("image-never");
    let manifest = busybox("imageless", "    imagePullPolicy: Never", "").replace("busybox:latest", "nothing:1");
    namespace.apply(&manifest).success();
    waits_for(&namespace, &["ErrImageNeverPull"]);
}

#[test]
fn an_imported_image_satisfies_every_pull_policy() {
    let namespace = namespace("image-policies");
    for policy in ["Always", "IfNotPresent", "Never"] {
        let name = policy.to_lowercase();
        let manifest = busybox(
            &name,
            &format!("    imagePullPolicy: {policy}\n    command: [sleep, '3600']"),
            "",
        );
        namespace.start(&manifest, &name);
    }
}

#[test]
fn a_corrupt_archive_is_refused_and_leaves_nothing() {
    let agent = own_agent();
    let before = Finished::run(&mut agent.client(&["image", "list"])).success();
    let folder = tempfile::tempdir().expect("/tmp can be written");
    let broken = folder.path().join("broken.tar");
    for archive in images() {
        let mut bytes = std::fs::read(&archive).expect("the image was made");
        // A flipped byte in the middle lies in a layer: the digest tells.
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0xff;
        std::fs::write(&broken, &bytes).expect("/tmp can be written");
        Finished::run(agent.client(&["image", "import"]).arg(&broken)).failure(1, &["broken.tar"]);
        // And one that ends too early.
        std::fs::write(&broken, &bytes[..middle]).expect("/tmp can be written");
        Finished::run(agent.client(&["image", "import"]).arg(&broken)).failure(1, &["broken.tar"]);
    }
    std::fs::write(&broken, "no archive at all").expect("/tmp can be written");
    Finished::run(agent.client(&["image", "import"]).arg(&broken)).failure(1, &["broken.tar"]);
    assert_eq!(Finished::run(&mut agent.client(&["image", "list"])).success(), before);
}

#[test]
fn images_are_listed_and_removed_by_name() {
    let agent = own_agent();
    let list = || Finished::run(&mut agent.client(&["image", "list"])).success();
    assert!(
        list().contains("busybox") && list().contains("ikubernetes/myapp"),
        "{}",
        list()
    );
    Finished::run(&mut agent.client(&["image", "remove", "busybox:latest"])).success();
    assert!(!list().contains("busybox"), "{}", list());
    Finished::run(&mut agent.client(&["image", "remove", "busybox:latest"])).failure(1, &["busybox:latest"]);
}
