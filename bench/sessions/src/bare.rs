//! The frameworks without sessions, to be subtracted.

use anyhow::Result;
use axum::{Router, routing::get};
use tower::layer::util::Identity;

use crate::{
    actix,
    axum_app::{AxumApp, runtime},
    contender::Contender,
    overlap::Stage,
};

/// axum, axum with a layer that does nothing, and actix-web.
pub(crate) fn all() -> Result<Vec<Box<dyn Contender>>> {
    let routes = || {
        let router: Router = Router::new();
        ["/untouched", "/read", "/write"]
            .iter()
            .fold(router, |router, path| router.route(path, get(async || "ok")))
    };
    let app = |system, router| {
        let about = (system, None, "no sessions".to_owned());
        AxumApp::new(about, (router, Stage::new()), runtime()?)
    };
    Ok(vec![
        Box::new(app("axum", routes())?),
        Box::new(app("axum, empty layer", routes().layer(Identity::new()))?),
        Box::new(actix::without_sessions()),
    ])
}
