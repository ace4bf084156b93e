//! What is made of SHA-256 here: ids that are the same for the same, and texts.

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

/// An id out of a hash (UUID version 8): the same for the same input.
pub(super) fn id(hash: Sha256) -> Uuid {
    let digest = hash.finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// The hash of `bytes` in lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first eight letters of that, to tell texts apart that read alike.
pub(super) fn short(text: &str) -> String {
    hex(text.as_bytes())[..8].to_owned()
}
