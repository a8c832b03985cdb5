//! Components that a manifest names in a registry: a real one, on this machine.

use std::fs;

use probelet_registry::Registry;
use probelet_tests::{agent::plugin, namespace::Namespace};
use serde_json::Value;

use crate::{
    PATIENCE, WAIT, busybox, own_agent,
    plugins::{readiness_by, wait_until_ready},
    script,
};

/// A section without meaning: behind a component it makes another one, which does the same.
const SECTION: &[u8] = &[0, 2, 1, b'x'];

/// A pod with a component of that name as its readiness probe.
pub(crate) fn pod(name: &str, component: &str) -> String {
    let fields = script(WAIT) + &readiness_by(component, "config: { do: nothing }");
    busybox(name, &fields, "")
}

/// How often the probe of a pod has run.
fn runs(namespace: &Namespace, pod: &str) -> u64 {
    let last = namespace.history(pod).into_iter().next_back();
    last.and_then(|run| run["attempt"].as_u64()).expect("runs are numbered")
}

/// Waits for a run that is yet to come, and asserts that it was by the component with this digest, which people see.
#[track_caller]
fn runs_on_with(namespace: &Namespace, pod: &str, component: &str, digest: &str) {
    let before = runs(namespace, pod);
    let is_new = |run: &Value| run["attempt"].as_u64() > Some(before);
    let run = namespace.wait_for_run(pod, "a new one", PATIENCE, is_new);
    assert_eq!(
        (&run["digest"], &run["outcome"]),
        (&digest.into(), &"success".into()),
        "{run}"
    );
    let described = namespace.run(&["describe", "pod", pod]).success();
    let pinned = format!("{component}@{digest}");
    assert!(described.contains(&pinned), "`{pinned}` is missing:\n{described}");
}

#[test]
fn a_tag_is_resolved_when_a_pod_is_applied_and_the_pod_keeps_what_it_was() {
    let (agent, registry) = (own_agent(), Registry::start());
    let namespace = agent.namespace("registry");
    let first = fs::read(plugin("unruly")).expect("a component");
    let second = [first.as_slice(), SECTION].concat();
    let component = format!("localhost:{}/checks/unruly:1", registry.address().port());

    let old = registry.push("checks/unruly", "1", &first);
    namespace.start(&pod("before", &component), "before");
    wait_until_ready(&namespace, "before");
    runs_on_with(&namespace, "before", &component, &old);

    // The tag moves: a new pod gets what it stands for now, and the running one notices nothing.
    let new = registry.push("checks/unruly", "1", &second);
    namespace.start(&pod("after", &component), "after");
    wait_until_ready(&namespace, "after");
    runs_on_with(&namespace, "after", &component, &new);
    runs_on_with(&namespace, "before", &component, &old);

    // Nor does the next agent need the registry for the pods that it finds.
    agent.kill();
    drop(registry);
    agent.start_again();
    runs_on_with(&namespace, "before", &component, &old);
    runs_on_with(&namespace, "after", &component, &new);

    let gone = namespace
        .apply(&pod("late", &component))
        .failure(1, &["cannot reach the registry localhost:"]);
    assert!(gone.contains("readinessProbe.wasm.component"), "{gone}");
    assert!(!namespace.has("late"));
}

#[test]
fn a_tag_that_nobody_has_pushed_is_refused_at_its_line() {
    let (namespace, registry) = (crate::namespace("registry-missing"), Registry::start());
    registry.push("checks/unruly", "1", &fs::read(plugin("unruly")).expect("a component"));
    for missing in ["checks/unruly:2", "checks/nobody:1"] {
        let component = format!("localhost:{}/{missing}", registry.address().port());
        let refused = namespace.apply(&pod("missing", &component)).failure(
            1,
            &[
                "spec.containers[0].readinessProbe.wasm.component",
                &format!("component \"{component}\" is not in the registry"),
                "see that it was pushed",
                ".yaml:12:",
            ],
        );
        assert!(!namespace.has("missing"), "{refused}");
    }
}
