//! Images without any cluster: the built program with a fake Docker.

#![allow(
    clippy::expect_used,
    reason = "a test fails by panicking, in its helpers, too"
)]

mod common;

use std::fs;
use std::path::Path;

use common::{Context, steady};

/// An archive as `docker save` writes it.
fn archive(path: &Path, reference: &str) {
    let mut builder = tar::Builder::new(fs::File::create(path).expect("a file"));
    let manifest = format!(r#"[{{"Config":"c.json","RepoTags":["{reference}"],"Layers":["l/layer.tar"]}}]"#);
    for (name, content) in [
        ("c.json", "{}"),
        ("l/layer.tar", "layer"),
        ("manifest.json", &manifest),
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder
            .append_data(&mut header, name, content.as_bytes())
            .expect("an entry");
    }
    builder.finish().expect("an archive");
}

fn args<'a>(verb: &[&'a str], programs: &'a [String]) -> Vec<&'a str> {
    verb.iter()
        .copied()
        .chain(programs.iter().map(String::as_str))
        .collect()
}

#[test]
fn what_an_install_needs_is_listed() {
    let context = Context::new();
    context.fake_docker();
    let programs = context.static_programs();
    let outcome = context.run(&args(&["images", "list"], &programs));
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    insta::with_settings!({filters => vec![(r":0\.1\.0-[0-9a-f]{12}", ":[TAG]")]}, {
        insta::assert_snapshot!(outcome.stdout);
    });
}

#[test]
fn a_bundle_holds_all_images_and_another_version_s_is_refused() {
    let context = Context::new();
    context.fake_docker();
    archive(&context.path("image.tar"), "localstack/localstack:4.14.0");
    let programs = context.static_programs();
    let outcome = context.run(&args(&["images", "save", "bundle.tar"], &programs));
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(0), "bundle.tar\n"),
        "{}",
        outcome.stderr
    );
    let mut bundle = tar::Archive::new(fs::File::open(context.path("bundle.tar")).expect("a bundle"));
    let names: Vec<String> = bundle
        .entries()
        .expect("entries")
        .map(|entry| {
            entry
                .expect("an entry")
                .path()
                .expect("a path")
                .display()
                .to_string()
        })
        .collect();
    assert_eq!(names.first().map(String::as_str), Some("irsa-emu-bundle.json"));
    assert!(names.contains(&"l/layer.tar".to_owned()), "{names:?}");
    // Of what is in the bundle nothing is asked for again: neither programs nor Docker's images.
    fs::remove_file(context.path("image.tar")).expect("a file is removed");
    context.program("kind", "exit 0");
    let outcome = context.run(&["up", "--dry-run", "--host-port", "0", "--images", "bundle.tar"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    assert!(
        outcome.stdout.contains("load localstack/localstack:4.14.0\n"),
        "{}",
        outcome.stdout
    );
    archive(&context.path("other.tar"), "a:1");
    let refused = context.run(&["up", "--images", "other.tar"]).fails_with(1);
    insta::assert_snapshot!("no_bundle", steady(&refused));
}

#[test]
fn an_image_that_is_nowhere_is_told_with_the_next_command() {
    let context = Context::new();
    context.fake_docker();
    let programs = context.static_programs();
    let stderr = context
        .run(&args(&["images", "save", "bundle.tar"], &programs))
        .fails_with(1);
    insta::assert_snapshot!(steady(&stderr));
    assert!(!context.path("bundle.tar").exists());
}

#[test]
fn without_a_cluster_nothing_can_be_loaded() {
    let context = Context::new();
    context.fake_docker();
    insta::assert_snapshot!(steady(&context.run(&["images", "load"]).fails_with(2)));
}

#[test]
fn a_support_bundle_is_written_also_where_nothing_answers() {
    use std::os::unix::fs::PermissionsExt;
    let context = Context::new();
    let outcome = context.run(&["support-bundle", "s.tar"]);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (Some(0), "s.tar\n"),
        "{}",
        outcome.stderr
    );
    let mode = fs::metadata(context.path("s.tar"))
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}
