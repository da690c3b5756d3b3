//! Basic (RFC 7617) and Digest (RFC 7616, and RFC 2069 for cameras without
//! `qop`) authentication, client and server side. Randomness (nonce, cnonce)
//! is an argument. `auth-int` and user name hashing are left out.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::secret::Secret;

/// Hash of a digest challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5, the default.
    Md5,
    /// MD5 with a session key.
    Md5Sess,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    fn parse(name: &str) -> Option<Self> {
        match name.to_ascii_uppercase().as_str() {
            "MD5" => Some(Self::Md5),
            "MD5-SESS" => Some(Self::Md5Sess),
            "SHA-256" => Some(Self::Sha256),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
        }
    }

    fn hash(self, text: &str) -> String {
        match self {
            Self::Md5 | Self::Md5Sess => hex(&Md5::digest(text)),
            Self::Sha256 => hex(&Sha256::digest(text)),
        }
    }
}

/// What a server asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Challenge {
    /// User name and password in clear.
    Basic {
        /// Name of the protected area.
        realm: String,
    },
    /// A hash of them.
    Digest {
        /// Name of the protected area.
        realm: String,
        /// The server's number.
        nonce: String,
        /// To be sent back.
        opaque: Option<String>,
        /// Hash to use.
        algorithm: Algorithm,
        /// `qop=auth` is wanted; without it the short form of RFC 2069.
        qop: bool,
        /// The algorithm was named, so it is named in the answer.
        named: bool,
        /// Only the nonce was too old; the password was right.
        stale: bool,
    },
    /// A scheme, hash or quality of protection that is not known here.
    Unsupported(String),
}

impl Challenge {
    /// True for a digest that was refused for the age of its nonce only.
    pub const fn is_stale(&self) -> bool {
        matches!(self, Self::Digest { stale: true, .. })
    }

    /// Best first: digest MD5, MD5-sess, SHA-256, Basic.
    const fn rank(&self) -> Option<u8> {
        match self {
            Self::Digest { algorithm: Algorithm::Md5, .. } => Some(0),
            Self::Digest { algorithm: Algorithm::Md5Sess, .. } => Some(1),
            Self::Digest { algorithm: Algorithm::Sha256, .. } => Some(2),
            Self::Basic { .. } => Some(3),
            Self::Unsupported(_) => None,
        }
    }
}

/// Parses the value of one `WWW-Authenticate` field, which may hold several challenges.
pub fn parse_challenges(value: &str) -> Vec<Challenge> {
    parse_schemes(value).iter().map(Scheme::challenge).collect()
}

/// None of the offered challenges can be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unsupported authentication")]
pub struct UnsupportedAuth;

/// The client side for one server: remembers the challenge, counts its uses.
#[derive(Clone, Debug)]
pub struct Authenticator {
    user: String,
    password: Secret,
    challenge: Option<Challenge>,
    count: u32,
}

impl Authenticator {
    /// With the credentials to answer with.
    pub fn new(user: impl Into<String>, password: Secret) -> Self {
        Self { user: user.into(), password, challenge: None, count: 0 }
    }

    /// Answers with Basic without being asked.
    pub fn start_with_basic(&mut self) {
        self.challenge = Some(Challenge::Basic { realm: String::new() });
    }

