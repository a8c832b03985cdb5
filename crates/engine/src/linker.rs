//! What is linked for which grants: an import that is not granted is not there.

use wasmtime::{
    Engine,
    component::{HasSelf, Linker},
};
use wasmtime_wasi::{
    WasiView,
    cli::{WasiCli, WasiCliView},
    filesystem::{WasiFilesystem, WasiFilesystemView},
    p2::bindings::{cli, filesystem, random, sockets},
    random::WasiRandom,
    sockets::{WasiSockets, WasiSocketsView},
};

use crate::{
    Grants,
    bindings::probelet::plugin::{container_exec, context},
    network,
    state::RunState,
};

/// Which of the grants a run has: there is one linker for each combination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) exec: bool,
    pub(crate) network: bool,
}

impl Shape {
    /// How many there are.
    pub(crate) const COUNT: usize = 4;
    /// Everything.
    pub(crate) const FULL: Self = Self {
        exec: true,
        network: true,
    };

    pub(crate) fn of(grants: &Grants) -> Self {
        Self {
            exec: grants.exec.is_some(),
            network: grants.network.is_some(),
        }
    }

    /// Below [`Self::COUNT`].
    pub(crate) fn index(self) -> usize {
        usize::from(self.exec) | usize::from(self.network) << 1
    }

    fn from_index(index: usize) -> Self {
        Self {
            exec: index & 1 != 0,
            network: index & 2 != 0,
        }
    }
}

/// The linkers, by [`Shape::index`].
pub(crate) fn linkers(engine: &Engine) -> wasmtime::Result<[Linker<RunState>; Shape::COUNT]> {
    let mut linkers = std::array::from_fn(|_| Linker::new(engine));
    for (index, linker) in linkers.iter_mut().enumerate() {
        link(linker, Shape::from_index(index))?;
    }
    Ok(linkers)
}

fn link(linker: &mut Linker<RunState>, shape: Shape) -> wasmtime::Result<()> {
    link_basics(linker)?;
    context::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    if shape.exec {
        container_exec::add_to_linker::<_, HasSelf<RunState>>(linker, RunState::called)?;
    }
    if shape.network {
        sockets::network::add_to_linker::<_, WasiSockets>(linker, &Default::default(), RunState::sockets)?;
        sockets::instance_network::add_to_linker::<_, WasiSockets>(linker, RunState::sockets)?;
        // Switched off, but toolchains import them unasked.
        sockets::udp::add_to_linker::<_, WasiSockets>(linker, RunState::sockets)?;
        sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(linker, RunState::sockets)?;
        network::add_to_linker(linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    }
    Ok(())
}

/// What every plugin has: clocks, io, random, its log. Standard libraries import files, environment and terminals as
/// well; there is nothing in them.
fn link_basics(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    random::insecure::add_to_linker::<_, WasiRandom>(linker, |state: &mut RunState| state.ctx().ctx.random())?;
    random::insecure_seed::add_to_linker::<_, WasiRandom>(linker, |state: &mut RunState| state.ctx().ctx.random())?;
    cli::environment::add_to_linker::<_, WasiCli>(linker, RunState::cli)?;
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
