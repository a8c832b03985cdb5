//! Restart policies, of pods and of containers, and their rules (B5.2, B5.3).

use serde_json::Value;

use crate::{RestartPolicy, RestartPolicyRule, RestartPolicyRuleAction, check::Object, fields};

/// Rules of one container, as in Kubernetes.
const MAX_RULES: usize = 20;

/// Exit codes of one rule, as in Kubernetes.
const MAX_EXIT_CODES: usize = 255;

/// The restart policy of a pod or of one container.
pub(crate) fn policy(object: &Object<'_>) -> Option<RestartPolicy> {
    let words = [
        ("Always", RestartPolicy::Always),
        ("OnFailure", RestartPolicy::OnFailure),
        ("Never", RestartPolicy::Never),
    ];
    object.word("restartPolicy", &words)
}

/// The rules of a container; `None` if one is at fault.
pub(crate) fn rules(object: &Object<'_>) -> Option<Vec<RestartPolicyRule>> {
    let (items, path) = (object.list("restartPolicyRules"), object.at("restartPolicyRules"));
    if !items.is_empty() && object.get("restartPolicy").is_none() {
        let message = "Required value: must be set when restartPolicyRules are";
        object.report.error(&object.at("restartPolicy"), message);
    }
    if items.len() > MAX_RULES {
        let message = format!("Too many: {}: must have at most {MAX_RULES} items", items.len());
        object.report.error(&path, message);
    }
    let mut rules = Some(Vec::new());
    for (path, item) in items {
        let found = Object::new(item, path, &fields::RESTART_RULE, object.report).and_then(|rule| self::rule(&rule));
        rules = rules.and_then(|mut all: Vec<_>| {
            all.push(found?);
            Some(all)
        });
    }
    rules
}

fn rule(object: &Object<'_>) -> Option<RestartPolicyRule> {
    let actions = [
        ("Restart", RestartPolicyRuleAction::Restart),
        ("RestartAllContainers", RestartPolicyRuleAction::RestartAllContainers),
    ];
    let action = object.required("action").and_then(|_| object.word("action", &actions));
    if object.get("exitCodes").is_none() {
        object.report.error(&object.at("exitCodes"), "Required value");
    }
    let exit_codes = object.object("exitCodes", &fields::RESTART_EXIT_CODES)?;
    let operators = [("In", true), ("NotIn", false)];
    let listed = exit_codes
        .required("operator")
        .and_then(|_| exit_codes.word("operator", &operators));
    let codes = exit_codes.whole_numbers("values");
    let count = exit_codes.get("values").and_then(Value::as_array).map_or(0, Vec::len);
    if !(1..=MAX_EXIT_CODES).contains(&count) {
        let message = format!("Invalid value: must have from 1 to {MAX_EXIT_CODES} exit codes");
        exit_codes.report.error(&exit_codes.at("values"), message);
    }
    Some(RestartPolicyRule {
        action: action?,
        listed: listed?,
        exit_codes: codes,
    })
}
