//! The annotation that makes rules silent.

use crate::support::findings;

/// The findings in a pod with two containers of image `nginx`, which has a grace period of 2 s, with an annotation.
fn with(ignore: &str) -> Vec<String> {
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations:\n    probelet.dev/lint-ignore: {ignore:?}\n\
         spec:\n  terminationGracePeriodSeconds: 2\n  containers:\n  - {{name: web, image: nginx}}\n  \
         - {{name: side, image: nginx}}\n"
    );
    let name = |finding: &probelet_lint::Finding| match &finding.container {
        Some(container) => format!("{container}/{}", finding.rule),
        None => finding.rule.to_owned(),
    };
    findings(&text).iter().map(name).collect()
}

#[test]
fn a_name_silences_a_rule_in_the_pod_and_one_with_a_container_there() {
    assert_eq!(
        with(""),
        ["grace-period-short", "web/image-latest", "side/image-latest"]
    );
    assert_eq!(with("image-latest"), ["grace-period-short"]);
    assert_eq!(with("side/image-latest"), ["grace-period-short", "web/image-latest"]);
    assert_eq!(with("side/image-latest,web/image-latest\n grace-period-short"), [""; 0]);
}

#[test]
fn a_name_that_names_nothing_is_told() {
    let rest = ["grace-period-short", "web/image-latest", "side/image-latest"];
    let first = |ignore| {
        let mut found = with(ignore);
        let first = found.remove(0);
        assert_eq!(found, rest, "{ignore}");
        first
    };
    assert_eq!(first("image-newest"), "unknown-rule");
    assert_eq!(first("other/image-latest"), "unknown-rule");
    assert_eq!(first("no-grace-period"), "unused-ignore");
    assert_eq!(first("web/no-grace-period"), "unused-ignore");
}

#[test]
fn a_wrong_name_is_told_with_the_right_one() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\n  annotations:\n    \
                probelet.dev/lint-ignore: web/image-lastet, x/image-latest\nspec:\n  containers:\n  \
                - {name: web, image: web:1}\n";
    let told: Vec<_> = findings(text)
        .iter()
        .map(|finding| (finding.line, finding.reason.clone()))
        .collect();
    assert_eq!(
        told,
        [
            (
                Some(6),
                "there is no rule \"image-lastet\"; did you mean \"image-latest\"?".to_owned()
            ),
            (Some(6), "there is no container \"x\"".to_owned()),
        ]
    );
}
