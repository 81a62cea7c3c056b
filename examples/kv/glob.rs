//! Patterns of KEYS and SCAN, on bytes.

/// Whether `text` matches: `?`, `*`, `[a-c]`, `[^x]` and `\` as in Redis.
///
/// It goes back to the last `*` only, so hostile patterns cost at most their length times the text's.
pub(crate) fn matches(mut pattern: &[u8], mut text: &[u8]) -> bool {
    let mut star: Option<(&[u8], &[u8])> = None;
    loop {
        if let [b'*', rest @ ..] = pattern {
            pattern = rest;
            star = Some((pattern, text));
            continue;
        }
        let Some((byte, after)) = text.split_first() else {
            return pattern.is_empty();
        };
        if let Some(rest) = one(pattern, *byte) {
            (pattern, text) = (rest, after);
            continue;
        }
        match star {
            Some((again, [_, from @ ..])) => {
                star = Some((again, from));
                (pattern, text) = (again, from);
            }
            _ => return false,
        }
    }
}

/// What is left of the pattern after it took one byte.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'[', class @ ..] => one_of(class, byte),
        [b'\\', literal, rest @ ..] | [literal, rest @ ..] => (*literal == byte).then_some(rest),
        [] => None,
    }
}

fn one_of(class: &[u8], byte: u8) -> Option<&[u8]> {
    let (not, mut class) = class.strip_prefix(b"^").map_or((false, class), |class| (true, class));
    let mut found = false;
    loop {
        class = match class {
            [] => return (found != not).then_some(class),
            [b']', rest @ ..] => return (found != not).then_some(rest),
            [b'\\', literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
            [from, b'-', to, rest @ ..] => {
                found |= (*from.min(to)..=*from.max(to)).contains(&byte);
                rest
            }
            [literal, rest @ ..] => {
                found |= *literal == byte;
                rest
            }
        };
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_as_in_redis() {
        for (pattern, text) in [
            ("*", ""),
            ("h?llo", "hello"),
            ("h*llo", "heeello"),
            ("h[ae]llo", "hallo"),
            ("h[^e]llo", "hallo"),
            ("h[a-c]llo", "hbllo"),
            (r"a\*b", "a*b"),
            ("a*b*c", "axxbyybc"),
        ] {
            assert!(matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("a", ""), ("[", ""), ("h[^e]llo", "hello"), ("a*b", "ac"), (r"a\*b", "axb"), ("h?llo", "hllo")]
        {
            assert!(!matches(pattern.as_bytes(), text.as_bytes()), "{pattern} {text}");
        }
        assert!(!matches("a*".repeat(40).as_bytes(), &[b'a'; 39]));
    }
}
