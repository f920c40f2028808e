//! What one file defines, imports and names, read from its tokens.
//!
//! Tokens, not a syntax tree: a path inside `format!`, `select!` or an attribute is an import like any other. Items under
//! `#[cfg(test)]` are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use proc_macro2::{Delimiter, Group, LexError, TokenStream, TokenTree};

/// A path as it is written, in its parts: `crate::plan::Plan` is `["crate", "plan", "Plan"]`.
pub(crate) type Path = Vec<String>;

/// One module: a file, or a `mod name { }` inside one.
#[derive(Debug, Default)]
pub(crate) struct ModuleText {
    /// The items that it defines, without its modules.
    pub(crate) defined: BTreeSet<String>,
    /// The names that `use` brings into it, with the paths that they stand for.
    pub(crate) imported: BTreeMap<String, Vec<Path>>,
    /// The modules of `use module::*`.
    pub(crate) globs: Vec<Path>,
    /// The modules that have a file of their own: `mod name;`.
    pub(crate) files: Vec<String>,
    /// The modules whose text is here: `mod name { }`.
    pub(crate) inline: Vec<(String, ModuleText)>,
    /// Every path that is named, with its line.
    pub(crate) paths: Vec<(Path, usize)>,
    /// Every single name, with its line: it may come from a `use module::*`.
    pub(crate) names: BTreeMap<String, usize>,
}

/// A name that a block imports for itself.
struct Local {
    name: String,
    path: Path,
}

/// One `use` after its braces are resolved.
enum Import {
    Name {
        name: Option<String>,
        path: Path,
        line: usize,
    },
    Glob {
        path: Path,
        line: usize,
    },
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// Where items stand.
    Module,
    /// Within a function, an `impl`, a macro, an attribute.
    Body,
}

/// Reads the text of a file.
pub(crate) fn read(text: &str) -> Result<ModuleText, LexError> {
    let mut module = ModuleText::default();
    walk(
        &tokens(TokenStream::from_str(text)?),
        Place::Module,
        &mut Vec::new(),
        &mut module,
    );
    Ok(module)
}

fn tokens(stream: TokenStream) -> Vec<TokenTree> {
    stream.into_iter().collect()
}

fn walk(tokens: &[TokenTree], place: Place, blocks: &mut Vec<Vec<Local>>, module: &mut ModuleText) {
    if place == Place::Body {
        blocks.push(imported_in_block(tokens));
    }
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at = match token {
            TokenTree::Punct(punct) if punct.as_char() == '#' => match attribute(tokens, at) {
                Some(Attribute { group, next, inner }) if is_for_tests(group) => {
                    if inner {
                        break;
                    }
                    after_item(tokens, next, place)
                }
                Some(Attribute { group, next, .. }) => {
                    walk_attribute(group, blocks, module);
                    next
                }
                None => at + 1,
            },
            // A lifetime, a field, a method: no path starts here.
            TokenTree::Punct(punct) if matches!(punct.as_char(), '\'' | '.') => {
                at + if is_range(tokens, at) || word(tokens, at + 1).is_some() {
                    2
                } else {
                    1
                }
            }
            TokenTree::Ident(_) => walk_word(tokens, at, place, blocks, module),
            TokenTree::Group(group) => {
                walk(&self::tokens(group.stream()), Place::Body, blocks, module);
                at + 1
            }
            _ => at + 1,
        };
    }
    if place == Place::Body {
        blocks.pop();
    }
}

/// Reads what starts with the word at this place; returns the place after it.
fn walk_word(
    tokens: &[TokenTree],
    at: usize,
    place: Place,
    blocks: &mut Vec<Vec<Local>>,
    module: &mut ModuleText,
) -> usize {
    let Some(keyword) = word(tokens, at) else {
        return at + 1;
    };
    match keyword.as_str() {
        "use" if !is_punct(tokens, at + 1, '<') => {
            let (imports, next) = use_statement(tokens, at);
            for import in imports {
                add_import(import, place, blocks, module);
            }
            next
        }
        "mod" if place == Place::Module => match (word(tokens, at + 1), tokens.get(at + 2)) {
            (Some(name), Some(TokenTree::Group(group))) if group.delimiter() == Delimiter::Brace => {
                let mut text = ModuleText::default();
                walk(&self::tokens(group.stream()), Place::Module, blocks, &mut text);
                module.inline.push((name, text));
                at + 3
            }
            (Some(name), _) => {
                module.files.push(name);
                at + 2
            }
            (None, _) => at + 1,
        },
        "macro_rules" if is_punct(tokens, at + 1, '!') => {
            module.defined.extend(word(tokens, at + 2));
            at + 3
        }
        "struct" | "enum" | "union" | "trait" | "type" | "fn" | "const" | "static"
            if place == Place::Module =>
        {
            let name = at
                + if word(tokens, at + 1).as_deref() == Some("mut") {
                    2
                } else {
                    1
                };
            match word(tokens, name).filter(|name| !is_modifier(name)) {
                Some(defined) => {
                    module.defined.insert(defined);
                    name + 1
                }
                None => at + 1,
            }
        }
        _ => walk_path(tokens, at, blocks, module),
    }
}

