//! Which signal asks a container to stop.

use probelet_lifecycle::config::ContainerIndex;

use crate::{inner::Inner, pod::PodEntry, start::blocking};

/// The signal that asks a container to stop: the manifest's, else the image's, else SIGTERM (B3.1).
pub(crate) async fn stop_signal(node: &Inner, entry: &PodEntry, container: ContainerIndex) -> i32 {
    let container = entry.container(container);
    if let Some(number) = container.stop_signal.as_deref().and_then(signal_number) {
        return number;
    }
    let (images, name) = (node.images.clone(), container.image.clone());
    let image = blocking(move || images.resolve(&name)).await;
    image
        .ok()
        .and_then(|image| image.config.stop_signal)
        .and_then(|name| signal_number(&name))
        .unwrap_or(SIGTERM)
}

const SIGTERM: i32 = 15;

/// A signal as images and manifests name it: `SIGQUIT`, `QUIT`, `3` or `SIGRTMAX-1`.
fn signal_number(name: &str) -> Option<i32> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    const REAL_TIME_MINIMUM: i32 = 34;
    const MOST: i32 = 64;
    const OTHER_NAMES: [(&str, i32); 3] = [("CLD", 17), ("IOT", 6), ("POLL", 29)];
    let name = name.strip_prefix("SIG").unwrap_or(name);
    let number = if let Ok(number) = name.parse::<i32>() {
        number
    } else if let Some(rest) = name.strip_prefix("RTMIN") {
        REAL_TIME_MINIMUM + if rest.is_empty() { 0 } else { rest.parse::<i32>().ok()? }
    } else if let Some(rest) = name.strip_prefix("RTMAX") {
        MOST + if rest.is_empty() { 0 } else { rest.parse::<i32>().ok()? }
    } else if let Some((_, number)) = OTHER_NAMES.iter().find(|(other, _)| *other == name) {
        *number
    } else {
        i32::try_from(NAMES.iter().position(|known| *known == name)?).ok()? + 1
    };
    (1..=MOST).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_named_as_images_name_them() {
        let numbers = ["SIGTERM", "QUIT", "3", "SIGRTMIN+3", "SIGNONE", "0", "99"].map(signal_number);
        assert_eq!(numbers, [Some(15), Some(3), Some(3), Some(37), None, None, None]);
        let numbers = ["SIGRTMAX", "SIGRTMAX-14", "SIGPOLL", "SIGIO", "SIGIOT", "SIGCLD"].map(signal_number);
        assert_eq!(numbers, [Some(64), Some(50), Some(29), Some(29), Some(6), Some(17)]);
    }
}
