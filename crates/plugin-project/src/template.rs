//! What a new project consists of.

use crate::{Kind, Language, component::WORLD, sdk};

/// A file of a project: its path in the project's folder, and its content.
pub(crate) type File = (String, String);

/// A file of the templates.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../templates/", $path))
    };
}

/// The contract, what stands beside it, and those parts of WASI that connections are made with.
const WIT: [(&str, &str); 5] = [
    ("wit/deps/probelet.wit", include_str!("../../../wit/0.1.0/plugin.wit")),
    ("wit/deps/tls.wit", include_str!("../../../wit/tls/0.1.0/tls.wit")),
    ("wit/deps/clocks.wit", include_str!("../wit/clocks.wit")),
    ("wit/deps/io.wit", include_str!("../wit/io.wit")),
    ("wit/deps/sockets.wit", include_str!("../wit/sockets.wit")),
];

/// What sets a project apart from others.
pub(crate) struct Wishes<'a> {
    /// Its name, which [`crate::name::check`] has let pass.
    pub(crate) name: &'a str,
    pub(crate) language: Language,
    pub(crate) kind: Kind,
}

/// All files of a project.
pub(crate) fn files(wishes: &Wishes<'_>) -> Vec<File> {
    let mut files = common(wishes.kind);
    files.extend(of_language(wishes.language, wishes.kind));
    if wishes.language != Language::Rust {
        files.push(("wit/world.wit", template!("common/world.wit")));
        files.extend(WIT);
    }
    let fill = |(path, content): (&str, &str)| (path.to_owned(), fill(content, wishes));
    let mut files: Vec<File> = files.into_iter().map(fill).collect();
    if wishes.language == Language::Rust {
        files.extend(sdk::files());
    }
    files
}

type Template = (&'static str, &'static str);

fn common(kind: Kind) -> Vec<Template> {
    let mut files = vec![
        ("plugin.yaml", template!("common/plugin.yaml")),
        ("README.md", template!("common/README.md")),
        (".gitignore", template!("common/gitignore")),
    ];
    files.extend(match kind {
        Kind::Probe => vec![
            ("pod.yaml", template!("common/probe-pod.yaml")),
            ("cases/answers.yaml", template!("common/probe-answers.yaml")),
            ("cases/refuses.yaml", template!("common/probe-refuses.yaml")),
        ],
        Kind::Hook => vec![
            ("pod.yaml", template!("common/hook-pod.yaml")),
            ("cases/answers.yaml", template!("common/hook-answers.yaml")),
            ("cases/refuses.yaml", template!("common/hook-refuses.yaml")),
        ],
    });
    files
}

fn of_language(language: Language, kind: Kind) -> Vec<Template> {
    let choose = |probe, hook| match kind {
        Kind::Probe => probe,
        Kind::Hook => hook,
    };
    let helper = [
        ("probelet.h", template!("c/probelet.h")),
        ("probelet.c", template!("c/probelet.c")),
    ];
    match language {
        Language::Rust => vec![
            ("Cargo.toml", template!("rust/Cargo.toml")),
            choose(
                ("src/lib.rs", template!("rust/probe.rs")),
                ("src/lib.rs", template!("rust/hook.rs")),
            ),
        ],
        Language::C => {
            let [header, source] = helper;
            let check = choose(("check.c", template!("c/probe.c")), ("hook.c", template!("c/hook.c")));
            vec![check, header, source]
        }
        Language::Zig => {
            let [header, source] = helper;
            let check = choose(
                ("check.zig", template!("zig/probe.zig")),
                ("hook.zig", template!("zig/hook.zig")),
            );
            vec![check, ("probelet.zig", template!("zig/probelet.zig")), header, source]
        }
        Language::Go => vec![
            choose(
                ("check.go", template!("go/probe.go")),
                ("hook.go", template!("go/hook.go")),
            ),
            ("probelet/probelet.go", template!("go/probelet.go")),
            ("go.mod", template!("go/go.mod")),
        ],
        Language::Python => vec![
            choose(
                ("check.py", template!("python/probe.py")),
                ("hook.py", template!("python/hook.py")),
            ),
            ("probelet.py", template!("python/probelet.py")),
            ("requirements.txt", template!("python/requirements.txt")),
        ],
        Language::JavaScript => vec![
            choose(
                ("check.js", template!("javascript/probe.js")),
                ("hook.js", template!("javascript/hook.js")),
            ),
            ("probelet.js", template!("javascript/probelet.js")),
            ("package.json", template!("javascript/package.json")),
        ],
    }
}

