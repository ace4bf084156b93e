//! Rust sources as tokens, as far as `tests/architecture.rs` needs them. No parser: it knows what is a comment, a text
//! and a path.

/// A token and its line, from 1.
pub type Token<'c> = (usize, &'c str);

/// Words, `::` and single other characters.
pub fn tokens(code: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(first) = rest.chars().next() {
            let length = match first {
                _ if rest.starts_with("::") => 2,
                c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
                c => c.len_utf8(),
            };
            tokens.push((index + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether the characters at `at` go on before or after them.
pub fn is_part_of_a_longer_word(line: &str, at: usize, length: usize) -> bool {
    let before = line[..at].chars().next_back().is_some_and(is_word);
    before || line[at + length..].chars().next().is_some_and(is_word)
}

/// The first part of every path, and of every `use` of a single name.
pub fn heads<'c>(tokens: &[Token<'c>]) -> Vec<Token<'c>> {
    let text = |index: usize| tokens.get(index).map_or("", |token| token.1);
    let before = |index: usize| index.checked_sub(1).map_or("", text);
    (0..tokens.len())
        .filter(|&index| {
            let leads =
                text(index + 1) == "::" || (before(index) == "use" && [";", "as"].contains(&text(index + 1)));
            leads && text(index).starts_with(is_word) && !["::", "."].contains(&before(index))
        })
        .map(|index| tokens[index])
        .collect()
}

/// The text with every comment and every text in quotes left out, line by line.
pub fn without_comments_and_texts(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            length_of_block_comment(rest)
        } else if first == '"' {
            length_of_quoted(rest)
        } else if rest.starts_with("r\"") || rest.starts_with("r#") && !code.ends_with(is_word) {
            length_of_raw(rest)
        } else if first == '\'' {
            length_of_character(rest)
        } else {
            code.push(first);
            rest = &rest[first.len_utf8()..];
            continue;
        };
        code.extend(rest[..length].matches('\n'));
        rest = &rest[length..];
    }
    code
}

fn length_of_block_comment(text: &str) -> usize {
    let mut open = 0;
    let mut at = 0;
    while at < text.len() {
        let step = text.get(at..at + 2).unwrap_or_default();
        match step {
            "/*" => open += 1,
            "*/" => open -= 1,
            _ => {
                at += text[at..].chars().next().map_or(1, char::len_utf8);
                continue;
            }
        }
        at += 2;
        if open == 0 {
            break;
        }
    }
    at
}

fn length_of_quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn length_of_raw(text: &str) -> usize {
    let hashes = text[1..].find(|c| c != '#').unwrap_or(0);
    if !text[1 + hashes..].starts_with('"') {
        return 1 + hashes;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let begin = 2 + hashes;
    text[begin..].find(&end).map_or(text.len(), |at| begin + at + end.len())
}

/// A character in quotes, or the tick of a lifetime.
fn length_of_character(text: &str) -> usize {
    if let Some(escaped) = text.strip_prefix("'\\") {
        let end = escaped.char_indices().skip(1).find(|(_, c)| *c == '\'');
        return end.map_or(text.len(), |(at, _)| at + 3);
    }
    let mut characters = text.char_indices().skip(2);
    match characters.next() {
        Some((at, '\'')) => at + 1,
        _ => 1,
    }
}
