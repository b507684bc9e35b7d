//! The table of requests.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::agent::{Agent, World};
use crate::blocking::off_the_runtime;
use crate::exec::Signal;
use crate::http_answers::{Answer, Code, Refusal, read_json, read_json_within, response, send_answer};
use crate::image_config::{self, ImageConfig};
use crate::process::signal_number;
use crate::{exec, files, forward, ports, shutdown, still_root};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Clock {
    unix_ms: u64,
}

pub async fn answer(agent: Arc<Agent>, request: Request<RecvStream>, mut respond: SendResponse<Bytes>) {
    let (head, mut body) = request.into_parts();
    if head.method == Method::CONNECT {
        return forward::run(&head.uri, body, respond).await;
    }
    let path = head.uri.path().to_owned();
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let query = head.uri.query().unwrap_or_default();
    let answer = match (head.method.as_str(), &segments[..]) {
        ("POST", ["v1", "exec"]) => {
            if let Ok(client) = respond.send_response(response(StatusCode::OK), false) {
                exec::run(agent, body, client).await;
            }
            return;
        }
        ("GET", ["v1", "init"]) => {
            tokio::select! {
                answer = agent.init_ready.clone().wait() => answer.map(|()| Answer::NoContent),
                _ = poll_fn(|context| respond.poll_reset(context)) => return,
            }
        }
        ("GET", ["v1", "sessions"]) => Ok(Answer::Json(json!({ "sessions": agent.sessions.list() }))),
        ("POST", ["v1", "sessions", id, "signal"]) => signal(&agent, id, &mut body).await,
        ("DELETE", ["v1", "sessions", id]) => agent.sessions.get(id).map(|session| {
            session.close();
            agent.sessions.forget(id);
            Answer::NoContent
        }),
        ("GET", ["v1", "files"]) => match files::send(query, &mut respond).await {
            Ok(()) => return,
            Err(refusal) => Err(refusal),
        },
        ("POST", ["v1", "root"]) => match send_root(&agent, &mut body, &mut respond).await {
            Ok(()) => return,
            Err(refusal) => Err(refusal),
        },
        ("PUT", ["v1", "files"]) => files::receive(query, body).await,
        ("GET", ["v1", "stat"]) => files::stat(query).await,
        ("GET", ["v1", "ports"]) => ports::list().await,
        ("POST", ["v1", "clock"]) => follow_clock(&agent, &mut body).await,
        ("PUT", ["v1", "image"]) => keep_image(agent, &mut body).await,
        ("POST", ["v1", "shutdown"]) => match read_json(&mut body).await {
            Ok(order) => {
                send_answer(&mut respond, Ok(Answer::Accepted));
                return shutdown::run(&agent, order).await;
            }
            Err(refusal) => Err(refusal),
        },
        (method, _) => Err(Refusal::new(Code::NotFound, format!("there is no {method} {path}"))),
    };
    send_answer(&mut respond, answer);
}

async fn signal(agent: &Agent, id: &str, body: &mut RecvStream) -> Result<Answer, Refusal> {
    let Signal { signal } = read_json(body).await?;
    let number = signal_number(&signal)?;
    agent.sessions.get(id)?.process.signal_group(number);
    Ok(Answer::NoContent)
}

async fn keep_image(agent: Arc<Agent>, body: &mut RecvStream) -> Result<Answer, Refusal> {
    let config: ImageConfig = read_json_within(body, image_config::LIMIT_BYTES).await?;
    off_the_runtime(move || agent.image.set(config)).await?;
    Ok(Answer::NoContent)
}

async fn send_root(agent: &Agent, body: &mut RecvStream, respond: &mut SendResponse<Bytes>) -> Result<(), Refusal> {
    let wanted = read_json_within(body, still_root::LIMIT_BYTES).await?;
    files::send_root(agent.still.clone(), wanted, respond).await
}

async fn follow_clock(agent: &Agent, body: &mut RecvStream) -> Result<Answer, Refusal> {
    let Clock { unix_ms } = read_json(body).await?;
    if agent.world == World::Process {
        return Ok(Answer::NoContent);
    }
    agent.clock.follow(unix_ms).map_err(|error| Refusal::of_io(&error, "setting the clock"))?;
    Ok(Answer::NoContent)
}