    /// Takes the best challenge out of all `WWW-Authenticate` values of an answer.
    ///
    /// # Errors
    /// There is none that can be answered.
    pub fn handle_challenges<'v>(
        &mut self,
        values: impl IntoIterator<Item = &'v str>,
    ) -> Result<&Challenge, UnsupportedAuth> {
        let best = values
            .into_iter()
            .flat_map(parse_challenges)
            .filter_map(|c| c.rank().map(|rank| (rank, c)))
            .min_by_key(|(rank, _)| *rank);
        let (_, best) = best.ok_or(UnsupportedAuth)?;
        self.count = 0;
        Ok(self.challenge.insert(best))
    }

    /// The challenge that is answered at the moment.
    pub const fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// Value of the `Authorization` field for a request; `None` before a
    /// challenge. `cnonce` is random text without quotes.
    pub fn authorization(&mut self, method: &str, uri: &str, cnonce: &str) -> Option<String> {
        match self.challenge.as_ref()? {
            Challenge::Basic { .. } => Some(basic(&self.user, self.password.expose())),
            Challenge::Digest { realm, nonce, opaque, algorithm, qop, named, .. } => {
                self.count = self.count.wrapping_add(1);
                let answer = DigestAnswer {
                    user: &self.user,
                    realm,
                    nonce,
                    uri,
                    algorithm: *algorithm,
                    cnonce,
                    count: &format!("{:08x}", self.count),
                    qop: *qop,
                };
                let response = answer.response(method, self.password.expose());
                let mut value = format!(
                    "Digest username=\"{}\", realm=\"{}\", nonce=\"{}\", uri=\"{}\", response=\"{response}\"",
                    escape(&self.user),
                    escape(realm),
                    escape(nonce),
                    escape(uri)
                );
                if *named {
                    let _ = write!(value, ", algorithm={}", algorithm.name());
                }
                if *qop {
                    let _ = write!(value, ", qop=auth, nc={}, cnonce=\"{cnonce}\"", answer.count);
                } else if *algorithm == Algorithm::Md5Sess {
                    let _ = write!(value, ", cnonce=\"{cnonce}\"");
                }
                if let Some(opaque) = opaque {
                    let _ = write!(value, ", opaque=\"{}\"", escape(opaque));
                }
                Some(value)
            }
            Challenge::Unsupported(_) => None,
        }
    }
}

/// Value of an `Authorization` field for Basic.
pub fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{password}")))
}

/// Server side: true if `header` is Basic with these credentials. The time it
/// takes does not tell how much of them was right.
pub fn check_basic(header: &str, user: &str, password: &str) -> bool {
    let Some((scheme, token)) = header.trim().split_once(' ') else { return false };
    let Ok(given) = BASE64.decode(token.trim()) else { return false };
    scheme.eq_ignore_ascii_case("basic")
        && constant_time_eq(&given, format!("{user}:{password}").as_bytes())
}

/// Server side: `WWW-Authenticate` value for Basic.
pub fn basic_challenge(realm: &str) -> String {
    format!("Basic realm=\"{}\"", escape(realm))
}

/// Server side: `WWW-Authenticate` value for an MD5 digest without `qop`,
/// the form every RTSP client knows.
pub fn digest_challenge(realm: &str, nonce: &str) -> String {
    format!("Digest realm=\"{}\", nonce=\"{}\"", escape(realm), escape(nonce))
}

/// Server side: true if `header` answers [`digest_challenge`] with these
/// credentials. The URI is taken from the header: clients differ in how they
/// write it, and the nonce belongs to one connection.
pub fn check_digest(
    header: &str,
    method: &str,
    realm: &str,
    nonce: &str,
    user: &str,
    password: &str,
) -> bool {
    let schemes = parse_schemes(header);
    let Some(given) = schemes.first().filter(|s| s.name.eq_ignore_ascii_case("digest")) else {
        return false;
    };
    let algorithm = given.get("algorithm").map_or(Some(Algorithm::Md5), Algorithm::parse);
    let (Some(algorithm), Some(uri), Some(response)) =
        (algorithm, given.get("uri"), given.get("response"))
    else {
        return false;
    };
    let answer = DigestAnswer {
        user,
        realm,
        nonce,
        uri,
        algorithm,
        cnonce: given.get("cnonce").unwrap_or_default(),
        count: given.get("nc").unwrap_or_default(),
        qop: given.get("qop").is_some_and(|q| q.eq_ignore_ascii_case("auth")),
    };
    let same_nonce =
        constant_time_eq(given.get("nonce").unwrap_or_default().as_bytes(), nonce.as_bytes());
    let same_user =
        constant_time_eq(given.get("username").unwrap_or_default().as_bytes(), user.as_bytes());
    let expected = answer.response(method, password);
    let same_response =
        constant_time_eq(response.to_ascii_lowercase().as_bytes(), expected.as_bytes());
    same_nonce & same_user & same_response
}

