//! Real servers, browsers and clocks for tests.
