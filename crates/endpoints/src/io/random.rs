//! Random numbers from the system.

use rs2rtc_base::{Error, ErrorKind};

/// Random bytes from the system.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::caused(ErrorKind::Unsupported, "no random numbers", e))?;
    Ok(bytes)
}

/// Sixteen random hexadecimal digits.
pub(crate) fn random_text() -> Result<String, Error> {
    Ok(format!("{:016x}", u64::from_be_bytes(random_bytes()?)))
}
