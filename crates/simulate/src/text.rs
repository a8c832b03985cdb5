//! The report for people.

use std::time::Duration;

use crate::{
    chart,
    clockwork::Ended,
    duration::{clock, text},
    report::{Entry, Report},
    timeline::{Part, fold},
};

/// The most lines of a timeline, so that it can be read. What is left out stands in the middle of it: beginnings and ends
/// tell most.
const MAX_LINES: usize = 100;

/// Of these, so many tell the beginning.
const FIRST_LINES: usize = 70;

/// All of it: the timeline, then the chart and the totals.
pub fn to_text(report: &Report) -> String {
    let mut lines = vec![];
    let parts = fold(&report.entries);
    let width = report
        .containers
        .iter()
        .map(|container| container.name.chars().count())
        .max()
        .unwrap_or_default()
        .max(3);
    let line = |part: &Part| match *part {
        Part::Entry(at) => entry(report, &report.entries[at], width),
        Part::Counted { times } => format!("{:>12}  … and {times} times more, until", ""),
        Part::Again { lines, times, last } => again(&report.entries[last], lines, times),
    };
    if parts.len() <= MAX_LINES {
        lines.extend(parts.iter().map(line));
    } else {
        let tail = MAX_LINES - FIRST_LINES;
        lines.extend(parts[..FIRST_LINES].iter().map(line));
        lines.push(format!(
            "{:>12}  … {} lines are left out; `--output json` has them",
            "",
            parts.len() - MAX_LINES
        ));
        lines.extend(parts[parts.len() - tail..].iter().map(line));
    }
    if report.omitted > 0 {
        lines.push(format!(
            "{:>12}  … {} more things happened after that; the totals contain them",
            "", report.omitted
        ));
    }
    if report.ended == Ended::TooMuch {
        lines.push(format!(
            "{:>12}  … so much happens that the simulation was stopped here",
            clock(report.simulated)
        ));
    }
    format!("{}\n\n{}", lines.join("\n"), to_chart(report))
}

/// The chart and the totals alone.
pub fn to_chart(report: &Report) -> String {
    format!("{}\n{}", chart::draw(report), totals(report))
}

fn entry(report: &Report, entry: &Entry, width: usize) -> String {
    let mut line = format!(
        "{:>12}  {:width$}  {}",
        clock(entry.at),
        report.subject(entry.container),
        printable(&entry.text)
    );
    if let Some((streak, threshold)) = entry.streak {
        line.push_str(&format!(" ({streak} of {threshold})"));
    }
    if entry.times > 1 {
        line.push_str(&format!(", {} times until {}", entry.times, clock(entry.last)));
    }
    if !entry.note.is_empty() {
        line.push_str(&if entry.note.starts_with('→') {
            format!(" {}", entry.note)
        } else {
            format!(" ({})", entry.note)
        });
    }
    line
}

fn again(last: &Entry, lines: usize, times: usize) -> String {
    let what = if lines == 1 {
        "this happens".to_owned()
    } else {
        format!("these {lines} lines happen")
    };
    let often = if times == 1 {
        "once more".to_owned()
    } else {
        format!("{times} times more")
    };
    let note = if last.note.is_empty() || last.note.starts_with('→') {
        String::new()
    } else {
        format!(" ({})", last.note)
    };
    format!("{:>12}  ↻ {what} {often}, until {}{note}", "", clock(last.last))
}

/// What a script says cannot break the terminal.
fn printable(text: &str) -> String {
    text.chars()
        .map(|letter| if letter.is_control() { '\u{fffd}' } else { letter })
        .collect()
}

fn totals(report: &Report) -> String {
    let pod = &report.pod;
    let mut text = format!("Pod {}, {} of its life: ", report.name, text(pod.lived));
    text.push_str(&match report.restarts() {
        0 => "no restart".to_owned(),
        1 => "1 restart".to_owned(),
        more => format!("{more} restarts"),
    });
    text.push('\n');
    let mut rows = vec![row("ready", pod.ready, pod.lived, "")];
    let before = if pod.ready.is_zero() || pod.before_ready.is_zero() {
        String::new()
    } else {
        format!(
            "of it {} before it was ready for the first time",
            crate::duration::text(pod.before_ready)
        )
    };
    rows.push(row("not ready", pod.unready, pod.lived, &before));
    if !pod.unable.is_zero() {
        rows.push(row("ready, unable to work", pod.unable, pod.lived, "requests failed"));
    }
    if !pod.idle.is_zero() {
        rows.push(row(
            "able to work, not ready",
            pod.idle,
            pod.lived,
            "it could have taken requests",
        ));
    }
    let many = report.containers.len() > 1;
    for container in &report.containers {
        let restarts = if many {
            format!("{} restarts", container.restarts)
        } else {
            String::new()
        };
        let down = if many {
            format!("{} not running", container.name)
        } else {
            "not running".to_owned()
        };
        if !container.down.is_zero() || container.restarts > 0 && many {
            rows.push(row(&down, container.down, pod.lived, &restarts));
        }
        let stopping = if many {
            format!("{} stopping", container.name)
        } else {
            "stopping".to_owned()
        };
        if !container.stopping.is_zero() {
            rows.push(row(&stopping, container.stopping, pod.lived, ""));
        }
    }
    let widths = [0, 1, 2].map(|column| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    });
    for row in &rows {
        let line = format!(
            "  {:first$}  {:>second$}  {:>third$}  {}",
            row[0],
            row[1],
            row[2],
            row[3],
            first = widths[0],
            second = widths[1],
            third = widths[2],
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(name: &str, time: Duration, of: Duration, note: &str) -> [String; 4] {
    let share = time.as_secs_f64() / of.as_secs_f64().max(f64::MIN_POSITIVE) * 100.0;
    [name.to_owned(), text(time), format!("{share:.1} %"), note.to_owned()]
}
