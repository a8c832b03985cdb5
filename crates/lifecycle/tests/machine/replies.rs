//! Events that answer requests, for tests that choose among all outcomes.

use probelet_lifecycle::{
    action::{ActionId, Request},
    config::ContainerIndex,
    event::{Event, Exit, ImageError, ProbeOutcome, StartError, Verdict},
};

/// Each outcome that a request can have.
pub(crate) fn replies(action: ActionId, request: &Request) -> Vec<Event> {
    let message = String::from("why");
    match request {
        Request::CreateSandbox => vec![Event::SandboxReady { action }, Event::SandboxFailed { action, message }],
        Request::EnsureImage { .. } => {
            let failed = |error| {
                let message = message.clone();
                Event::ImageFailed { action, error, message }
            };
            vec![
                Event::ImageReady {
                    action,
                    message: message.clone(),
                },
                failed(ImageError::NeverPull),
                failed(ImageError::Pull),
                failed(ImageError::InvalidName),
                failed(ImageError::Inspect),
            ]
        }
        Request::StartContainer { .. } => {
            let failed = |error| {
                let message = message.clone();
                Event::ContainerStartFailed { action, error, message }
            };
            vec![
                Event::ContainerStarted { action },
                failed(StartError::Create),
                failed(StartError::Run),
                failed(StartError::Config),
            ]
        }
        Request::RunProbe { .. } => [Verdict::Success, Verdict::Warning, Verdict::Failure, Verdict::Errored]
            .into_iter()
            .map(|verdict| {
                let message = message.clone();
                let outcome = ProbeOutcome { verdict, message };
                Event::ProbeFinished { action, outcome }
            })
            .collect(),
        Request::RunHook { .. } => [Ok(()), Err(message)]
            .into_iter()
            .map(|result| Event::HookFinished { action, result })
            .collect(),
        Request::RemoveSandbox => vec![Event::SandboxRemoved { action }],
    }
}

/// One of the outcomes; most are good.
pub(crate) fn reply(action: ActionId, request: &Request, luck: u8) -> Event {
    let mut outcomes = replies(action, request);
    let others = outcomes.len() - 1;
    let choice = match (request, usize::from(luck)) {
        (Request::RunProbe { .. }, luck) => [0, 0, 0, 1, 2, 2, 2, 3][luck % 8],
        (_, luck) if luck % 8 >= 6 && others > 0 => 1 + luck / 8 % others,
        _ => 0,
    };
    outcomes.swap_remove(choice)
}

pub(crate) fn exited(index: usize, instance: u32, code: i32) -> Event {
    let exit = Exit {
        code,
        signal: None,
        oom_killed: code == 2,
        lost: false,
        message: String::new(),
    };
    Event::ContainerExited {
        container: ContainerIndex(index),
        instance,
        exit,
    }
}

/// The action that an event answers, if it is a reply.
pub(crate) fn answered(event: &Event) -> Option<ActionId> {
    match event {
        Event::SandboxReady { action }
        | Event::SandboxFailed { action, .. }
        | Event::SandboxRemoved { action }
        | Event::ImageReady { action, .. }
        | Event::ImageFailed { action, .. }
        | Event::ContainerStarted { action }
        | Event::ContainerStartFailed { action, .. }
        | Event::ProbeFinished { action, .. }
        | Event::HookFinished { action, .. } => Some(*action),
        Event::Begin
        | Event::Hold { .. }
        | Event::Resume
        | Event::Wake
        | Event::Delete { .. }
        | Event::ConditionSet { .. }
        | Event::HookFellBack { .. }
        | Event::ContainerExited { .. } => None,
    }
}
