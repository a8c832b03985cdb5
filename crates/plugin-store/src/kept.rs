//! Signatures that are kept with the store's components.
//!
//! They are checked against the known keys whenever they are used, so nothing is trusted for lying here.

use std::{collections::HashSet, fs, io, path::PathBuf};

use crate::{
    Digest, Store, StoreError,
    file::{self, Links},
    signature::{MAX_PAYLOAD, MAX_SIGNATURE, MAX_SIGNATURES, Signature},
    store::{Lock, MAX_COMPONENTS, rested},
};

/// The largest file of signatures: the most and largest of them in base64, and some JSON.
const MAX_BYTES: usize = MAX_SIGNATURES * (MAX_PAYLOAD + MAX_SIGNATURE) * 3 / 2;

impl Store {
    /// The signatures kept for a manifest, or for content. What is no such file counts as none: it can be had again.
    pub(crate) fn signatures(&self, digest: &Digest) -> Result<Vec<Signature>, StoreError> {
        let path = self.signature_file(digest);
        let bytes = match file::read(&path, Links::Refuse, MAX_BYTES) {
            Ok(bytes) => bytes.unwrap_or_default(),
            Err(StoreError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut signatures: Vec<Signature> = serde_json::from_slice(&bytes).unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), %error, "signatures that were kept cannot be read");
            Vec::new()
        });
        signatures.truncate(MAX_SIGNATURES);
        Ok(signatures)
    }

    /// Keeps signatures that can be had again, unless there is no room.
    pub(crate) fn keep_signatures(&self, digest: &Digest, new: &[Signature]) -> Result<(), StoreError> {
        let lock = self.lock()?;
        if self.has_room_for_signatures(&lock, digest)? {
            return self.add_signatures(&lock, digest, new);
        }
        tracing::debug!(%digest, "no room to keep a signature");
        Ok(())
    }

    /// Whether signatures of this can be kept.
    pub(crate) fn has_room_for_signatures(&self, _lock: &Lock, digest: &Digest) -> Result<bool, StoreError> {
        let folder = self.signature_folder();
        let count = fs::read_dir(&folder).map_err(StoreError::file(&folder))?;
        let is_full = count.take(MAX_COMPONENTS).count() == MAX_COMPONENTS;
        Ok(!is_full || fs::symlink_metadata(self.signature_file(digest)).is_ok())
    }

    /// Keeps signatures, for which there [is room](Self::has_room_for_signatures), beside those that are there, the newest
    /// first. There is an end to their number, and who is out has to be found again.
    pub(crate) fn add_signatures(&self, _lock: &Lock, digest: &Digest, new: &[Signature]) -> Result<(), StoreError> {
        let mut signatures = new.to_vec();
        for known in self.signatures(digest)? {
            if !signatures.contains(&known) {
                signatures.push(known);
            }
        }
        signatures.truncate(MAX_SIGNATURES);
        let path = self.signature_file(digest);
        let bytes = serde_json::to_vec(&signatures).map_err(io::Error::from);
        file::write(&path, &self.scratch(), &bytes.map_err(StoreError::file(&path))?)
    }

    /// The files of signatures that nobody has written for a while and that belong to nothing that is kept.
    pub(crate) fn signature_garbage(&self, kept: &HashSet<Digest>) -> Result<Vec<PathBuf>, StoreError> {
        let mut old = rested(&self.signature_folder())?;
        old.retain(|path| {
            let name = path.file_stem().and_then(|name| name.to_str());
            !name
                .and_then(Digest::from_hex)
                .is_some_and(|digest| kept.contains(&digest))
        });
        Ok(old)
    }

    fn signature_file(&self, digest: &Digest) -> PathBuf {
        self.signature_folder().join(format!("{}.json", digest.hex()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::GARBAGE_GRACE;

    fn signature(number: usize) -> Signature {
        Signature {
            payload: None,
            signature: vec![number as u8; 64],
        }
    }

    #[test]
    fn the_newest_signatures_are_kept_and_their_number_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let digest = Digest::of(b"manifest");
        assert_eq!(store.signatures(&digest).unwrap(), []);
        for number in 0..=MAX_SIGNATURES {
            store.keep_signatures(&digest, &[signature(number)]).unwrap();
        }
        // One that is there already takes no place.
        store.keep_signatures(&digest, &[signature(5)]).unwrap();
        let kept = store.signatures(&digest).unwrap();
        assert_eq!(
            (kept.len(), &kept[0], &kept[1]),
            (MAX_SIGNATURES, &signature(5), &signature(16))
        );
        assert!(!kept.contains(&signature(0)));

        let path = store.signature_file(&digest);
        fs::write(&path, "nonsense").unwrap();
        assert_eq!(store.signatures(&digest).unwrap(), []);
        fs::write(&path, vec![b' '; MAX_BYTES + 1]).unwrap();
        assert_eq!(store.signatures(&digest).unwrap(), []);
    }

    #[test]
    fn signatures_of_what_is_gone_go_after_a_while() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (kept, gone, fresh) = (Digest::of(b"kept"), Digest::of(b"gone"), Digest::of(b"fresh"));
        for digest in [kept, gone, fresh] {
            store.keep_signatures(&digest, &[signature(1)]).unwrap();
        }
        for digest in [kept, gone] {
            let file = fs::File::options()
                .write(true)
                .open(store.signature_file(&digest))
                .unwrap();
            file.set_modified(SystemTime::now() - GARBAGE_GRACE).unwrap();
        }
        let garbage = store.signature_garbage(&HashSet::from([kept])).unwrap();
        assert_eq!(garbage, [store.signature_file(&gone)]);
    }
}
