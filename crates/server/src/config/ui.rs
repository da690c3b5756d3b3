//! Section `ui`: the web interface.

use super::problem::Severity;
use super::section::Section;

/// Section `ui`.
#[derive(Clone, Debug)]
pub struct Ui {
    /// Origins whose pages may show the bare players in a frame, beside this server's own;
    /// `*`: all. Default `*`.
    pub embed: Vec<String>,
}

impl Default for Ui {
    fn default() -> Self {
        Self { embed: vec!["*".to_owned()] }
    }
}

impl Ui {
    pub(super) fn read(&mut self, section: &mut Section<'_>) {
        section.about(
            "Origins whose pages may show the bare players in a frame, such as https://home.example.com; \"*\": all; []: only this server's own.",
        );
        section.plain_list("embed", &mut self.embed);
        let Some(node) = section.any("embed") else { return };
        let (good, bad) = std::mem::take(&mut self.embed).into_iter().partition(|o| is_origin(o));
        self.embed = good;
        let bad: Vec<String> = bad;
        for origin in bad {
            let text = format!(
                "must be an origin, such as https://home.example.com or http://192.168.1.5:8123, or \"*\", not {origin:?}: it is left out"
            );
            section.report(Severity::Warning, node.at, "ui.embed", text);
        }
    }
}

/// Whether it is a source expression of an origin (CSP Level 3, 2.3.1), or `*`: it goes into
/// a header as it is.
fn is_origin(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '*');
        !host.is_empty() && host.chars().all(is_part)
    })
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn read(section: &str) -> (Vec<String>, Vec<String>) {
        let config = Config::parse("f", &format!("ui: {section}"));
        (config.ui.embed, config.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn who_may_frame_the_players() {
        assert_eq!(read("{}"), (vec!["*".to_owned()], Vec::new()));
        assert_eq!(read("{embed: []}"), (Vec::new(), Vec::new()));
        let one = "http://192.168.1.5:8123";
        assert_eq!(read(&format!("{{embed: {one}}}")), (vec![one.to_owned()], Vec::new()));
        let (good, told) = read("{embed: ['https://*.example.com', \"https://a; script-src *\"]}");
        assert_eq!(good, ["https://*.example.com"]);
        assert!(told.len() == 1 && told[0].contains("ui.embed: must be an origin"), "{told:?}");
        for bad in ["example.com", "https://", "'self'", "https://a/b", "https://a b", "data:"] {
            let (good, told) = read(&format!("{{embed: [{}]}}", serde_json::json!(bad)));
            assert!(good.is_empty() && told.len() == 1, "{bad}: {good:?} {told:?}");
        }
    }
}