/// What Go's generated bindings need beside them: the same in every project but for its name.
pub(crate) fn go_bindings(name: &str, kind: Kind) -> Vec<File> {
    let export = match kind {
        Kind::Probe => (
            "export_probelet_plugin_probe/export.go",
            template!("go/bindings/export_probe.go"),
        ),
        Kind::Hook => (
            "export_probelet_plugin_hook/export.go",
            template!("go/bindings/export_hook.go"),
        ),
    };
    let files = [
        export,
        (
            "wit/runtime/runtime.go",
            template!("go/bindings/wit/runtime/runtime.go"),
        ),
        ("wit/types/types.go", template!("go/bindings/wit/types/types.go")),
    ];
    files
        .map(|(path, content)| (path.to_owned(), content.replace("{{name}}", name)))
        .to_vec()
}

/// Puts a project's own words in place of the templates'.
fn fill(template: &str, wishes: &Wishes<'_>) -> String {
    let (kind, source) = match wishes.kind {
        Kind::Probe => ("probe", "check"),
        Kind::Hook => ("hook", "hook"),
    };
    let source = match wishes.language {
        Language::Rust => "src/lib.rs".to_owned(),
        Language::C => format!("{source}.c"),
        Language::Go => format!("{source}.go"),
        Language::Python => format!("{source}.py"),
        Language::JavaScript => format!("{source}.js"),
        Language::Zig => format!("{source}.zig"),
    };
    template
        .replace("{{name}}", wishes.name)
        .replace("{{language}}", &wishes.language.title().to_lowercase())
        .replace("{{title}}", wishes.language.title())
        .replace("{{kind}}", kind)
        .replace("{{source}}", &source)
        .replace("{{world}}", WORLD)
        .replace("{{remedy}}", wishes.language.tool().remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::Description;

    fn each() -> impl Iterator<Item = (Language, Kind, Vec<File>)> {
        let kinds = [Kind::Probe, Kind::Hook];
        let all = Language::ALL
            .into_iter()
            .flat_map(move |language| kinds.map(|kind| (language, kind)));
        all.map(|(language, kind)| {
            let wishes = Wishes {
                name: "redis-ping",
                language,
                kind,
            };
            (language, kind, files(&wishes))
        })
    }

    #[test]
    fn each_project_is_whole_and_describes_itself() {
        for (language, kind, files) in each() {
            let find = |name: &str| files.iter().find(|(path, _)| path == name).map(|(_, content)| content);
            let description = Description::parse(find("plugin.yaml").expect("plugin.yaml")).expect("a description");
            assert_eq!((description.language, description.kind), (language, kind));
            assert_eq!(description.name, "redis-ping");
            for name in ["README.md", "pod.yaml", "cases/answers.yaml", ".gitignore"] {
                assert!(find(name).is_some(), "{language} {kind:?}: {name}");
            }
            for (path, content) in files.iter().filter(|(path, _)| !path.starts_with("sdk/")) {
                for part in content.split("{{").skip(1) {
                    let rest = part.trim_start_matches(|letter: char| letter.is_ascii_lowercase());
                    assert!(!rest.starts_with("}}"), "{language}: {path}: {{{{{part}");
                }
                assert!(content.ends_with('\n'), "{language}: {path}");
            }
        }
    }

    #[test]
    fn a_check_is_short_in_every_language() {
        for (language, kind, files) in each() {
            let is_check =
                |path: &str| ["check.", "hook."].iter().any(|stem| path.starts_with(stem)) || path == "src/lib.rs";
            let (path, content) = files.iter().find(|(path, _)| is_check(path)).expect("a check");
            let lines = content.lines().count();
            assert!(lines < 30, "{language} {kind:?}: {path} has {lines} lines");
        }
    }
}
