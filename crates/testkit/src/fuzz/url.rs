//! Addresses of cameras, and what cameras refer to: what is read says the same when
//! it is written and read again, and any text is shown without its secrets.

use rs2rtc_base::url::{Fragment, Url, percent_decode, percent_encode, query_pairs, repair_rtsp};
use rs2rtc_base::{Redacted, RedactedTarget};

/// One run on arbitrary bytes. A line end separates an address from a reference.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    assert_eq!(percent_decode(&percent_encode(&text)), text);
    percent_decode(&text);
    query_pairs(&text).for_each(drop);
    Fragment::split(&text);
    let _ = (Redacted(&text).to_string(), RedactedTarget(&text).to_string());
    if let Ok(repaired) = repair_rtsp(&text) {
        assert!(Url::parse(&repaired).is_ok(), "{repaired}");
    }
    let (address, reference) = text.split_once('\n').unwrap_or((&text, ""));
    let Ok(url) = Url::parse(address) else { return };
    let again = Url::parse(&url.expose()).expect("it is an address");
    assert_eq!(
        (again.user, again.host, again.port),
        (url.user.clone(), url.host.clone(), url.port)
    );
    if let Ok(joined) = url.join(reference) {
        assert!(Url::parse(&joined.expose()).is_ok());
    }
}
