//! Puts the modules that only one module needs into its file: each file that a page asks for
//! takes a browser some milliseconds, and a round trip where the way is long.
//!
//! What other files import stays a file of its own, and so does what those import: a module that
//! was there twice would have its state twice. The modules keep to what can be read line by line:
//! imports of names, each in one line, and exports in front of what is declared. All lines stay,
//! below the name of their file.

use std::collections::{BTreeMap, BTreeSet};

/// A module with those that only it needs.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) text: String,
    /// Those that are in it, and need not be files any more.
    pub(crate) members: BTreeSet<String>,
}

/// A module as far as it is read here.
struct Module<'t> {
    imports: Vec<Import<'t>>,
    /// Everything else.
    body: Vec<&'t str>,
    /// Other files that it names, as for what is imported later.
    named: BTreeSet<String>,
    /// A line with an import that is not one of names.
    strange: Option<usize>,
}

struct Import<'t> {
    /// Its name there, and here.
    names: Vec<(&'t str, &'t str)>,
    path: String,
}

/// Joins `entry` with what only it needs of its own folder.
///
/// # Errors
/// In words: what of a module cannot be joined, a module that is not there, or modules that need
/// each other.
pub(crate) fn join(entry: &str, scripts: &BTreeMap<String, String>) -> Result<Joined, String> {
    let mut modules = BTreeMap::new();
    for (name, text) in scripts {
        modules.insert(name.as_str(), Module::read(name, text));
    }
    let mut order = Vec::new();
    in_order(entry, folder_of(entry), &modules, &mut order, &mut Vec::new())?;
    let mut members: BTreeSet<&str> = order.iter().copied().collect();
    // What is left out may be all that needed the next one alone.
    loop {
        let mut needed = BTreeSet::new();
        for (name, module) in &modules {
            needed.extend(module.named.iter().map(String::as_str));
            if !members.contains(name) {
                needed.extend(module.imports.iter().map(|import| import.path.as_str()));
            }
        }
        let before = members.len();
        members.retain(|name| *name == entry || !needed.contains(name));
        if members.len() == before {
            break;
        }
    }
    order.retain(|name| members.contains(name));
    let text = written(entry, &order, &modules)?;
    let members = members.into_iter().filter(|name| *name != entry).map(str::to_owned).collect();
    Ok(Joined { text, members })
}

/// Those of the folder that a module imports, itself last.
fn in_order<'m>(
    name: &'m str,
    folder: &str,
    modules: &'m BTreeMap<&str, Module<'_>>,
    order: &mut Vec<&'m str>,
    above: &mut Vec<&'m str>,
) -> Result<(), String> {
    if order.contains(&name) {
        return Ok(());
    }
    if above.contains(&name) {
        return Err(format!("{name} imports itself by way of {}", above.join(", ")));
    }
    let module =
        modules.get(name).ok_or_else(|| format!("{name} is imported, and is not there"))?;
    if let Some(line) = module.strange {
        return Err(format!("{name}:{line}: only an import of names, in one line, can be joined"));
    }
    above.push(name);
    for import in &module.imports {
        if folder_of(&import.path) == folder {
            in_order(&import.path, folder, modules, order, above)?;
        }
    }
    above.pop();
    order.push(name);
    Ok(())
}

