//! `$((…))`: C's operators on `long`, without assignments.

use alloc::vec::Vec;

use super::{DEPTH, Error, is_name};

type Variables<'v> = &'v mut dyn FnMut(&[u8]) -> Option<Vec<u8>>;

/// Binary operators, those that bind least first.
const LEVELS: [&[&[u8]]; 10] = [
    &[b"||"],
    &[b"&&"],
    &[b"|"],
    &[b"^"],
    &[b"&"],
    &[b"==", b"!="],
    &[b"<=", b">=", b"<", b">"],
    &[b"<<", b">>"],
    &[b"+", b"-"],
    &[b"*", b"/", b"%"],
];

pub(super) fn evaluate(text: &[u8], variables: Variables<'_>) -> Result<i64, Error> {
    let mut parser = Parser {
        text,
        at: 0,
        variables,
        depth: 0,
    };
    parser.skip();
    if parser.at == text.len() {
        return Ok(0);
    }
    let value = parser.conditional()?;
    parser.skip();
    if parser.at == text.len() {
        Ok(value)
    } else {
        Err(Error::Syntax)
    }
}

pub(super) fn write(value: i64, out: &mut Vec<u8>) {
    if value < 0 {
        out.push(b'-');
    }
    let mut digits = [0u8; 20];
    let mut len = 0;
    let mut rest = value.unsigned_abs();
    for place in &mut digits {
        *place = b'0' + (rest % 10) as u8;
        rest /= 10;
        len += 1;
        if rest == 0 {
            break;
        }
    }
    out.extend(digits.iter().take(len).rev());
}

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    variables: Variables<'a>,
    depth: usize,
}

impl Parser<'_> {
    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or(&[])
    }

    fn skip(&mut self) {
        while self.rest().first().is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
    }

    fn takes(&mut self, token: &[u8]) -> bool {
        self.skip();
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        if self.depth >= DEPTH {
            return Err(Error::Syntax);
        }
        self.depth += 1;
        let result = inner(self);
        self.depth -= 1;
        result
    }

    fn conditional(&mut self) -> Result<i64, Error> {
        let condition = self.binary(0)?;
        if !self.takes(b"?") {
            return Ok(condition);
        }
        self.deeper(|p| {
            let yes = p.conditional()?;
            if !p.takes(b":") {
                return Err(Error::Syntax);
            }
            let no = p.conditional()?;
            Ok(if condition != 0 { yes } else { no })
        })
    }

    /// The operator of this level that comes next.
    fn operator(&mut self, level: usize) -> Option<&'static [u8]> {
        self.skip();
        let rest = self.rest();
        let found = LEVELS.get(level)?.iter().find(|op| rest.starts_with(op))?;
        // `|` is not the beginning of `||`, nor `<` that of `<<`, nor any of an assignment.
        let longer = matches!(
            (*found, rest.get(found.len())),
            (b"|", Some(b'|' | b'='))
                | (b"&", Some(b'&' | b'='))
                | (b"<", Some(b'<'))
                | (b">", Some(b'>'))
                | (
                    b"^" | b"<<" | b">>" | b"+" | b"-" | b"*" | b"/" | b"%",
                    Some(b'=')
                )
        );
        if longer {
            return None;
        }
        self.at += found.len();
        Some(found)
    }

    fn binary(&mut self, level: usize) -> Result<i64, Error> {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            let truth = i64::from;
            left = match operator {
                b"||" => truth(left != 0 || right != 0),
                b"&&" => truth(left != 0 && right != 0),
                b"|" => left | right,
                b"^" => left ^ right,
                b"&" => left & right,
                b"==" => truth(left == right),
                b"!=" => truth(left != right),
                b"<=" => truth(left <= right),
                b">=" => truth(left >= right),
                b"<" => truth(left < right),
                b">" => truth(left > right),
                b"<<" => left.wrapping_shl(right as u32),
                b">>" => left.wrapping_shr(right as u32),
                b"+" => left.wrapping_add(right),
                b"-" => left.wrapping_sub(right),
                b"*" => left.wrapping_mul(right),
                _ if right == 0 => return Err(Error::Syntax),
                b"/" => left.wrapping_div(right),
                _ => left.wrapping_rem(right),
            };
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<i64, Error> {
        self.deeper(|p| {
            if p.takes(b"-") {
                p.unary().map(i64::wrapping_neg)
            } else if p.takes(b"+") {
                p.unary()
            } else if p.takes(b"~") {
                p.unary().map(|v| !v)
            } else if p.takes(b"!") {
                p.unary().map(|v| i64::from(v == 0))
            } else if p.takes(b"(") {
                let value = p.conditional()?;
                if p.takes(b")") {
                    Ok(value)
                } else {
                    Err(Error::Syntax)
                }
            } else {
                p.operand()
            }
        })
    }

    fn operand(&mut self) -> Result<i64, Error> {
        self.skip();
        let rest = self.rest();
        let len = rest.iter().take_while(|&&b| is_name(b, false)).count();
        let token = rest.get(..len).unwrap_or(&[]).to_vec();
        self.at += len;
        match token.first() {
            Some(b'0'..=b'9') => number(&token),
            Some(_) => match (self.variables)(&token) {
                Some(value) if !value.trim_ascii().is_empty() => {
                    let value = value.trim_ascii();
                    let (negative, digits) = match value {
                        [b'-', rest @ ..] => (true, rest),
                        rest => (false, rest),
                    };
                    number(digits).map(|n| if negative { n.wrapping_neg() } else { n })
                }
                _ => Ok(0),
            },
            None => Err(Error::Syntax),
        }
    }
}

fn number(token: &[u8]) -> Result<i64, Error> {
    let at = |i: usize| token.get(i).copied().unwrap_or(0);
    let parsed = crate::integer::parse(at, 0);
    let whole = parsed.len == token.len() && parsed.len > 0 && !parsed.overflow;
    whole
        .then_some(parsed.magnitude as i64)
        .ok_or(Error::Syntax)
}
