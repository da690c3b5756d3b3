//! Puts modules that are loaded together into one file: each file that a page asks for takes a
//! browser some milliseconds, and a round trip where the way is long.
//!
//! Some modules are homes: what pages begin with, and what many of them share. A module moves into
//! a home that imports it if no page then loads more than before: each page that loads the module
//! loads its home as well. A module is in one file only, since one that was there twice would have
//! its state twice; whoever else imports it gets it from its home.
//!
//! The modules keep to what can be read line by line: imports of names, each in one line, and
//! exports in front of what is declared. What is imported in another form, or later, stays a file
//! of its own. All lines stay: line `n` of a module is `n + 1` lines below its name.

use std::collections::{BTreeMap, BTreeSet};

/// What is joined.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ui<'u> {
    /// All scripts by their names, without comments.
    pub(crate) scripts: &'u BTreeMap<String, Script>,
    /// The module that each page begins with.
    pub(crate) pages: &'u [&'u str],
    /// Modules that take in others, in this order.
    pub(crate) homes: &'u [&'u str],
    /// Modules that are served as they are, with what they import.
    pub(crate) kept: &'u [&'u str],
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) text: String,
    /// It waits for something before it is there (`await` outside of functions).
    pub(crate) waits: bool,
}

/// The scripts as they are served.
#[derive(Debug)]
pub(crate) struct Joined {
    pub(crate) files: BTreeMap<String, String>,
    /// Modules that are no files any more, and the home of each.
    pub(crate) members: BTreeMap<String, String>,
}

/// A module as far as it is read here.
struct Module<'t> {
    lines: Vec<Line<'t>>,
    /// Other files that it names, as for what is imported later.
    named: BTreeSet<String>,
    /// A line with an import that is not one of names.
    strange: Option<usize>,
    waits: bool,
}

enum Line<'t> {
    Import(Import<'t>),
    Other(&'t str),
}

struct Import<'t> {
    /// Its name there, and here.
    names: Vec<(&'t str, &'t str)>,
    path: String,
    line: &'t str,
}

type Modules<'t> = BTreeMap<&'t str, Module<'t>>;

/// Joins what can be joined.
///
/// # Errors
/// In words: what of a module cannot be joined, a module that is not there, modules or files that
/// need each other.
pub(crate) fn join(ui: Ui<'_>) -> Result<Joined, String> {
    let modules: Modules<'_> = ui
        .scripts
        .iter()
        .map(|(name, script)| (name.as_str(), Module::read(name, script)))
        .collect();
    let mut home_of: BTreeMap<&str, &str> = BTreeMap::new();
    let mut orders = BTreeMap::new();
    for home in ui.homes {
        if orders.contains_key(home) {
            return Err(format!("{home} is to take in others twice"));
        }
        let members = members(home, ui, &modules, &home_of)?;
        let mut order = Vec::new();
        in_order(home, &members, &modules, &mut order, &mut Vec::new())?;
        order.pop();
        home_of.extend(order.iter().map(|member| (*member, *home)));
        orders.insert(*home, order);
    }
    let writer = Writer { modules: &modules, wanted: wanted(&modules), home_of };
    writer.check()?;
    let mut files = BTreeMap::new();
    for (name, script) in ui.scripts {
        if writer.home_of.contains_key(name.as_str()) {
            continue;
        }
        let text = match orders.get(name.as_str()).filter(|order| !order.is_empty()) {
            Some(order) => writer.home(name, order)?,
            None => writer.other(name).unwrap_or_else(|| script.text.clone()),
        };
        files.insert(name.clone(), text);
    }
    let members = writer.home_of.into_iter().map(|(name, home)| (name.to_owned(), home.to_owned()));
    Ok(Joined { files, members: members.collect() })
}

/// What moves into a home.
fn members<'m>(
    home: &'m str,
    ui: Ui<'m>,
    modules: &'m Modules<'_>,
    home_of: &BTreeMap<&'m str, &'m str>,
) -> Result<BTreeSet<&'m str>, String> {
    if !modules.contains_key(home) {
        return Err(format!("{home} is to take in others, and is not there"));
    }
    let inside = loaded(home, modules, false);
    let is_free = |name: &str| {
        !ui.homes.contains(&name) && !ui.kept.contains(&name) && !home_of.contains_key(name)
    };
    let mut members: BTreeSet<&str> =
        inside.iter().copied().filter(|name| modules.contains_key(name) && is_free(name)).collect();
    for page in ui.pages {
        for is_later in [false, true] {
            let loaded = loaded(page, modules, is_later);
            if !loaded.contains(home) {
                members.retain(|name| !loaded.contains(*name));
            }
        }
    }
    // What has to stay a file may be all that kept the next one from it.
    loop {
        let mut needed = BTreeSet::new();
        for (name, module) in modules {
            needed.extend(module.named.iter().map(String::as_str));
            let is_before = inside.contains(*name) && !members.contains(name) && *name != home;
            if is_before || ui.kept.contains(name) {
                needed.extend(module.imports().map(|import| import.path.as_str()));
            }
        }
        let before = members.len();
        members.retain(|name| !needed.contains(name));
        if members.len() == before {
            return Ok(members);
        }
    }
}

