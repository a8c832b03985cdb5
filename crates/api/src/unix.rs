//! A unix socket that only its owner may use.

use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tokio::net::{
    UnixListener, UnixStream,
    unix::{SocketAddr, UCred},
};

/// A listening socket, open to the user alone who made it. Its file is removed when it is dropped.
pub struct OwnerSocket {
    listener: UnixListener,
    path: PathBuf,
    owner: u32,
}

impl OwnerSocket {
    /// Listens on `path`, in the place of whatever socket a dead agent left there.
    ///
    /// The caller makes sure that no living agent uses the path, as the lock on the state folder does.
    pub fn bind(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(metadata) if !std::os::unix::fs::FileTypeExt::is_socket(&metadata.file_type()) => {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "there is a file that is no socket",
                ));
            }
            _ => {}
        }
        // It gets its name only once nobody else can open it.
        let unnamed = path.with_extension("new");
        match fs::remove_file(&unnamed) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&unnamed)?;
        fs::set_permissions(&unnamed, fs::Permissions::from_mode(0o600))?;
        fs::rename(&unnamed, path)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
            owner: rustix::process::geteuid().as_raw(),
        })
    }

    /// The mode of the file keeps others out; this also keeps out whoever was handed a connection or the file's folder.
    fn admits(&self, peer: io::Result<UCred>) -> bool {
        match peer {
            Ok(peer) if peer.uid() == self.owner => true,
            Ok(peer) => {
                tracing::warn!(
                    uid = peer.uid(),
                    pid = peer.pid(),
                    "refused a connection: only the owner may use the socket"
                );
                false
            }
            Err(error) => {
                tracing::warn!(%error, "refused a connection: who makes it is not known");
                false
            }
        }
    }
}

impl axum::serve::Listener for OwnerSocket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (UnixStream, SocketAddr) {
        loop {
            let (stream, address) = axum::serve::Listener::accept(&mut self.listener).await;
            if self.admits(stream.peer_cred()) {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Drop for OwnerSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(socket = %self.path.display(), %error, "the socket cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::serve::Listener;

    use super::*;

    #[tokio::test]
    async fn it_is_its_owners_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        let mut socket = OwnerSocket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (_client, accepted) = tokio::join!(UnixStream::connect(&path), socket.accept());
        assert!(socket.admits(accepted.0.peer_cred()));

        socket.owner += 1;
        assert!(!socket.admits(accepted.0.peer_cred()));

        drop(socket);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_dead_agents_socket_gives_way_and_a_file_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("agent.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        drop(OwnerSocket::bind(&path).unwrap());

        fs::write(&path, "precious").unwrap();
        assert_eq!(
            OwnerSocket::bind(&path).err().map(|error| error.kind()),
            Some(io::ErrorKind::AlreadyExists)
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
