//! For the fuzz targets: what lies in a segment of the log, by itself.

/// Reads the bytes as a segment: its head, and every sound frame behind it; then as the payload of a frame whose checksum is
/// right.
///
/// # Panics
/// When a frame that was found lies outside of the bytes.
pub fn segment(bytes: &[u8]) {
    crate::wal::fuzz(bytes);
}
