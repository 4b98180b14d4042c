//! A wire between a program and a server, on which round trips are counted.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use anyhow::Result;

/// Passes everything on, both ways, and counts how often the program speaks after the server has spoken.
pub struct Wire {
    port: u16,
    trips: Arc<AtomicU64>,
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
        let counted = trips.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)) {
                    pass_on(&client, &server, &counted);
                }
            }
        });
        Ok(Wire { port, trips })
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
