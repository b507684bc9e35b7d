//! What the host asks to run, and the decisions about it: which program, with which environment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::http_answers::{Code, Refusal};
use crate::machine_environment;
use crate::terminal_names;
use crate::user_session;
use crate::users::User;

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

#[derive(Debug, Deserialize)]
pub struct StartRequest {
    pub argv: Vec<String>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    pub cwd: Option<String>,
    pub user: Option<String>,
    pub tty: Option<TerminalSize>,
    #[serde(default)]
    pub stdin: bool,
    #[serde(default)]
    pub keep: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
pub struct TerminalSize {
    pub cols: u16,
    pub rows: u16,
}

/// A program to run, decided in every detail
#[derive(Debug)]
pub struct CommandPlan {
    pub program: PathBuf,
    /// What the program is told its name is
    pub name: String,
    pub arguments: Vec<String>,
    pub env: BTreeMap<String, String>,
    pub cwd: String,
}

impl StartRequest {
    /// Looks at the machine's files, so not for the runtime's thread.
    pub fn plan(&self, user: &User) -> Result<CommandPlan, Refusal> {
        let has_nul = |text: &str| text.contains('\0');
        let is_wrong_name = |name: &str| name.is_empty() || name.contains('=') || has_nul(name);
        if self.argv.iter().any(|word| has_nul(word))
            || self.env.iter().any(|(name, value)| is_wrong_name(name) || has_nul(value))
        {
            return Err(Refusal::bad_request("argv or env has a NUL, or a name that is empty or has a \"=\""));
        }
        let env = self.environment(user);
        let cwd = self.working_folder(user)?;
        let Some((name, arguments)) = self.argv.split_first() else {
            return Ok(login_shell(user, env, cwd));
        };
        let path = env.get("PATH").map_or(PATH, String::as_str);
        let program = find_program(name, path, &cwd)?;
        Ok(CommandPlan { program, name: name.clone(), arguments: arguments.to_vec(), env, cwd })
    }

    fn environment(&self, user: &User) -> BTreeMap<String, String> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut env: BTreeMap<String, String> = [("PATH", PATH), ("LANG", "C.UTF-8")].map(owned).into();
        env.extend(machine_environment::read());
        let own = [("HOME", &user.home), ("USER", &user.name), ("LOGNAME", &user.name), ("SHELL", &user.shell)];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.clone())));
        env.extend(user_session::open(user).into_iter().map(|(name, value)| (name.to_owned(), value)));
        env.extend(self.env.clone());
        if self.tty.is_some() {
            let term = env.get("TERM").map_or(terminal_names::USUAL, String::as_str);
            let term = terminal_names::known_or_usual(term, &user.home);
            env.insert("TERM".to_owned(), term);
        }
        env
    }

    fn working_folder(&self, user: &User) -> Result<String, Refusal> {
        match &self.cwd {
            Some(cwd) if cwd.contains('\0') || !cwd.starts_with('/') => {
                Err(Refusal::bad_request("cwd is not an absolute path"))
            }
            Some(cwd) if !Path::new(cwd).is_dir() => {
                Err(Refusal::new(Code::CwdNotFound, format!("the machine has no folder {cwd}")))
            }
            Some(cwd) => Ok(cwd.clone()),
            // As login does: a user without a home starts at the root.
            None if Path::new(&user.home).is_dir() => Ok(user.home.clone()),
            None => Ok("/".to_owned()),
        }
    }
}

fn login_shell(user: &User, env: BTreeMap<String, String>, cwd: String) -> CommandPlan {
    let shell = if is_executable(Path::new(&user.shell)) { &user.shell } else { "/bin/sh" };
    let base_name = shell.rsplit('/').next().unwrap_or(shell);
    CommandPlan { program: shell.into(), name: format!("-{base_name}"), arguments: vec![], env, cwd }
}

fn find_program(name: &str, path: &str, cwd: &str) -> Result<PathBuf, Refusal> {
    let candidates: Vec<PathBuf> = if name.contains('/') {
        vec![Path::new(cwd).join(name)]
    } else {
        path.split(':').map(|folder| Path::new(cwd).join(folder).join(name)).collect()
    };
    if let Some(program) = candidates.iter().find(|candidate| is_executable(candidate)) {
        return Ok(program.clone());
    }
    if !name.is_empty() && candidates.iter().any(|candidate| candidate.exists()) {
        return Err(Refusal::new(Code::CommandNotExecutable, format!("{name} is there but cannot be executed")));
    }
    Err(Refusal::new(Code::CommandNotFound, format!("the machine has no command \"{name}\"")))
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|there| there.is_file() && there.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::find_user;

    fn request(json: &str) -> StartRequest {
        serde_json::from_str(json).unwrap()
    }

    fn plan(json: &str) -> Result<CommandPlan, Refusal> {
        request(json).plan(&find_user(None).unwrap())
    }

    #[test]
    fn a_command_is_found_in_its_own_path() {
        let found = plan(r#"{"argv":["sh","-c","true"],"env":{"PATH":"/nowhere:/bin"},"cwd":"/"}"#).unwrap();
        assert_eq!((found.program.to_str(), found.name.as_str()), (Some("/bin/sh"), "sh"));
        let missing = plan(r#"{"argv":["sh"],"env":{"PATH":"/nowhere"},"cwd":"/"}"#).unwrap_err();
        assert_eq!(missing.code, Code::CommandNotFound);
        assert_eq!(plan(r#"{"argv":["/etc/passwd"],"cwd":"/"}"#).unwrap_err().code, Code::CommandNotExecutable);
    }

    #[test]
    fn no_command_is_the_login_shell() {
        let shell = plan(r#"{"argv":[],"cwd":"/","tty":{"cols":80,"rows":24}}"#).unwrap();
        assert!(shell.name.starts_with('-') && shell.arguments.is_empty());
        assert_eq!(shell.env["TERM"], "xterm-256color");
    }

    #[test]
    fn what_cannot_be_an_argument_is_refused() {
        for wrong in [
            r#"{"argv":["a\u0000b"],"cwd":"/"}"#,
            r#"{"argv":["sh"],"env":{"A=B":"c"},"cwd":"/"}"#,
            r#"{"argv":["sh"],"cwd":"relative"}"#,
        ] {
            assert_eq!(plan(wrong).unwrap_err().code, Code::BadRequest);
        }
        assert_eq!(plan(r#"{"argv":["sh"],"cwd":"/no/such/folder"}"#).unwrap_err().code, Code::CwdNotFound);
    }
}
