//! What has to be done to build a project, as a pure function of what it is: nothing is looked at and nothing is run.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use crate::{Kind, Language, component::WORLD, project::Description};

/// The folder of what is generated, below the project's.
pub(crate) const BINDINGS: &str = "build/bindings";

/// A command, to be run in the project's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandLine {
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, &'static str)>,
}

/// Which bindings have to be written before the command is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bindings {
    /// The language's own tool makes them, or its SDK has them.
    None,
    C,
    Go,
}

/// What the command makes, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Product {
    Component(PathBuf),
    /// A core module, of which a component has to be made.
    Module(PathBuf),
}

impl Product {
    /// Where it is, below the project's folder.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Product::Component(path) | Product::Module(path) => path,
        }
    }
}

/// How a project is built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) bindings: Bindings,
    pub(crate) command: CommandLine,
    pub(crate) product: Product,
    /// Whether the product of the last run has to be there for the next: cargo makes it again only if it is not fresh.
    pub(crate) stays: bool,
}

/// Plans the building of a project with a program that compiles its language.
pub(crate) fn plan(description: &Description, program: &Path) -> Plan {
    let stem = match description.kind {
        Kind::Probe => "check",
        Kind::Hook => "hook",
    };
    let module = Product::Module(MODULE.into());
    let component = Product::Component(COMPONENT.into());
    let mut environment = Vec::new();
    let (bindings, arguments, product) = match description.language {
        Language::Rust => (Bindings::None, rust(), Product::Component(RUST_COMPONENT.into())),
        Language::C => (Bindings::C, c(stem, description.kind), module),
        Language::Zig => (Bindings::C, zig(stem, description.kind), module),
        Language::Go => {
            // The versions are those of the machine: nothing is fetched, and no other compiler is taken.
            environment = vec![("GOOS", "wasip1"), ("GOARCH", "wasm"), ("GOTOOLCHAIN", "local")];
            (Bindings::Go, go(), module)
        }
        Language::Python => (Bindings::None, python(stem), component),
        Language::JavaScript => (Bindings::None, javascript(stem), component),
    };
    Plan {
        bindings,
        command: CommandLine {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(OsString::from).collect(),
            environment,
        },
        product,
        stays: description.language == Language::Rust,
    }
}

// What compilers make. No plugin can be called so, since none has an underscore in its name: its component, which stays
// until there is a new one, is another file.
const MODULE: &str = "build/raw_module.wasm";
const COMPONENT: &str = "build/raw_component.wasm";

const RUST_COMPONENT: &str = "build/cargo/wasm32-wasip2/release/plugin.wasm";

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

fn rust() -> Vec<String> {
    words("build --release --target wasm32-wasip2 --target-dir build/cargo")
}

/// How C is compiled for both languages that consist of it.
fn c_flags(kind: Kind) -> String {
    let define = match kind {
        Kind::Probe => "",
        Kind::Hook => "-DPROBELET_HOOK",
    };
    format!("-Oz -Wall -Wextra -I. -I{BINDINGS} {define}")
}

const C_SOURCES: [&str; 3] = [
    "probelet.c",
    "build/bindings/plugin.c",
    "build/bindings/plugin_component_type.o",
];

fn c(stem: &str, kind: Kind) -> Vec<String> {
    let flags = c_flags(kind);
    let sources = C_SOURCES.join(" ");
    // A module without `main`, whose functions the host calls.
    words(&format!(
        "cc -target wasm32-wasi -mexec-model=reactor {flags} -s -o {MODULE} {stem}.c {sources}"
    ))
}

fn zig(stem: &str, kind: Kind) -> Vec<String> {
    let flags = c_flags(kind);
    let sources = C_SOURCES.join(" ");
    // Zig's usual stack alone, of 16 MiB, would be half of the memory that a plugin may have.
    words(&format!(
        "build-exe -target wasm32-wasi -mexec-model=reactor -O ReleaseSmall -fstrip --stack 262144 -lc -I. -I{BINDINGS} \
         -femit-bin={MODULE} {stem}.zig -cflags {flags} -- {sources}"
    ))
}

fn go() -> Vec<String> {
    let mut arguments = words(&format!("build -buildmode=c-shared -trimpath -o {MODULE}"));
    arguments.push("-ldflags=-s -w".to_owned());
    arguments.push(format!("./{BINDINGS}"));
    arguments
}

fn python(stem: &str) -> Vec<String> {
    words(&format!(
        "--quiet --wit-path wit --world {WORLD} componentize {stem} --python-path . --output {COMPONENT}"
    ))
}

fn javascript(stem: &str) -> Vec<String> {
    words(&format!(
        "--wit wit --world {WORLD} --js {stem}.js --module-root . --sync --output {COMPONENT}"
    ))
}

impl fmt::Display for CommandLine {
    /// As one would type it.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.environment {
            write!(formatter, "{name}={value} ")?;
        }
        write!(formatter, "{}", self.program.display())?;
        for argument in &self.arguments {
            let argument = argument.to_string_lossy();
            match argument.contains(' ') {
                true => write!(formatter, " '{argument}'")?,
                false => write!(formatter, " {argument}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn description(language: Language, kind: Kind) -> Description {
        Description {
            name: "ping".to_owned(),
            language,
            kind,
        }
    }

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let plan = plan(&description(Language::Go, Kind::Probe), Path::new("/usr/bin/go"));
        assert_eq!(
            plan.command.to_string(),
            "GOOS=wasip1 GOARCH=wasm GOTOOLCHAIN=local /usr/bin/go build -buildmode=c-shared -trimpath -o \
             build/raw_module.wasm '-ldflags=-s -w' ./build/bindings"
        );
        assert_eq!(plan.bindings, Bindings::Go);
    }

    #[test]
    fn everything_is_made_below_the_folder_build() {
        for language in Language::ALL {
            for (kind, stem) in [(Kind::Probe, "check"), (Kind::Hook, "hook")] {
                let plan = plan(&description(language, kind), Path::new("compiler"));
                assert!(plan.product.path().starts_with("build"), "{plan:?}");
                let names_it = plan.command.to_string().contains(stem);
                let finds_it = matches!(language, Language::Rust | Language::Go);
                assert!(names_it || finds_it, "{plan:?}");
            }
        }
    }

    #[test]
    fn only_a_hook_is_compiled_as_one() {
        for language in [Language::C, Language::Zig] {
            let command = |kind| plan(&description(language, kind), Path::new("zig")).command.to_string();
            assert!(command(Kind::Hook).contains("-DPROBELET_HOOK"));
            assert!(!command(Kind::Probe).contains("-DPROBELET_HOOK"));
        }
    }
}