fn is_modifier(word: &str) -> bool {
    matches!(word, "fn" | "unsafe" | "async" | "extern")
}

fn walk_path(tokens: &[TokenTree], at: usize, blocks: &[Vec<Local>], module: &mut ModuleText) -> usize {
    let (path, next) = path(tokens, at);
    let line = line(tokens, at);
    // `::std::fmt` names a crate, and `<T>::Item` an item of a type.
    let is_tail = at >= 2 && is_colons(tokens, at - 2);
    if path.len() == 1 {
        module.names.entry(path.concat()).or_insert(line);
    } else if !is_tail && path.first().is_some_and(|first| first != "Self") {
        module.paths.push((expanded(path, blocks), line));
    }
    next
}

fn walk_attribute(group: &Group, blocks: &mut Vec<Vec<Local>>, module: &mut ModuleText) {
    let inside = tokens(group.stream());
    let name = word(&inside, 0).unwrap_or_default();
    if name == "doc" || name == "cfg" {
        return;
    }
    walk(&inside, Place::Body, blocks, module);
    if name == "serde" || name == "schemars" {
        walk_strings(&inside, blocks, module);
    }
}

/// Reads `with = "crate::scalar"` and its like: paths, in strings.
fn walk_strings(tokens: &[TokenTree], blocks: &[Vec<Local>], module: &mut ModuleText) {
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => walk_strings(&self::tokens(group.stream()), blocks, module),
            TokenTree::Literal(literal)
                if at >= 2 && word(tokens, at - 2).is_some_and(|key| is_path_key(&key)) =>
            {
                let text = literal.to_string();
                let mut path: Path = text.trim_matches('"').split("::").map(str::to_owned).collect();
                // If it is a module, it is one of its functions that is called.
                path.push("serialize".to_owned());
                module.paths.push((expanded(path, blocks), line(tokens, at)));
            }
            _ => {}
        }
    }
}

fn is_path_key(key: &str) -> bool {
    key.ends_with("with")
        || matches!(
            key,
            "default" | "skip_serializing_if" | "from" | "try_from" | "into" | "remote"
        )
}

fn add_import(import: Import, place: Place, blocks: &[Vec<Local>], module: &mut ModuleText) {
    // A block's own imports do not stand for the first word of each other.
    let outer = match place {
        Place::Module => blocks,
        Place::Body => blocks.split_last().map_or(blocks, |(_, outer)| outer),
    };
    match import {
        Import::Name { name, path, line } => {
            let path = expanded(path, outer);
            if let (Some(name), Place::Module) = (name, place) {
                module.imported.entry(name).or_default().push(path.clone());
            }
            module.paths.push((path, line));
        }
        Import::Glob { path, line } => {
            let path = expanded(path, outer);
            module.globs.push(path.clone());
            module.paths.push((path, line));
        }
    }
}

/// The path with the imports of the blocks around it put in.
fn expanded(mut path: Path, blocks: &[Vec<Local>]) -> Path {
    for block in blocks.iter().rev() {
        let first = path.first().cloned();
        if let Some(local) = block.iter().find(|local| Some(&local.name) == first.as_ref()) {
            path.splice(..1, local.path.iter().cloned());
        }
    }
    path
}

fn imported_in_block(tokens: &[TokenTree]) -> Vec<Local> {
    let starts = (0..tokens.len()).filter(|at| {
        word(tokens, *at).as_deref() == Some("use")
            && !is_punct(tokens, at + 1, '<')
            && at
                .checked_sub(1)
                .is_none_or(|before| !is_punct(tokens, before, '.'))
    });
    starts
        .flat_map(|at| use_statement(tokens, at).0)
        .filter_map(|import| match import {
            Import::Name {
                name: Some(name),
                path,
                ..
            } => Some(Local { name, path }),
            _ => None,
        })
        .collect()
}

