//! Names that tell a secret.

/// Query parameters whose values nobody should see, alone or behind a `-` or `_`.
const PARAMETERS: [&str; 23] = [
    "accesskey",
    "accesstoken",
    "api_key",
    "apikey",
    "auth",
    "authkey",
    "jwt",
    "key",
    "loginpas",
    "pass",
    "passphrase",
    "passwd",
    "password",
    "psw",
    "pwd",
    "secret",
    "session",
    "sig",
    "sign",
    "signature",
    "streamkey",
    "token",
    "verify",
];

/// Arguments of programs whose values nobody should see, besides [`CLEAR`].
const ARGUMENTS: [&str; 8] = [
    "auth",
    "authtoken",
    "cryptokey",
    "decryption_key",
    "encryption_key",
    "key",
    "pass",
    "srtp_out_params",
];

/// Names that mean nothing else wherever they stand before a `=`, alone or behind a `-` or `_`
/// (`--token=x`, `user=a_password=x` in paths of cameras), or before a space as an argument.
const CLEAR: [&str; 12] = [
    "access_token",
    "api-key",
    "api_key",
    "apikey",
    "client_secret",
    "passphrase",
    "passwd",
    "password",
    "pwd",
    "secret",
    "token",
    "user-pw",
];

/// What makes the name of a variable that is given to a program one of a secret.
const VARIABLE_PARTS: [&str; 8] = ["PASS", "PWD", "PSW", "SECRET", "TOKEN", "KEY", "AUTH", "CRED"];

/// Header fields whose values nobody should see.
const FIELDS: [&str; 11] = [
    "api-key",
    "apikey",
    "authorization",
    "cookie",
    "private-token",
    "proxy-authorization",
    "set-cookie",
    "x-access-token",
    "x-api-key",
    "x-auth-key",
    "x-auth-token",
];

/// What makes the name of a field in `#header=` one of a secret.
const FIELD_PARTS: [&str; 8] =
    ["auth", "cookie", "key", "pass", "secret", "session", "sign", "token"];

/// What stands before the name at the end of a text, and the name.
pub(super) fn split(text: &str) -> (&str, &str) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '%');
    text.split_at(text.trim_end_matches(is_name).len())
}

/// Of a query parameter. Some of its letters may be written as `%` and their number
/// (RFC 3986 2.1).
pub(super) fn is_parameter(name: &str) -> bool {
    let plain = crate::url::percent_decode(name);
    PARAMETERS.iter().any(|known| ends_with(&plain, known))
}

/// Of an argument of a program.
pub(super) fn is_argument(name: &str) -> bool {
    is_clear(name) || ARGUMENTS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a name ends with a word that means a secret wherever it stands.
pub(super) fn is_clear(name: &str) -> bool {
    CLEAR.iter().any(|clear| ends_with(name, clear))
}

/// Whether a name is a word, or ends with it behind a `-` or `_`.
fn ends_with(name: &str, word: &str) -> bool {
    let rest = name.len().checked_sub(word.len()).and_then(|at| name.split_at_checked(at));
    rest.is_some_and(|(rest, end)| {
        end.eq_ignore_ascii_case(word) && (rest.is_empty() || rest.ends_with(['-', '_']))
    })
}

/// Whether a name is that of a variable that holds a secret, as in `CAM_PASS=x ffmpeg`:
/// these are written in capitals, which names of parameters are not.
pub(super) fn is_variable(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
        && VARIABLE_PARTS.iter().any(|part| name.contains(part))
}

/// Of a header field.
pub(super) fn is_field(name: &str) -> bool {
    FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Of a header field that is given to a source.
pub(super) fn is_given_field(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FIELD_PARTS.iter().any(|part| name.contains(part))
}
