//! `probelet image`.

use std::path::Path;

use anyhow::{Context, ensure};
use probelet_image::{Image, ImageStore};
use rustix::process::geteuid;
use serde_json::{Value, json};

use crate::{
    arguments::{self, ImageCommand, ImageImport},
    output::{columns::Columns, documents::print_document, print},
};

/// Works on the agent's images, whether an agent runs or not.
pub(crate) fn run(command: arguments::Image, state_dir: &Path) -> anyhow::Result<()> {
    ensure!(
        geteuid().is_root(),
        "images are unpacked with their files' owners, which needs root: run this with sudo"
    );
    let store = ImageStore::open(&state_dir.join("images"))?;
    match command.command {
        ImageCommand::Import(command) => import(&store, &command),
        ImageCommand::List(command) => {
            let images = store.list()?;
            match command.output {
                Some(format) => print_document(&images.iter().map(document).collect::<Vec<_>>(), format),
                None => Ok(print(&table(&images))?),
            }
        }
        ImageCommand::Remove(command) => {
            for name in &command.names {
                store.remove(name)?;
                print(&format!("image {name} removed\n"))?;
            }
            Ok(())
        }
    }
}

fn import(store: &ImageStore, command: &ImageImport) -> anyhow::Result<()> {
    let mut documents = Vec::new();
    for file in &command.files {
        let imported = store.import(file, command.name.as_deref());
        for image in imported.with_context(|| format!("cannot import {}", file.display()))? {
            if command.output.is_none() {
                print(&format!("image {} imported ({})\n", image.reference, image.id))?;
            }
            documents.push(json!({"reference": image.reference, "id": image.id}));
        }
    }
    match command.output {
        Some(format) => print_document(&documents, format),
        None => Ok(()),
    }
}

fn document(image: &Image) -> Value {
    json!({"reference": image.reference, "id": image.id, "sizeBytes": image.size_bytes})
}

fn table(images: &[Image]) -> String {
    let heading = ["IMAGE", "IMAGE ID", "SIZE"].map(str::to_owned).to_vec();
    let rows = images.iter().map(|image| {
        let id = image.id.strip_prefix("sha256:").unwrap_or(&image.id);
        vec![
            image.reference.clone(),
            id.chars().take(13).collect(),
            size(image.size_bytes),
        ]
    });
    Columns::default().lines(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
}

fn size(bytes: u64) -> String {
    match bytes {
        ..1_000_000 => format!("{}kB", bytes / 1000),
        _ => format!("{}.{}MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}
