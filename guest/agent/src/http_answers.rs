//! Requests and answers in the agent's HTTP: bounded JSON bodies, errors with codes, bodies sent at the host's pace.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;

const JSON_LIMIT_BYTES: usize = 64 * 1024;
/// It may name a command that is megabytes long
const MESSAGE_LIMIT_BYTES: usize = 1000;

/// Why a request was not done, as the protocol names it. The host's table is `contract/src/guest/agent-codes.ts`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(serde::Deserialize))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    BadRequest,
    NotFound,
    IsADirectory,
    NotADirectory,
    Permission,
    Exists,
    NoSpace,
    Busy,
    UserNotFound,
    CwdNotFound,
    CommandNotFound,
    NoShell,
    CommandNotExecutable,
    CommandTooLong,
    TooManySessions,
    Internal,
}

impl Code {
    fn status(self) -> StatusCode {
        match self {
            Self::BadRequest
            | Self::IsADirectory
            | Self::NotADirectory
            | Self::CommandNotExecutable
            | Self::CommandTooLong => StatusCode::BAD_REQUEST,
            Self::NotFound | Self::UserNotFound | Self::CommandNotFound | Self::NoShell | Self::CwdNotFound => {
                StatusCode::NOT_FOUND
            }
            Self::Permission => StatusCode::FORBIDDEN,
            Self::Exists | Self::Busy => StatusCode::CONFLICT,
            Self::TooManySessions => StatusCode::TOO_MANY_REQUESTS,
            Self::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Refusal {
    pub code: Code,
    pub message: String,
}

impl Refusal {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        let end = (0..=MESSAGE_LIMIT_BYTES).rev().find(|&at| message.is_char_boundary(at));
        message.truncate(end.unwrap_or(0));
        Self { code, message }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, message)
    }

    pub fn of_io(error: &io::Error, tried: &str) -> Self {
        use io::ErrorKind as Kind;
        let code = match error.kind() {
            Kind::NotFound => Code::NotFound,
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => Code::Permission,
            Kind::IsADirectory => Code::IsADirectory,
            Kind::NotADirectory => Code::NotADirectory,
            Kind::AlreadyExists => Code::Exists,
            Kind::StorageFull | Kind::QuotaExceeded => Code::NoSpace,
            Kind::ResourceBusy => Code::Busy,
            Kind::InvalidInput | Kind::InvalidData | Kind::UnexpectedEof => Code::BadRequest,
            _ => Code::Internal,
        };
        Self::new(code, format!("{tried}: {error}"))
    }
}

pub enum Answer {
    Json(serde_json::Value),
    NoContent,
    Accepted,
}

/// Sends the whole answer. A host that is gone misses nothing.
pub fn send_answer(respond: &mut SendResponse<Bytes>, answer: Result<Answer, Refusal>) {
    let (status, body) = match answer {
        Ok(Answer::Json(value)) => (StatusCode::OK, value.to_string()),
        Ok(Answer::NoContent) => (StatusCode::NO_CONTENT, String::new()),
        Ok(Answer::Accepted) => (StatusCode::ACCEPTED, "{}".to_owned()),
        Err(refusal) => (refusal.code.status(), serde_json::to_string(&refusal).unwrap_or_default()),
    };
    let response = response(status);
    if let Ok(mut stream) = respond.send_response(response, body.is_empty()) {
        if !body.is_empty() {
            let _ = stream.send_data(body.into(), true);
        }
    }
}

pub fn response(status: StatusCode) -> Response<()> {
    let mut response = Response::new(());
    *response.status_mut() = status;
    response
}

pub async fn read_json<T: DeserializeOwned>(body: &mut RecvStream) -> Result<T, Refusal> {
    read_json_within(body, JSON_LIMIT_BYTES).await
}

pub async fn read_json_within<T: DeserializeOwned>(body: &mut RecvStream, limit_bytes: usize) -> Result<T, Refusal> {
    let mut json = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(|error| Refusal::bad_request(error.to_string()))?;
        if json.len() + piece.len() > limit_bytes {
            return Err(Refusal::bad_request(format!("the body is above {} KiB", limit_bytes >> 10)));
        }
        let _ = body.flow_control().release_capacity(piece.len());
        json.extend_from_slice(&piece);
    }
    parse_json(&json)
}

pub fn parse_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(json).map_err(|error| Refusal::bad_request(error.to_string()))
}

/// Sends at the pace of the host's window.
pub async fn send_body(stream: &mut SendStream<Bytes>, mut bytes: Bytes) -> Result<(), h2::Error> {
    while !bytes.is_empty() {
        stream.reserve_capacity(bytes.len());
        let Some(room) = poll_fn(|context| stream.poll_capacity(context)).await else {
            return Err(Reason::CANCEL.into());
        };
        let piece = bytes.split_to(room?.min(bytes.len()));
        stream.send_data(piece, false)?;
    }
    Ok(())
}

/// Waits until the host takes the stream back, or is gone.
pub async fn cut_off(stream: &mut SendStream<Bytes>) {
    let _ = poll_fn(|context| stream.poll_reset(context)).await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn a_reason_is_short_whatever_it_names() {
        assert_eq!(Refusal::bad_request("é".repeat(5000)).message.len(), MESSAGE_LIMIT_BYTES);
        assert_eq!(Refusal::bad_request("short").message, "short");
    }

    #[test]
    fn the_codes_are_those_of_the_shared_table() {
        let table: BTreeMap<String, u16> =
            serde_json::from_str(include_str!("../../../packages/contract/vectors/agent-codes.json")).unwrap();
        for (name, status) in &table {
            let code: Code = serde_json::from_value(name.as_str().into()).unwrap();
            assert_eq!(code.status().as_u16(), *status, "{name}");
        }
        assert_eq!(table.len(), Code::Internal as usize + 1, "one of ours is not in the table");
    }
}