/// The modules that are loaded with one, or, `is_later`, may be some time.
fn loaded<'m>(first: &'m str, modules: &'m Modules<'_>, is_later: bool) -> BTreeSet<&'m str> {
    let mut all = BTreeSet::new();
    let mut next = vec![first];
    while let Some(name) = next.pop() {
        if !all.insert(name) {
            continue;
        }
        let Some(module) = modules.get(name) else { continue };
        next.extend(module.imports().map(|import| import.path.as_str()));
        if is_later {
            next.extend(module.named.iter().map(String::as_str));
        }
    }
    all
}

/// A module behind those members that it imports.
fn in_order<'m>(
    name: &'m str,
    members: &BTreeSet<&'m str>,
    modules: &'m Modules<'_>,
    order: &mut Vec<&'m str>,
    above: &mut Vec<&'m str>,
) -> Result<(), String> {
    if order.contains(&name) {
        return Ok(());
    }
    if above.contains(&name) {
        return Err(format!("{name} imports itself by way of {}", above.join(", ")));
    }
    let Some(module) = modules.get(name) else { return Ok(()) };
    above.push(name);
    for import in module.imports() {
        if !modules.contains_key(import.path.as_str()) && !import.path.starts_with("vendor/") {
            return Err(format!("{} is imported by {name}, and is not there", import.path));
        }
        if members.contains(import.path.as_str()) || above.contains(&import.path.as_str()) {
            in_order(&import.path, members, modules, order, above)?;
        }
    }
    above.pop();
    if let Some(line) = module.strange.filter(|_| members.contains(name) || above.is_empty()) {
        return Err(format!(
            "{name}:{line}: only an import of names, in one line and in single quotes, can be joined"
        ));
    }
    order.push(name);
    Ok(())
}

/// What is imported of each module by any other.
fn wanted<'m>(modules: &'m Modules<'_>) -> BTreeMap<&'m str, BTreeSet<&'m str>> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for import in modules.values().flat_map(Module::imports) {
        let names = import.names.iter().map(|(there, _)| *there);
        wanted.entry(import.path.as_str()).or_default().extend(names);
    }
    wanted
}

struct Writer<'m> {
    modules: &'m Modules<'m>,
    wanted: BTreeMap<&'m str, BTreeSet<&'m str>>,
    home_of: BTreeMap<&'m str, &'m str>,
}

