//! The phrases of a script, a line each.

use std::time::Duration;

use probelet_lifecycle::{
    action::ProbeKind,
    event::{Event, Verdict},
    status::ConditionStatus,
};

use crate::{
    duration::parse,
    script::{Behaviour, EndRule, EndTime, HookEffect, HookRule, ProbeEffect, ProbeRule, Script, When},
};

/// What may be written of a container: the phrase with an example's numbers, and what it means.
///
/// `at`, `from`, `to` and `until` tell a time on the clock of the simulation; `after`, `for` and `every` count anew from
/// each start of the container.
pub const CONTAINER_PHRASES: &[(&str, &str)] = &[
    (
        "ready after 40s",
        "no probe succeeds in the first 40 s after each start",
    ),
    (
        "liveness fails from 5m to 6m",
        "the probe's runs fail; also `startup`, `readiness`, or `probes` for all three",
    ),
    (
        "liveness fails at 5m until restart",
        "… until the container is started again",
    ),
    ("readiness fails for 20s", "… for so long after each start"),
    ("liveness fails after 5m", "… from so long after each start"),
    ("readiness fails every 4th run", "… now and then"),
    (
        "readiness fails from 5m to 6m saying the queue is full",
        "… with a message",
    ),
    ("liveness errors from 5m to 6m", "the check itself cannot be run"),
    (
        "readiness warns from 5m to 6m",
        "the run counts as a success, but people are told",
    ),
    (
        "liveness takes 3s from 5m to 6m",
        "the run takes so long; beyond its timeout it fails",
    ),
    (
        "hangs from 5m to 6m",
        "no probe gets an answer; also `hangs at 5m until restart` and all other times",
    ),
    ("crashes every 90s", "it exits with 1 so long after each start"),
    ("crashes at 5m", "… once, at this time"),
    ("crashes after 3s until 10m", "… each time, but not from this time on"),
    ("crashes after 3s 4 times", "… in the first lives only"),
    (
        "exits with 0 after 10s",
        "it ends by itself, with this exit code; the times are as for `crashes`",
    ),
    (
        "out of memory at 3m",
        "the kernel kills it; the times are as for `crashes`",
    ),
    (
        "hangs on SIGTERM",
        "it does not end by the stop signal; also `ignores SIGTERM`",
    ),
    ("takes 5s to stop", "it ends so long after the stop signal"),
    (
        "exits with 143 on SIGTERM",
        "its exit code after the stop signal, which is 0 otherwise",
    ),
    ("takes 2s to start", "so long from its creation to its start"),
    ("start fails until 5m", "it cannot be started"),
    ("image takes 20s to pull", "so long until its image is there"),
    ("image is missing until 5m", "its image cannot be had"),
    ("postStart takes 5s", "so long runs the hook; also `preStop`"),
    ("preStop hangs", "the hook does not end by itself; also `postStart`"),
    (
        "postStart fails until 5m",
        "the hook fails; also `preStop`, and `saying …`",
    ),
];

/// What may be written of a pod, likewise.
pub const POD_PHRASES: &[(&str, &str)] = &[
    ("delete at 10m", "somebody deletes the pod"),
    (
        "delete at 10m with grace 30s",
        "… with this grace period in place of the pod's own",
    ),
    ("delete at 10m by force", "… without one"),
    (
        "condition example.com/warm is true at 5m",
        "somebody sets a condition that a readiness gate waits for; also `false`",
    ),
    (
        "hold from 5m to 10m",
        "restarts because of liveness are held back, as `probelet hold` does; also `hold from 5m`",
    ),
    ("watch for 1h", "how long is simulated, unless `--for` says it"),
];

/// Why a line is not understood.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// It is none of the phrases.
    Unknown,
    /// It is one of them, but for this.
    Fault(String),
}

impl From<String> for Misread {
    fn from(message: String) -> Self {
        Self::Fault(message)
    }
}

