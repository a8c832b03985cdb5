//! The two messages of the health protocol, each of one field, in the encoding of protocol buffers.

/// `HealthCheckResponse.ServingStatus`: the only one that is healthy.
pub(crate) const SERVING: u64 = 1;

/// Field 1 of both messages: a text in the request, a number in the response.
const REQUEST_SERVICE: u8 = 1 << 3 | BYTES;
const RESPONSE_STATUS: u64 = 1 << 3 | VARINT as u64;

/// How a field's value is encoded.
const VARINT: u8 = 0;
const FIXED_64: u8 = 1;
const BYTES: u8 = 2;
const FIXED_32: u8 = 5;

/// A `HealthCheckRequest`. The empty service, which stands for the whole server, is not written.
pub(crate) fn request(service: &str) -> Vec<u8> {
    let mut message = Vec::new();
    if service.is_empty() {
        return message;
    }
    message.push(REQUEST_SERVICE);
    let mut length = service.len();
    while length > 0x7f {
        message.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(service.as_bytes());
    message
}

/// The status of a `HealthCheckResponse`; 0 if it is not written. None: it cannot be read. Fields that later versions may
/// have are passed over.
pub(crate) fn status(mut message: &[u8]) -> Option<u64> {
    let mut status = 0;
    while !message.is_empty() {
        let tag = varint(&mut message)?;
        if tag == RESPONSE_STATUS {
            status = varint(&mut message)?;
            continue;
        }
        let length = match (tag & 7) as u8 {
            VARINT => {
                varint(&mut message)?;
                0
            }
            FIXED_64 => 8,
            BYTES => usize::try_from(varint(&mut message)?).ok()?,
            FIXED_32 => 4,
            _ => return None,
        };
        message = message.get(length..)?;
    }
    Some(status)
}

/// Takes a number of at most ten bytes.
fn varint(message: &mut &[u8]) -> Option<u64> {
    const MAX_BYTES: u32 = 10;
    let mut number = 0;
    for index in 0..MAX_BYTES {
        let (&byte, rest) = message.split_first()?;
        *message = rest;
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// A status as Go prints it.
pub(crate) fn status_name(status: u64) -> String {
    match status {
        0 => "UNKNOWN".to_owned(),
        SERVING => "SERVING".to_owned(),
        2 => "NOT_SERVING".to_owned(),
        3 => "SERVICE_UNKNOWN".to_owned(),
        other => other.to_string(),
    }
}
