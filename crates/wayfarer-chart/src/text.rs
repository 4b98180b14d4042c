//! Text in an SVG: escaping, and how wide it is about.

/// Text for the content or an attribute of an element. Characters that XML cannot hold are left out.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

/// How wide a text is, about, at a font size: the browser's font is not known here. Wide scripts count as full squares.
pub(crate) fn width(text: &str, size: f32) -> f32 {
    let share = |c: char| match c {
        'i' | 'j' | 'l' | 't' | 'f' | 'r' | 'I' | '.' | ',' | ':' | ';' | '\'' | '|' | ' '
        | '/' => 0.33,
        'm' | 'w' | 'M' | 'W' | '%' | '@' => 0.9,
        c if c.is_ascii_uppercase() => 0.68,
        c if c.is_ascii_digit() => 0.64,
        c if (c as u32) < 0x1100 => 0.58,
        _ => 1.0,
    };
    text.chars().map(share).sum::<f32>() * size
}

/// The text, or as much of it as has room, with an ellipsis.
pub(crate) fn fit(text: &str, size: f32, room: f32) -> String {
    if width(text, size) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        out.push(c);
        if width(&out, size) + size > room {
            out.pop();
            break;
        }
    }
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_an_element() {
        assert_eq!(escape("<a b='\"'>&\0\n\u{ffff}"), "&lt;a b=&#39;&quot;&#39;&gt;&amp; ");
    }

    #[test]
    fn a_text_is_cut_to_its_room() {
        assert_eq!(fit("abc", 10.0, 100.0), "abc");
        assert_eq!(fit("访客访客访客", 10.0, 45.0), "访客访…");
        assert_eq!(fit("abc", 10.0, 0.0), "…");
    }
}
