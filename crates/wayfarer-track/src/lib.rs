//! Records what happens in an application's requests and sessions as Wayfarer events.
