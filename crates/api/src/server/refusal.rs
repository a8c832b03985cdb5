//! Refusals, as Kubernetes words them.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Status, StatusCause, StatusDetails};
use probelet_manifest::Diagnostic;
use probelet_node::handle::{PodKey, RequestError, WatchError};

/// When a client that was refused for lack of room may come back, in seconds.
const RETRY_AFTER: i32 = 1;

/// A `Status` that says no.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    code: StatusCode,
    reason: &'static str,
    message: String,
    // Boxed, since every function that may refuse returns this.
    details: Option<Box<StatusDetails>>,
}

impl Refusal {
    fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason,
            message: message.into(),
            details: None,
        }
    }

    /// The request is not understood, or asks for what is not there yet.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// There is nothing at this path.
    pub(crate) fn no_such_path() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            "the server could not find the requested resource",
        )
    }

    /// There is no such object.
    pub(crate) fn not_found(kind: &str, name: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("{kind} \"{name}\" not found"),
        )
        .about(kind, name)
    }

    /// The path is there, but not for this method.
    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    /// The client takes no answer that the server can give.
    pub(crate) fn not_acceptable(accepted: &str) -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            format!("only application/json and Tables in it are served, the request accepts: {accepted}"),
        )
    }

    /// The body is of a kind that the server does not read.
    pub(crate) fn unsupported_media_type(got: &str, read: &[&str]) -> Self {
        let message = format!("a body of the type {got:?} is not read here, only {}", read.join(", "));
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    /// The body is larger than the server reads.
    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the request's body is larger than {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    /// As many of this kind of request as may be are being served already.
    pub(crate) fn too_many(what: &str) -> Self {
        let message = format!("there are too many {what} already; end one, or try again later");
        let mut refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        refusal.details = Some(Box::new(StatusDetails {
            retry_after_seconds: Some(RETRY_AFTER),
            ..StatusDetails::default()
        }));
        refusal
    }

    /// The object as it would be is not valid; one cause for each fault.
    pub(crate) fn invalid(name: &str, faults: Vec<Diagnostic>) -> Self {
        let texts: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let list = match texts.as_slice() {
            [fault] => fault.clone(),
            faults => format!("[{}]", faults.join(", ")),
        };
        let causes = faults.into_iter().map(cause);
        let mut refusal = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            format!("Pod \"{name}\" is invalid: {list}"),
        );
        refusal.details = Some(Box::new(StatusDetails {
            kind: Some("Pod".to_owned()),
            name: Some(name.to_owned()),
            causes: Some(causes.collect()),
            ..StatusDetails::default()
        }));
        refusal
    }

    /// The object is not, or no longer, what the request takes it for.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, "Conflict", message)
    }

    /// What the agent says to a request about a pod.
    pub(crate) fn of_pod(key: &PodKey, error: RequestError) -> Self {
        match error {
            RequestError::NotFound(message) => Self::new(StatusCode::NOT_FOUND, "NotFound", message),
            RequestError::AlreadyExists(_) => Self::new(StatusCode::CONFLICT, "AlreadyExists", error.to_string()),
            RequestError::Invalid(faults) => return Self::invalid(&key.name, faults),
            RequestError::Conflict(message) => Self::conflict(message),
            RequestError::Internal(message) => Self::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "InternalError",
                format!("Internal error occurred: {message}"),
            ),
        }
        .about("pods", &key.name)
    }

    /// What the agent says to a request about a container. That the container's state does not allow it is then a bad
    /// request, since the object that was named is the pod.
    pub(crate) fn of_container(key: &PodKey, error: RequestError) -> Self {
        match error {
            RequestError::Conflict(message) => Self::bad_request(message).about("pods", &key.name),
            error => Self::of_pod(key, error),
        }
    }

    /// The refusal as an object.
    pub(crate) fn status(&self) -> Status {
        Status {
            code: Some(i32::from(self.code.as_u16())),
            status: Some("Failure".to_owned()),
            reason: Some(self.reason.to_owned()),
            message: Some(self.message.clone()),
            details: self.details.as_deref().cloned(),
            ..Status::default()
        }
    }

    fn about(mut self, kind: &str, name: &str) -> Self {
        self.details = Some(Box::new(StatusDetails {
            kind: Some(kind.to_owned()),
            name: Some(name.to_owned()),
            ..StatusDetails::default()
        }));
        self
    }
}

impl From<WatchError> for Refusal {
    fn from(error: WatchError) -> Self {
        match error {
            WatchError::Expired(_) => Self::new(StatusCode::GONE, "Expired", error.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.code, Json(self.status())).into_response();
        if self.code == StatusCode::TOO_MANY_REQUESTS {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
        }
        response
    }
}

/// One fault, and the field it is of, if it is of one.
fn cause(fault: Diagnostic) -> StatusCause {
    StatusCause {
        field: Some(fault.path).filter(|path| !path.is_empty()),
        message: Some(match fault.help {
            Some(help) => format!("{}; {help}", fault.message),
            None => fault.message,
        }),
        reason: Some("FieldValueInvalid".to_owned()),
    }
}
