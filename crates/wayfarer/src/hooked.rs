//! The way of a request through a layer that has hooks: the order in which they are asked.
//!
//! Without hooks a request takes the shorter way in `service`, which allocates nothing; the steps are the same.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, request};
use tower_service::Service;
use wayfarer_session::{Finished, Session};

use crate::{
    ending::{Ending, refusal, told_all_the_same},
    hook::{Answer, Exchange, Save},
    layer::Config,
    transport::{KeyTransport, RequestHead},
};

/// Serves a request, with every hook asked at its time.
pub(crate) async fn serve<S, ReqBody, ResBody>(
    config: Arc<Config>,
    mut inner: S,
    request: Request<ReqBody>,
) -> Result<Response<ResBody>, S::Error>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: From<Bytes>,
{
    let (mut head, body) = request.into_parts();
    let transport = choose(&config, &head);
    let arrived = transport.read(RequestHead { uri: &head.uri, headers: &head.headers });
    let (session, route) = (config.manager.open(arrived.key.as_deref()), arrived.route);
    head.extensions.insert(session.clone());
    let early = ask(&config, &mut head, &session).await;
    let seen = head.clone();
    let response = match early {
        Some(answer) => answer.map(ResBody::from),
        None => inner.call(Request::from_parts(head, body)).await?,
    };
    let (response, body) = response.into_parts();
    let mut exchange = Exchange { request: &seen, session: &session, response, body: None };
    let ending = Ending { route, transport: &*transport, clock: &*config.clock };
    end(&config, ending, &mut exchange).await;
    let Exchange { response, body: replaced, .. } = exchange;
    Ok(Response::from_parts(response, replaced.map_or(body, ResBody::from)))
}

fn choose(config: &Config, head: &request::Parts) -> Arc<dyn KeyTransport> {
    let chosen = config.hooks.iter().find_map(|hook| hook.transport(head));
    chosen.unwrap_or_else(|| Arc::clone(&config.transport))
}

async fn ask(config: &Config, head: &mut request::Parts, session: &Session) -> Option<Answer> {
    for hook in &config.hooks {
        if let Some(answer) = hook.on_request(head, session).await {
            return Some(answer);
        }
    }
    None
}

/// Saves the session and settles the response, or refuses.
async fn end(config: &Config, ending: Ending<'_>, exchange: &mut Exchange<'_>) {
    let mut save = Save::after(exchange.response.status);
    for hook in config.hooks.iter().rev() {
        hook.before_save(exchange, &mut save).await;
    }
    match exchange.session.finish(save.outcome()).await {
        Ok(finished) => tell(config, ending, exchange, finished).await,
        Err(error) => {
            exchange.answer(refusal(&error, &ending.transport.varies_by()));
            if let Some(told) = told_all_the_same(&error, exchange.session) {
                tell(config, ending, exchange, told).await;
            }
            for hook in config.hooks.iter().rev() {
                hook.on_failure(exchange, &error).await;
            }
        }
    }
}

/// Writes into the head what the client is told, once the hooks have had their say.
async fn tell(
    config: &Config,
    ending: Ending<'_>,
    exchange: &mut Exchange<'_>,
    mut finished: Finished,
) {
    for hook in config.hooks.iter().rev() {
        hook.before_head(exchange, &mut finished.cookie).await;
    }
    ending.write_head(&finished, &mut exchange.response.headers);
}
