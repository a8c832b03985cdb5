//! `docs/kubernetes.md`: what becomes of each point of the kubelet's behaviour, from `data/kubernetes-points.txt` and from
//! the names of the project's tests. `UPDATE_DOCS=1` writes it anew.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const POINTS: &str = include_str!("data/kubernetes-points.txt");

const HEAD: &str = "# Kubernetes, point by point

probelet follows the kubelet of Kubernetes 1.36. Its behaviour has been taken apart into points; each has a row here, with \
                    the tests that hold the project to it, or what is done instead ([deviations.md](deviations.md) says \
                    more), or why there is nothing to follow. This page is made from the tests' own names: `a3_15_…` \
                    belongs to A3.15. A point without a row fails the build.

";

/// What may stand behind a point's title.
const KINDS: [&str; 4] = ["tests", "deviates", "not applicable", "open"];

/// One point.
struct Point {
    id: String,
    title: String,
    /// By kind.
    more: BTreeMap<String, String>,
}

/// A part of the list, such as `A1 Defaults and validation`.
struct Section {
    title: String,
    points: Vec<Point>,
}

fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in POINTS.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(title) = line.strip_prefix("## ") {
            let (title, points) = (title.to_owned(), Vec::new());
            sections.push(Section { title, points });
        } else if !line.starts_with('#') {
            let last = sections.last_mut().expect("a point stands in a section");
            last.points.push(point(line));
        }
    }
    sections
}

fn point(line: &str) -> Point {
    let mut columns = line.splitn(3, '|').map(str::trim);
    let mut next = || {
        columns
            .next()
            .unwrap_or_else(|| panic!("ID | title | more: {line}"))
            .to_owned()
    };
    let (id, title, rest) = (next(), next(), next());
    let mut more: Vec<(String, String)> = Vec::new();
    for piece in rest.split("; ").filter(|piece| !piece.is_empty()) {
        match piece.split_once(": ").filter(|(kind, _)| KINDS.contains(kind)) {
            Some((kind, text)) => more.push((kind.to_owned(), text.to_owned())),
            // The semicolon belongs to the text.
            None => {
                let last = more.last_mut().unwrap_or_else(|| panic!("KIND: text: {line}"));
                last.1.push_str("; ");
                last.1.push_str(piece);
            }
        }
    }
    Point {
        id,
        title,
        more: more.into_iter().collect(),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The names of all tests of the project.
fn tests() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for folder in ["crates", "tests"] {
        read_folder(&root().join(folder), &mut names);
    }
    names
}

fn read_folder(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            read_folder(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            read_file(&fs::read_to_string(&path).unwrap(), names);
        }
    }
}

fn read_file(text: &str, names: &mut BTreeSet<String>) {
    let mut is_test = false;
    for line in text.lines().map(str::trim_start) {
        is_test |= line.starts_with("#[test") || line.starts_with("#[tokio::test");
        let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some(name) = name.and_then(|rest| rest.split('(').next()) {
            if is_test {
                names.insert(name.to_owned());
            }
            is_test = false;
        }
    }
}

/// The points that a test's name begins with, such as `b4_1_b4_3_…`.
fn points_of(name: &str) -> Vec<String> {
    let mut parts = name.split('_');
    let mut points = Vec::new();
    while let (Some(section), Some(number)) = (parts.next(), parts.next()) {
        let letter = section.chars().next().filter(|letter| ('a'..='c').contains(letter));
        let is_number = |text: &str| !text.is_empty() && text.chars().all(|digit| digit.is_ascii_digit());
        let is_point = is_number(number.strip_suffix('b').unwrap_or(number));
        match letter {
            Some(letter) if is_number(&section[1..]) && is_point => {
                points.push(format!("{}{}.{number}", letter.to_ascii_uppercase(), &section[1..]));
            }
            _ => break,
        }
    }
    points
}

