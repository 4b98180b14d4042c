//! The shared vectors of real Django, where they are there.

/// Those of this kind, or none and a line that says so.
pub(crate) fn of(kind: &str) -> Vec<serde_json::Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/django/vectors.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("no shared vectors at {path}: only our own values were tried");
        return Vec::new();
    };
    let all: serde_json::Value = serde_json::from_str(&text).unwrap();
    let vectors = all["vectors"].as_array().unwrap().iter();
    let of_kind: Vec<_> = vectors.filter(|vector| vector["kind"] == kind).cloned().collect();
    assert!(!of_kind.is_empty(), "no vector is of the kind {kind}");
    of_kind
}
