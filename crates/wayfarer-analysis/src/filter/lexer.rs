//! Cuts a filter into tokens, each with the place where it begins.

use super::{FilterError, error::FilterErrorKind, expr::Op};

/// A word of the filter language.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A field or keyword, as written.
    Word(String),
    /// A text, without its quotes.
    Text(String),
    /// A number, as written.
    Number(f64),
    /// `=`, `!=`, `<`, …
    Op(Op),
    /// `~`, or `!~` where true.
    Pattern { negated: bool },
    /// `(`
    Open,
    /// `)`
    Close,
    /// `,`
    Comma,
}

/// A token, its place in characters, and how it was written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spanned {
    pub(super) token: Token,
    pub(super) position: usize,
    pub(super) written: String,
}

/// Cuts `text` into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Spanned>, FilterError> {
    let chars: Vec<char> = text.chars().collect();
    let mut lexer = Lexer { chars: &chars, at: 0 };
    let mut tokens = Vec::new();
    loop {
        lexer.skip(char::is_whitespace);
        let position = lexer.at;
        let Some(token) = lexer.token()? else { return Ok(tokens) };
        let written = chars[position..lexer.at].iter().collect();
        tokens.push(Spanned { token, position, written });
    }
}

struct Lexer<'a> {
    chars: &'a [char],
    at: usize,
}

impl Lexer<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn take(&mut self, wanted: char) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn token(&mut self) -> Result<Option<Token>, FilterError> {
        let Some(first) = self.peek() else { return Ok(None) };
        if first == '\'' || first == '"' {
            return self.text(first).map(Some);
        }
        if first.is_ascii_digit() || first == '-' {
            return self.number().map(Some);
        }
        if first.is_alphabetic() || first == '_' {
            return self.word().map(Some);
        }
        self.symbol().map(Some)
    }

    fn symbol(&mut self) -> Result<Token, FilterError> {
        let position = self.at;
        let first = self.peek();
        self.at += 1;
        Ok(match first {
            Some('(') => Token::Open,
            Some(')') => Token::Close,
            Some(',') => Token::Comma,
            Some('~') => Token::Pattern { negated: false },
            Some('=') => {
                self.take('=');
                Token::Op(Op::Eq)
            }
            Some('!') if self.take('=') => Token::Op(Op::Ne),
            Some('!') if self.take('~') => Token::Pattern { negated: true },
            Some('<') if self.take('=') => Token::Op(Op::Le),
            Some('<') if self.take('>') => Token::Op(Op::Ne),
            Some('<') => Token::Op(Op::Lt),
            Some('>') if self.take('=') => Token::Op(Op::Ge),
            Some('>') => Token::Op(Op::Gt),
            other => {
                let found = other.map(String::from);
                let expected = "a field, a value or an operator";
                return Err(FilterError::new(
                    position,
                    FilterErrorKind::Expected { expected, found },
                ));
            }
        })
    }

    /// A text in quotes; a quote inside is written twice.
    fn text(&mut self, quote: char) -> Result<Token, FilterError> {
        let position = self.at;
        let mut text = String::new();
        self.at += 1;
        loop {
            let Some(c) = self.peek() else {
                return Err(FilterError::new(position, FilterErrorKind::OpenQuote));
            };
            self.at += 1;
            if c == quote && !self.take(quote) {
                return Ok(Token::Text(text));
            }
            text.push(c);
        }
    }

    fn number(&mut self) -> Result<Token, FilterError> {
        let position = self.at;
        self.at += 1;
        self.skip(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
        let written: String = self.chars[position..self.at].iter().collect();
        match written.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Token::Number(number)),
            _ => Err(FilterError::new(
                position,
                FilterErrorKind::Expected { expected: "a number", found: Some(written) },
            )),
        }
    }

    /// A field or keyword. The name of a property may be quoted: `prop.'any name'`.
    fn word(&mut self) -> Result<Token, FilterError> {
        let position = self.at;
        self.skip(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '$' | ':'));
        let mut word: String = self.chars[position..self.at].iter().collect();
        if let (true, Some(quote @ ('\'' | '"'))) = (word == "prop.", self.peek())
            && let Token::Text(name) = self.text(quote)?
        {
            word.push_str(&name);
        }
        Ok(Token::Word(word))
    }
}
