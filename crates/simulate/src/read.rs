//! From a script's file to a [`Script`].

use probelet_manifest::{Diagnostic, Pod, Severity, read_yaml};
use serde_json::Value;

use crate::{
    phrases::{CONTAINER_PHRASES, Misread, POD_PHRASES, container_line, pod_line},
    script::{Behaviour, Script},
    vain::{missing_in_containers, missing_in_pods},
};

/// Under this name stands what is done to the pod; a container may have it too, for their phrases differ.
const POD: &str = "pod";

/// The most lines of a script. Each probe run looks at all lines about its container, and people write a few.
const MAX_LINES: usize = 1000;

/// Reads a script for these pods. `file` is its name for messages.
///
/// A script is lines, if there is one container only, or has lines under each container's name and under `pod`. Lines are
/// a list, a single line, or a text.
///
/// # Errors
/// All faults, each with its line, and with the phrases that exist.
pub fn read_script(text: &str, file: &str, pods: &[Pod]) -> Result<Script, Vec<Diagnostic>> {
    let documents = read_yaml(text, file)?;
    let mut reader = Reader {
        pods,
        script: Script::default(),
        faults: Vec::new(),
        lines: 0,
    };
    match &documents[..] {
        [] => {}
        [document] => match document.value() {
            // YAML makes one line of a text without dashes; here each line stands for itself.
            Value::String(_) => reader.text(text, file),
            lines => {
                reader.lines("", lines, None);
                document.locate(file, &mut reader.faults);
            }
        },
        [document, ..] => {
            reader.fault("", "a script is one document".to_owned(), None);
            document.locate(file, &mut reader.faults);
        }
    }
    for fault in &mut reader.faults {
        // The line itself is in the message; which one of a list it is, nobody counts.
        fault.path.clear();
    }
    if reader.faults.is_empty() {
        Ok(reader.script)
    } else {
        Err(reader.faults)
    }
}

struct Reader<'a> {
    pods: &'a [Pod],
    script: Script,
    faults: Vec<Diagnostic>,
    lines: usize,
}

