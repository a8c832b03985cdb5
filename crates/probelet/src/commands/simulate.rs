//! `probelet simulate`.

use std::{path::Path, process::ExitCode};

use anyhow::{anyhow, ensure};
use probelet_manifest::Pod;
use probelet_simulate::{Report, Script, USUAL_TIME, kubelet_traces, read_script, simulate, to_json, to_svg, to_text};
use serde_json::{Value, json};

use super::manifests;
use crate::{
    arguments::{DataFormat, Simulate, SimulationFormat},
    failure::Faults,
    output::{documents::print_document, print},
};

/// The version of the JSON; `docs/simulate.md` tells its form.
const VERSION: u32 = 1;

/// Simulates the pods of a manifest, or runs recorded cases.
pub(crate) fn run(command: &Simulate) -> anyhow::Result<ExitCode> {
    if let Some(file) = &command.kubelet_traces {
        return run_cases(file, command.output);
    }
    let file = command.file.as_ref().ok_or_else(|| anyhow!("name a manifest"))?;
    let pods = manifests::read(&[file])?;
    let script = match &command.script {
        Some(file) => {
            let name = file.display().to_string();
            read_script(&manifests::text(file)?, &name, &pods).map_err(Faults)?
        }
        None => Script::default(),
    };
    let pods = chosen(pods, command.pod.as_deref())?;
    let time = command.time.or(script.watch).unwrap_or(USUAL_TIME);
    if command.output == SimulationFormat::Svg {
        ensure!(
            pods.len() == 1,
            "a picture shows one pod: choose it with --pod, of {}",
            names(&pods)
        );
    }
    for pod in &pods {
        manifests::warn(&pod.warnings);
    }
    let reports: Vec<_> = pods.iter().map(|pod| simulate(pod, &script, time)).collect();
    show(&reports, command.output)?;
    Ok(ExitCode::SUCCESS)
}

/// The pod of this name, or all.
fn chosen(pods: Vec<Pod>, name: Option<&str>) -> anyhow::Result<Vec<Pod>> {
    let Some(name) = name else { return Ok(pods) };
    let known = names(&pods);
    let chosen: Vec<_> = pods.into_iter().filter(|pod| pod.metadata.name == name).collect();
    ensure!(
        !chosen.is_empty(),
        "there is no pod {name:?} in the manifest; there is {known}"
    );
    Ok(chosen)
}

fn names(pods: &[Pod]) -> String {
    let names: Vec<_> = pods.iter().map(|pod| pod.metadata.name.as_str()).collect();
    names.join(", ")
}

/// Prints reports.
pub(super) fn show(reports: &[Report], format: SimulationFormat) -> anyhow::Result<()> {
    match format {
        SimulationFormat::Text => print(&reports.iter().map(to_text).collect::<Vec<_>>().join("\n"))?,
        SimulationFormat::Svg => print(&reports.iter().map(to_svg).collect::<String>())?,
        SimulationFormat::Json => {
            let pods: Vec<_> = reports.iter().map(to_json).collect();
            print_document(&json!({ "version": VERSION, "pods": pods }), DataFormat::Json)?;
        }
    }
    Ok(())
}

/// Runs the kubelet's cases, and tells those that go otherwise here.
fn run_cases(file: &Path, format: SimulationFormat) -> anyhow::Result<ExitCode> {
    ensure!(
        format != SimulationFormat::Svg,
        "there is no picture of recorded cases: leave --output out, or say json"
    );
    let cases = kubelet_traces::read(&manifests::text(file)?);
    let cases = cases.map_err(|fault| anyhow!("{}: {fault}", file.display()))?;
    let found = cases
        .iter()
        .filter_map(|case| Some((case.name.as_str(), case.difference()?)));
    let found: Vec<_> = found.collect();
    if format == SimulationFormat::Json {
        let differing = found
            .iter()
            .map(|(name, difference)| json!({ "name": name, "difference": difference }));
        let differing: Vec<Value> = differing.collect();
        print_document(
            &json!({ "version": VERSION, "cases": cases.len(), "differing": differing }),
            DataFormat::Json,
        )?;
    } else {
        let mut text: String = found
            .iter()
            .map(|(name, difference)| format!("{name}: {difference}\n"))
            .collect();
        text.push_str(&format!(
            "{} cases, {} as in the kubelet, {} differ\n",
            cases.len(),
            cases.len() - found.len(),
            found.len()
        ));
        print(&text)?;
    }
    Ok(if found.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
