//! A container's image: there, or tried again with growing waits.

use crate::{
    action::{ActionId, Request},
    config::{BackOffConfig, ContainerIndex},
    container::Stage,
    event::ImageError,
    machine::Machine,
    messages::{normal, warning},
};

impl Machine<'_> {
    pub(crate) fn image_ready(&mut self, action: ActionId, message: String) {
        let Some(Request::EnsureImage { container }) = self.answered(action) else {
            return;
        };
        self.record(normal(container, "Pulled", message));
        let instance = self.container(container).next_instance();
        self.request(Request::StartContainer { container, instance });
        self.container(container).stage = Stage::Starting;
    }

    /// Whatever is wrong with the image, it is looked for again: it may be imported meanwhile.
    pub(crate) fn image_failed(&mut self, action: ActionId, error: ImageError, message: &str) {
        let Some(Request::EnsureImage { container }) = self.answered(action) else {
            return;
        };
        let image = self.container_config(container).image.clone();
        let (reason, event) = match error {
            ImageError::Pull => {
                let text = format!("Failed to pull image \"{image}\": {message}");
                ("ErrImagePull", warning(container, "Failed", text))
            }
            ImageError::NeverPull => ("ErrImageNeverPull", warning(container, "ErrImageNeverPull", message)),
            ImageError::InvalidName => ("InvalidImageName", warning(container, "InspectFailed", message)),
            ImageError::Inspect => ("ImageInspectError", warning(container, "InspectFailed", message)),
        };
        self.record(event);
        self.record(warning(container, "Failed", format!("Error: {reason}")));
        self.wait(container, reason, message);
        self.retry(container);
        if error == ImageError::Pull {
            self.publish();
            let text = format!("Back-off pulling image \"{image}\"");
            self.wait(container, "ImagePullBackOff", &format!("{text}: {reason}: {message}"));
            self.record(normal(container, "BackOff", text));
            self.record(warning(container, "Failed", "Error: ImagePullBackOff"));
        }
    }

    /// The container's start is tried again later. These waits are their own: they say nothing of crashes.
    pub(crate) fn retry(&mut self, index: ContainerIndex) {
        let now = self.now.boot;
        let container = self.container(index);
        let until = container.start_back_off.retry_at(&BackOffConfig::default(), now);
        container.stage = Stage::Retrying { until };
    }
}