/// What stands in a point's row; an error if there is nothing to say.
fn row(point: &Point, by_name: &[&String], tests: &BTreeSet<String>) -> Result<String, String> {
    let named = point.more.get("tests").map(String::as_str).unwrap_or_default();
    let named: Vec<_> = named.split(", ").filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = named.iter().find(|name| !tests.contains(**name)) {
        return Err(format!("{}: there is no test {unknown}", point.id));
    }
    let all: BTreeSet<_> = by_name.iter().map(|name| name.as_str()).chain(named).collect();
    let mut parts: Vec<_> = KINDS[1..]
        .iter()
        .filter_map(|kind| Some(format!("**{kind}:** {}", point.more.get(*kind)?)))
        .collect();
    if !all.is_empty() {
        let all: Vec<_> = all.into_iter().map(|name| format!("`{name}`")).collect();
        parts.push(all.join(", "));
    }
    if parts.is_empty() {
        return Err(format!("{}: no test, no deviation, no reason why not", point.id));
    }
    Ok(format!("| {} | {} | {} |\n", point.id, point.title, parts.join("; ")))
}

#[test]
fn every_point_has_a_row_and_the_page_is_up_to_date() {
    let (tests, sections) = (tests(), sections());
    let mut by_point: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for name in &tests {
        for point in points_of(name) {
            by_point.entry(point).or_default().push(name);
        }
    }
    let (mut page, mut faults) = (HEAD.to_owned(), Vec::new());
    let (mut counts, mut rows) = (BTreeMap::new(), String::new());
    for section in &sections {
        write!(
            rows,
            "## {}\n\n| | Kubernetes | here |\n| --- | --- | --- |\n",
            section.title
        )
        .unwrap();
        for point in &section.points {
            let named = by_point.remove(&point.id).unwrap_or_default();
            match row(point, &named, &tests) {
                Ok(row) => rows.push_str(&row),
                Err(fault) => faults.push(fault),
            }
            let kind = KINDS[1..].iter().rfind(|kind| point.more.contains_key(**kind));
            *counts.entry(*kind.unwrap_or(&KINDS[0])).or_insert(0) += 1;
        }
        rows.push('\n');
    }
    faults.extend(
        by_point
            .keys()
            .map(|point| format!("{point}: a test names it, and there is no such point")),
    );
    assert!(
        faults.is_empty(),
        "in tests/data/kubernetes-points.txt:\n{}",
        faults.join("\n")
    );
    let count = |kind: &str| counts.get(kind).copied().unwrap_or(0);
    let all: i32 = counts.values().sum();
    let (deviates, not_applicable, open) = (count("deviates"), count("not applicable"), count("open"));
    writeln!(
        page,
        "Of {all} points {deviates} are done differently on purpose, {not_applicable} do not apply, {open} are open.\n"
    )
    .unwrap();
    page.push_str(rows.trim_end());
    page.push('\n');
    let path = root().join("docs/kubernetes.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page).unwrap();
    } else {
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == page,
            "docs/kubernetes.md is out of date; UPDATE_DOCS=1 cargo test -p probelet-lifecycle --test kubernetes_points"
        );
    }
}

#[test]
fn the_list_of_points_has_no_gap() {
    for section in sections() {
        let prefix = section.title.split(' ').next().unwrap().to_owned();
        let numbers = section.points.iter().map(|point| {
            let number = point
                .id
                .strip_prefix(&format!("{prefix}."))
                .expect("it stands in its section");
            number.trim_end_matches('b').parse::<usize>().unwrap()
        });
        let mut numbers: Vec<_> = numbers.collect();
        numbers.dedup();
        assert_eq!(numbers, (1..=numbers.len()).collect::<Vec<_>>(), "{prefix}");
    }
}

#[test]
fn points_are_read_from_names() {
    assert_eq!(points_of("b4_1_b4_3_in_order"), ["B4.1", "B4.3"]);
    assert_eq!(points_of("a3_8b_quiet"), ["A3.8b"]);
    for other in ["f31_a_failure", "a_state_of_the_middle", "c_2", "b5_rules"] {
        assert!(points_of(other).is_empty(), "{other}");
    }
}
