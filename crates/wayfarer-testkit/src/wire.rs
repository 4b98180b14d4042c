//! A wire between a program and a server, on which round trips are counted.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use anyhow::Result;

/// Passes everything on, both ways, and counts how often the program speaks after the server has spoken.
pub struct Wire {
    port: u16,
    trips: Arc<AtomicU64>,
    far: Arc<Mutex<Far>>,
}

/// The end of a wire that no program sees.
struct Far {
    /// The port of the server.
    server: u16,
    open: Vec<TcpStream>,
}

impl Wire {
    /// A wire to a server on this port of 127.0.0.1. It passes connections on until the test program ends.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn to(server: u16) -> Result<Wire> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        let trips = Arc::new(AtomicU64::new(0));
        let far = Arc::new(Mutex::new(Far { server, open: Vec::new() }));
        let (counted, ends) = (trips.clone(), far.clone());
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut far = lock(&ends);
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, far.server)) {
                    pass_on(&client, &server, &counted);
                    far.open.push(server);
                }
            }
        });
        Ok(Wire { port, trips, far })
    }

    /// Breaks all connections. Those that are made from now on go to another server, as where one takes over.
    pub fn turn_to(&self, server: u16) {
        let mut far = lock(&self.far);
        far.server = server;
        for open in far.open.drain(..) {
            let _ = open.shutdown(Shutdown::Both);
        }
    }

    /// The port on 127.0.0.1 to which the program connects.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many round trips there have been on all connections.
    #[must_use]
    pub fn trips(&self) -> u64 {
        self.trips.load(Ordering::SeqCst)
    }
}

fn lock(far: &Mutex<Far>) -> MutexGuard<'_, Far> {
    far.lock().unwrap_or_else(PoisonError::into_inner)
}

fn pass_on(client: &TcpStream, server: &TcpStream, trips: &Arc<AtomicU64>) {
    let (Ok(client_in), Ok(server_in)) = (client.try_clone(), server.try_clone()) else { return };
    let (Ok(client_out), Ok(server_out)) = (client.try_clone(), server.try_clone()) else { return };
    // Set while it is the program's turn to speak.
    let turn = Arc::new(AtomicBool::new(true));
    let (trips, asked) = (trips.clone(), turn.clone());
    thread::spawn(move || {
        copy(client_in, server_out, || {
            if asked.swap(false, Ordering::SeqCst) {
                trips.fetch_add(1, Ordering::SeqCst);
            }
        });
    });
    thread::spawn(move || copy(server_in, client_out, || turn.store(true, Ordering::SeqCst)));
}

/// Copies until either end is closed, and calls `heard` before each piece goes on.
fn copy(mut from: TcpStream, mut to: TcpStream, heard: impl Fn()) {
    let mut piece = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece) {
        heard();
        if to.write_all(piece.get(..length).unwrap_or_default()).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}
