//! Users and groups, read from `/etc/passwd` and `/etc/group` by hand: a static program cannot use the image's own
//! name services.

use std::fs::File;
use std::io::Read;

use crate::http_answers::{Code, Refusal};

/// More than any real file has; the rest is not read
const FILE_LIMIT_BYTES: u64 = 1 << 20;
const GROUPS_LIMIT: usize = 1024;

#[derive(Clone, Debug, PartialEq)]
pub struct User {
    pub name: String,
    pub uid: u32,
    pub gid: u32,
    pub groups: Vec<u32>,
    pub home: String,
    pub shell: String,
}

/// The user of that name or number, and of the group after a colon; root when none is named.
pub fn find_user(name: Option<&str>) -> Result<User, Refusal> {
    find_in(name.unwrap_or("root"), &read_bounded("/etc/passwd"), &read_bounded("/etc/group"))
}

/// As an image names who runs its commands. Such a number that no file knows has the group 0, which container engines
/// have made images count on.
pub fn find_user_of_image(name: &str) -> Result<User, Refusal> {
    let (passwd, group) = (read_bounded("/etc/passwd"), read_bounded("/etc/group"));
    let named = |refusal: Refusal| Refusal::new(refusal.code, format!("{}, as which the image runs", refusal.message));
    let user = find_in(name, &passwd, &group).map_err(named)?;
    let is_known = name.contains(':') || passwd.lines().filter_map(parse_user).any(|known| known.uid == user.uid);
    Ok(if is_known || user.uid == 0 { user } else { User { gid: 0, groups: vec![0], ..user } })
}

/// The group that terminals belong to.
pub fn terminal_group() -> Option<u32> {
    let groups = read_bounded("/etc/group");
    groups.lines().find_map(|line| line.strip_prefix("tty:")?.split(':').nth(1)?.parse().ok())
}

fn find_in(name: &str, passwd: &str, group: &str) -> Result<User, Refusal> {
    match name.split_once(':') {
        // Who names a group wants that one and no other.
        Some((user, wanted)) => {
            let gid = find_group(wanted, group)?;
            Ok(User { gid, groups: vec![gid], ..find_user_in(user, passwd, group)? })
        }
        None => find_user_in(name, passwd, group),
    }
}

fn find_user_in(name: &str, passwd: &str, group: &str) -> Result<User, Refusal> {
    let uid = name.parse::<u32>().ok();
    let by_name = passwd.lines().filter_map(parse_user).find(|user| user.name == name);
    let found = by_name.or_else(|| passwd.lines().filter_map(parse_user).find(|user| Some(user.uid) == uid));
    match found {
        Some(mut user) => {
            user.groups = groups_of(&user, group);
            Ok(user)
        }
        // An image without users still has root, and any number can run a command.
        None if name == "root" || uid == Some(0) => Ok(bare_user("root", 0, "/root")),
        None => match uid {
            Some(uid) => Ok(bare_user(&uid.to_string(), uid, "/")),
            None => Err(Refusal::new(Code::UserNotFound, format!("the machine has no user \"{name}\""))),
        },
    }
}

/// By its name, else its number, which need not be in the file.
fn find_group(name: &str, group: &str) -> Result<u32, Refusal> {
    let number_of = |line: &str| line.strip_prefix(name)?.strip_prefix(':')?.split(':').nth(1)?.parse().ok();
    let found = group.lines().filter(|_| !name.is_empty()).find_map(number_of).or_else(|| name.parse().ok());
    found.ok_or_else(|| Refusal::new(Code::UserNotFound, format!("the machine has no group \"{name}\"")))
}

fn parse_user(line: &str) -> Option<User> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, shell] = fields[..] else { return None };
    let or = |text: &str, instead: &str| if text.is_empty() { instead.to_owned() } else { text.to_owned() };
    Some(User {
        name: name.to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        groups: Vec::new(),
        home: or(home, "/"),
        shell: or(shell.trim_end(), "/bin/sh"),
    })
}

fn groups_of(user: &User, group: &str) -> Vec<u32> {
    let mut groups = vec![user.gid];
    for line in group.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [_, _, gid, members] = fields[..] else { continue };
        let Ok(gid) = gid.parse() else { continue };
        let is_member = members.trim_end().split(',').any(|member| member == user.name);
        if is_member && !groups.contains(&gid) && groups.len() < GROUPS_LIMIT {
            groups.push(gid);
        }
    }
    groups
}

fn bare_user(name: &str, id: u32, home: &str) -> User {
    User {
        name: name.to_owned(),
        uid: id,
        gid: id,
        groups: vec![id],
        home: home.to_owned(),
        shell: "/bin/sh".to_owned(),
    }
}

fn read_bounded(path: &str) -> String {
    let mut bytes = Vec::new();
    // A file that cannot be read has no users.
    let _ = File::open(path).and_then(|file| file.take(FILE_LIMIT_BYTES).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/bash\nbroken\n:x:y:z:::\nmia:x:1000:1000:Mia,,,:/home/mia:\n7:x:8:8::/:/bin/sh\n";
    const GROUP: &str = "root:x:0:\ndocker:x:998:bob,mia\nmia:x:1000:mia\nodd:x:-1:mia\nbadline\n";

    #[test]
    fn a_user_has_its_home_shell_and_groups() {
        let mia = find_in("mia", PASSWD, GROUP).unwrap();
        assert_eq!((mia.uid, mia.gid, mia.home.as_str(), mia.shell.as_str()), (1000, 1000, "/home/mia", "/bin/sh"));
        assert_eq!(mia.groups, [1000, 998]);
        assert_eq!(find_in("1000", PASSWD, GROUP).unwrap(), mia);
    }

    #[test]
    fn a_name_of_digits_goes_before_a_number() {
        assert_eq!(find_in("7", PASSWD, GROUP).unwrap().uid, 8);
    }

    #[test]
    fn a_group_after_a_colon_is_the_only_one() {
        let groups = |name: &str| find_in(name, PASSWD, GROUP).map(|user| (user.uid, user.gid, user.groups));
        assert_eq!(groups("mia:docker").unwrap(), (1000, 998, vec![998]));
        assert_eq!(groups("1000:5").unwrap(), (1000, 5, vec![5]));
        assert_eq!(groups("77:docker").unwrap(), (77, 998, vec![998]));
        for missing in ["mia:", "mia:none", "none:docker", ":docker", "mia:-1", "mia:4294967296", "mia:docker:1"] {
            assert_eq!(groups(missing).unwrap_err().code, Code::UserNotFound, "{missing}");
        }
    }

    #[test]
    fn root_and_numbers_exist_without_any_file_and_names_do_not() {
        assert_eq!(find_in("root", "", "").unwrap().home, "/root");
        assert_eq!(find_in("1234", "", "").unwrap().uid, 1234);
        assert_eq!(find_in(&"0".repeat(200), "", "").unwrap().name, "root");
        assert_eq!(find_in("0001234", "", "").unwrap().name, "1234", "however long it is written");
        assert_eq!(find_in("mia", "", "").unwrap_err().code, Code::UserNotFound);
    }
}
