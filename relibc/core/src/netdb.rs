//! The lines of `/etc/hosts`, `/etc/services` and `/etc/protocols`.

/// Fields of a line, its comment taken away.
fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let text = line.split(|&b| b == b'#').next().unwrap_or(&[]);
    text.split(u8::is_ascii_whitespace)
        .filter(|f| !f.is_empty())
}

fn number<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    core::str::from_utf8(text).ok()?.parse().ok()
}

/// What a line calls something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// The official name.
    pub official: &'a [u8],
    line: &'a [u8],
}

impl<'a> Names<'a> {
    /// The other names: in every file those behind its first two fields.
    pub fn aliases(&self) -> impl Iterator<Item = &'a [u8]> + Clone {
        fields(self.line).skip(2)
    }

    /// Whether one of them is this.
    #[must_use]
    pub fn contain(&self, name: &[u8]) -> bool {
        self.official == name || self.aliases().any(|alias| alias == name)
    }
}

/// A line of `/etc/services`: `NAME PORT/PROTOCOL ALIAS…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service<'a> {
    /// In the machine's byte order.
    pub port: u16,
    /// The protocol's name.
    pub protocol: &'a [u8],
    /// Its names.
    pub names: Names<'a>,
}

impl<'a> Service<'a> {
    /// Takes a line apart; `None` for one that names no service.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut rest = fields(line);
        let (official, place) = (rest.next()?, rest.next()?);
        let slash = place.iter().position(|&b| b == b'/')?;
        let (port, protocol) = place.split_at(slash);
        Some(Self {
            port: number(port)?,
            protocol: protocol.get(1..)?,
            names: Names { official, line },
        })
    }
}

/// A line of `/etc/protocols`: `NAME NUMBER ALIAS…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol<'a> {
    /// Its number.
    pub number: u8,
    /// Its names.
    pub names: Names<'a>,
}

impl<'a> Protocol<'a> {
    /// Takes a line apart; `None` for one that names no protocol.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut rest = fields(line);
        Some(Self {
            names: Names {
                official: rest.next()?,
                line,
            },
            number: number(rest.next()?)?,
        })
    }
}

/// A line of `/etc/hosts`: `ADDRESS NAME ALIAS…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// Its address.
    pub address: core::net::IpAddr,
    /// Its names.
    pub names: Names<'a>,
}

impl<'a> Host<'a> {
    /// Takes a line apart; `None` for one that names no host.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut rest = fields(line);
        Some(Self {
            address: number(rest.next()?)?,
            names: Names {
                official: rest.next()?,
                line,
            },
        })
    }

    /// Whether it is called so; case does not count in these names.
    #[must_use]
    pub fn is_called(&self, name: &[u8]) -> bool {
        let same = |own: &[u8]| own.eq_ignore_ascii_case(name);
        same(self.names.official) || self.names.aliases().any(same)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn lines() {
        let smtp = Service::parse(b"smtp\t25/tcp  mail # mail\n").unwrap();
        assert_eq!(
            (smtp.names.official, smtp.port, smtp.protocol),
            (&b"smtp"[..], 25, &b"tcp"[..])
        );
        assert_eq!(smtp.names.aliases().collect::<Vec<_>>(), [b"mail"]);
        assert!(
            smtp.names.contain(b"mail")
                && smtp.names.contain(b"smtp")
                && !smtp.names.contain(b"25/tcp")
        );
        for bad in [
            &b""[..],
            b"# only",
            b"name",
            b"name 25",
            b"name x/tcp",
            b"name 70000/tcp",
            b"\xff\xfe",
        ] {
            assert_eq!(Service::parse(bad), None, "{bad:?}");
        }
        let tcp = Protocol::parse(b"tcp 6 TCP").unwrap();
        assert_eq!((tcp.names.official, tcp.number), (&b"tcp"[..], 6));
        assert!(tcp.names.contain(b"TCP") && !tcp.names.contain(b"6"));
        assert_eq!(Protocol::parse(b"big 256"), None);
        let host = Host::parse(b"::1 localhost ip6-localhost").unwrap();
        assert!(
            host.address.is_ipv6()
                && host.is_called(b"LocalHost")
                && host.is_called(b"ip6-localhost")
        );
        assert_eq!(Host::parse(b"1.2.3 name"), None);
    }
}
