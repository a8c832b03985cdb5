//! From a queued container to one that is shown as running (B1.1).

use crate::{
    action::{ActionId, Request},
    config::ContainerIndex,
    container::{Container, Live, PostStart, Stage},
    event::StartError,
    machine::Machine,
    messages::{bounded, normal, warning},
    state::Sandbox,
    status::Terminated,
};

/// The exit code of a container whose command could not be executed (B6.1).
const START_ERROR: i32 = 128;

impl Machine<'_> {
    /// Starts the first container in the queue whose turn it is, unless another is still starting (B1.1). The pod's end
    /// empties the queue for good (B3.5).
    pub(crate) fn start_next(&mut self) {
        self.initialize();
        let held = self.state.restarting_all || self.state.containers.iter().any(Container::holds_the_line);
        if self.state.sandbox != Sandbox::Ready || held {
            return;
        }
        let next = self
            .state
            .containers
            .iter()
            .enumerate()
            .position(|(at, container)| container.stage == Stage::Queued && self.may_start(at));
        if let Some(container) = next.map(ContainerIndex) {
            let action = self.request(Request::EnsureImage { container });
            self.container(container).stage = Stage::FetchingImage { action };
        }
    }

    pub(crate) fn container_started(&mut self, action: ActionId) {
        let Some(Request::StartContainer {
            container: index,
            instance,
        }) = self.answered(action)
        else {
            return;
        };
        let live = Live::new(instance, self.container_config(index), self.now);
        self.container(index).stage = Stage::Live(Box::new(live));
        self.record(normal(index, "Created", "Container created"));
        self.record(normal(index, "Started", "Container started"));
        if let Some(ending) = self.state.ending() {
            self.show(index);
            self.end_with_pod(index, ending);
        } else if self.state.restarting_all {
            self.show(index);
            self.end_to_restart(index);
        } else if let Some(hook) = &self.container_config(index).post_start {
            let timeout = hook.timeout;
            self.run_post_start(index, instance, timeout);
        } else {
            self.show(index);
        }
    }

    /// The instance is shown as running, and probed, from now on. The kubelet, too, shows nothing of it before its
    /// postStart hook has ended.
    pub(crate) fn show(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let container = self.container(index);
        if let Some(ended) = container.ended.take() {
            container.ended_before = Some(ended);
        }
        if let Some(live) = container.live_mut() {
            live.post_start = PostStart::Over;
            live.workers.iter_mut().for_each(|worker| worker.not_before(now));
        }
        self.changed();
    }

    pub(crate) fn start_failed(&mut self, action: ActionId, error: StartError, message: &str) {
        let Some(Request::StartContainer {
            container: index,
            instance,
        }) = self.answered(action)
        else {
            return;
        };
        if error == StartError::Run {
            self.record(normal(index, "Created", "Container created"));
        }
        self.record(warning(index, "Failed", format!("Error: {message}")));
        match error {
            StartError::Run => {
                let shown = Terminated {
                    exit_code: START_ERROR,
                    signal: None,
                    reason: "StartError".to_owned(),
                    message: bounded(message),
                    started_at: self.now.wall,
                    finished_at: self.now.wall,
                    instance,
                };
                self.ended(index, shown, None);
            }
            StartError::Config => self.not_created(index, "CreateContainerConfigError", message),
            StartError::Create => self.not_created(index, "CreateContainerError", message),
        }
    }

    fn not_created(&mut self, index: ContainerIndex, reason: &str, message: &str) {
        self.wait(index, reason, message);
        if self.state.ending().is_some() {
            self.finish(index);
        } else if self.state.restarting_all {
            self.await_restart(index);
        } else {
            self.retry(index);
        }
    }
}
