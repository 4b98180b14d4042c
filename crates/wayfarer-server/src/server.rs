//! What every handler knows, and running it.

use std::{io, net::SocketAddr, sync::Arc};

use tokio::{
    net::{TcpListener, UnixListener},
    sync::{Semaphore, watch},
};
use wayfarer_embedded::Wayfarer;

use crate::{
    config::Http,
    limit::RateLimits,
    local,
    messages::{Catalogue, Lang},
    router::{local_router, router},
};

/// A server over one data folder. Clones are handles to the same one.
#[derive(Clone, Debug)]
pub struct Server {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    wayfarer: Wayfarer,
    http: Http,
    words: [Catalogue; Lang::ALL.len()],
    rates: RateLimits,
    posts: Semaphore,
    live: Arc<Semaphore>,
    closing: watch::Sender<bool>,
}

impl Server {
    /// A server over this folder.
    #[must_use]
    pub fn new(wayfarer: Wayfarer, http: Http) -> Server {
        let inner = Inner {
            words: Lang::ALL.map(Catalogue::new),
            rates: RateLimits::new(&http),
            posts: Semaphore::new(http.max_posts),
            live: Arc::new(Semaphore::new(http.max_live)),
            closing: watch::Sender::new(false),
            wayfarer,
            http,
        };
        Server { inner: Arc::new(inner) }
    }

    /// The loop beneath.
    #[must_use]
    pub fn wayfarer(&self) -> &Wayfarer {
        &self.inner.wayfarer
    }

    pub(crate) fn http(&self) -> &Http {
        &self.inner.http
    }

    pub(crate) fn words(&self, lang: Lang) -> &Catalogue {
        match lang {
            Lang::En => &self.inner.words[0],
            Lang::ZhCn => &self.inner.words[1],
        }
    }

    pub(crate) fn rates(&self) -> &RateLimits {
        &self.inner.rates
    }

    pub(crate) fn posts(&self) -> &Semaphore {
        &self.inner.posts
    }

    pub(crate) fn live(&self) -> &Arc<Semaphore> {
        &self.inner.live
    }

    /// Turns `true` when the server is to stop: answers without an end must end then.
    pub(crate) fn closing(&self) -> watch::Receiver<bool> {
        self.inner.closing.subscribe()
    }
}

/// Why a server does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Everybody could reach it, and nothing asks who they are.
    #[error(
        "{0} can be reached by others, and there are no accounts yet: listen on 127.0.0.1 and let a proxy ask for a \
         password"
    )]
    NotLoopback(SocketAddr),
    /// The socket in the data folder cannot be made.
    #[error("cannot listen on the socket in {folder}: {source}")]
    Socket {
        /// The folder.
        folder: String,
        /// What the system says.
        source: io::Error,
    },
    /// Listening broke off.
    #[error("cannot go on serving: {0}")]
    Io(#[from] io::Error),
}

/// A server whose doors are open: connections wait at the listener and at the socket of the data folder.
#[derive(Debug)]
pub struct Serving {
    server: Server,
    listener: TcpListener,
    socket: UnixListener,
}

impl Serving {
    /// Opens the socket of the data folder beside the listener. From then on commands on the folder find the server.
    ///
    /// # Errors
    /// [`ServeError::NotLoopback`], and [`ServeError::Socket`] when the system refuses.
    pub fn new(server: Server, listener: TcpListener) -> Result<Serving, ServeError> {
        let address = listener.local_addr()?;
        if !address.ip().is_loopback() {
            return Err(ServeError::NotLoopback(address));
        }
        let folder = server.wayfarer().folder();
        let socket = local::bind(folder).map_err(|source| ServeError::Socket {
            folder: folder.display().to_string(),
            source,
        })?;
        Ok(Serving { server, listener, socket })
    }

    /// Answers until `shutdown` is done and the requests of that moment have their answers. The data folder stays open:
    /// closing it is the caller's.
    ///
    /// # Errors
    /// [`ServeError::Io`] when listening breaks off.
    pub async fn run(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), ServeError> {
        let Serving { server, listener, socket } = self;
        let stop = server.clone();
        tokio::spawn(async move {
            shutdown.await;
            stop.inner.closing.send_replace(true);
        });
        let remote = router(server.clone()).into_make_service_with_connect_info::<SocketAddr>();
        let owner = local_router(server.clone()).into_make_service();
        let until = |mut closing: watch::Receiver<bool>| async move { closed(&mut closing).await };
        let (served, owned) = tokio::join!(
            axum::serve(listener, remote).with_graceful_shutdown(until(server.closing())),
            axum::serve(socket, owner).with_graceful_shutdown(until(server.closing())),
        );
        local::remove(server.wayfarer().folder());
        served?;
        owned?;
        Ok(())
    }
}

/// Serves on a listener and on the socket of the data folder: [`Serving::new`], then [`Serving::run`].
///
/// # Errors
/// As both.
pub async fn serve(
    server: Server,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), ServeError> {
    Serving::new(server, listener)?.run(shutdown).await
}

/// Done when the server is to stop.
pub(crate) async fn closed(closing: &mut watch::Receiver<bool>) {
    // An error means that the server itself is gone.
    let _ = closing.wait_for(|closing| *closing).await;
}
