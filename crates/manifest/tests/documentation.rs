//! `docs/fields.md` is the table of fields. `UPDATE_DOCS=1` writes it anew.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

#[test]
fn the_document_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fields.md");
    let expected = probelet_manifest::documentation();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/fields.md is stale; UPDATE_DOCS=1 cargo test -p probelet-manifest writes it anew"
    );
}
