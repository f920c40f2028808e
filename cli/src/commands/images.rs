//! `irsa-emu images`: which images an install needs, and how they get to where no registry is.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use irsa_emu_cluster::docker::Docker;
use irsa_emu_cluster::failure::{Code, ExitStatus};
use irsa_emu_cluster::images::{self, Bundle, Fetch, Loaded, Source};
use irsa_emu_cluster::local::family::Family;
use irsa_emu_cluster::local::nodes::Node;
use serde::Serialize;

use crate::app::App;
use crate::console::output::OutputArgs;
use crate::error::CliError;
use crate::options::images::ImageArgs;

/// Options of `irsa-emu images`.
#[derive(Debug, Args)]
pub struct ImagesArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the images that an install needs, and where they are
    List(ListArgs),
    /// Write the images into one file, for `images load --bundle` and `up --images`
    Save(SaveArgs),
    /// Put the images on the nodes of the cluster
    Load(LoadArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct SaveArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Args)]
struct LoadArgs {
    /// Take the images from this file of `images save`
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    images: ImageArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// An image, and where it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    role: &'static str,
    reference: String,
    id: Option<String>,
    bytes: Option<u64>,
    /// Whether it is made here, so that nobody has to fetch it.
    made_here: bool,
    in_docker: bool,
    nodes: Vec<String>,
}

/// What was saved.
#[derive(Debug, Serialize)]
struct Saved {
    file: PathBuf,
    bytes: u64,
    images: Vec<String>,
}

/// What was loaded.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LoadedImages {
    context: String,
    loaded: usize,
}

/// Lists, saves or loads.
pub async fn run(args: ImagesArgs, app: &App) -> Result<ExitStatus, CliError> {
    match args.verb {
        Verb::List(args) => list(args, app).await,
        Verb::Save(args) => save(args, app).await,
        Verb::Load(args) => load(args, app).await,
    }
}

async fn list(args: ListArgs, app: &App) -> Result<ExitStatus, CliError> {
    let docker = connect(app).await?;
    let nodes = nodes(app, &docker)
        .await?
        .map(|(_, nodes)| nodes)
        .unwrap_or_default();
    let mut listed = Vec::new();
    for (role, source) in args.images.all().await? {
        listed.push(look(&docker, &nodes, role, &source).await?);
    }
    app.answer(&listed, |printer| {
        for image in &listed {
            let size = image.bytes.map_or_else(|| "?".to_owned(), megabytes);
            printer.data(&format!(
                "{:<9} {}  {size}  {}",
                image.role,
                image.reference,
                place(image)
            ));
        }
    })?;
    Ok(ExitStatus::Ok)
}

async fn look(
    docker: &Docker,
    nodes: &[Node],
    role: &'static str,
    source: &Source,
) -> Result<Listed, CliError> {
    let reference = source.reference();
    let failed = |error| CliError::hinted(format!("looking for the image {reference}"), error);
    let mut on = Vec::new();
    for node in nodes.iter().filter(|node| node.runs_pods && node.running) {
        if images::id_on(docker, node, reference)
            .await
            .map_err(failed)?
            .is_some()
        {
            on.push(node.name.clone());
        }
    }
    let in_docker = docker.image(reference).await.map_err(failed)?;
    let made = match source {
        Source::Made(image) => Some(image),
        Source::Named(_) => None,
    };
    Ok(Listed {
        role,
        reference: reference.to_owned(),
        id: made
            .map(|image| image.id.clone())
            .or_else(|| in_docker.as_ref().map(|image| image.id.clone())),
        bytes: made
            .map(|image| image.archive.len() as u64)
            .or_else(|| in_docker.as_ref().map(|image| image.size)),
        made_here: made.is_some(),
        in_docker: in_docker.is_some(),
        nodes: on,
    })
}

/// Where an image is, in words.
fn place(image: &Listed) -> String {
    let source = match (image.made_here, image.in_docker) {
        (true, _) => "made here",
        (false, true) => "in Docker",
        (false, false) => "to be pulled",
    };
    if image.nodes.is_empty() {
        format!("{source}, on no node")
    } else {
        format!("{source}, on {}", image.nodes.join(", "))
    }
}