/// Compares what a client gave with what is right. The time that takes depends on the length
/// of each, and neither on what they share nor on which of them is longer.
pub fn constant_time_eq(a: &[u8], b: &[u8]) -> bool {
    let (a, b) = (Sha256::digest(a), Sha256::digest(b));
    let differing = a.iter().zip(b.iter()).fold(0_u8, |acc, (x, y)| acc | (x ^ y));
    std::hint::black_box(differing) == 0
}

struct DigestAnswer<'a> {
    user: &'a str,
    realm: &'a str,
    nonce: &'a str,
    uri: &'a str,
    algorithm: Algorithm,
    cnonce: &'a str,
    count: &'a str,
    qop: bool,
}

impl DigestAnswer<'_> {
    fn response(&self, method: &str, password: &str) -> String {
        let Self { user, realm, nonce, uri, algorithm, cnonce, count, qop } = self;
        let mut ha1 = algorithm.hash(&format!("{user}:{realm}:{password}"));
        if *algorithm == Algorithm::Md5Sess {
            ha1 = algorithm.hash(&format!("{ha1}:{nonce}:{cnonce}"));
        }
        let ha2 = algorithm.hash(&format!("{method}:{uri}"));
        if *qop {
            algorithm.hash(&format!("{ha1}:{nonce}:{count}:{cnonce}:auth:{ha2}"))
        } else {
            algorithm.hash(&format!("{ha1}:{nonce}:{ha2}"))
        }
    }
}

/// One scheme of a challenge or an answer with its parameters.
struct Scheme {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Scheme {
    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    fn challenge(&self) -> Challenge {
        let text = |name| self.get(name).unwrap_or_default().to_owned();
        if self.name.eq_ignore_ascii_case("basic") {
            return Challenge::Basic { realm: text("realm") };
        }
        let unsupported = || Challenge::Unsupported(self.name.clone());
        if !self.name.eq_ignore_ascii_case("digest") {
            return unsupported();
        }
        let algorithm = match self.get("algorithm") {
            None | Some("") => Algorithm::Md5,
            Some(name) => match Algorithm::parse(name) {
                Some(algorithm) => algorithm,
                None => return unsupported(),
            },
        };
        let qop = match self.get("qop") {
            None | Some("") => false,
            Some(offered) => {
                if !offered.split(',').any(|q| q.trim().eq_ignore_ascii_case("auth")) {
                    return unsupported();
                }
                true
            }
        };
        Challenge::Digest {
            realm: text("realm"),
            nonce: text("nonce"),
            opaque: self.get("opaque").map(str::to_owned),
            algorithm,
            qop,
            named: self.get("algorithm").is_some(),
            stale: self.get("stale").is_some_and(|s| s.eq_ignore_ascii_case("true")),
        }
    }
}

/// `name key=value, key="value", name2 ...`; commas may be missing.
fn parse_schemes(value: &str) -> Vec<Scheme> {
    let mut schemes: Vec<Scheme> = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len());
        let (token, after) = rest.split_at(end);
        let after = after.trim_start();
        if let Some(after) = after.strip_prefix('=') {
            let (text, tail) = parse_value(after.trim_start());
            if let Some(scheme) = schemes.last_mut()
                && scheme.parameters.len() < 64
            {
                scheme.parameters.push((token.to_owned(), text));
            }
            rest = tail;
        } else if !token.is_empty() {
            if schemes.len() == 16 {
                return schemes;
            }
            schemes.push(Scheme { name: token.to_owned(), parameters: Vec::new() });
            rest = after;
        } else if let Some(tail) = after.strip_prefix('"') {
            rest = tail;
        } else {
            return schemes;
        }
    }
}

/// A quoted string or a token, and what follows. An unclosed quote reaches to the end.
fn parse_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        let (token, tail) = text.split_at(end);
        return (token.to_owned(), tail);
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            _ => value.push(c),
        }
    }
    (value, chars.as_str())
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace(['\r', '\n'], " ")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests;
