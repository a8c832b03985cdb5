//! `probelet why`.

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use probelet_api::client::Client;
use probelet_lifecycle::time::Now;
use probelet_simulate::{Entry, Why as Chain, replay, why};
use serde_json::json;

use super::replay::journal;
use crate::{
    arguments::{DataFormat, Why},
    output::{documents::print_document, print, printable},
};

/// Tells what led to a restart, or to a pod's not being ready.
pub(crate) async fn run(command: &Why, client: &Client) -> anyhow::Result<()> {
    let journal = journal(client, &command.namespace.namespace, &command.pod).await?;
    let report = replay(&journal).report;
    let chain = why(&report, command.container.as_deref(), command.restart).map_err(|fault| {
        let since = time(journal.since, 0);
        anyhow::anyhow!("{fault}; the record begins at {since}")
    })?;
    if command.output.is_some() {
        let causes = chain.causes.iter().map(|entry| {
            json!({
                "time": timestamp(journal.since, milliseconds(entry)).to_string(),
                "kind": entry.kind,
                "text": entry.text,
                "streak": entry.streak.map(|streak| streak.0),
                "threshold": entry.streak.map(|streak| streak.1),
                "note": entry.note,
            })
        });
        let causes: Vec<_> = causes.collect();
        return print_document(&json!({ "what": chain.what, "causes": causes }), DataFormat::Json);
    }
    Ok(print(&text(&chain, journal.since))?)
}

fn text(chain: &Chain<'_>, since: Now) -> String {
    let mut text = format!("{}, because\n\n", chain.what);
    for entry in &chain.causes {
        let streak = entry
            .streak
            .map(|(streak, threshold)| format!(" ({streak} of {threshold})"))
            .unwrap_or_default();
        let note = if entry.note.is_empty() {
            String::new()
        } else {
            format!(" {}", entry.note)
        };
        text.push_str(&format!(
            "  {}  {}{streak}{note}\n",
            time(since, milliseconds(entry)),
            printable(&entry.text)
        ));
    }
    text
}

fn milliseconds(entry: &Entry) -> i64 {
    i64::try_from(entry.at.as_millis()).unwrap_or(i64::MAX)
}

fn timestamp(since: Now, later: i64) -> Timestamp {
    Timestamp::from_millisecond(since.wall.0.saturating_add(later)).unwrap_or_default()
}

/// A time of the record on the wall clock, as people here read it.
fn time(since: Now, later: i64) -> String {
    let local = timestamp(since, later).to_zoned(TimeZone::system());
    strtime::format("%Y-%m-%d %H:%M:%S", &local).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probelet_simulate::EntryKind;

    use super::*;

    #[test]
    fn a_chain_reads_from_its_beginning() {
        let entry = |seconds, text: &str, streak, note: &str| Entry {
            at: Duration::from_secs(seconds),
            last: Duration::from_secs(seconds),
            times: 1,
            container: Some(0),
            instance: Some(1),
            kind: EntryKind::Probe,
            text: text.to_owned(),
            streak,
            note: note.to_owned(),
        };
        let (failure, start) = (
            entry(60, "liveness fails: 503\x1b", Some((3, 3)), ""),
            entry(61, "starts again", None, "restart 1"),
        );
        let chain = Chain {
            what: "restart 1 of app".to_owned(),
            causes: vec![&failure, &start],
        };
        let text = text(&chain, Now::default());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "restart 1 of app, because");
        assert!(
            lines[2].ends_with(":01:00  liveness fails: 503\u{fffd} (3 of 3)"),
            "{text}"
        );
        assert!(lines[3].ends_with(":01:01  starts again restart 1"), "{text}");
    }
}
