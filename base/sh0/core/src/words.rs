//! The words of a line.

use alloc::{string::String, vec::Vec};

/// A command: words, and perhaps where its output goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Command {
    /// The words, the command's name first.
    pub words: Vec<String>,
    /// The file behind `>`, and whether it was `>>`.
    pub output: Option<(String, bool)>,
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A quotation mark without its other one.
    Quote,
    /// Nothing, or more than one word, behind `>`.
    Output,
}

enum Token {
    Word(String),
    Output { append: bool },
}

/// Takes a line apart. Blanks separate words; quotation marks of both kinds, and a backslash, make what
/// they hold part of a word; `#` at a word's beginning ends the line.
///
/// # Errors
/// See [`Error`].
pub fn parse(line: &str) -> Result<Command, Error> {
    let mut command = Command::default();
    let mut output = None;
    for token in tokens(line)? {
        match (token, output) {
            (Token::Word(word), None) => {
                if command.output.is_some() {
                    return Err(Error::Output);
                }
                command.words.push(word);
            }
            (Token::Word(word), Some(append)) => {
                command.output = Some((word, append));
                output = None;
            }
            (Token::Output { append }, None) if command.output.is_none() => output = Some(append),
            (Token::Output { .. }, _) => return Err(Error::Output),
        }
    }
    if output.is_some() || command.words.is_empty() && command.output.is_some() {
        return Err(Error::Output);
    }
    Ok(command)
}

fn tokens(line: &str) -> Result<Vec<Token>, Error> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' => tokens.extend(word.take().map(Token::Word)),
            '#' if word.is_none() => break,
            '>' => {
                tokens.extend(word.take().map(Token::Word));
                let append = chars.next_if_eq(&'>').is_some();
                tokens.push(Token::Output { append });
            }
            '\'' | '"' => {
                let word = word.get_or_insert_with(String::new);
                loop {
                    match chars.next() {
                        None => return Err(Error::Quote),
                        Some(end) if end == c => break,
                        Some('\\') if c == '"' => word.push(chars.next().ok_or(Error::Quote)?),
                        Some(inner) => word.push(inner),
                    }
                }
            }
            '\\' => {
                let escaped = chars.next().ok_or(Error::Quote)?;
                word.get_or_insert_with(String::new).push(escaped);
            }
            _ => word.get_or_insert_with(String::new).push(c),
        }
    }
    tokens.extend(word.map(Token::Word));
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lines() {
        type Row<'a> = (&'a str, &'a [&'a str], Option<(&'a str, bool)>);
        let rows: &[Row<'_>] = &[
            ("", &[], None),
            ("  ls   /x ", &["ls", "/x"], None),
            ("echo 'a  b' \"c\\\"d\"e", &["echo", "a  b", "c\"de"], None),
            ("echo a\\ b ''", &["echo", "a b", ""], None),
            ("echo a#b # rest", &["echo", "a#b"], None),
            ("echo hi>f", &["echo", "hi"], Some(("f", false))),
            ("echo hi >> 'my f'", &["echo", "hi"], Some(("my f", true))),
        ];
        for (line, words, output) in rows {
            let command = parse(line).unwrap();
            assert_eq!(command.words, *words, "{line}");
            let got = command
                .output
                .as_ref()
                .map(|(name, append)| (name.as_str(), *append));
            assert_eq!(got, *output, "{line}");
        }
        let bad = [
            ("echo 'a", Error::Quote),
            ("echo \\", Error::Quote),
            ("echo >", Error::Output),
            ("echo > a b", Error::Output),
            ("echo > a > b", Error::Output),
            ("> a", Error::Output),
        ];
        for (line, error) in bad {
            assert_eq!(parse(line), Err(error), "{line}");
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words in proptest::collection::vec("[^']{0,8}", 1..6)) {
            let line: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(parse(&line.join(" ")).unwrap().words, words);
        }

        #[test]
        fn any_line_is_taken(line in ".{0,64}") {
            let _ = parse(&line);
        }
    }
}
