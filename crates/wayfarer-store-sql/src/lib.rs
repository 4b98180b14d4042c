//! Wayfarer session stores in SQL databases.
