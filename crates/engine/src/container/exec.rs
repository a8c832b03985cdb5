//! The imported interface `container-exec`: commands in the container, where that is granted.

use wasmtime::format_err;

use super::ExecError;
use crate::{
    ExecGrant,
    bindings::probelet::plugin::container_exec::{Error, Host, Output},
    state::RunState,
    uses::{Grant, lines_that_grant, shown},
};

/// Of each output of a command the host keeps no more than this, whatever a plugin asks for: it is held in the host's
/// memory before the guest's own limit takes effect.
const MAX_EXEC_OUTPUT: u32 = 1 << 20;

impl Host for RunState {
    async fn exec(&mut self, command: Vec<String>, output_limit: u32) -> wasmtime::Result<Result<Output, Error>> {
        let grant = self
            .exec
            .as_ref()
            .ok_or_else(|| format_err!("container-exec is linked without its grant"))?;
        let detail = shown(&json_list(&command));
        if !grant.allows(&command) {
            let line = format!("exec: [{detail}]");
            let why = format!("the command {detail} is not granted; {}", lines_that_grant(&line));
            self.uses.refused(Grant::Exec, &detail, &why);
            return Ok(Err(Error::NotGranted(why)));
        }
        self.uses.granted(Grant::Exec, &detail);
        let limit = output_limit.min(MAX_EXEC_OUTPUT) as usize;
        Ok(
            match grant.container.exec(command, self.context.soft_deadline, limit).await {
                Ok(output) => Ok(Output {
                    exit_code: output.exit_code,
                    stdout: output.stdout,
                    stderr: output.stderr,
                    truncated: output.truncated,
                }),
                Err(ExecError::DeadlineExceeded) => Err(Error::TimedOut),
                Err(ExecError::NotRunning) => Err(Error::NotRunning),
                Err(ExecError::Host { reason }) => Err(Error::Host(reason)),
            },
        )
    }
}

impl ExecGrant {
    fn allows(&self, command: &[String]) -> bool {
        match &self.prefixes {
            None => true,
            Some(prefixes) => prefixes
                .iter()
                .any(|prefix| !prefix.is_empty() && command.starts_with(prefix)),
        }
    }
}

/// `["redis-cli","ping"]`, which is YAML as well.
fn json_list(words: &[String]) -> String {
    serde_json::Value::from(words).to_string()
}
