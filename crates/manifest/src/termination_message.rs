//! Where a container's last words are found (B6.5).

use crate::check::Object;

/// `terminationMessagePath`, and whether the log is taken where the file is empty.
pub(crate) fn read(container: &Object<'_>) -> Option<(String, bool)> {
    let path = container.text("terminationMessagePath")?;
    // Mounts are put below the container's root, out of which no path may lead.
    if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
        let message = format!("Invalid value: \"{path}\": must be an absolute path without \"..\"");
        container.report.error(&container.at("terminationMessagePath"), message);
    }
    let policies = [("File", false), ("FallbackToLogsOnError", true)];
    let falls_back = container.word("terminationMessagePolicy", &policies)?;
    Some((path.to_owned(), falls_back))
}
