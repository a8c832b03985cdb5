//! The report for scripts.

use serde_json::{Value, json};

use crate::report::{Entry, Report, in_seconds};

/// The report as JSON, as `docs/simulate.md` tells it. All times are seconds since the pod was accepted.
pub fn to_json(report: &Report) -> Value {
    let entries: Vec<_> = report.entries.iter().map(|entry| to_entry(report, entry)).collect();
    let events: Vec<_> = report
        .events
        .iter()
        .map(|event| {
            json!({
                "type": if event.warning { "Warning" } else { "Normal" },
                "reason": event.reason,
                "message": event.message,
                "container": event.container.map(|at| &report.containers[at].name),
                "count": event.count,
                "first": in_seconds(event.first),
                "last": in_seconds(event.last),
            })
        })
        .collect();
    let containers = report.containers.iter().map(|container| container.name.as_str());
    let lanes = report.lanes.iter().zip(containers.map(Some));
    let lanes: Vec<_> = lanes
        .chain([(&report.pod_lane, None)])
        .map(|(lane, name)| {
            let parts = lane.parts(report.simulated);
            let parts = parts
                .map(|(from, to, stage)| json!({ "from": in_seconds(from), "to": in_seconds(to), "stage": stage }));
            json!({ "container": name, "parts": parts.collect::<Vec<_>>() })
        })
        .collect();
    json!({
        "pod": report.name,
        "namespace": report.namespace,
        "simulated": in_seconds(report.simulated),
        "ended": report.ended,
        "probeRuns": report.probe_runs,
        "restarts": report.restarts(),
        "totals": report.pod,
        "containers": report.containers,
        "timeline": entries,
        "timelineOmitted": report.omitted,
        "events": events,
        "lanes": lanes,
    })
}

fn to_entry(report: &Report, entry: &Entry) -> Value {
    json!({
        "at": in_seconds(entry.at),
        "last": in_seconds(entry.last),
        "times": entry.times,
        "container": entry.container.map(|at| &report.containers[at].name),
        "instance": entry.instance,
        "kind": entry.kind,
        "text": entry.text,
        "streak": entry.streak.map(|streak| streak.0),
        "threshold": entry.streak.map(|streak| streak.1),
        "note": entry.note,
    })
}