/// The file: what others export, each member in a function of its own, and the entry as it is.
/// Names are taken where they are imported, so that none means anything elsewhere.
fn written(
    entry: &str,
    order: &[&str],
    modules: &BTreeMap<&str, Module<'_>>,
) -> Result<String, String> {
    let all = || order.iter().filter_map(|name| Some((*name, modules.get(name)?)));
    // What is wanted of each module, member or not.
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for import in all().flat_map(|(_, module)| &module.imports) {
        let names = import.names.iter().map(|(there, _)| there);
        wanted.entry(import.path.as_str()).or_default().extend(names);
    }
    let mut text = String::new();
    for path in wanted.keys().filter(|path| !order.contains(path)) {
        text += &format!("import*as {} from'{}';\n", variable(path), relative(entry, path));
    }
    for (name, module) in all() {
        let is_entry = name == entry;
        if !is_entry {
            // Errors name a line of this file: this is how it is found in its own.
            text += &format!("// {name}\nconst {}=(()=>{{\n", variable(name));
        }
        for import in module.imports.iter().filter(|import| !import.names.is_empty()) {
            let names: Vec<_> =
                import.names.iter().map(|(there, here)| renamed(there, here)).collect();
            text += &format!("const{{{}}}={};\n", names.join(","), variable(&import.path));
        }
        for line in &module.body {
            let line = if is_entry { line } else { unexported(name, line)? };
            text.push_str(line);
            text.push('\n');
        }
        if !is_entry {
            let names: Vec<_> = wanted.get(name).into_iter().flatten().copied().collect();
            text += &format!("return{{{}}};}})();\n", names.join(","));
        }
    }
    Ok(text)
}

impl<'t> Module<'t> {
    /// Reads a script that has no comments any more.
    fn read(name: &str, text: &'t str) -> Self {
        let mut module =
            Self { imports: Vec::new(), body: Vec::new(), named: BTreeSet::new(), strange: None };
        for (at, line) in text.lines().enumerate() {
            if let Some(import) =
                line.strip_prefix("import").and_then(|rest| read_import(name, rest))
            {
                module.imports.push(import);
                module.body.push("");
                continue;
            }
            if line.starts_with("import") && !line.starts_with("import(") {
                module.strange.get_or_insert(at + 1);
            }
            module.body.push(line);
            module.named.extend(paths(line).map(|path| resolved(name, path)));
        }
        module
    }
}

/// `{a,b as c}from'./x.js';` or `'./x.js';`
fn read_import<'t>(name: &str, rest: &'t str) -> Option<Import<'t>> {
    let rest = rest.trim_start().strip_suffix(';')?;
    let (names, path) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once('}')?,
        None => ("", rest),
    };
    let path = path.trim().strip_prefix("from").unwrap_or(path).trim();
    let path = path.strip_prefix('\'')?.strip_suffix('\'')?;
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names = names.map(|name| name.split_once(" as ").unwrap_or((name, name))).collect();
    Some(Import { names, path: resolved(name, path) })
}

/// A line of a member: what it exports is returned.
fn unexported<'t>(name: &str, line: &'t str) -> Result<&'t str, String> {
    let Some(rest) = line.strip_prefix("export") else { return Ok(line) };
    let declared = rest.trim_start();
    if ["const ", "class ", "function ", "function*", "async "]
        .iter()
        .any(|it| declared.starts_with(it))
    {
        return Ok(declared);
    }
    if rest.starts_with(|next: char| next.is_alphanumeric() || next == '_') {
        return Ok(line);
    }
    Err(format!("{name}: this form of export cannot be joined: {line}"))
}

/// Texts of a line that may be the path of a module.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    line.split(['\'', '"', '`']).filter(|text| text.starts_with('.') && text.ends_with(".js"))
}

/// A path as it is written in a module, from the root.
fn resolved(from: &str, path: &str) -> String {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// A path from the root as it is written in a module.
fn relative(from: &str, path: &str) -> String {
    let folder = folder_of(from);
    if let Some(rest) = path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')) {
        return format!("./{rest}");
    }
    let up = folder.split('/').filter(|part| !part.is_empty()).count();
    if up == 0 { format!("./{path}") } else { format!("{}{path}", "../".repeat(up)) }
}

/// `player` of `player/rs-player.js`; empty: it is at the root.
fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// `player/rs-player.js` is `$player_rs_player`.
fn variable(name: &str) -> String {
    let stem = name.strip_suffix(".js").unwrap_or(name);
    format!("${}", stem.replace(|letter: char| !letter.is_ascii_alphanumeric(), "_"))
}

fn renamed(there: &str, here: &str) -> String {
    if there == here { here.to_owned() } else { format!("{there}:{here}") }
}
