//! The chart as a picture. SVG is text, and these few elements need no library.

use std::{fmt::Write, time::Duration};

use crate::{
    chart::MARKS,
    duration::text,
    lane::{Lane, Stage},
    report::Report,
};

/// Sizes in pixels.
const LEFT: u32 = 130;
const CHART: u32 = 720;
const RIGHT: u32 = 30;
const TOP: u32 = 40;
const LANE: u32 = 34;
const BAR: u32 = 18;

/// Times on the axis.
const TICKS: u32 = 6;

/// The longest name beside a lane.
const MAX_NAME: usize = 18;

/// The most marks of a lane: more than columns could not be told apart.
const MAX_MARKS: usize = CHART as usize;

fn colour(stage: Stage) -> &'static str {
    match stage {
        Stage::Ready => "#2e9e5b",
        Stage::Unready => "#f0b429",
        Stage::Stopping => "#8e7cc3",
        Stage::Down => "#d64545",
        Stage::Ended => "#d9d9d9",
    }
}

/// A report's chart as an SVG document.
pub fn to_svg(report: &Report) -> String {
    let lanes = lanes(report);
    let count = u32::try_from(lanes.len()).unwrap_or(u32::MAX);
    let (width, height) = (LEFT + CHART + RIGHT, TOP + LANE * count + 60);
    let mut svg = String::new();
    let restarts = report.restarts();
    let title = format!(
        "Pod {}: {restarts} restart{}, not ready for {} of {}",
        report.name,
        if restarts == 1 { "" } else { "s" },
        text(report.pod.unready),
        text(report.pod.lived)
    );
    line(
        &mut svg,
        format_args!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\" role=\"img\">"
        ),
    );
    line(&mut svg, format_args!("<title>{}</title>", escape(&title)));
    line(
        &mut svg,
        format_args!("<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>"),
    );
    label(&mut svg, LEFT, 20, "start", &title);
    for (row, (name, lane, number)) in (0..count).zip(&lanes) {
        draw_lane(&mut svg, report, TOP + LANE * row, name, lane, *number);
    }
    draw_axis(&mut svg, report.simulated, TOP + LANE * count);
    draw_legend(&mut svg, TOP + LANE * count + 45);
    svg.push_str("</svg>\n");
    svg
}

fn lanes(report: &Report) -> Vec<(&str, &Lane, usize)> {
    let names = report.containers.iter().map(|container| container.name.as_str());
    let containers = names
        .zip(&report.lanes)
        .enumerate()
        .map(|(at, (name, lane))| (name, lane, at));
    containers
        .chain([("pod", &report.pod_lane, report.lanes.len())])
        .collect()
}

fn draw_lane(svg: &mut String, report: &Report, y: u32, name: &str, lane: &Lane, number: usize) {
    let short: String = name.chars().take(MAX_NAME).collect();
    label(svg, LEFT - 10, y + 14, "end", &short);
    // Neighbouring columns of one sort are one bar.
    let columns = lane.columns(report.simulated, CHART);
    let mut from = 0;
    for bar in columns.chunk_by(|one, other| one == other) {
        let width = u32::try_from(bar.len()).unwrap_or(CHART);
        if let Some(stage) = bar[0] {
            let x = LEFT + from;
            let fill = colour(stage);
            line(
                svg,
                format_args!("<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\" fill=\"{fill}\"/>"),
            );
        }
        from += width;
    }
    for (time, _, mark) in report.marks.iter().filter(|mark| mark.1 == number).take(MAX_MARKS) {
        let place = x(*time, report.simulated);
        let name = MARKS
            .iter()
            .find(|(known, _)| known == mark)
            .map_or("", |(_, name)| name);
        line(
            svg,
            format_args!(
                "<path d=\"M{place} {} l-3 6 h6 z\" fill=\"#333333\"><title>{name} at {}</title></path>",
                y + BAR + 1,
                text(*time)
            ),
        );
    }
}

fn draw_axis(svg: &mut String, end: Duration, y: u32) {
    line(
        svg,
        format_args!("<path d=\"M{LEFT} {y} h{CHART}\" stroke=\"#333333\"/>"),
    );
    for tick in 0..=TICKS {
        let place = LEFT + CHART * tick / TICKS;
        line(svg, format_args!("<path d=\"M{place} {y} v5\" stroke=\"#333333\"/>"));
        label(svg, place, y + 18, "middle", &text(end * tick / TICKS));
    }
}

fn draw_legend(svg: &mut String, y: u32) {
    let mut place = LEFT;
    for stage in Stage::ALL {
        let fill = colour(stage);
        line(
            svg,
            format_args!(
                "<rect x=\"{place}\" y=\"{}\" width=\"12\" height=\"12\" fill=\"{fill}\"/>",
                y - 10
            ),
        );
        label(svg, place + 17, y, "start", stage.name());
        place += 40 + 7 * u32::try_from(stage.name().len()).unwrap_or_default();
    }
    label(svg, place, y, "start", "▴ restart, deletion, loss of readiness");
}

fn x(time: Duration, end: Duration) -> u32 {
    let share = time.as_millis() * u128::from(CHART) / end.as_millis().max(1);
    LEFT + u32::try_from(share).unwrap_or(CHART).min(CHART)
}

fn label(svg: &mut String, x: u32, y: u32, anchor: &str, text: &str) {
    line(
        svg,
        format_args!(
            "<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"#333333\">{}</text>",
            escape(text)
        ),
    );
}

fn line(svg: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = svg.write_fmt(arguments);
    svg.push('\n');
}

/// A text as it may stand in XML. Control characters may not stand there at all.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => escaped.push('\u{fffd}'),
            letter if letter.is_control() => escaped.push('\u{fffd}'),
            letter => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_in_xml_is_escaped() {
        assert_eq!(
            escape("a<b>&\"c'\u{0}\n"),
            "a&lt;b&gt;&amp;&quot;c&#39;\u{fffd}\u{fffd}"
        );
    }
}
