//! Small workspaces with planted circles and upward imports.

use std::collections::BTreeMap;

use anyhow::Result;

use crate::{Imports, Layers, Root, Workspace, imports, wrong};

/// A workspace of the library `one` in `one/src/lib.rs`, and of what else stands in these files.
fn workspace(files: &[(&str, &str)]) -> Workspace {
    let sources: BTreeMap<String, String> = files
        .iter()
        .map(|(file, text)| ((*file).to_owned(), (*text).to_owned()))
        .collect();
    let root = |file: &String| {
        let (folder, name) = file.split_once("/src/")?;
        match name {
            "lib.rs" => Some(Root {
                library: Some(folder.to_owned()),
                file: file.clone(),
            }),
            "main.rs" => Some(Root {
                library: None,
                file: file.clone(),
            }),
            _ => None,
        }
    };
    Workspace {
        roots: sources.keys().filter_map(root).collect(),
        sources,
    }
}

/// `from -> to: names`, a line each.
fn lines(imports: &Imports) -> Vec<String> {
    let short = |file: &str| file.replace("/src/", "/").replace(".rs", "");
    imports
        .all()
        .map(|import| {
            let names: Vec<&str> = import.names.keys().map(String::as_str).collect();
            format!(
                "{} -> {}: {}",
                short(import.from),
                short(import.to),
                names.join(" ")
            )
        })
        .collect()
}

fn read(files: &[(&str, &str)]) -> Result<Vec<String>> {
    Ok(lines(&imports(&workspace(files))?))
}

fn findings(files: &[(&str, &str)], layers: &str) -> Result<Vec<String>> {
    wrong(&workspace(files), &Layers::read(layers)?)
}

#[test]
fn an_import_goes_to_the_file_that_defines_the_name() -> Result<()> {
    let read = read(&[
        ("one/src/lib.rs", "mod a; mod b; mod c;"),
        (
            "one/src/a.rs",
            "use crate::b::Thing; use super::c::{self, Other as Else, deep::Deep}; fn f() { c::call() }",
        ),
        ("one/src/b.rs", "pub struct Thing;"),
        (
            "one/src/c/mod.rs",
            "pub mod deep; pub struct Other; pub fn call() {}",
        ),
        ("one/src/c/deep.rs", "pub struct Deep;"),
    ])?;
    assert_eq!(
        read,
        [
            "one/a -> one/b: Thing",
            "one/a -> one/c/deep: Deep",
            "one/a -> one/c/mod: Other call"
        ]
    );
    Ok(())
}

#[test]
fn re_exports_are_followed_to_the_file() -> Result<()> {
    let read = read(&[
        ("one/src/lib.rs", "pub mod parts; mod user; pub use parts::Bolt;"),
        (
            "one/src/parts/mod.rs",
            "mod bolt; mod nut; pub use bolt::{Bolt, SIZE as WIDTH}; pub use nut::*;",
        ),
        (
            "one/src/parts/bolt.rs",
            "use super::Nut; pub struct Bolt(Nut); pub const SIZE: u8 = 1;",
        ),
        ("one/src/parts/nut.rs", "pub struct Nut;"),
        (
            "one/src/user.rs",
            "use crate::{Bolt, parts}; fn f() { parts::Nut; parts::WIDTH; }",
        ),
        ("two/src/main.rs", "use one::{Bolt, parts::Nut};"),
    ])?;
    assert_eq!(
        read,
        [
            "one/lib -> one/parts/bolt: Bolt",
            "one/parts/bolt -> one/parts/nut: Nut",
            "one/parts/mod -> one/parts/bolt: Bolt SIZE",
            "one/user -> one/parts/bolt: Bolt SIZE",
            "one/user -> one/parts/nut: Nut",
            "two/main -> one/parts/bolt: Bolt",
            "two/main -> one/parts/nut: Nut",
        ]
    );
    Ok(())
}

