//! `probelet plugin test`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, bail, ensure};
use probelet_engine::{Engine, Plugin};
use probelet_plugin_case::{Case, CaseResult, junit, parse, report};
use probelet_plugin_project::Project;
use probelet_plugin_tools::run_case;
use serde_json::{Value, json};

use super::component::{engine, load_with};
use crate::{
    arguments::{DataFormat, PluginTest, Registries, TestFormat},
    commands::manifests::text,
    failure::Faults,
    output::{documents::print_document, print, printable},
};

/// Case files in one folder: with more of them they are better in several.
const MAX_FILES: usize = 1000;

/// A file with its cases.
struct CaseFile {
    path: PathBuf,
    cases: Vec<Case>,
}

/// Runs all cases, and ends with 1 if one has failed. A file that is none fails before any case is run.
pub(super) async fn run(command: &PluginTest, state_dir: &Path) -> anyhow::Result<ExitCode> {
    let files = read(&case_files(&command.folder)?)?;
    let mut components = Components {
        engine: engine()?,
        state_dir,
        registries: &command.registries,
        loaded: BTreeMap::new(),
    };
    let mut results = Vec::new();
    for file in &files {
        for case in &file.cases {
            let name = component(command, file, case)?;
            let plugin = components.get(&name).await?;
            results.push(run_case(&components.engine, &plugin, case, &file.path.display().to_string()).await);
        }
    }
    match command.output {
        None => print(&printable(&report(&results)))?,
        Some(TestFormat::Junit) => print(&junit(&results))?,
        Some(TestFormat::Json) => print_document(&document(&results), DataFormat::Json)?,
    }
    let failed = results.iter().any(|result| !result.is_passed());
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// The components of the cases, each loaded once.
struct Components<'a> {
    engine: Engine,
    state_dir: &'a Path,
    registries: &'a Registries,
    loaded: BTreeMap<String, Plugin>,
}

impl Components<'_> {
    async fn get(&mut self, name: &str) -> anyhow::Result<Plugin> {
        if let Some(plugin) = self.loaded.get(name) {
            return Ok(plugin.clone());
        }
        let loaded = load_with(&self.engine, name, self.state_dir, self.registries).await?;
        self.loaded.insert(name.to_owned(), loaded.plugin.clone());
        Ok(loaded.plugin)
    }
}

/// The YAML files of a folder, or of its folder `cases` if it has one; or the one file that was named.
fn case_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if folder.is_file() {
        return Ok(vec![folder.to_owned()]);
    }
    let cases = folder.join("cases");
    let folder = if cases.is_dir() { &cases } else { folder };
    let cannot = || format!("cannot read the folder {}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).with_context(cannot)? {
        let path = entry.with_context(cannot)?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_yaml && path.is_file() {
            files.push(path);
        }
        ensure!(
            files.len() <= MAX_FILES,
            "{} has more than {MAX_FILES} case files; put them into several folders",
            folder.display()
        );
    }
    if files.is_empty() {
        bail!(
            "there are no case files (*.yaml) in {}; `docs/plugins/tools.md` tells how to write one",
            folder.display()
        );
    }
    files.sort();
    Ok(files)
}

/// All files are read before the first case is run, so that all their faults are told at once.
fn read(paths: &[PathBuf]) -> anyhow::Result<Vec<CaseFile>> {
    let (mut files, mut faults) = (Vec::new(), Vec::new());
    for path in paths {
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        match parse(&text(path)?, &path.display().to_string(), &stem.unwrap_or_default()) {
            Ok(cases) => files.push(CaseFile {
                path: path.clone(),
                cases,
            }),
            Err(found) => faults.extend(found),
        }
    }
    if faults.is_empty() {
        Ok(files)
    } else {
        Err(Faults(faults).into())
    }
}

/// What a case is run with: the command line's component, else its own, which is relative to its file.
fn component(command: &PluginTest, file: &CaseFile, case: &Case) -> anyhow::Result<String> {
    if let Some(component) = &command.component {
        return Ok(component.clone());
    }
    let Some(own) = &case.component else {
        return built(&command.folder)?.with_context(|| {
            format!(
                "{}: the case names no component; add `component: ./NAME.wasm`, or give one with --component",
                file.path.display()
            )
        });
    };
    let is_relative = own.starts_with("./") || own.starts_with("../");
    match file.path.parent().filter(|_| is_relative) {
        Some(folder) => Ok(folder.join(own).display().to_string()),
        None => Ok(own.clone()),
    }
}

/// The component of the project in a folder, if it is one: `build/NAME.wasm`, of the name in its `plugin.yaml`.
fn built(folder: &Path) -> anyhow::Result<Option<String>> {
    let project = match Project::open(folder) {
        Err(probelet_plugin_project::Error::NoProject(_)) => return Ok(None),
        project => project?,
    };
    let component = project.component();
    ensure!(
        component.is_file(),
        "there is no component {}; build it first with `probelet plugin build {}`",
        component.display(),
        folder.display()
    );
    Ok(Some(component.display().to_string()))
}

fn document(results: &[CaseResult]) -> Value {
    let cases = results.iter().map(|result| {
        let differences = result.differences.iter();
        let differences = differences.map(|one| json!({ "path": one.path, "message": one.what }));
        json!({
            "file": result.file,
            "name": result.name,
            "passed": result.is_passed(),
            "differences": differences.collect::<Vec<_>>(),
            "log": result.log,
            "milliseconds": u64::try_from(result.time.as_millis()).unwrap_or(u64::MAX),
        })
    });
    let failed = results.iter().filter(|result| !result.is_passed()).count();
    json!({
        "passed": results.len() - failed,
        "failed": failed,
        "cases": cases.collect::<Vec<_>>(),
    })
}
