//! `/v1/files` and `/v1/stat`: files in and out of the machine. The work on the guest's disk runs off the runtime, and
//! talks to it through short queues.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderValue, StatusCode};
use serde_json::json;
use tokio::sync::mpsc;

use crate::blocking::off_the_runtime;
use crate::http_answers::{Answer, Code, Refusal, response, send_body};
use crate::percent::{decode_percent, not_encoded};
use crate::still_root::{StillRoot, Wanted};
use crate::users::find_user;
use crate::{tar_in, tar_out};

/// Pieces on their way between the disk and the stream
const QUEUE_PIECES: usize = 4;

pub async fn stat(query: &str) -> Result<Answer, Refusal> {
    let path = path_in(query)?;
    off_the_runtime(move || {
        let there = fs::metadata(&path).map_err(|error| Refusal::of_io(&error, "the path"))?;
        let kind = kind_of(&there);
        Ok(Answer::Json(json!({ "kind": kind, "sizeBytes": there.len(), "mode": there.mode() & 0o7777 })))
    })
    .await
}

/// Answers with a tar stream of what is at the path.
pub async fn send(query: &str, respond: &mut SendResponse<Bytes>) -> Result<(), Refusal> {
    let path = path_in(query)?;
    let (path, kind) = off_the_runtime(move || {
        let there = fs::symlink_metadata(&path).map_err(|error| Refusal::of_io(&error, "the path"))?;
        Ok((path, kind_of(&there)))
    })
    .await?;
    if kind == "other" {
        return Err(Refusal::bad_request("the path is neither a file, a folder nor a symbolic link"));
    }
    send_packed(kind, respond, move |pieces| tar_out::pack(&path, pieces)).await
}

/// Answers with a tar stream of all of the files of a machine that does not run, as an image has them.
pub async fn send_root(
    still: Option<StillRoot>,
    wanted: Wanted,
    respond: &mut SendResponse<Bytes>,
) -> Result<(), Refusal> {
    let still = still.ok_or_else(|| Refusal::bad_request("the machine runs, and its files change"))?;
    let (root, choice) = off_the_runtime(move || Ok((still.root.clone(), still.choose(wanted)?))).await?;
    send_packed("directory", respond, move |pieces| tar_out::pack_root(&root, choice, pieces)).await
}

async fn send_packed(
    kind: &'static str,
    respond: &mut SendResponse<Bytes>,
    pack: impl FnOnce(mpsc::Sender<Bytes>) -> io::Result<()> + Send + 'static,
) -> Result<(), Refusal> {
    let mut response = response(StatusCode::OK);
    response.headers_mut().insert("content-type", HeaderValue::from_static("application/x-tar"));
    response.headers_mut().insert("banger-kind", HeaderValue::from_static(kind));
    let Ok(mut stream) = respond.send_response(response, false) else { return Ok(()) };

    let (pieces, mut queue) = mpsc::channel(QUEUE_PIECES);
    let packing = tokio::task::spawn_blocking(move || pack(pieces));
    while let Some(piece) = queue.recv().await {
        if send_body(&mut stream, piece).await.is_err() {
            return Ok(()); // the host wants no more; the packing ends when its queue is gone
        }
    }
    match packing.await {
        Ok(Ok(())) => drop(stream.send_data(Bytes::new(), true)),
        // A stream that is reset is not taken for a whole one.
        _ => stream.send_reset(Reason::INTERNAL_ERROR),
    }
    Ok(())
}

/// Unpacks the body, a tar stream, in the folder.
pub async fn receive(query: &str, mut body: RecvStream) -> Result<Answer, Refusal> {
    let folder = path_in(query)?;
    let owner = text_parameter(query, "owner")?;
    let is_durable = text_parameter(query, "durable")?.as_deref() == Some("true");
    let (pieces, queue) = mpsc::channel::<io::Result<Bytes>>(QUEUE_PIECES);
    let unpacking = tokio::spawn(off_the_runtime(move || {
        let owner = owner.map(|name| find_user(Some(&name))).transpose()?;
        tar_in::unpack(tar_in::Wanted { folder, owner, is_durable }, queue)
    }));
    while let Some(piece) = body.data().await {
        let piece = piece.map_err(|error| io::Error::new(io::ErrorKind::ConnectionReset, error));
        let count = piece.as_ref().map_or(0, Bytes::len);
        if pieces.send(piece).await.is_err() {
            break; // the unpacking has ended, and says why
        }
        let _ = body.flow_control().release_capacity(count);
    }
    drop(pieces);
    unpacking.await.unwrap_or_else(|error| Err(Refusal::new(Code::Internal, error.to_string())))?;
    Ok(Answer::NoContent)
}

fn kind_of(there: &fs::Metadata) -> &'static str {
    match there.file_type() {
        kind if kind.is_file() => "file",
        kind if kind.is_dir() => "directory",
        kind if kind.is_symlink() => "symlink",
        _ => "other",
    }
}

fn path_in(query: &str) -> Result<PathBuf, Refusal> {
    let path = parameter(query, "path")?.ok_or_else(|| Refusal::bad_request("path is missing"))?;
    if !path.starts_with(b"/") || path.contains(&0) {
        return Err(Refusal::bad_request("path is not absolute"));
    }
    Ok(PathBuf::from(OsString::from_vec(path)))
}

fn text_parameter(query: &str, name: &str) -> Result<Option<String>, Refusal> {
    let value = parameter(query, name)?;
    value.map(|bytes| String::from_utf8(bytes).map_err(|_| not_encoded())).transpose()
}

/// Any bytes: a path need not be UTF-8.
fn parameter(query: &str, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(key, _)| *key == name).map(|(_, value)| value);
    value.map(decode_percent).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    #[test]
    fn a_path_is_taken_from_the_query() {
        assert_eq!(path_in("owner=root&path=%2Fa%20b%2fc+d").unwrap(), Path::new("/a b/c+d"));
        assert_eq!(path_in("path=/a%FFb").unwrap().as_os_str().as_bytes(), b"/a\xffb");
        assert_eq!(text_parameter("path=/x&owner=mia", "owner").unwrap().as_deref(), Some("mia"));
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        for query in ["", "path=relative", "path=/a%00b", "path=/%zz", "path=/%2"] {
            assert_eq!(path_in(query).unwrap_err().code, Code::BadRequest);
        }
    }
}
