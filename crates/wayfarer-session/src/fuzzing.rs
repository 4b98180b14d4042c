//! For the fuzz targets: decoders that lie behind a seal, so that no hostile bytes reach them by the front door.

/// Reads what lies behind the seal of a cookie that has the whole session in it.
pub fn carried(plain: &[u8]) {
    crate::carried::fuzz(plain);
}
