//! A folder of its own for a test, gone with it.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

pub struct TestFolder(PathBuf);

impl TestFolder {
    /// `name` is one that no other test takes.
    pub fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("banger-agent-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Deref for TestFolder {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