async fn save(args: SaveArgs, app: &App) -> Result<ExitStatus, CliError> {
    let attempted = format!("saving the images into {}", args.file.display());
    let all = args.images.all().await?;
    let docker = connect(app).await?;
    app.progress.step(&attempted);
    let saved = images::save(&docker, &all, &args.file, &|text| app.progress.detail(text)).await;
    let bytes = saved.map_err(|error| CliError::hinted(attempted, error))?;
    app.progress.done(&megabytes(bytes));
    let saved = Saved {
        bytes,
        images: all
            .iter()
            .map(|(_, source)| source.reference().to_owned())
            .collect(),
        file: args.file,
    };
    app.answer(&saved, |printer| {
        printer.data(&saved.file.display().to_string());
    })?;
    app.printer
        .talk(&format!("next: irsa-emu up --images {}", saved.file.display()));
    Ok(ExitStatus::Ok)
}

async fn load(args: LoadArgs, app: &App) -> Result<ExitStatus, CliError> {
    let attempted = "putting the images on the nodes";
    let bundle = match &args.bundle {
        Some(path) => {
            Some(Bundle::open(path).map_err(|error| CliError::hinted("reading the bundle", error))?)
        }
        None => None,
    };
    let docker = connect(app).await?;
    let Some((context, nodes)) = nodes(app, &docker).await? else {
        let why = "the nodes are not containers of a kind or k3d cluster in the local Docker";
        return Err(CliError::because(ExitStatus::Usage, attempted, why)
            .code(Code::ImagesRequired)
            .next("push the images to a registry of the cluster"));
    };
    app.progress.step(attempted);
    let on_progress = |text: &str| app.progress.detail(text);
    let failed = |error| CliError::hinted(attempted, error);
    let loaded = if let Some(bundle) = bundle {
        images::load_bundle(&docker, &nodes, &bundle, &on_progress)
            .await
            .map_err(failed)?
    } else {
        let mut count = 0;
        for (_, source) in args.images.all().await? {
            let loaded = match &source {
                Source::Made(image) => images::load_own(&docker, &nodes, image, &on_progress).await,
                Source::Named(reference) => {
                    images::load_emulator(&docker, &nodes, reference, Fetch::Docker, &on_progress).await
                }
            };
            count += usize::from(loaded.map_err(failed)? == Loaded::Now);
        }
        count
    };
    app.progress.done(&images::loaded_text(loaded));
    let answer = LoadedImages { context, loaded };
    app.answer(&answer, |_| ())?;
    Ok(ExitStatus::Ok)
}

async fn connect(app: &App) -> Result<Docker, CliError> {
    Docker::connect(app.session.runner.as_ref())
        .await
        .map_err(|error| CliError::hinted("finding Docker", error))
}

/// The context and the nodes of the cluster that is meant, if they are containers.
async fn nodes(app: &App, docker: &Docker) -> Result<Option<(String, Vec<Node>)>, CliError> {
    let context = match (&app.session.context, app.session.context_name()) {
        (_, Ok(context)) => context,
        (Some(_), Err(error)) => return Err(error.into()),
        (None, Err(_)) => return Ok(None),
    };
    let Some((family, name)) = Family::of_context(&context) else {
        return Ok(None);
    };
    let nodes = docker.nodes(family, name).await;
    let nodes = nodes.map_err(|error| CliError::hinted("listing the nodes", error))?;
    Ok((!nodes.is_empty()).then_some((context, nodes)))
}

/// A size, for people.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_what_there_is_to_do() {
        let image = |made_here, in_docker, nodes: &[&str]| Listed {
            role: images::EMULATOR,
            reference: "r".into(),
            id: None,
            bytes: None,
            made_here,
            in_docker,
            nodes: nodes.iter().map(|node| (*node).to_owned()).collect(),
        };
        assert_eq!(place(&image(true, false, &["a", "b"])), "made here, on a, b");
        assert_eq!(place(&image(false, true, &[])), "in Docker, on no node");
        assert_eq!(place(&image(false, false, &[])), "to be pulled, on no node");
        assert_eq!(megabytes(12_345_678), "12.3 MB");
    }
}
