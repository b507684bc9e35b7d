//! Requests and answers in the agent's HTTP: bounded JSON bodies, errors with codes, bodies sent at the host's pace.

use std::future::poll_fn;
use std::io;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;

const JSON_LIMIT_BYTES: usize = 64 * 1024;

/// Why a request was not done, as the protocol names it
#[derive(Debug)]
pub struct Refusal {
    pub code: &'static str,
    pub message: String,
}

impl Refusal {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new("BAD_REQUEST", message)
    }

    pub fn of_io(error: &io::Error, tried: &str) -> Self {
        use io::ErrorKind as Kind;
        let code = match error.kind() {
            Kind::NotFound => "NOT_FOUND",
            Kind::PermissionDenied | Kind::ReadOnlyFilesystem => "PERMISSION",
            Kind::IsADirectory => "IS_A_DIRECTORY",
            Kind::NotADirectory => "NOT_A_DIRECTORY",
            Kind::AlreadyExists => "EXISTS",
            Kind::StorageFull | Kind::QuotaExceeded => "NO_SPACE",
            Kind::ResourceBusy => "BUSY",
            Kind::InvalidInput | Kind::InvalidData | Kind::UnexpectedEof => "BAD_REQUEST",
            _ => "INTERNAL",
        };
        Self::new(code, format!("{tried}: {error}"))
    }

    pub fn to_json(&self) -> serde_json::Value {
        json!({ "code": self.code, "message": self.message })
    }

    fn status(&self) -> StatusCode {
        match self.code {
            "BAD_REQUEST" | "IS_A_DIRECTORY" | "NOT_A_DIRECTORY" => StatusCode::BAD_REQUEST,
            "NOT_FOUND" | "USER_NOT_FOUND" | "COMMAND_NOT_FOUND" | "CWD_NOT_FOUND" => StatusCode::NOT_FOUND,
            "PERMISSION" => StatusCode::FORBIDDEN,
            "EXISTS" | "BUSY" => StatusCode::CONFLICT,
            "TOO_MANY_SESSIONS" => StatusCode::TOO_MANY_REQUESTS,
            "NO_SPACE" => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
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
        Err(refusal) => (refusal.status(), refusal.to_json().to_string()),
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
    let mut json = Vec::new();
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(|error| Refusal::bad_request(error.to_string()))?;
        if json.len() + piece.len() > JSON_LIMIT_BYTES {
            return Err(Refusal::bad_request("the body is above 64 KiB"));
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
