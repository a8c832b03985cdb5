//! The engine's view of containers and of pods' networks: the engine knows neither crate.

use std::{io, path::Path, sync::Arc, time::Instant};

use futures::future::BoxFuture;
use probelet_container::{Container, ExecRequest};
use probelet_engine::{ContainerExec, ExecError, ExecOutput, NetworkNamespace};
use probelet_network::NamespaceHandle;

/// Commands in one instance of a container; `None` if it has ended.
pub(crate) struct ExecIn(pub(crate) Option<Container>);

impl ContainerExec for ExecIn {
    fn exec(
        &self,
        command: Vec<String>,
        deadline: Instant,
        max_output: usize,
    ) -> BoxFuture<'static, Result<ExecOutput, ExecError>> {
        let container = self.0.clone();
        Box::pin(async move {
            let container = container.ok_or(ExecError::NotRunning)?;
            let request = ExecRequest {
                command,
                deadline,
                max_output_bytes: max_output,
            };
            match container.exec(request).await {
                Ok(output) => Ok(ExecOutput {
                    exit_code: output.exit_code,
                    stdout: output.stdout,
                    stderr: output.stderr,
                    truncated: output.truncated,
                }),
                Err(probelet_container::ExecError::DeadlineExceeded) => Err(ExecError::DeadlineExceeded),
                Err(probelet_container::ExecError::NotRunning { .. }) => Err(ExecError::NotRunning),
                Err(error) => Err(ExecError::Host {
                    reason: error.to_string(),
                }),
            }
        })
    }
}

/// A pod's network namespace.
pub(crate) struct PodNamespace(pub(crate) NamespaceHandle);

impl NetworkNamespace for PodNamespace {
    fn run(&self, section: &mut dyn FnMut()) -> io::Result<()> {
        let entered = self.0.enter()?;
        section();
        drop(entered);
        Ok(())
    }
}

/// The namespace that is pinned at `path`, as the engine takes it.
pub(crate) fn namespace(path: &Path) -> io::Result<Arc<dyn NetworkNamespace>> {
    Ok(Arc::new(PodNamespace(NamespaceHandle::open(path)?)))
}
