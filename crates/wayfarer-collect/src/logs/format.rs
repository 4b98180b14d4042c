//! The table of the formats.

/// A format of log files: one row of [`FORMATS`].
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// Its name on the command line, such as `combined`.
    pub name: &'static str,
    /// What it is, in a sentence without its full stop.
    pub doc: &'static str,
}

/// Every format that is read, in the order in which they are tried by the detection.
pub static FORMATS: &[Format] = &[
    Format { name: "combined", doc: "Apache and nginx: Common with referrer and user agent" },
    Format { name: "common", doc: "NCSA Common: address, time, request, status, bytes" },
];

impl Format {
    /// The format of this name; `None` for a name that is not in the table, `auto` included.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Format> {
        FORMATS.iter().find(|format| format.name == name)
    }
}
