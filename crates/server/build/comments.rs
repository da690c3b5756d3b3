//! Leaves comments out of what is packed: they are for who reads `ui/`, and
//! every browser would load them.

/// The same script or stylesheet without `/** … */` and without comments that begin a line:
/// `//` in a script, `/*` in a stylesheet. Its lines keep their numbers, so that an error of the browser leads to the file.
///
/// It knows no strings. That `ui/` has none that look like comments is tested by
/// `tools/ui/packed.test.mjs`, which compares what a compiler reads in both. `None`: a comment
/// has no end.
pub(crate) fn without(text: &str, is_script: bool) -> Option<String> {
    let mut kept = String::with_capacity(text.len());
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        let mut rest = line.trim_end();
        if is_inside {
            match rest.split_once("*/") {
                Some((_, after)) => rest = after,
                None => rest = "",
            }
            is_inside = rest.is_empty() && !line.contains("*/");
        }
        let begins = rest.trim_start();
        if !(is_script && begins.starts_with("//")) {
            let opening = if !is_script && begins.starts_with("/*") { "/*" } else { "/**" };
            let mut code = String::new();
            while let Some((before, after)) = rest.split_once(opening) {
                code.push_str(before);
                // The end of an empty comment is a part of what looks like its beginning.
                if opening == "/**" && after.starts_with('/') {
                    rest = &after[1..];
                    continue;
                }
                match after.split_once("*/") {
                    Some((_, after)) => rest = after.trim_start(),
                    None => (rest, is_inside) = ("", true),
                }
            }
            code.push_str(rest);
            kept.push_str(code.trim_end());
        }
        if line.ends_with('\n') {
            kept.push('\n');
        }
    }
    (!is_inside).then_some(kept)
}
