//! wasi:http's outgoing requests without tasks: the guest's own waits drive the exchange.
//!
//! WASI's own spawn a task for each exchange and one for each connection. They take longer than the exchange with a
//! server nearby, and each is one more thing to be gone when the run is over.

use http::{HeaderMap, Request, Uri, header::CONTENT_LENGTH, uri::Scheme};
use http_body_util::BodyExt;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};
use wasmtime_wasi_http::{
    Error, FieldMap, RequestOptions, WasiHttpCtxView, WasiHttpView,
    p2::{
        bindings::http::types::{ErrorCode, HostFutureIncomingResponse as _, Scheme as WasiScheme},
        body::HostIncomingBody,
        types::{HostFutureIncomingResponse, HostIncomingResponse, HostOutgoingRequest},
    },
};

use super::{
    Store,
    http::{Answer, Outgoing, no_body, send},
    operation::Operation,
    tls::Protocols,
};
use crate::state::RunState;

/// What `future-incoming-response` gives: nothing yet, nothing any more, or what came of it.
type Got = Option<Result<Result<Resource<HostIncomingResponse>, ErrorCode>, ()>>;

/// Links wasi:http, and in place of its exchanges our own.
pub(crate) fn add_to_linker(linker: &mut Linker<RunState>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    const FUTURE: &str = "future-incoming-response";
    let mut types = linker.instance("wasi:http/types@0.2.12")?;
    types.resource(FUTURE, ResourceType::host::<Exchange>(), |mut store, exchange| {
        let table = &mut store.data_mut().called().table;
        table.delete(Resource::<Exchange>::new_own(exchange))?;
        Ok(())
    })?;
    types.func_wrap(
        &format!("[method]{FUTURE}.subscribe"),
        |mut store: Store<'_>, (exchange,): (Resource<Exchange>,)| -> wasmtime::Result<(Resource<DynPollable>,)> {
            Ok((subscribe(&mut store.data_mut().called().table, exchange)?,))
        },
    )?;
    types.func_wrap(
        &format!("[method]{FUTURE}.get"),
        |mut store: Store<'_>, (exchange,): (Resource<Exchange>,)| Ok((get(store.data_mut(), &exchange)?,)),
    )?;
    linker.instance("wasi:http/outgoing-handler@0.2.12")?.func_wrap(
        "handle",
        |mut store: Store<'_>, arguments: (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>)| {
            Ok((handle(store.data_mut().called(), arguments)?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// A request under way.
enum Exchange {
    Open(Operation<Result<Answer, Error>>),
    Consumed,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Exchange {
    async fn ready(&mut self) {
        if let Self::Open(operation) = self {
            operation.ready().await;
        }
    }
}

fn handle(
    state: &mut RunState,
    (request, options): (Resource<HostOutgoingRequest>, Option<Resource<RequestOptions>>),
) -> wasmtime::Result<Result<Resource<Exchange>, ErrorCode>> {
    let options = options.map(|options| state.table.get(&options).copied()).transpose()?;
    let request = match to_http(state.table.delete(request)?) {
        Ok(request) => request,
        Err(error) => return Ok(Err(error)),
    };
    let Some(network) = state.network.clone() else {
        return Ok(Err(ErrorCode::HttpRequestDenied));
    };
    let (is_streamed, options) = (request.is_streamed, options.unwrap_or_default());
    let exchange = send(network, request, options);
    let mut exchange = if is_streamed {
        // A guest may wait to write more of its body before it waits for the response.
        Operation::start(wasmtime_wasi::runtime::spawn(exchange))
    } else {
        Operation::start(exchange)
    };
    // The request is on its way from here on, as with a task.
    exchange.poll();
    Ok(Ok(state.table.push(Exchange::Open(exchange))?))
}

/// The request as it goes to the server, but for what the sender adds.
fn to_http(request: HostOutgoingRequest) -> Result<Outgoing, ErrorCode> {
    let headers = HeaderMap::from(request.headers);
    // One that promises a body and has none would never end.
    if request.body.is_none() && headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0") {
        return Err(ErrorCode::HttpRequestBodySize(Some(0)));
    }
    let scheme = match request.scheme {
        None | Some(WasiScheme::Https) => Scheme::HTTPS,
        Some(WasiScheme::Http) => Scheme::HTTP,
        Some(WasiScheme::Other(_)) => return Err(ErrorCode::HttpProtocolError),
    };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(request.authority.unwrap_or_default())
        .path_and_query(request.path_with_query.unwrap_or_else(|| "/".to_owned()))
        .build()
        .map_err(|_| ErrorCode::HttpRequestUriInvalid)?;
    let is_streamed = request.body.is_some();
    let mut http = Request::new(request.body.unwrap_or_else(no_body));
    let method = request.method.try_into();
    *http.method_mut() = method.map_err(|_| ErrorCode::HttpRequestMethodInvalid)?;
    *http.uri_mut() = uri;
    *http.headers_mut() = headers;
    Ok(Outgoing {
        http,
        is_streamed,
        protocols: Protocols::Http1,
    })
}

fn get(state: &mut RunState, exchange: &Resource<Exchange>) -> wasmtime::Result<Got> {
    let mut http = state.http();
    let exchange = http.table.get_mut(exchange)?;
    let Exchange::Open(operation) = exchange else {
        return Ok(Some(Err(())));
    };
    if operation.poll().is_none() {
        return Ok(None);
    }
    let Exchange::Open(Operation::Done(answer)) = std::mem::replace(exchange, Exchange::Consumed) else {
        return Ok(None);
    };
    let answer = match answer {
        Ok(answer) => answer.map(|body| HostIncomingBody::new(body.boxed_unsync())),
        Err(error) => return failed(&mut http, error),
    };
    let (parts, body) = answer.into_parts();
    let response = HostIncomingResponse {
        status: parts.status.as_u16(),
        headers: FieldMap::new_immutable(http.hooks, parts.headers),
        body: Some(body),
    };
    Ok(Some(Ok(Ok(http.table.push(response)?))))
}

/// wasmtime turns its errors into WASI's in no other place than its own future.
fn failed(http: &mut WasiHttpCtxView<'_>, error: Error) -> wasmtime::Result<Got> {
    let future = http.table.push(HostFutureIncomingResponse::Ready(Err(error)))?;
    let got = http.get(Resource::new_borrow(future.rep()))?;
    http.table.delete(future)?;
    Ok(got)
}
