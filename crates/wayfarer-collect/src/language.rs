//! The visitor's first language, from `navigator.language` or an `Accept-Language` header.

use compact_str::CompactString;

/// The first language of a list, written as usual (`de`, `pt-BR`, `zh-Hans-CN`); `None` if it is none.
pub(crate) fn first(text: &str) -> Option<CompactString> {
    let tag = text.split([',', ';']).next()?.trim();
    let mut out = CompactString::default();
    for (place, part) in tag.split(['-', '_']).enumerate().take(3) {
        let letters = part.bytes().all(|b| b.is_ascii_alphabetic());
        match (place, part.len()) {
            (0, 2..=3) if letters => out.push_str(&part.to_ascii_lowercase()),
            (0, _) => return None,
            (_, 2) if letters => push(&mut out, &part.to_ascii_uppercase()),
            (_, 3) if part.bytes().all(|b| b.is_ascii_digit()) => push(&mut out, part),
            (1, 4) if letters => push(&mut out, &title(part)),
            _ => break,
        }
    }
    Some(out)
}

fn push(out: &mut CompactString, part: &str) {
    out.push('-');
    out.push_str(part);
}

fn title(part: &str) -> String {
    part.char_indices()
        .map(|(i, c)| if i == 0 { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_tag_is_written_as_usual() {
        let cases = [
            ("de", Some("de")),
            ("EN-us,en;q=0.5", Some("en-US")),
            ("zh_hans_cn", Some("zh-Hans-CN")),
            ("es-419", Some("es-419")),
            ("fil;q=1", Some("fil")),
            ("en-x-private", Some("en")),
            ("*", None),
            ("", None),
            ("<script>", None),
            ("é", None),
        ];
        for (text, tag) in cases {
            assert_eq!(first(text).as_deref(), tag, "{text}");
        }
    }
}
