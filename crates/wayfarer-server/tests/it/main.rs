//! The server from outside: real HTTP against a bound port, and the socket of the data folder.

mod dashboard;
mod events;
mod house;
mod live;
mod local;
mod reading;