#[test]
fn paths_in_macros_attributes_and_blocks_are_seen() -> Result<()> {
    let read = read(&[
        ("one/src/lib.rs", "mod a; mod b; mod c; mod d; mod e; mod f;"),
        (
            "one/src/a.rs",
            r#"
            macro_rules! made { ($x:expr) => { $crate::b::made($x) } }
            #[arg(value_parser = crate::c::parse)]
            struct Args { #[serde(with = "crate::d")] field: u8, #[serde(default = "crate::d::zero")] other: u8 }
            fn f() -> String { use crate::e; format!("{}", e::TEXT) }
            fn g() { let x = 0..crate::f::END; <u8 as crate::f::Trait>::g(x); }
            "#,
        ),
        ("one/src/b.rs", "pub fn made() {}"),
        ("one/src/c.rs", "pub fn parse() {}"),
        ("one/src/d.rs", "pub fn zero() {}"),
        ("one/src/e.rs", "pub const TEXT: &str = \"\";"),
        ("one/src/f.rs", "pub const END: u8 = 1; pub trait Trait {}"),
    ])?;
    assert_eq!(
        read,
        [
            "one/a -> one/b: made",
            "one/a -> one/c: parse",
            "one/a -> one/d: serialize zero",
            "one/a -> one/e: TEXT",
            "one/a -> one/f: END Trait"
        ]
    );
    Ok(())
}

#[test]
fn names_from_a_glob_go_to_their_files() -> Result<()> {
    let read = read(&[
        ("one/src/lib.rs", "mod a; mod b;"),
        (
            "one/src/a.rs",
            "use crate::b::*; use crate::b::Kind::*; fn f() -> Thing { inner::call(); x.method() }",
        ),
        (
            "one/src/b/mod.rs",
            "pub mod inner; pub struct Thing; pub enum Kind { A } pub fn method() {}",
        ),
        ("one/src/b/inner.rs", "pub fn call() {}"),
    ])?;
    assert_eq!(
        read,
        ["one/a -> one/b/inner: call", "one/a -> one/b/mod: Kind Thing"]
    );
    Ok(())
}

#[test]
fn what_is_no_import_is_none() -> Result<()> {
    let read = read(&[
        (
            "one/src/lib.rs",
            "mod a; mod b; #[cfg(test)] mod tests; fn f() { ::b::Thing; <u8>::b::Thing; }",
        ),
        (
            "one/src/a.rs",
            r"
            //! [`crate::b::Thing`]
            use std::fmt;
            pub(in crate::b) struct Own<'b> { b: &'b str }
            impl fmt::Display for Own<'_> { fn fmt(&self) { self.b::<u8>(); ::b::Thing; } }
            #[cfg(test)] use crate::b::Thing;
            #[cfg(not(test))] fn seen() {}
            fn f() { #[cfg(any(test, unix))] let x = crate::b::Thing; b() }
            #[cfg(test)] mod tests { use crate::b::Thing; }
            ",
        ),
        ("one/src/b.rs", "pub struct Thing;"),
        ("one/src/tests.rs", "use crate::b::Thing;"),
    ])?;
    assert_eq!(read, [""; 0]);
    Ok(())
}

#[test]
fn modules_inside_a_file_belong_to_it() -> Result<()> {
    let read = read(&[
        ("one/src/lib.rs", "mod a; mod b;"),
        (
            "one/src/a.rs",
            "pub mod inside { use super::super::b::Thing; pub fn call() {} } fn f() { inside::call() }",
        ),
        (
            "one/src/b.rs",
            "pub struct Thing; fn f() { crate::a::inside::call() }",
        ),
    ])?;
    assert_eq!(read, ["one/a -> one/b: Thing", "one/b -> one/a: call"]);
    Ok(())
}

const CIRCLE: [(&str, &str); 5] = [
    ("one/src/lib.rs", "mod a; mod b; mod c; mod d;"),
    ("one/src/a.rs", "use crate::b::B; pub struct A;"),
    ("one/src/b.rs", "\nuse crate::c::C;\npub struct B;"),
    (
        "one/src/c.rs",
        "use crate::{a::A, d::D}; use crate::b::B; pub struct C;",
    ),
    ("one/src/d.rs", "pub struct D;"),
];

#[test]
fn a_circle_is_found_with_its_shortest_round() -> Result<()> {
    let found = findings(&CIRCLE, "all: one/src/")?;
    assert_eq!(
        found,
        ["3 files import each other; the shortest circle:\
          \n  one/src/b.rs imports one/src/c.rs: C (line 2)\
          \n  one/src/c.rs imports one/src/b.rs: B (line 1)"]
    );
    Ok(())
}

#[test]
fn a_parent_that_lists_a_child_which_uses_the_parent_is_a_circle() -> Result<()> {
    let files = [
        ("one/src/lib.rs", "mod parts;"),
        (
            "one/src/parts/mod.rs",
            "mod bolt; pub use bolt::Bolt; pub struct Size;",
        ),
        ("one/src/parts/bolt.rs", "use super::Size; pub struct Bolt(Size);"),
    ];
    let found = findings(&files, "all: one/src/")?;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("one/src/parts/bolt.rs imports one/src/parts/mod.rs: Size"),
        "{found:?}"
    );
    Ok(())
}

#[test]
fn the_names_that_end_a_circle_are_known() -> Result<()> {
    let imports = imports(&workspace(&CIRCLE))?;
    let circles = imports.circles();
    let cuts = imports.cuts(&circles[0]);
    let cuts: Vec<String> = cuts
        .iter()
        .map(|(left, file, name)| format!("{left}: {name} of {file}"))
        .collect();
    assert_eq!(
        cuts,
        [
            "0: B of one/src/b.rs",
            "0: C of one/src/c.rs",
            "2: A of one/src/a.rs"
        ]
    );
    Ok(())
}

const TOWER: [(&str, &str); 4] = [
    ("one/src/lib.rs", "pub mod ground; mod verbs;"),
    ("one/src/verbs/mod.rs", "pub mod up; pub fn all() {}"),
    ("one/src/verbs/up.rs", "use crate::ground::Error;"),
    (
        "one/src/ground.rs",
        "pub struct Error; fn f() { crate::verbs::all() }",
    ),
];

#[test]
fn an_import_runs_down_the_list_only() -> Result<()> {
    let layers = "# Down only.\n\ntop: one/src/lib.rs\nverbs: one/src/verbs/\nground: one/src/ground.rs\n";
    assert_eq!(
        findings(&TOWER, layers)?,
        ["one/src/ground.rs imports one/src/verbs/mod.rs: all (line 1); ground may not import verbs"]
    );
    Ok(())
}

#[test]
fn the_place_that_names_more_of_a_path_has_the_file() -> Result<()> {
    let found = findings(&TOWER, "top: one/src/ground.rs\nrest: one/src/\n")?;
    let expected = "one/src/verbs/up.rs imports one/src/ground.rs: Error (line 1); rest may not import top";
    assert_eq!(found, [expected]);
    Ok(())
}

#[test]
fn every_file_has_a_layer_and_every_place_a_file() -> Result<()> {
    let files = [("one/src/lib.rs", "mod a;"), ("one/src/a.rs", "")];
    let found = findings(&files, "top: one/src/lib.rs one/src/gone/\n")?;
    assert_eq!(
        found,
        [
            "one/src/a.rs is in no layer",
            "one/src/gone/ of the layer top is not there"
        ]
    );
    assert!(Layers::read("one/src/lib.rs\n").is_err());
    assert!(Layers::read("top:\n").is_err());
    Ok(())
}
