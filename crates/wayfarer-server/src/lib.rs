//! HTTP API, dashboard and live stream of Wayfarer.
