//! Which file a command's first word stands for, and what is said where it stands for none.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::http_answers::{Code, Refusal};
use crate::needs;

/// What scripts and shells are run by, where the machine has one
pub const SHELL: &str = "/bin/sh";

/// In the folders of `path` unless the name has a slash; both may be relative to the folder that it starts in.
pub fn find_program(name: &str, path: &str, cwd: &str) -> Result<PathBuf, Refusal> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![Path::new(cwd).join(name)]
    } else {
        path.split(':').map(|folder| Path::new(cwd).join(folder).join(name)).collect()
    };
    if let Some(program) = candidates.iter().find(|candidate| is_executable(candidate)) {
        return match needs::missing(program) {
            Some(missing) => {
                let message = format!("{name} is there, but not what it runs with: there is no {missing}");
                Err(Refusal::new(Code::CommandNotFound, message))
            }
            None => Ok(program.clone()),
        };
    }
    if !name.is_empty() && candidates.iter().any(|candidate| candidate.exists()) {
        return Err(Refusal::new(Code::CommandNotExecutable, format!("{name} is there but cannot be executed")));
    }
    let message = format!("the machine has no command \"{name}\"");
    Err(match is_executable(Path::new(SHELL)) {
        true => Refusal::new(Code::CommandNotFound, message),
        false => Refusal::new(Code::NoShell, format!("{message}: there is no {SHELL} in this image")),
    })
}

pub fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}
