//! Processor time, as the kernel counts it.

use std::{path::Path, time::Duration};

use anyhow::Context;

/// The kernel gives these counters in hundredths of a second on every architecture (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

/// What this process's ended and awaited children have used, with their own ended children.
pub(crate) fn of_children() -> anyhow::Result<Duration> {
    Ok(read(Path::new("/proc/self"))?.children)
}

/// What all running programs of this name, the agent, its shims and their helpers, have used, with their ended children.
pub(crate) fn of_programs_named(name: &str) -> anyhow::Result<Duration> {
    let mut sum = Duration::ZERO;
    for entry in std::fs::read_dir("/proc")? {
        let folder = entry?.path();
        let Ok(program) = std::fs::read_link(folder.join("exe")) else {
            continue;
        };
        // A process may end between two looks at it.
        if program.to_string_lossy().contains(name)
            && let Ok(times) = read(&folder)
        {
            sum += times.own + times.children;
        }
    }
    Ok(sum)
}

struct Times {
    own: Duration,
    children: Duration,
}

fn read(folder: &Path) -> anyhow::Result<Times> {
    let text = std::fs::read_to_string(folder.join("stat"))?;
    // The name in parentheses may hold anything; the numbers follow the last one.
    let (_, numbers) = text.rsplit_once(')').context("a stat file names its program")?;
    let ticks = |field: usize| -> anyhow::Result<u32> {
        // proc(5) counts from 1, and the first field after the name is its third.
        Ok(numbers
            .split_whitespace()
            .nth(field - 3)
            .context("a stat file has this field")?
            .parse()?)
    };
    Ok(Times {
        own: TICK * (ticks(14)? + ticks(15)?),
        children: TICK * (ticks(16)? + ticks(17)?),
    })
}
