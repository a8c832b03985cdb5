//! Everything that a component can be linked with. One is run only if all that it imports is granted, so what is not
//! granted is never there.

use wasmtime::{
    Engine,
    component::{Component, HasSelf, Linker},
};
use wasmtime_wasi::{
    WasiView,
    cli::{WasiCli, WasiCliCtxView, WasiCliView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, filesystem, random, sockets},
    p3,
    random::WasiRandom,
    sockets::{WasiSockets, WasiSocketsView},
};

use crate::{
    Grants,
    bindings::probelet::plugin::{
        container_exec, container_files, container_logs, container_stats, context, state, types,
    },
    flavour::Flavour,
    network,
    state::RunState,
    uses::{Grant, lines_that_grant},
};

/// An import that takes a grant: how it begins, the grant, what it is for people, and the line that grants it.
struct Guarded {
    prefix: &'static str,
    grant: Grant,
    what: &'static str,
    line: &'static str,
}

const GUARDED: [Guarded; 8] = [
    Guarded {
        prefix: "probelet:plugin/container-exec@",
        grant: Grant::Exec,
        what: "commands in the container (probelet:plugin/container-exec)",
        line: "exec: true",
    },
    Guarded {
        prefix: "probelet:plugin/container-stats@",
        grant: Grant::Stats,
        what: "what the container uses (probelet:plugin/container-stats)",
        line: "stats: true",
    },
    Guarded {
        prefix: "probelet:plugin/container-logs@",
        grant: Grant::Logs,
        what: "the container's output (probelet:plugin/container-logs)",
        line: "logs: true",
    },
    Guarded {
        prefix: "probelet:plugin/container-files@",
        grant: Grant::Files,
        what: "the container's files (probelet:plugin/container-files)",
        line: "files: [\"/PATH\"]",
    },
    Guarded {
        prefix: network::BUILTIN_PREFIX,
        grant: Grant::Network,
        what: "the network (probelet:builtin)",
        line: "network: [\"HOST:PORT\"]",
    },
    Guarded {
        prefix: network::TLS_PREFIX,
        grant: Grant::Network,
        what: "the network (probelet:tls)",
        line: "network: [\"HOST:PORT\"]",
    },
    Guarded {
        prefix: "wasi:sockets/",
        grant: Grant::Network,
        what: "the network (wasi:sockets)",
        line: "network: [\"HOST:PORT\"]",
    },
    Guarded {
        prefix: "wasi:http/",
        grant: Grant::Network,
        what: "the network (wasi:http)",
        line: "network: [\"HOST:PORT\"]",
    },
];

/// Which grants a component's imports take.
pub(crate) struct Needs(Vec<&'static Guarded>);

impl Needs {
    pub(crate) fn of(component: &Component) -> Self {
        let component_type = component.component_type();
        let mut needs = Vec::new();
        for (name, _) in component_type.imports(component.engine()) {
            for guarded in &GUARDED {
                let is_new = needs.iter().all(|known: &&Guarded| known.grant != guarded.grant);
                if name.starts_with(guarded.prefix) && is_new {
                    needs.push(guarded);
                }
            }
        }
        Self(needs)
    }

    /// The grants.
    pub(crate) fn grants(&self) -> Vec<Grant> {
        self.0.iter().map(|guarded| guarded.grant).collect()
    }

    /// The first one that is missing, and what would grant it.
    pub(crate) fn missing(&self, grants: &Grants, plugin: &str) -> Option<(Grant, String)> {
        let is_granted = |grant| match grant {
            Grant::Exec => grants.exec.is_some(),
            Grant::Network => grants.network.is_some(),
            Grant::Stats => grants.stats.is_some(),
            Grant::Logs => grants.logs.is_some(),
            Grant::Files => grants.files.is_some(),
            Grant::Environment => true,
        };
        let missing = self.0.iter().find(|guarded| !is_granted(guarded.grant))?;
        let why = format!(
            "the plugin `{plugin}` needs {}, which it is not granted; {}",
            missing.what,
            lines_that_grant(missing.line)
        );
        Some((missing.grant, why))
    }
}

/// The linker of an engine.
pub(crate) fn linker(engine: &Engine, flavour: Flavour) -> wasmtime::Result<Linker<RunState>> {
    let mut linker = Linker::new(engine);
    link_basics(&mut linker)?;
    link_contract(&mut linker)?;
    link_network(&mut linker)?;
    if flavour == Flavour::Concurrent {
        link_concurrent(&mut linker)?;
    }
    Ok(linker)
}

/// WASI 0.3: the same again.
fn link_concurrent(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    p3::cli::add_to_linker(linker)?;
    p3::clocks::add_to_linker(linker)?;
    p3::filesystem::add_to_linker(linker)?;
    p3::random::add_to_linker(linker)?;
    network::add_concurrent_to_linker(linker)?;
    wasmtime_wasi_http::p3::add_to_linker(linker)?;
    // Again, for what is to be counted.
    linker.allow_shadowing(true);
    p3::bindings::cli::environment::add_to_linker::<_, WasiCli>(linker, environment)?;
    linker.allow_shadowing(false);
    Ok(())
}

fn link_contract(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    types::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    context::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    state::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    container_exec::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    container_stats::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    container_logs::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    container_files::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)
}

fn link_network(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    sockets::network::add_to_linker::<_, WasiSockets>(linker, &Default::default(), RunState::sockets)?;
    sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, RunState::sockets)?;
    network::add_to_linker(linker)
}

/// What every plugin has: clocks, io, random, its log. Standard libraries import files, environment and terminals as
/// well; there is nothing in them.
fn link_basics(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |state: &mut RunState| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state: &mut RunState| state.ctx().ctx.random())?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, environment)?;
    cli::exit::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(linker, RunState::filesystem)?;
    filesystem::types::add_to_linker::<_, WasiFilesystem>(linker, RunState::filesystem)?;
    Ok(())
}

fn environment(state: &mut RunState) -> WasiCliCtxView<'_> {
    state.read_environment();
    state.cli()
}
