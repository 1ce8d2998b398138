//! Patterns of literal characters, in which `*` matches any characters and `?` matches one.

pub(super) fn matches_any(patterns: &[&str], text: &str) -> bool {
    patterns.iter().any(|pattern| matches(pattern, text))
}

/// Whether the whole text matches a pattern of literal characters, `?` and `*`.
///
/// If a character does not match, only the last `*` takes one more. The earlier ones need not, because the text
/// after them has matched as far to the left as possible.
fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut retry = None;
    loop {
        let mut after = pattern.clone();
        match (after.next(), text.clone().next()) {
            (Some('*'), _) => {
                retry = Some((after.clone(), text.clone()));
                pattern = after;
                continue;
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                text.next();
                pattern = after;
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        let Some((after_star, rest)) = &mut retry else {
            return false;
        };
        if rest.next().is_none() {
            return false;
        }
        pattern = after_star.clone();
        text = rest.clone();
    }
}
