//! Tokens as text: the same text for the same tokens, and as a person would write them.

use proc_macro2::{Delimiter, Spacing, TokenStream, TokenTree};
use quote::ToTokens;

/// Tokens one by one with a space between: the same text however the source was spaced.
pub(crate) fn spell(tokens: TokenStream) -> String {
    let mut text = String::new();
    spell_into(tokens, &mut text);
    text
}

fn spell_into(tokens: TokenStream, text: &mut String) {
    for token in tokens {
        if !text.is_empty() {
            text.push(' ');
        }
        match token {
            TokenTree::Group(group) => {
                let (open, close) = delimiters(group.delimiter());
                text.push_str(open);
                spell_into(group.stream(), text);
                text.push_str(close);
            }
            other => text.push_str(&other.to_string()),
        }
    }
}

fn delimiters(delimiter: Delimiter) -> (&'static str, &'static str) {
    match delimiter {
        Delimiter::Parenthesis => ("(", ")"),
        Delimiter::Brace => ("{", "}"),
        Delimiter::Bracket => ("[", "]"),
        Delimiter::None => ("", ""),
    }
}

/// A type, path or short expression as a person would write it, for messages.
pub(crate) fn show(tokens: &impl ToTokens) -> String {
    let mut line = Line::default();
    line.add(tokens.to_token_stream());
    line.text
}

/// What stands at the end of the text so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
enum End {
    /// Nothing, or something that the next token follows without a space.
    #[default]
    Open,
    /// A name, literal or closed group: an operator after it has two sides.
    Operand,
    /// `,`, `=` and other signs with a space after them.
    Sign,
}

#[derive(Debug, Default)]
struct Line {
    text: String,
    end: End,
}

impl Line {
    fn add(&mut self, tokens: TokenStream) {
        let mut sign = String::new();
        for token in tokens {
            match token {
                TokenTree::Punct(punct) => {
                    let both = format!("{sign}{}", punct.as_char());
                    // others that touch, as in `Vec<Vec<u8>>,`, are signs of their own
                    if !sign.is_empty() && !["::", "->", "=>", "==", ".."].contains(&both.as_str()) {
                        self.sign(&std::mem::take(&mut sign));
                    }
                    sign.push(punct.as_char());
                    if punct.spacing() == Spacing::Alone {
                        self.sign(&std::mem::take(&mut sign));
                    }
                }
                TokenTree::Group(group) if group.delimiter() == Delimiter::None => self.add(group.stream()),
                TokenTree::Group(group) => {
                    let (open, close) = delimiters(group.delimiter());
                    let (inner, brace) = (group.stream(), group.delimiter() == Delimiter::Brace);
                    let after_word =
                        self.end == End::Operand && (brace || self.text.ends_with("mut") || self.text.ends_with("dyn"));
                    self.text.push_str(if self.end == End::Sign || after_word { " " } else { "" });
                    self.text.push_str(open);
                    let space = if brace && !inner.is_empty() { " " } else { "" };
                    self.text.push_str(space);
                    self.end = End::Open;
                    self.add(inner);
                    self.text.push_str(space);
                    self.text.push_str(close);
                    self.end = End::Operand;
                }
                TokenTree::Ident(_) | TokenTree::Literal(_) => {
                    self.sign(&std::mem::take(&mut sign));
                    self.text.push_str(if self.end == End::Open { "" } else { " " });
                    self.text.push_str(&token.to_string());
                    self.end = End::Operand;
                }
            }
        }
        self.sign(&sign);
    }

    fn sign(&mut self, sign: &str) {
        let operand = self.end == End::Operand;
        let (before, end) = match sign {
            "" => return,
            "," | ";" | ":" => ("", End::Sign),
            ">" | "?" => ("", End::Operand),
            "::" | "<" | "." | "!" if operand => ("", End::Open),
            "->" | "=>" | "=" => (" ", End::Sign),
            "+" | "-" | "*" | "/" | "%" | "|" | "==" if operand => (" ", End::Sign),
            _ if self.end == End::Open => ("", End::Open),
            _ => (" ", End::Open),
        };
        self.text.push_str(before);
        self.text.push_str(sign);
        self.end = end;
    }
}

#[cfg(test)]
mod tests {
    use proc_macro2::TokenStream;

    use super::show;

    #[test]
    fn tokens_are_shown_as_they_are_written() {
        for written in [
            "Result<Vec<Vec<u8>>, ()>",
            "Result<Vec<Vec<u8>>, (V1, E)>",
            "[u8; { 1 + 2 }]",
            "[u8; N * 2]",
            "&'static mut [u8]",
            "<X as Tr<u8>>::O",
            "::std::collections::HashMap<String, (u8,)>",
            "fn(&u8, [u8; 4]) -> Option<&str>",
            "Box<dyn Fn(u8) -> u8 + Send>",
            "#[cfg(feature = \"x\")]",
            "*const u8",
            "Cow<'static, str>",
            "&(dyn Tr + 'a)",
            "impl Iterator<Item = u8>",
            "Self::START",
            "Foo<-1>",
        ] {
            let tokens: TokenStream = written.parse().expect("tokens");
            assert_eq!(show(&tokens), written);
        }
    }
}