impl Reader<'_> {
    /// Reads a text, a line a phrase.
    fn text(&mut self, text: &str, file: &str) {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') || line == "---" {
                continue;
            }
            let known = self.faults.len();
            self.line("", line, None);
            for fault in &mut self.faults[known..] {
                (fault.file, fault.line, fault.column) = (Some(file.to_owned()), Some(at + 1), Some(1));
            }
        }
    }

    /// Reads what stands under a name.
    fn part(&mut self, path: &str, name: &str, lines: &Value) {
        let path = if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        };
        let names = self.names();
        if name.contains(char::is_whitespace) {
            let message = format!("`{name}: …` has a colon in it, so that YAML takes it for a name");
            let rest = lines.as_str().unwrap_or("…");
            let help = format!("a line with a colon in it stands in quotation marks: \"{name}: {rest}\"");
            return self.fault(&path, message, Some(help));
        }
        if name != POD && !names.contains(&name) {
            let message = format!("there is no container \"{name}\" in the manifest");
            let help = format!("there is {}, and {POD} for what is done to the pod", names.join(", "));
            return self.fault(&path, message, Some(help));
        }
        self.lines(&path, lines, Some(name));
    }

    /// The names of all containers.
    fn names(&self) -> Vec<&str> {
        let containers = self.pods.iter().flat_map(|pod| pod.spec.all_containers());
        let mut names: Vec<_> = containers.map(|container| container.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    fn lines(&mut self, path: &str, lines: &Value, name: Option<&str>) {
        match lines {
            Value::String(lines) => {
                for line in lines.lines().filter(|line| !line.trim().is_empty()) {
                    self.line(path, line.trim(), name);
                }
            }
            Value::Array(lines) => {
                for (at, line) in lines.iter().enumerate() {
                    match line {
                        Value::Array(_) | Value::Null => self.no_line(&format!("{path}[{at}]"), line),
                        line => self.lines(&format!("{path}[{at}]"), line, name),
                    }
                }
            }
            Value::Object(parts) if name.is_none() => {
                for (name, lines) in parts {
                    self.part(path, name, lines);
                }
            }
            Value::Null => {}
            other => self.no_line(path, other),
        }
    }

    fn no_line(&mut self, path: &str, found: &Value) {
        let message = format!("expected a line of text, found {found}");
        let message = message.chars().take(200).collect();
        self.fault(
            path,
            message,
            Some("a line with a colon in it stands in quotation marks".to_owned()),
        );
    }

    fn line(&mut self, path: &str, line: &str, name: Option<&str>) {
        self.lines += 1;
        if self.lines > MAX_LINES {
            if self.lines == MAX_LINES + 1 {
                self.fault(path, format!("more than {MAX_LINES} lines"), None);
            }
            return;
        }
        let mut said = Script::default();
        let result = match pod_line(line, &mut said) {
            Ok(true) if name.is_none_or(|name| name == POD) => match missing_in_pods(self.pods, &said) {
                None => pod_line(line, &mut self.script).map(drop),
                Some(missing) => Err(Misread::Fault(missing)),
            },
            Ok(true) => Err(Misread::Fault(format!(
                "this happens to the pod: write it under `{POD}:`"
            ))),
            Ok(false) => self.container_line(line, name),
            Err(misread) => Err(misread),
        };
        match result {
            Ok(()) => {}
            Err(Misread::Fault(message)) => self.fault(path, format!("`{line}`: {message}"), None),
            Err(Misread::Unknown) => self.fault(path, format!("`{line}` is not understood"), Some(known(line, name))),
        }
    }

    fn container_line(&mut self, line: &str, name: Option<&str>) -> Result<(), Misread> {
        let names = self.names();
        match name {
            Some(POD) if !names.contains(&POD) => {
                container_line(line, &mut Behaviour::default())?;
                Err(Misread::Fault(
                    "this is about a container: write it under the container's name".to_owned(),
                ))
            }
            Some(name) => self.line_of(line, &[name]),
            None if self.pods.iter().all(|pod| pod.spec.all_containers().count() == 1) => {
                let names: Vec<_> = names.into_iter().map(str::to_owned).collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                self.line_of(line, &names)
            }
            None => {
                container_line(line, &mut Behaviour::default())?;
                let names = names.join(", ");
                Err(Misread::Fault(format!(
                    "of which container? Write it under one of these names: {names}"
                )))
            }
        }
    }

    /// Reads a line about the containers of these names.
    fn line_of(&mut self, line: &str, names: &[&str]) -> Result<(), Misread> {
        let mut said = Behaviour::default();
        container_line(line, &mut said)?;
        if let Some(missing) = missing_in_containers(self.pods, names, &said) {
            return Err(Misread::Fault(missing));
        }
        let containers = &mut self.script.containers;
        names
            .iter()
            .try_for_each(|name| container_line(line, containers.entry((*name).to_owned()).or_default()))
    }

    fn fault(&mut self, path: &str, message: String, help: Option<String>) {
        self.faults.push(Diagnostic {
            severity: Severity::Error,
            path: path.to_owned(),
            file: None,
            line: None,
            column: None,
            message,
            help,
        });
    }
}

/// The phrases that may be meant: those that share a word that tells them, else all.
fn known(line: &str, name: Option<&str>) -> String {
    let pod = name == Some(POD)
        || ["delete", "watch", "condition", "hold"]
            .iter()
            .any(|word| line.starts_with(word));
    let table = if pod { POD_PHRASES } else { CONTAINER_PHRASES };
    let first = line.split_whitespace().next().unwrap_or_default();
    let kin = [
        &["liveness", "startup", "readiness", "probes"][..],
        &["postStart", "preStop"],
    ];
    let first = kin
        .into_iter()
        .find(|kin| kin.contains(&first))
        .unwrap_or(std::slice::from_ref(&first));
    let phrases = |close: bool| {
        let phrases = table.iter().map(|(phrase, _)| *phrase);
        let is_close = |phrase: &str| phrase.split(' ').any(|word| first.contains(&word));
        phrases.filter(|phrase| !close || is_close(phrase)).collect::<Vec<_>>()
    };
    let close = phrases(true);
    let phrases = if close.is_empty() { phrases(false) } else { close };
    format!("the phrases are: {}", phrases.join(" | "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use probelet_manifest::parse_yaml;

    use super::*;

    fn pods(names: &[&str]) -> Vec<Pod> {
        let containers: String = names
            .iter()
            .map(|name| format!("  - {{ name: {name}, image: x }}\n"))
            .collect();
        let text = format!("apiVersion: v1\nkind: Pod\nmetadata: {{ name: p }}\nspec:\n  containers:\n{containers}");
        parse_yaml(&text, "pod.yaml").expect("a valid pod")
    }

    fn faults(text: &str, names: &[&str]) -> String {
        let faults = read_script(text, "s.yaml", &pods(names)).expect_err("a fault");
        faults.iter().map(|fault| format!("{fault}\n")).collect()
    }

    #[test]
    fn a_list_is_about_the_only_container_and_names_stand_where_there_are_more() {
        let one = read_script(
            "- crashes every 90s\n- delete at 10m with grace 30s\n",
            "s.yaml",
            &pods(&["app"]),
        )
        .unwrap();
        assert_eq!(one.behaviour("app").ends.len(), 1);
        let deletion = (Duration::from_secs(600), Some(Duration::from_secs(30)));
        assert_eq!(one.deletions, [deletion]);
        for two in [
            "app: crashes every 90s\nlog: [hangs on SIGTERM]\npod: [delete at 10m]\n",
            "- app: crashes every 90s\n- log: hangs on SIGTERM\n- delete at 10m\n",
            "app: |\n  crashes every 90s\n\nlog:\n- |\n  hangs on SIGTERM\npod: delete at 10m\n",
        ] {
            let two = read_script(two, "s.yaml", &pods(&["app", "log"])).unwrap();
            assert!(two.behaviour("log").stop.ignored && !two.behaviour("app").stop.ignored);
            assert_eq!((two.behaviour("app").ends.len(), two.deletions.len()), (1, 1));
        }
        let text = "# a text\ncrashes every 90s\n\n  hangs on SIGTERM\ndelete at 10m\n";
        let text = read_script(text, "s.yaml", &pods(&["app"])).unwrap();
        assert!(text.behaviour("app").stop.ignored && text.deletions.len() == 1);
        assert_eq!(
            read_script("# nothing\n", "s.yaml", &pods(&["app"])),
            Ok(Script::default())
        );
    }

    #[test]
    fn faults_tell_file_line_and_the_phrases_that_exist() {
        insta::assert_snapshot!(faults(
            "app:\n- crashes every 90\n- out of luck\n- preStop dances\n- a: b\nlag: []\npod: [crashes at 5m, vanish at 1s]\n",
            &["app", "log"]
        ));
        insta::assert_snapshot!(faults("- crashes at 5m\n- delete now\n", &["app", "log"]));
        insta::assert_snapshot!(faults("crashes at 5m\nhangs about\n", &["app"]));
    }

    #[test]
    fn lines_that_can_have_no_effect_are_refused() {
        insta::assert_snapshot!(faults(
            "app:\n- liveness fails from 5m to 6m\n- startup fails for 3s\n- postStart fails\n- preStop hangs\n\
             - readiness warns\n- probes fail every 3rd run\n- crashes at 5m\n- readiness fails from 1m to 2m\n- hangs\n\
             pod: [condition x is true at 1m, hold from 1m]\n",
            &["app", "log"]
        ));
        insta::assert_snapshot!(faults("crashes at 5m\n\nliveness fails\n", &["app"]));
        let text = "apiVersion: v1\nkind: Pod\nmetadata: { name: p }\nspec:\n  readinessGates: [{ conditionType: warm }]\n  \
                    containers:\n  - name: app\n    image: x\n    livenessProbe: { tcpSocket: { port: 1 } }\n    \
                    lifecycle: { preStop: { sleep: { seconds: 1 } } }\n";
        let pods = parse_yaml(text, "pod.yaml").unwrap();
        for (line, part) in [
            ("liveness warns every 3rd run", None),
            ("probes fail every 3rd run", None),
            ("preStop hangs", None),
            ("condition warm is true at 1m", None),
            ("hold from 1m", None),
            ("postStart hangs", Some("app has no postStart hook")),
            ("condition cold is true at 1m", Some("there is warm")),
        ] {
            let read = read_script(line, "s.yaml", &pods);
            match part {
                None => assert!(read.is_ok(), "{line}: {read:?}"),
                Some(part) => assert!(read.unwrap_err()[0].message.contains(part), "{line}"),
            }
        }
    }

    #[test]
    fn a_colon_that_makes_a_name_of_a_line_is_told() {
        insta::assert_snapshot!(faults(
            "- readiness fails from 5m to 6m saying: foo\n- crashes at 5m\n",
            &["app"]
        ));
    }

    #[test]
    fn no_text_makes_it_panic() {
        for text in [
            "5",
            "true",
            "a: {b: c}",
            "- [a]\n- {}",
            "---\n- crashes at 5m\n---\n- x",
            "{",
            "? [a]\n: b",
            "''",
        ] {
            let _ = read_script(text, "s.yaml", &pods(&["app"]));
        }
    }
}
