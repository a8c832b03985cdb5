//! `probelet why`.

use std::time::Duration;

use jiff::{Timestamp, fmt::strtime, tz::TimeZone};
use probelet_api::client::Client;
use probelet_lifecycle::time::Now;
use probelet_simulate::{Why as Chain, replay, why};
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
    let names: Vec<_> = report
        .containers
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    let chain = why(&report, command.container.as_deref(), command.restart).map_err(|fault| {
        let since = time(journal.since, 0);
        anyhow::anyhow!("{fault}; the record begins at {since}")
    })?;
    if command.output.is_some() {
        let causes = chain.causes.iter().map(|entry| {
            json!({
                "time": timestamp(journal.since, milliseconds(entry.at)).to_string(),
                "container": entry.container.and_then(|container| names.get(container)),
                "kind": entry.kind,
                "text": entry.text,
                "streak": entry.streak.map(|streak| streak.0),
                "threshold": entry.streak.map(|streak| streak.1),
                "note": entry.note,
            })
        });
        let causes: Vec<_> = causes.collect();
        let left_out = chain.left_out.map_or(0, |(count, _)| count);
        let document = json!({ "what": chain.what, "causes": causes, "leftOut": left_out });
        return print_document(&document, DataFormat::Json);
    }
    Ok(print(&text(&chain, &names, journal.since))?)
}

/// A chain as lines; each names its container where they are about more than one.
fn text(chain: &Chain<'_>, names: &[&str], since: Now) -> String {
    let mut text = format!("{}, because\n\n", printable(&chain.what));
    let mut about: Vec<_> = chain.causes.iter().filter_map(|entry| entry.container).collect();
    about.sort_unstable();
    about.dedup();
    for (at, entry) in chain.causes.iter().enumerate() {
        if let Some((count, _)) = chain.left_out.filter(|(_, behind)| *behind == at) {
            text.push_str(&format!("  … {count} more\n"));
        }
        let name = entry
            .container
            .filter(|_| about.len() > 1)
            .and_then(|container| names.get(container));
        let name = name.map(|name| format!("{name} ")).unwrap_or_default();
        let again = if entry.times > 1 {
            format!(
                ", {} times until {}",
                entry.times,
                time(since, milliseconds(entry.last))
            )
        } else {
            String::new()
        };
        let streak = entry
            .streak
            .map(|(streak, threshold)| format!(" ({streak} of {threshold})"))
            .unwrap_or_default();
        // As `replay` and `simulate` write it.
        let note = match entry.note.as_str() {
            "" => String::new(),
            note if note.starts_with('→') => format!(" {note}"),
            note => format!(" ({note})"),
        };
        text.push_str(&format!(
            "  {}  {name}{}{again}{streak}{note}\n",
            time(since, milliseconds(entry.at)),
            printable(&entry.text)
        ));
    }
    text
}

fn milliseconds(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
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
    use probelet_simulate::{Entry, EntryKind};

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
            left_out: None,
        };
        let text = text(&chain, &["app"], Now::default());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "restart 1 of app, because");
        assert!(
            lines[2].ends_with(":01:00  liveness fails: 503\u{fffd} (3 of 3)"),
            "{text}"
        );
        assert!(lines[3].ends_with(":01:01  starts again (restart 1)"), "{text}");
    }

    #[test]
    fn a_row_of_tries_is_told_by_its_ends_and_each_line_by_its_container_if_there_are_more() {
        let entry = |container, times| Entry {
            at: Duration::from_secs(60),
            last: Duration::from_secs(90),
            times,
            container: Some(container),
            instance: None,
            kind: EntryKind::Wait,
            text: "waits".to_owned(),
            streak: None,
            note: "→ not ready".to_owned(),
        };
        let (first, second) = (entry(0, 1), entry(1, 4));
        let chain = Chain {
            what: "app is not running".to_owned(),
            causes: vec![&first, &second],
            left_out: Some((7, 1)),
        };
        let text = text(&chain, &["app", "log"], Now::default());
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[2].ends_with("app waits → not ready"), "{text}");
        assert_eq!(lines[3], "  … 7 more");
        assert!(lines[4].contains("log waits, 4 times until "), "{text}");
        assert!(lines[4].ends_with(":01:30 → not ready"), "{text}");
    }
}
