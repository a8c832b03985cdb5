//! What the documentation shows of simulations is what they show. `UPDATE_SCENARIOS=1` writes it anew.
//!
//! A block between `<!-- chart: NAME -->` and `<!-- end -->` is made from the scenario of that name; so are pictures.

#![allow(clippy::unwrap_used)]

mod common;

use std::{fmt::Write, fs, path::PathBuf};

use probelet_simulate::{CONTAINER_PHRASES, POD_PHRASES, to_chart, to_svg, to_text};

const BEGIN: &str = "<!-- ";
const CLOSE: &str = " -->\n";
const END: &str = "<!-- end -->\n";

/// Where pictures lie, as pages refer to them.
const PICTURES: &str = "images/probes/";

/// Lines of a beginning: those of a short life.
const BEGINNING: usize = 12;

fn docs() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"))
}

fn made(marker: &str) -> String {
    let (what, name) = marker.split_once(": ").unwrap_or((marker, ""));
    match what {
        "pod" => format!("```yaml\n{}```\n", common::file(name, "pod.yaml")),
        "script" => format!("```yaml\n{}```\n", common::file(name, "script.yaml")),
        "chart" => format!("```text\n{}```\n", to_chart(&common::simulate(name))),
        "beginning" => {
            let text = to_text(&common::simulate(name));
            let first: String = text.split_inclusive('\n').take(BEGINNING).collect();
            format!("```text\n{first}              …\n```\n")
        }
        "all" => format!("```text\n{}```\n", to_text(&common::simulate(name))),
        "phrases of containers" => table(CONTAINER_PHRASES),
        "phrases of pods" => table(POD_PHRASES),
        "scenarios" => scenarios(),
        other => panic!("nothing is made from {other:?}"),
    }
}

fn table(phrases: &[(&str, &str)]) -> String {
    let mut text = String::from("| phrase | meaning |\n| --- | --- |\n");
    for (phrase, meaning) in phrases {
        writeln!(text, "| `{phrase}` | {meaning} |").unwrap();
    }
    text
}

/// Each scenario with what its manifest's first comment says.
fn scenarios() -> String {
    let mut text = String::from("| scenario | what it teaches |\n| --- | --- |\n");
    for name in common::scenario_names() {
        let pod = common::file(&name, "pod.yaml");
        let lesson: Vec<_> = pod.lines().map_while(|line| line.strip_prefix("# ")).collect();
        assert!(
            !lesson.is_empty(),
            "{name}/pod.yaml begins with a comment that says what it teaches"
        );
        writeln!(text, "| [{name}](../tests/scenarios/{name}) | {} |", lesson.join(" ")).unwrap();
    }
    text
}

/// The page with all blocks made anew.
fn renewed(page: &str) -> String {
    let (mut text, mut rest) = (String::new(), page);
    while let Some(begin) = rest.find(BEGIN) {
        let (before, tail) = rest.split_at(begin);
        let (marker, tail) = tail[BEGIN.len()..].split_once(CLOSE).unwrap();
        let (_, tail) = tail
            .split_once(END)
            .unwrap_or_else(|| panic!("{marker}: its end is missing"));
        write!(text, "{before}{BEGIN}{marker}{CLOSE}{}{END}", made(marker)).unwrap();
        rest = tail;
    }
    text + rest
}

/// Compares a file with what it should be, or writes it.
fn compare(path: &PathBuf, expected: &str) {
    if common::is_updating() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
    }
    let found = fs::read_to_string(path).unwrap_or_default();
    let name = path.display();
    assert!(
        found == expected,
        "{name} is stale: UPDATE_SCENARIOS=1 cargo test -p probelet-simulate writes it anew"
    );
}

#[test]
fn the_pages_show_what_simulations_show() {
    for page in ["probes.md", "simulate.md", "../README.md"] {
        let path = docs().join(page);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(BEGIN), "{page} shows nothing");
        compare(&path, &renewed(&text));
        for reference in text.split(&format!("]({PICTURES}")).skip(1) {
            let name = reference.split_once(".svg)").unwrap().0;
            compare(
                &docs().join(PICTURES).join(name).with_extension("svg"),
                &to_svg(&common::simulate(name)),
            );
        }
    }
}