/// The imports of `use ...;` at this place, and the place after it.
fn use_statement(tokens: &[TokenTree], at: usize) -> (Vec<Import>, usize) {
    let end = (at..tokens.len())
        .find(|at| is_punct(tokens, *at, ';'))
        .unwrap_or(tokens.len());
    let mut imports = Vec::new();
    use_tree(&tokens[at + 1..end], &Path::new(), &mut imports);
    (imports, end + 1)
}

fn use_tree(tokens: &[TokenTree], before: &[String], imports: &mut Vec<Import>) {
    let start = if is_colons(tokens, 0) { 2 } else { 0 };
    let (parts, next) = path(tokens, start);
    let line = line(tokens, start);
    let mut path = before.to_vec();
    path.extend(parts);
    let rest = next + if is_colons(tokens, next) { 2 } else { 0 };
    match tokens.get(rest) {
        Some(TokenTree::Group(group)) => {
            for tree in self::tokens(group.stream())
                .split(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ','))
            {
                if !tree.is_empty() {
                    use_tree(tree, &path, imports);
                }
            }
        }
        Some(TokenTree::Punct(punct)) if punct.as_char() == '*' => imports.push(Import::Glob { path, line }),
        _ => {
            // `use fmt::{self, Write}`
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let name = match word(tokens, rest).as_deref() {
                Some("as") => word(tokens, rest + 1).filter(|name| name != "_"),
                _ => path.last().cloned(),
            };
            imports.push(Import::Name { name, path, line });
        }
    }
}

struct Attribute<'a> {
    group: &'a Group,
    next: usize,
    /// `#![...]`, which is about what it stands in.
    inner: bool,
}

fn attribute(tokens: &[TokenTree], at: usize) -> Option<Attribute<'_>> {
    let inner = is_punct(tokens, at + 1, '!');
    let group = at + if inner { 2 } else { 1 };
    match tokens.get(group) {
        Some(TokenTree::Group(found)) if found.delimiter() == Delimiter::Bracket => Some(Attribute {
            group: found,
            next: group + 1,
            inner,
        }),
        _ => None,
    }
}

fn is_for_tests(attribute: &Group) -> bool {
    let inside = tokens(attribute.stream());
    match (word(&inside, 0).as_deref(), inside.get(1)) {
        (Some("cfg"), Some(TokenTree::Group(condition))) => names_test(&tokens(condition.stream())),
        (Some("test"), None) => true,
        _ => false,
    }
}

fn names_test(condition: &[TokenTree]) -> bool {
    let is_not = |at: usize| at > 0 && word(condition, at - 1).as_deref() == Some("not");
    condition.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Ident(ident) => ident == "test",
        TokenTree::Group(group) => !is_not(at) && names_test(&tokens(group.stream())),
        _ => false,
    })
}

/// The place after the item, statement, field or arm that starts here.
fn after_item(tokens: &[TokenTree], start: usize, place: Place) -> usize {
    let mut at = start;
    while let Some(Attribute { next, .. }) = attribute(tokens, at).filter(|_| is_punct(tokens, at, '#')) {
        at = next;
    }
    let first = (at..tokens.len())
        .filter_map(|at| word(tokens, at))
        .find(|word| word != "pub");
    let is_item = place == Place::Module
        || first.is_some_and(|first| {
            matches!(
                first.as_str(),
                "fn" | "const"
                    | "async"
                    | "unsafe"
                    | "extern"
                    | "static"
                    | "struct"
                    | "enum"
                    | "impl"
                    | "mod"
                    | "trait"
                    | "type"
                    | "use"
                    | "let"
            )
        });
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(punct) => punct.as_char() == ';' || (punct.as_char() == ',' && !is_item),
        _ => false,
    };
    tokens[at..]
        .iter()
        .position(is_end)
        .map_or(tokens.len(), |end| at + end + 1)
}

/// The words that `::` joins from this place on, and the place after them.
fn path(tokens: &[TokenTree], start: usize) -> (Path, usize) {
    let mut path = Path::new();
    let mut at = start;
    while let Some(part) = word(tokens, at) {
        path.push(part);
        at += 1;
        if !is_colons(tokens, at) || word(tokens, at + 2).is_none() {
            break;
        }
        at += 2;
    }
    (path, at)
}

fn word(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

fn is_punct(tokens: &[TokenTree], at: usize, char: char) -> bool {
    matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == char)
}

fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, ':') && is_punct(tokens, at + 1, ':')
}

fn is_range(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens, at, '.') && is_punct(tokens, at + 1, '.')
}

fn line(tokens: &[TokenTree], at: usize) -> usize {
    tokens.get(at).map_or(0, |token| token.span().start().line)
}
