//! From a core module, which is what C, Zig and Go compile to, to a component of the project's world.

use std::path::Path;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

use crate::Error;

/// The name of the world in a project's folder `wit`.
pub(crate) const WORLD: &str = "plugin";

/// What a project's component imports and exports.
pub(crate) struct World {
    resolve: Resolve,
    world: WorldId,
}

impl World {
    /// Reads the folder `wit` of a project.
    pub(crate) fn read(folder: &Path) -> Result<World, Error> {
        let read = || {
            let mut resolve = Resolve::default();
            let (package, _) = resolve.push_dir(folder).map_err(|error| format!("{error:#}"))?;
            let world = resolve.select_world(&[package], Some(WORLD));
            let world = world.map_err(|error| format!("{error:#}"))?;
            Ok(World { resolve, world })
        };
        read().map_err(|reason| Error::World {
            folder: folder.to_owned(),
            reason,
        })
    }

    /// C's side of the world, as files with their names: a header, a source, and an object that both ask for. Zig uses
    /// them as well.
    pub(crate) fn c_bindings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        self.bindings(wit_bindgen_c::Opts::default().build().as_mut())
    }

    /// Go's side of the world, as files with their names.
    pub(crate) fn go_bindings(&mut self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let options = wit_bindgen_go::Opts {
            format: wit_bindgen_go::Format::False,
            ..wit_bindgen_go::Opts::default()
        };
        self.bindings(options.build().as_mut())
    }

    fn bindings(&mut self, generator: &mut dyn WorldGenerator) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let mut files = Files::default();
        generator
            .generate(&mut self.resolve, self.world, &mut files)
            .map_err(|error| Error::Bindings {
                reason: format!("{error:#}"),
            })?;
        let files = files.iter();
        Ok(files
            .map(|(name, content)| (name.to_owned(), content.to_owned()))
            .collect())
    }

    /// Makes a component of a core module that exports this world's functions.
    pub(crate) fn component(&self, mut module: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut encode = || {
            embed_component_metadata(&mut module, &self.resolve, self.world, StringEncoding::UTF8)?;
            ComponentEncoder::default()
                .module(&module)?
                .validate(true)
                // The adapter gets its memory by growing the module's. From the module's own allocator it would ask for it
                // before Go's is set up, which then asks the adapter in turn.
                .realloc_via_memory_grow(true)
                .adapter(
                    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                    WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
                )?
                .encode()
        };
        encode().map_err(|error| Error::Component {
            reason: format!("{error:#}"),
        })
    }
}