/// Adds what a line says of a pod; `false` if it is about a container.
pub(crate) fn pod_line(line: &str, script: &mut Script) -> Result<bool, Misread> {
    let words: Vec<_> = line.split_whitespace().collect();
    match words[..] {
        ["delete", "at", time] => script.deletions.push((parse(time)?, None)),
        ["delete", "at", time, "with", "grace", grace] => script.deletions.push((parse(time)?, Some(parse(grace)?))),
        ["delete", "at", time, "by", "force"] => script.deletions.push((parse(time)?, Some(Duration::ZERO))),
        ["watch", "for", time] => {
            let time = parse(time)?;
            if time.is_zero() {
                return Err(Misread::Fault("nothing happens in no time".to_owned()));
            }
            script.watch = Some(time);
        }
        ["condition", name, "is", value @ ("true" | "false"), "at", time] => {
            let status = if value == "true" {
                ConditionStatus::True
            } else {
                ConditionStatus::False
            };
            script.told.push((parse(time)?, condition(name, status)));
        }
        ["hold", ref times @ ..] => match when(times)? {
            When::Clock(from, to) => {
                script.told.push((from, Event::Hold { held: true }));
                script.told.extend(to.map(|to| (to, Event::Hold { held: false })));
            }
            _ => return Err(Misread::Unknown),
        },
        ["delete" | "watch" | "condition", ..] => return Err(Misread::Unknown),
        _ => return Ok(false),
    }
    Ok(true)
}

fn condition(name: &str, status: ConditionStatus) -> Event {
    let (reason, message) = (String::new(), String::new());
    Event::ConditionSet {
        name: name.to_owned(),
        status,
        reason,
        message,
    }
}

/// Adds what a line says of a container.
pub(crate) fn container_line(line: &str, behaviour: &mut Behaviour) -> Result<(), Misread> {
    let (line, said) = match line.split_once(" saying ") {
        Some((line, said)) => (line, Some(said.trim().to_owned())),
        None => (line, None),
    };
    let words: Vec<_> = line.split_whitespace().collect();
    let silent = said.is_none();
    let takes_a_message = probe_line(&words, said.clone(), behaviour)? || hook_line(&words, said, behaviour)?;
    if takes_a_message || process_line(&words, behaviour)? {
        if takes_a_message || silent {
            return Ok(());
        }
        return Err(Misread::Fault("only probes and hooks say something".to_owned()));
    }
    Err(Misread::Unknown)
}

fn probe_line(words: &[&str], said: Option<String>, behaviour: &mut Behaviour) -> Result<bool, Misread> {
    let words = words.strip_prefix(&["probe"]).unwrap_or(words);
    let (kind, rest) = match *words {
        ["ready", "after", time] => {
            behaviour.probes.push(ProbeRule {
                kind: None,
                when: When::Age(Duration::ZERO, Some(parse(time)?)),
                effect: ProbeEffect::Outcome(Verdict::Failure, said.unwrap_or_else(|| "not ready yet".to_owned())),
            });
            return Ok(true);
        }
        ["hangs", "on", _] => return Ok(false),
        ["hangs", ..] => (None, words),
        ["startup", ref rest @ ..] => (Some(ProbeKind::Startup), rest),
        ["liveness", ref rest @ ..] => (Some(ProbeKind::Liveness), rest),
        ["readiness", ref rest @ ..] => (Some(ProbeKind::Readiness), rest),
        ["probes", ref rest @ ..] | ["all", "probes", ref rest @ ..] => (None, rest),
        _ => return Ok(false),
    };
    let outcome = |verdict, message: &str| ProbeEffect::Outcome(verdict, said.unwrap_or_else(|| message.to_owned()));
    let (effect, times) = match *rest {
        ["fails" | "fail" | "failed", ref times @ ..] => (outcome(Verdict::Failure, "not well"), times),
        ["errors" | "error" | "errored", ref times @ ..] => {
            (outcome(Verdict::Errored, "the check cannot be run"), times)
        }
        ["warns" | "warn", ref times @ ..] => (outcome(Verdict::Warning, "something is odd"), times),
        ["hangs" | "hang", ref times @ ..] => (ProbeEffect::Hangs, times),
        ["takes" | "take", time, ref times @ ..] => (ProbeEffect::Takes(parse(time)?), times),
        _ => return Err(Misread::Unknown),
    };
    behaviour.probes.push(ProbeRule {
        kind,
        when: when(times)?,
        effect,
    });
    Ok(true)
}

