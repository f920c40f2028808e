//! An image archive as `docker save` writes it, with one program and nothing else; the same bytes every time.

use bytes::Bytes;
use irsa_emu_core::contract::RUN_AS;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Program;

/// An image made here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnImage {
    /// Its name and tag; the tag is its version and the beginning of its id.
    pub reference: String,
    /// Its id: `sha256:` and the digest of its configuration.
    pub id: String,
    /// The architecture it runs on, such as `amd64`.
    pub architecture: &'static str,
    /// The archive.
    pub archive: Bytes,
}

/// Makes the image of a program.
pub(super) fn build(
    program: Program,
    binary: &[u8],
    architecture: &'static str,
) -> std::io::Result<OwnImage> {
    let layer = tar(&[(program.file_name(), 0o755, binary)])?;
    let layer_digest = hex::encode(Sha256::digest(&layer));
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "User": format!("{RUN_AS}:{RUN_AS}"),
            "Entrypoint": [format!("/{}", program.file_name())],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": program.file_name(),
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
            },
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{layer_digest}")] },
        "history": [{ "created": "1970-01-01T00:00:00Z", "created_by": "irsa-emu up" }],
    })
    .to_string();
    let config_digest = hex::encode(Sha256::digest(&config));
    let reference = format!(
        "{}:{}-{}",
        program.image_name(),
        env!("CARGO_PKG_VERSION"),
        &config_digest[..12]
    );
    let (config_name, layer_name) = (
        format!("{config_digest}.json"),
        format!("{layer_digest}/layer.tar"),
    );
    let manifest =
        json!([{ "Config": config_name, "RepoTags": [reference], "Layers": [layer_name] }]).to_string();
    let archive = tar(&[
        (&config_name, 0o644, config.as_bytes()),
        (&layer_name, 0o644, &layer),
        ("manifest.json", 0o644, manifest.as_bytes()),
    ])?;
    Ok(OwnImage {
        reference,
        id: format!("sha256:{config_digest}"),
        architecture,
        archive: archive.into(),
    })
}

/// A tar file whose bytes depend on its content only.
fn tar(files: &[(&str, u32, &[u8])]) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_entry_type(tar::EntryType::Regular);
        builder.append_data(&mut header, name, *content)?;
    }
    builder.into_inner()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Read;

    use super::*;

    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let read = |entry: std::io::Result<tar::Entry<'_, &[u8]>>| {
            let mut entry = entry.unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            (entry.path().unwrap().display().to_string(), content)
        };
        archive.entries().unwrap().map(read).collect()
    }

    #[test]
    fn the_same_program_makes_the_same_bytes_and_another_makes_another_tag() {
        let image = build(Program::Webhook, b"program", "amd64").unwrap();
        assert_eq!(image, build(Program::Webhook, b"program", "amd64").unwrap());
        assert_ne!(
            image.reference,
            build(Program::Webhook, b"Program", "amd64").unwrap().reference
        );
        assert_ne!(
            image.reference,
            build(Program::Webhook, b"program", "arm64").unwrap().reference
        );
        let tag = image.reference.strip_prefix("irsa-emu.dev/webhook:").unwrap();
        assert_eq!(
            tag,
            format!(
                "{}-{}",
                env!("CARGO_PKG_VERSION"),
                &image.id["sha256:".len()..][..12]
            )
        );
    }

    #[test]
    fn the_archive_holds_the_program_and_a_configuration_that_digests_to_the_id() {
        let image = build(Program::Sidecar, b"program", "arm64").unwrap();
        let files = files(&image.archive);
        let manifest: serde_json::Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
        assert_eq!(manifest[0]["RepoTags"][0], image.reference.as_str());
        let config = &files[manifest[0]["Config"].as_str().unwrap()];
        assert_eq!(
            format!("sha256:{}", hex::encode(Sha256::digest(config))),
            image.id
        );
        let config: serde_json::Value = serde_json::from_slice(config).unwrap();
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Entrypoint"], json!(["/irsa-emu-sidecar"]));
        assert_eq!(
            (&config["os"], &config["architecture"]),
            (&json!("linux"), &json!("arm64"))
        );
        let layer = &files[manifest[0]["Layers"][0].as_str().unwrap()];
        assert_eq!(
            config["rootfs"]["diff_ids"][0],
            format!("sha256:{}", hex::encode(Sha256::digest(layer)))
        );
        assert_eq!(
            self::files(layer),
            BTreeMap::from([("irsa-emu-sidecar".to_owned(), b"program".to_vec())])
        );
    }
}
