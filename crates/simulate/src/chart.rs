//! The chart in characters.

use std::time::Duration;

use crate::{
    duration::text,
    lane::{Lane, Stage, column},
    report::Report,
};

/// Columns of a chart: with a name before them they fit into a terminal of 80.
const COLUMNS: u32 = 60;

/// Columns between two times of the axis.
const TICK: u32 = 15;

/// The longest name that is shown before a lane.
const MAX_NAME: usize = 16;

fn character(stage: Stage) -> char {
    match stage {
        Stage::Ready => '█',
        Stage::Unready => '▒',
        Stage::Stopping => '░',
        Stage::Down => '·',
        Stage::Ended => ' ',
    }
}

/// What the marks mean, the graver first: where several fall into one column that one is shown.
pub(crate) const MARKS: [(char, &str); 3] = [('D', "deleted"), ('R', "restart"), ('!', "no longer ready")];

/// The lanes with their axis, and what the characters mean.
pub(crate) fn draw(report: &Report) -> String {
    let end = report.simulated;
    let names: Vec<String> = report
        .containers
        .iter()
        .map(|container| container.name.clone())
        .collect();
    let shown = |name: &str| name.chars().take(MAX_NAME).collect::<String>();
    let width = names
        .iter()
        .map(|name| shown(name).chars().count())
        .max()
        .unwrap_or_default()
        .max(4);
    let mut lines = vec![format!("{:width$}  {}", "", axis(end))];
    let mut lane = |name: &str, lane: &Lane, number: usize| {
        let columns = lane.columns(end, COLUMNS);
        let drawn: String = columns.iter().map(|stage| stage.map_or(' ', character)).collect();
        lines.push(format!("{:width$}  {}", shown(name), drawn.trim_end()));
        let marks = marks(report, number);
        if !marks.is_empty() {
            lines.push(format!("{:width$}  {marks}", ""));
        }
    };
    for (at, name) in names.iter().enumerate() {
        lane(name, &report.lanes[at], at);
    }
    let pod = report.containers.len();
    if pod > 1 || report.marks.iter().any(|mark| mark.1 == pod) {
        lane("pod", &report.pod_lane, pod);
    }
    lines.push(legend(report, width));
    lines.join("\n") + "\n"
}

/// A lane's marks, the gravest one of each column.
fn marks(report: &Report, lane: usize) -> String {
    let mut row = vec![' '; COLUMNS as usize];
    let rank = |mark: char| {
        MARKS
            .iter()
            .position(|(known, _)| *known == mark)
            .unwrap_or(MARKS.len())
    };
    for (time, _, mark) in report.marks.iter().filter(|(_, of, _)| *of == lane) {
        let cell = &mut row[column(*time, report.simulated, COLUMNS)];
        if rank(*mark) < rank(*cell) {
            *cell = *mark;
        }
    }
    row.into_iter().collect::<String>().trim_end().to_owned()
}

/// The times below which the columns stand.
fn axis(end: Duration) -> String {
    let mut axis = String::new();
    for column in (0..=COLUMNS).step_by(TICK as usize) {
        let time = end * column / COLUMNS;
        // Milliseconds of a tick tell nothing in a chart of minutes.
        let time = if end > Duration::from_secs(60) {
            Duration::from_secs(time.as_secs())
        } else {
            time
        };
        let label = text(time);
        let at = (column as usize).saturating_sub(if column == COLUMNS { label.chars().count() } else { 0 });
        let missing = at.saturating_sub(axis.chars().count());
        axis.extend(std::iter::repeat_n(' ', missing));
        axis.push_str(&label);
    }
    axis
}

/// What is to be seen, and no more.
fn legend(report: &Report, width: usize) -> String {
    let seen = |stage: &Stage| {
        let all = report.lanes.iter().chain([&report.pod_lane]);
        *stage != Stage::Ended
            && all
                .into_iter()
                .any(|lane| lane.parts(report.simulated).any(|part| part.2 == *stage))
    };
    let stages = Stage::ALL
        .into_iter()
        .filter(seen)
        .map(|stage| format!("{} {}", character(stage), stage.name()));
    let marked = |mark: char| report.marks.iter().any(|other| other.2 == mark);
    let marks = MARKS
        .into_iter()
        .filter(|(mark, _)| marked(*mark))
        .map(|(mark, name)| format!("{mark} {name}"));
    format!("{:width$}  {}", "", stages.chain(marks).collect::<Vec<_>>().join("   "))
}
