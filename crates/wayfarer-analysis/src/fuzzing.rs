//! For the fuzz targets: the language of patterns by itself.

/// Reads a pattern, or says why it is none.
pub fn pattern(text: &str) {
    match crate::pattern::parse(text) {
        Ok(pattern) => drop(format!("{pattern:?}")),
        Err(error) => drop(error.to_string()),
    }
}
