//! actix-session: the session in a signed cookie. It has no store in memory or in SQL.

use actix_session::{
    Session, SessionMiddleware, config::CookieContentSecurity, storage::CookieSessionStore,
};
use actix_web::{
    App, HttpResponse,
    body::MessageBody,
    cookie::Key,
    dev::{Service, ServiceFactory, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Identity,
    rt::System,
    test::{TestRequest, init_service},
    web,
};
use anyhow::{Context, Result, anyhow, ensure};
use wayfarer_bench_measure::{Sample, Stopwatch};

use crate::{
    case::{self, Case, Store},
    contender::{Contender, Overlap, Writers},
};

struct Actix {
    sessions: bool,
}

/// actix-session on this store, where it has it.
pub(crate) fn on(store: Store) -> Option<Box<dyn Contender>> {
    (store == Store::Cookie).then(|| Box::new(Actix { sessions: true }) as Box<dyn Contender>)
}

/// actix-web alone.
pub(crate) fn without_sessions() -> impl Contender {
    Actix { sessions: false }
}

impl Contender for Actix {
    fn system(&self) -> &str {
        if self.sessions { "actix-session 0.11" } else { "actix-web" }
    }

    fn store(&self) -> Option<Store> {
        self.sessions.then_some(Store::Cookie)
    }

    fn base(&self) -> &str {
        "actix-web"
    }

    fn set_up(&self) -> String {
        "signed, one thread".to_owned()
    }

    fn sample(&mut self, case: Case, requests: u64) -> Result<Sample> {
        System::new().block_on(async {
            if self.sessions {
                let key = Key::from(&[7; 64]);
                let middleware = SessionMiddleware::builder(CookieSessionStore::default(), key)
                    .cookie_content_security(CookieContentSecurity::Signed);
                serve(App::new().wrap(middleware.build()).configure(with_sessions), case, requests)
                    .await
            } else {
                serve(App::new().wrap(Identity::default()).configure(alone), case, requests).await
            }
        })
    }

    fn writers(&mut self, _: Writers) -> Result<Option<Sample>> {
        Ok(None)
    }

    /// The browser holds the session: what requests do at once is the browser's to merge, and it keeps the last one.
    fn overlap(&mut self, _: u32) -> Result<Option<Overlap>> {
        Ok(None)
    }
}

async fn serve<F, B>(app: App<F>, case: Case, requests: u64) -> Result<Sample>
where
    F: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = actix_web::Error,
            InitError = (),
        > + 'static,
    B: MessageBody,
{
    let app = init_service(app).await;
    let ask = |path: &'static str, cookie: Option<&str>| {
        let request = TestRequest::with_uri(path);
        let request = cookie
            .into_iter()
            .fold(request, |request, cookie| request.insert_header((header::COOKIE, cookie)));
        app.call(request.to_request())
    };
    let seeded = ask("/seed", None).await.map_err(|error| anyhow!("{error}"))?;
    let cookie = cookie(&seeded)?;
    let cookie = case.has_cookie().then_some(cookie.as_str());
    for _ in 0..20 {
        ask(case.path(), cookie).await.map_err(|error| anyhow!("{error}"))?;
    }
    let watch = Stopwatch::start();
    let mut failures = 0;
    for _ in 0..requests {
        let response = ask(case.path(), cookie).await.map_err(|error| anyhow!("{error}"))?;
        failures += u64::from(!response.status().is_success());
    }
    Ok(watch.stop(requests, failures))
}

fn cookie<B>(seeded: &ServiceResponse<B>) -> Result<String> {
    ensure!(seeded.status().is_success(), "/seed answers {}", seeded.status());
    let set = seeded.headers().get(header::SET_COOKIE).context("/seed sets no cookie")?;
    Ok(set.to_str()?.split(';').next().unwrap_or_default().to_owned())
}

fn alone(app: &mut web::ServiceConfig) {
    let seed = async || HttpResponse::Ok().insert_header((header::SET_COOKIE, "id=1")).finish();
    app.route("/seed", web::get().to(seed));
    for path in ["/untouched", "/read", "/write"] {
        app.route(path, web::get().to(async || "ok"));
    }
}

fn with_sessions(app: &mut web::ServiceConfig) {
    let written = std::sync::atomic::AtomicU64::new(1);
    let written = web::Data::new(written);
    app.app_data(written)
        .route("/seed", web::get().to(seed))
        .route("/untouched", web::get().to(async || "ok"))
        .route("/read", web::get().to(read))
        .route("/write", web::get().to(write));
}

async fn seed(session: Session) -> actix_web::Result<&'static str> {
    for (key, value) in case::payload() {
        session.insert(key, value)?;
    }
    Ok("ok")
}

async fn read(session: Session) -> actix_web::Result<&'static str> {
    session.get::<String>("user")?;
    Ok("ok")
}

async fn write(
    written: web::Data<std::sync::atomic::AtomicU64>,
    session: Session,
) -> actix_web::Result<&'static str> {
    session.insert("n", written.fetch_add(1, std::sync::atomic::Ordering::Relaxed))?;
    Ok("ok")
}
