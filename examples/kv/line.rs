//! Commands typed as a line: its words, their quotes and escapes.

use kv_store::Bytes;

/// The words of a line, taken apart as Redis does. `None` if a quote is left open, or does not end its word.
pub(crate) fn words(line: &[u8]) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    let mut rest = line;
    loop {
        let start = rest.iter().position(|byte| !blank(*byte)).unwrap_or(rest.len());
        rest = &rest[start..];
        if rest.is_empty() {
            return Some(words);
        }
        let mut word = Vec::new();
        rest = take_word(rest, &mut word)?;
        words.push(word.into());
    }
}

/// What may stand between words. Two of these do not end a word that is not quoted: see `take_word`.
fn blank(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == b'\x0b'
}

/// Reads one word, and gives what comes after it. A quote may begin inside a word, but always ends it.
fn take_word<'a>(mut from: &'a [u8], to: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        from = match from {
            [] | [b' ' | b'\t' | b'\r' | b'\n', ..] => return Some(from),
            [quote @ (b'"' | b'\''), rest @ ..] => {
                let rest = unquote(rest, *quote, to)?;
                return rest.first().is_none_or(|next| blank(*next)).then_some(rest);
            }
            [byte, rest @ ..] => {
                to.push(*byte);
                rest
            }
        };
    }
}

/// Reads up to the closing quote, and gives what comes after it.
fn unquote<'a>(mut from: &'a [u8], quote: u8, to: &mut Vec<u8>) -> Option<&'a [u8]> {
    loop {
        from = match from {
            [byte, rest @ ..] if *byte == quote => return Some(rest),
            [b'\\', b'\'', rest @ ..] if quote == b'\'' => {
                to.push(b'\'');
                rest
            }
            [b'\\', rest @ ..] if quote == b'"' => escaped(rest, to)?,
            [byte, rest @ ..] => {
                to.push(*byte);
                rest
            }
            [] => return None,
        };
    }
}

/// Reads what stands after a backslash, and gives what comes after that.
pub(crate) fn escaped<'a>(from: &'a [u8], to: &mut Vec<u8>) -> Option<&'a [u8]> {
    if let [b'x', high, low, rest @ ..] = from
        && let (Some(high), Some(low)) = (char::from(*high).to_digit(16), char::from(*low).to_digit(16))
    {
        to.push(u8::try_from(high * 16 + low).ok()?);
        return Some(rest);
    }
    let (byte, rest) = from.split_first()?;
    to.push(match byte {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'b' => b'\x08',
        b'a' => b'\x07',
        other => *other,
    });
    Some(rest)
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn lines_are_taken_apart_as_in_redis() {
        let cases: [(&str, &[&[u8]]); 8] = [
            (" \x0b\x0cSET  k\tv\r\n", &[b"SET", b"k", b"v"]),
            (r#"x"y z" '' "it's""#, &[b"xy z", b"", b"it's"]),
            (r#""\a\b\n\r\t\x41\xzz\q""#, &[b"\x07\x08\n\r\tAxzzq"]),
            (r"'it\'s \n'", &[br"it's \n"]),
            ("a\x0bb c\x0cd", &[b"a\x0bb", b"c\x0cd"]),
            ("\"a\"\x0bx", &[b"a", b"x"]),
            (r"a\ b", &[br"a\", b"b"]),
            ("\r\n", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line.as_bytes()).expect(line), expected, "{line:?}");
        }
        for open in [r#"ECHO a"b"#, "ECHO a'b", r#""a"b"#, r#""a"'b'"#, r#""a\"#] {
            assert_eq!(words(open.as_bytes()), None, "{open:?}");
        }
    }
}
