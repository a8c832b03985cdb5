//! `probelet history`.

use probelet_api::client::{self, Client, OBJECTS};
use probelet_node::handle::RunRecord;
use serde::Deserialize;
use serde_json::Value;

use super::what::pod_name;
use crate::{
    arguments::History,
    output::{amounts::milliseconds, columns::Columns, documents::print_document, print},
};

const HEADING: [&str; 9] = [
    "TIME",
    "KIND",
    "CONTAINER",
    "ATTEMPT",
    "OUTCOME",
    "WALL",
    "FUEL",
    "COMPONENT",
    "MESSAGE",
];

/// Shows what the probes and hooks of a pod have done.
pub(crate) async fn run(command: History, client: &Client) -> anyhow::Result<()> {
    let target = client::history(&command.namespace.namespace, pod_name(&command.pod)?);
    let history: Value = client.get(&target, OBJECTS).await?;
    if let Some(format) = command.output {
        return print_document(&history["items"], format);
    }
    let runs = Vec::<RunRecord>::deserialize(&history["items"])?;
    if runs.is_empty() {
        eprintln!("No probe or hook of the pod has run yet");
        return Ok(());
    }
    Ok(print(&table(&runs))?)
}

fn table(runs: &[RunRecord]) -> String {
    let heading = HEADING.map(str::to_owned).to_vec();
    let rows = runs.iter().map(|run| {
        vec![
            run.time.clone(),
            run.kind.clone(),
            // The life of the container that the run belongs to.
            format!("{}#{}", run.container, run.instance),
            run.attempt.to_string(),
            run.outcome.clone(),
            milliseconds(run.wall_micros),
            run.fuel.to_string(),
            // Of a path the end tells most.
            run.component.rsplit('/').next().unwrap_or_default().to_owned(),
            said(run),
        ]
    });
    Columns::default().lines(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

/// The message, and what was measured: `lag=2.5 role=replica`.
fn said(run: &RunRecord) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fields = run.fields.iter().map(|(name, value)| format!("{name}={}", text(value)));
    let message = Some(run.message.trim().to_owned()).filter(|message| !message.is_empty());
    message.into_iter().chain(fields).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_line_up() {
        let run = |attempt: u64, outcome: &str, message: &str| RunRecord {
            time: "2026-09-01T12:00:00.123Z".into(),
            container: "web".into(),
            instance: 2,
            kind: "liveness".into(),
            attempt,
            outcome: outcome.into(),
            message: message.into(),
            wall_micros: 1_890 * attempt,
            fuel: 12_345,
            memory_bytes: 0,
            host_calls: 1,
            component: "exec".into(),
            digest: "sha256:00".into(),
            tries: 1,
            ..RunRecord::default()
        };
        let runs = [
            run(9, "success", ""),
            run(10, "failure", "cat: can't open '/tmp/health'\n"),
        ];
        assert_eq!(table(&runs), "\
TIME                       KIND       CONTAINER   ATTEMPT   OUTCOME   WALL     FUEL    COMPONENT   MESSAGE
2026-09-01T12:00:00.123Z   liveness   web#2       9         success   17.0ms   12345   exec        \n\
2026-09-01T12:00:00.123Z   liveness   web#2       10        failure   18.9ms   12345   exec        cat: can't open '/tmp/health'
");
    }
}
