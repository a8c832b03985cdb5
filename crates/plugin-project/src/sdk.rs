//! Where a project in Rust finds the crate that it is written with.

use std::path::{Path, PathBuf};

/// Where the source lies for those who have no checkout of it.
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");

/// The crate `probelet-plugin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sdk {
    /// In a checkout on this machine, by its absolute path.
    Checkout(PathBuf),
    /// In the repository, of this program's version.
    Repository,
}

impl Sdk {
    /// Looks for a checkout above each of these places, such as the folder where a project is made, and where this program
    /// lies: a project that is made in a checkout, or with what was built in one, uses the SDK beside it.
    pub fn find(places: &[PathBuf]) -> Sdk {
        let above = places.iter().flat_map(|place| place.ancestors());
        let mut checkouts = above.map(|folder| folder.join("crates/plugin-sdk"));
        match checkouts.find(|folder| folder.join("Cargo.toml").is_file()) {
            Some(folder) => Sdk::Checkout(folder),
            None => Sdk::Repository,
        }
    }

    /// What stands behind `probelet-plugin =` in Cargo.toml.
    pub(crate) fn dependency(&self) -> String {
        let quoted = |path: &Path| path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
        match self {
            Sdk::Checkout(folder) => format!("{{ path = \"{}\" }}", quoted(folder)),
            Sdk::Repository => format!("{{ git = \"{REPOSITORY}\", tag = \"v{}\" }}", env!("CARGO_PKG_VERSION")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkout_is_found_from_anywhere_in_it() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let sdk = here.with_file_name("plugin-sdk");
        let places = ["/".into(), here.join("src")];
        assert_eq!(Sdk::find(&places), Sdk::Checkout(sdk.clone()));
        let expected = format!("{{ path = \"{}\" }}", sdk.display());
        assert_eq!(Sdk::find(&places).dependency(), expected);
    }

    #[test]
    fn without_a_checkout_it_is_the_repositorys() {
        let sdk = Sdk::find(&["/usr/bin/probelet".into()]);
        assert_eq!(sdk, Sdk::Repository);
        let tag = format!("tag = \"v{}\"", env!("CARGO_PKG_VERSION"));
        assert!(sdk.dependency().contains(&tag), "{}", sdk.dependency());
    }
}