fn hook_line(words: &[&str], said: Option<String>, behaviour: &mut Behaviour) -> Result<bool, Misread> {
    let (post_start, rest) = match *words {
        ["postStart", ref rest @ ..] => (true, rest),
        ["preStop", ref rest @ ..] => (false, rest),
        _ => return Ok(false),
    };
    let (effect, times) = match *rest {
        ["fails", ref times @ ..] => (
            HookEffect::Fails(said.unwrap_or_else(|| "the hook has failed".to_owned())),
            times,
        ),
        ["hangs", ref times @ ..] => (HookEffect::Hangs, times),
        ["takes", time, ref times @ ..] => (HookEffect::Takes(parse(time)?), times),
        _ => return Err(Misread::Unknown),
    };
    let when = when(times)?;
    if matches!(when, When::EveryRun(_)) {
        return Err(Misread::Fault("a hook runs once in a container's life".to_owned()));
    }
    behaviour.hooks.push(HookRule {
        post_start,
        when,
        effect,
    });
    Ok(true)
}

fn process_line(words: &[&str], behaviour: &mut Behaviour) -> Result<bool, Misread> {
    match *words {
        ["hangs" | "ignores", "on", "SIGTERM"] | ["ignores", "SIGTERM"] => behaviour.stop.ignored = true,
        ["takes", time, "to", "stop"] => behaviour.stop.takes = parse(time)?,
        ["exits", "with", code, "on", "SIGTERM"] => behaviour.stop.code = exit_code(code)?,
        ["takes", time, "to", "start"] => behaviour.start_takes = parse(time)?,
        ["start", "fails", ref times @ ..] => behaviour.start_fails.push(on_the_clock(times)?),
        ["image", "takes", time, "to", "pull"] => behaviour.image_takes = parse(time)?,
        ["image", "is", "missing", ref times @ ..] => behaviour.image_missing.push(on_the_clock(times)?),
        ["crashes", ref times @ ..] => behaviour.ends.push(end(1, false, times)?),
        ["exits", "with", code, ref times @ ..] => behaviour.ends.push(end(exit_code(code)?, false, times)?),
        ["out", "of", "memory", ref times @ ..] | ["runs", "out", "of", "memory", ref times @ ..] => {
            behaviour.ends.push(end(137, true, times)?);
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// When a rule holds.
fn when(words: &[&str]) -> Result<When, Misread> {
    let order = |from: Duration, to: Duration| {
        let fault = || Misread::Fault("the first time must be before the second".to_owned());
        (from < to).then_some(()).ok_or_else(fault)
    };
    Ok(match *words {
        [] => When::Always,
        ["from", from, "to", to] => {
            let (from, to) = (parse(from)?, parse(to)?);
            order(from, to)?;
            When::Clock(from, Some(to))
        }
        ["from", from, "for", time] => {
            let from = parse(from)?;
            When::Clock(from, Some(from + parse(time)?))
        }
        ["from" | "at", from, "until", "restart"] => When::UntilRestart(parse(from)?),
        ["from", from] => When::Clock(parse(from)?, None),
        ["until", to] => When::Clock(Duration::ZERO, Some(parse(to)?)),
        ["for", time] => When::Age(Duration::ZERO, Some(parse(time)?)),
        ["after", time] => When::Age(parse(time)?, None),
        ["after", from, "for", time] => {
            let from = parse(from)?;
            When::Age(from, Some(from + parse(time)?))
        }
        ["every", ordinal, "run"] => When::EveryRun(count(ordinal.trim_end_matches(char::is_alphabetic))?),
        ["at", _] => {
            return Err(Misread::Fault(
                "say for how long: `from … to …`, `from … for …` or `at … until restart`".to_owned(),
            ));
        }
        _ => return Err(Misread::Unknown),
    })
}

/// When something that precedes a container's life goes wrong: there is no age yet.
fn on_the_clock(words: &[&str]) -> Result<When, Misread> {
    match when(words)? {
        when @ (When::Always | When::Clock(..)) => Ok(when),
        _ => Err(Misread::Fault(
            "only `from`, `to` and `until` fit here: the container does not run yet".to_owned(),
        )),
    }
}

/// When a container ends by itself.
fn end(code: i32, out_of_memory: bool, words: &[&str]) -> Result<EndRule, Misread> {
    let (time, rest) = match *words {
        ["at", "once", ref rest @ ..] => (EndTime::Age(Duration::ZERO), rest),
        ["at", time, ref rest @ ..] => (EndTime::Clock(parse(time)?), rest),
        ["after" | "every", time, ref rest @ ..] => (EndTime::Age(parse(time)?), rest),
        _ => return Err(Misread::Unknown),
    };
    let (until, times) = match *rest {
        [] => (None, None),
        ["until", time] => (Some(parse(time)?), None),
        [times, "times"] => (None, Some(u32::try_from(count(times)?).unwrap_or(u32::MAX))),
        ["once"] => (None, Some(1)),
        ["twice"] => (None, Some(2)),
        _ => return Err(Misread::Unknown),
    };
    Ok(EndRule {
        time,
        code,
        out_of_memory,
        until,
        times,
    })
}

fn count(word: &str) -> Result<u64, Misread> {
    let number = word.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| Misread::Fault(format!("\"{word}\" is no number from 1 on")))
}

fn exit_code(word: &str) -> Result<i32, Misread> {
    let code = word.parse::<u8>().map(i32::from);
    code.map_err(|_| Misread::Fault(format!("\"{word}\" is no exit code; they go from 0 to 255")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phrase_of_the_tables_is_understood() {
        for (phrase, _) in CONTAINER_PHRASES {
            let mut behaviour = Behaviour::default();
            assert_eq!(container_line(phrase, &mut behaviour), Ok(()), "{phrase}");
            assert_ne!(behaviour, Behaviour::default(), "{phrase}");
        }
        for (phrase, _) in POD_PHRASES {
            let mut script = Script::default();
            assert_eq!(pod_line(phrase, &mut script), Ok(true), "{phrase}");
            assert_ne!(script, Script::default(), "{phrase}");
        }
    }

    #[test]
    fn what_is_meant_otherwise_is_told() {
        let line = |text: &str| container_line(text, &mut Behaviour::default());
        for (text, part) in [
            ("ready after 40", "40s"),
            ("liveness fails from 6m to 5m", "before"),
            ("liveness fails at 5m", "until restart"),
            ("exits with 300 after 1s", "255"),
            ("crashes every 5s saying no", "only probes and hooks"),
            ("image is missing after 5s", "does not run yet"),
            ("preStop fails every 2nd run", "once in a container's life"),
            ("readiness fails every 0th run", "from 1 on"),
        ] {
            let Err(Misread::Fault(message)) = line(text) else {
                panic!("{text}: {:?}", line(text))
            };
            assert!(message.contains(part), "{text}: {message}");
        }
        for text in [
            "",
            "liveness",
            "dances",
            "hangs on SIGKILL",
            "crashes",
            "crashes at 5m 3",
            "preStop dances",
        ] {
            assert_eq!(line(text), Err(Misread::Unknown), "{text}");
        }
    }
}