impl Writer<'_> {
    /// The file that a module is in.
    fn file_of<'n>(&'n self, name: &'n str) -> &'n str {
        self.home_of.get(name).copied().unwrap_or(name)
    }

    /// Modules that do not need each other may be in files that do.
    fn check(&self) -> Result<(), String> {
        let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, module) in self.modules {
            let file = self.file_of(name);
            let needs = module.imports().map(|import| self.file_of(&import.path));
            left.entry(file).or_default().extend(needs.filter(|other| *other != file));
        }
        loop {
            let before = left.len();
            let there: BTreeSet<&str> = left.keys().copied().collect();
            left.retain(|_, needs| needs.iter().any(|other| there.contains(other)));
            if left.is_empty() {
                return Ok(());
            }
            if left.len() == before {
                let names: Vec<_> = left.into_keys().collect();
                return Err(format!("files that need each other are among {}", names.join(", ")));
            }
        }
    }

    /// A home: what it needs of other files, each member in a function of its own, and itself as
    /// it is. What a member declares or imports means nothing elsewhere; what the home itself
    /// declares hides a global of the same name from its members.
    ///
    /// Each member can be had from outside, whether somebody needs it or not: a file that comes
    /// later may be of another version, which does.
    fn home(&self, home: &str, order: &[&str]) -> Result<String, String> {
        let all = || order.iter().chain([&home]).filter_map(|it| self.modules.get_key_value(*it));
        let mut text = String::new();
        let mut taken = BTreeSet::new();
        let paths = all().flat_map(|(_, module)| module.imports()).map(|it| it.path.as_str());
        for path in paths.filter(|path| self.file_of(path) != home && taken.insert(*path)) {
            let (file, variable) = (self.file_of(path), variable(path));
            let from = relative(home, file);
            text += &if file == path {
                format!("import*as {variable} from'{from}';\n")
            } else {
                format!("import{{{variable}}}from'{from}';\n")
            };
        }
        for (name, module) in all() {
            let is_home = *name == home;
            if !is_home {
                // Errors name a line of this file: this is how it is found in its own.
                let function = if module.waits { "await(async()=>{" } else { "(()=>{" };
                text += &format!("// {name}\nexport const {}={function}\n", variable(name));
            }
            for line in &module.lines {
                match line {
                    Line::Import(import) => text += &import.taken(),
                    Line::Other(line) if is_home => text.push_str(line),
                    Line::Other(line) => text += &moved(name, home, unexported(name, line)?)?,
                }
                text.push('\n');
            }
            if !is_home {
                let names: Vec<_> = self.wanted.get(name).into_iter().flatten().copied().collect();
                text += &format!("return{{{}}};}})();\n", names.join(","));
            }
        }
        Ok(text)
    }

    /// A file of its own that imports something from a home. `None`: it does not.
    fn other(&self, name: &str) -> Option<String> {
        let module = self.modules.get(name)?;
        if !module.imports().any(|import| self.home_of.contains_key(import.path.as_str())) {
            return None;
        }
        let mut taken = BTreeSet::new();
        let lines = module.lines.iter().map(|line| match line {
            Line::Other(line) => (*line).to_owned(),
            Line::Import(import) => match self.home_of.get(import.path.as_str()) {
                None => import.line.to_owned(),
                Some(_) if !taken.insert(import.path.as_str()) => import.taken(),
                Some(home) => {
                    let (variable, from) = (variable(&import.path), relative(name, home));
                    format!("import{{{variable}}}from'{from}';{}", import.taken())
                }
            },
        });
        Some(lines.map(|line| line + "\n").collect())
    }
}

impl<'t> Module<'t> {
    /// Reads a script that has no comments any more.
    fn read(name: &str, script: &'t Script) -> Self {
        let (mut named, mut strange) = (BTreeSet::new(), None);
        let read = |(at, line): (usize, &'t str)| {
            let import = line.strip_prefix("import").and_then(|rest| read_import(name, line, rest));
            if let Some(import) = import {
                return Line::Import(import);
            }
            let rest = line.strip_prefix("import");
            if rest.is_some_and(|rest| rest.starts_with([' ', '{', '*', '"', '\''])) {
                strange.get_or_insert(at + 1);
            }
            named.extend(paths(line).map(|path| resolved(name, path)));
            Line::Other(line)
        };
        let lines = script.text.lines().enumerate().map(read).collect();
        Self { lines, named, strange, waits: script.waits }
    }

    fn imports(&self) -> impl Iterator<Item = &Import<'t>> {
        self.lines.iter().filter_map(|line| match line {
            Line::Import(import) => Some(import),
            Line::Other(_) => None,
        })
    }
}

impl Import<'_> {
    /// What takes its names out of the module.
    fn taken(&self) -> String {
        if self.names.is_empty() {
            return String::new();
        }
        let renamed = |(there, here): &(&str, &str)| {
            if there == here { (*here).to_owned() } else { format!("{there}:{here}") }
        };
        let names: Vec<_> = self.names.iter().map(renamed).collect();
        format!("const{{{}}}={};", names.join(","), variable(&self.path))
    }
}

/// `{a,b as c}from'./x.js';` or `'./x.js';`
fn read_import<'t>(name: &str, line: &'t str, rest: &'t str) -> Option<Import<'t>> {
    let rest = rest.trim_start().strip_suffix(';')?;
    let (names, path) = match rest.strip_prefix('{') {
        Some(rest) => rest.split_once('}')?,
        None => ("", rest),
    };
    let path = path.trim().strip_prefix("from").unwrap_or(path).trim();
    let path = path.strip_prefix('\'')?.strip_suffix('\'')?;
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let names = names.map(|name| name.split_once(" as ").unwrap_or((name, name))).collect();
    Some(Import { names, path: resolved(name, path), line })
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

/// A line of a member in the file of its home: what it imports later is where it was.
fn moved(name: &str, home: &str, line: &str) -> Result<String, String> {
    if line.contains("import.meta") {
        return Err(format!("{name}: what asks for its own address cannot be joined: {line}"));
    }
    if folder_of(name) == folder_of(home) {
        return Ok(line.to_owned());
    }
    let mut text = line.to_owned();
    for path in paths(line) {
        let there = relative(home, &resolved(name, path));
        for quote in ['\'', '"', '`'] {
            text =
                text.replace(&format!("{quote}{path}{quote}"), &format!("{quote}{there}{quote}"));
        }
    }
    Ok(text)
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
