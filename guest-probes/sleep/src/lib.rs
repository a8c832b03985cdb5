//! The hook `sleep`: waits for a number of seconds (B1.12).

use std::time::Duration;

use probelet_plugin::{Hook, config, export_hook, sleep};
use serde::Deserialize;

#[derive(Deserialize)]
struct Config {
    seconds: u64,
}

struct Sleep;

impl Hook for Sleep {
    fn run() -> Result<(), String> {
        let Config { seconds } = config()?;
        if sleep(Duration::from_secs(seconds)) {
            return Ok(());
        }
        Err("container terminated before sleep hook finished".to_owned())
    }
}

export_hook!(Sleep);
