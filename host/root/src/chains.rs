//! The chains of others that the kernel asks about packets, in its own words (nfnetlink). A host may have tens of thousands of
//! rules, and nft would have all of them in memory at once: here only those of such chains are read, one after the other, and
//! nothing of them is kept but which ones are ours.

use std::io;

use banger_kernel::netlink::{DUMP, REQUEST, as_text, attributes, find, first_bytes, message, text};

use crate::kernel::Kernel;
use crate::policy;

const NFTABLES: u16 = 10 << 8;
const GET_TABLE: u16 = NFTABLES | 1;
const GET_CHAIN: u16 = NFTABLES | 4;
const GET_RULE: u16 = NFTABLES | 7;
const GET_GENERATION: u16 = NFTABLES | 16;

const ANY: u8 = 0;
const FAMILIES: [(u8, &str); 3] = [(1, "inet"), (2, "ip"), (3, "arp")];
const HEADER_BYTES: usize = 4;

const GENERATION: u16 = 1;
const TABLE_NAME: u16 = 1;
const CHAIN_TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_POLICY: u16 = 5;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

const RULE_TABLE: u16 = 1;
const RULE_CHAIN: u16 = 2;
const RULE_HANDLE: u16 = 3;
const RULE_EXPRESSIONS: u16 = 4;
const RULE_USERDATA: u16 = 7;
const EXPRESSION: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const META_KEY: u16 = 2;
const COMPARE_HOW: u16 = 2;
const COMPARE_WITH: u16 = 3;
const EQUAL: u32 = 0;
const IMMEDIATE_DATA: u16 = 2;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const VERDICT_CODE: u16 = 1;
/// Of what nft writes beside a rule
const USERDATA_COMMENT: u8 = 0;

/// Known again by it, together with what it does
pub const COMMENT: &str = "banger";
/// As nft says it, for any device whose name begins so
pub const MACHINES: &str = "bgr*";

#[derive(Debug, PartialEq)]
pub struct Chain {
    pub family: &'static str,
    pub table: String,
    pub name: String,
    pub hook: Hook,
    pub drops_by_itself: bool,
    /// Ours
    pub accepts: Vec<Accept>,
    /// There are rules that are not ours.
    pub has_others: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Hook {
    Input,
    Forward,
    Output,
}

/// A rule that lets machines through
#[derive(Debug, PartialEq)]
pub struct Accept {
    pub direction: Direction,
    pub handle: u64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Direction {
    FromMachine,
    ToMachine,
}

impl Hook {
    fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Input),
            2 => Some(Self::Forward),
            3 => Some(Self::Output),
            _ => None,
        }
    }

    /// In which packets of machines come by
    pub fn directions(self) -> &'static [Direction] {
        match self {
            Self::Input => &[Direction::FromMachine],
            Self::Forward => &[Direction::FromMachine, Direction::ToMachine],
            Self::Output => &[Direction::ToMachine],
        }
    }
}

impl Direction {
    /// nft's word for where the device of the machine stands
    pub fn device(self) -> &'static str {
        match self {
            Self::FromMachine => "iifname",
            Self::ToMachine => "oifname",
        }
    }

    fn of_key(key: u32) -> Option<Self> {
        match key {
            6 => Some(Self::FromMachine),
            7 => Some(Self::ToMachine),
            _ => None,
        }
    }
}

pub fn list(kernel: &Kernel) -> io::Result<Vec<Chain>> {
    let mut chains: Vec<Chain> =
        kernel.fold(&request(GET_CHAIN, ANY, &[]), |chains: &mut Vec<Chain>, body| chains.extend(read_chain(body)))?;
    for chain in &mut chains {
        let place = [text(RULE_TABLE, &chain.table), text(RULE_CHAIN, &chain.name)].concat();
        let hook = chain.hook;
        let take = |(accepts, has_others): &mut (Vec<Accept>, bool), body: &[u8]| match read_accept(body, hook) {
            Some(accept) => accepts.push(accept),
            None => *has_others = true,
        };
        (chain.accepts, chain.has_others) = kernel.fold(&request(GET_RULE, number_of(chain.family), &place), take)?;
    }
    Ok(chains)
}

/// Whether a table of ours is there.
pub fn has_ours(kernel: &Kernel) -> io::Result<bool> {
    let is_ours = |body: &[u8]| Some(policy::is_ours(family_of(body)?, name_of(body, TABLE_NAME)?));
    kernel.fold(&request(GET_TABLE, ANY, &[]), |has_ours, body| *has_ours |= is_ours(body).unwrap_or(false))
}

/// Of all rules of the host: each change of any of them, by whomever, makes the next one.
#[derive(Clone, Copy, PartialEq)]
pub struct Generation(u32);

impl Generation {
    pub fn read(kernel: &Kernel) -> io::Result<Self> {
        let body = kernel.get(&message(GET_GENERATION, REQUEST, &[ANY, 0, 0, 0]))?;
        let said = body.get(HEADER_BYTES..).and_then(|said| find(said, GENERATION)).and_then(number);
        said.map(Self).ok_or_else(|| io::Error::other("the kernel tells no generation of its rules"))
    }

    /// There is none of number 0.
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1).max(1))
    }
}

fn request(kind: u16, family: u8, attributes: &[u8]) -> Vec<u8> {
    message(kind, REQUEST | DUMP, &[&[family, 0, 0, 0], attributes].concat())
}

/// None for one that is of no concern to machines, and for one of ours.
fn read_chain(body: &[u8]) -> Option<Chain> {
    let said = body.get(HEADER_BYTES..)?;
    let (family, table) = (family_of(body)?, name_of(body, CHAIN_TABLE)?);
    let hook = find(find(said, CHAIN_HOOK)?, HOOK_NUMBER).and_then(number).and_then(Hook::of)?;
    let is_filter = find(said, CHAIN_TYPE).and_then(as_text) == Some("filter");
    let sees_ipv4 = matches!(family, "ip" | "inet");
    (is_filter && sees_ipv4 && !policy::is_ours(family, table)).then_some(Chain {
        family,
        table: table.to_owned(),
        name: name_of(body, CHAIN_NAME)?.to_owned(),
        hook,
        drops_by_itself: find(said, CHAIN_POLICY).and_then(number) == Some(DROP),
        accepts: Vec::new(),
        has_others: false,
    })
}

fn read_accept(body: &[u8], hook: Hook) -> Option<Accept> {
    let said = body.get(HEADER_BYTES..)?;
    let is_ours = find(said, RULE_USERDATA).and_then(comment) == Some(COMMENT);
    let direction = find(said, RULE_EXPRESSIONS).and_then(accepted).filter(|_| is_ours)?;
    let handle = find(said, RULE_HANDLE).and_then(first_bytes).map(u64::from_be_bytes)?;
    hook.directions().contains(&direction).then_some(Accept { direction, handle })
}

/// Which packets a rule accepts, when it does that and nothing else: those of any device of machines.
fn accepted(expressions: &[u8]) -> Option<Direction> {
    let mut expressions = attributes(expressions).filter(|(kind, _)| *kind == EXPRESSION);
    let mut next = |name: &str| {
        let (_, expression) = expressions.next()?;
        let is_it = find(expression, EXPRESSION_NAME).and_then(as_text) == Some(name);
        find(expression, EXPRESSION_DATA).filter(|_| is_it)
    };
    let (meta, compare, verdict) = (next("meta")?, next("cmp")?, next("immediate")?);
    let is_last = expressions.next().is_none();
    let name = find(find(compare, COMPARE_WITH)?, DATA_VALUE)?;
    let is_machines = find(compare, COMPARE_HOW).and_then(number) == Some(EQUAL)
        && MACHINES.strip_suffix('*').map(str::as_bytes) == Some(name);
    let code = find(find(find(verdict, IMMEDIATE_DATA)?, DATA_VERDICT)?, VERDICT_CODE).and_then(number);
    let direction = find(meta, META_KEY).and_then(number).and_then(Direction::of_key)?;
    (is_last && is_machines && code == Some(ACCEPT)).then_some(direction)
}

fn comment(mut userdata: &[u8]) -> Option<&str> {
    loop {
        let [kind, length] = first_bytes(userdata)?;
        let (value, rest) = userdata.get(2..)?.split_at_checked(usize::from(length))?;
        if kind == USERDATA_COMMENT {
            return as_text(value);
        }
        userdata = rest;
    }
}

fn family_of(body: &[u8]) -> Option<&'static str> {
    let family = *body.first()?;
    FAMILIES.iter().find(|(number, _)| *number == family).map(|(_, name)| *name)
}

fn number_of(family: &str) -> u8 {
    FAMILIES.iter().find(|(_, name)| *name == family).map_or(ANY, |(number, _)| *number)
}

fn name_of(body: &[u8], kind: u16) -> Option<&str> {
    find(body.get(HEADER_BYTES..)?, kind).and_then(as_text)
}

/// Numbers of the firewall are in the order of a network's.
fn number(value: &[u8]) -> Option<u32> {
    first_bytes(value).map(u32::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use banger_kernel::netlink::attribute;

    #[test]
    fn a_chain_of_others_that_is_asked_about_packets_is_read() {
        let chain = read_chain(&chain(2, "filter", 2, "filter")).unwrap();
        assert_eq!((chain.family, chain.table.as_str(), chain.name.as_str()), ("ip", "filter", "FORWARD"));
        assert_eq!((chain.hook, chain.drops_by_itself), (Hook::Forward, true));
    }

    #[test]
    fn one_of_another_kind_or_hook_and_one_of_ours_is_left_alone() {
        for (family, table, hook, kind) in [
            (10, "filter", 2, "filter"), // IPv6
            (2, "nat", 2, "nat"),
            (2, "raw", 0, "filter"), // before routing
            (1, "banger", 2, "filter"),
        ] {
            assert_eq!(read_chain(&chain(family, table, hook, kind)), None, "{family} {table}");
        }
        let without_hook = [vec![2, 0, 0, 0], text(CHAIN_TABLE, "filter"), text(CHAIN_NAME, "DOCKER-USER")].concat();
        assert_eq!(read_chain(&without_hook), None);
    }

    #[test]
    fn ours_is_known_by_its_comment_and_by_what_it_does() {
        let ours = rule("bgr", "banger", ACCEPT);
        assert_eq!(read_accept(&ours, Hook::Input), Some(Accept { direction: Direction::FromMachine, handle: 7 }));
        assert_eq!(read_accept(&ours, Hook::Output), None, "nothing of a machine's comes in there");
        for other in [rule("bgr", "bangers", ACCEPT), rule("bg", "banger", ACCEPT), rule("bgr", "banger", DROP)] {
            assert_eq!(read_accept(&other, Hook::Input), None);
        }
        for length in 0..ours.len() {
            assert_eq!(read_accept(&ours[..length], Hook::Input), None, "{length}");
        }
    }

    fn chain(family: u8, table: &str, hook: u32, kind: &str) -> Vec<u8> {
        let hook = attribute(CHAIN_HOOK, &attribute(HOOK_NUMBER, &hook.to_be_bytes()));
        let said = [text(CHAIN_TABLE, table), text(CHAIN_NAME, "FORWARD"), hook, text(CHAIN_TYPE, kind)].concat();
        [vec![family, 0, 0, 0], said, attribute(CHAIN_POLICY, &DROP.to_be_bytes())].concat()
    }

    fn rule(device: &str, comment: &str, verdict: u32) -> Vec<u8> {
        let expression = |name: &str, data: &[u8]| {
            attribute(EXPRESSION, &[text(EXPRESSION_NAME, name), attribute(EXPRESSION_DATA, data)].concat())
        };
        let with = attribute(COMPARE_WITH, &attribute(DATA_VALUE, device.as_bytes()));
        let verdict = attribute(DATA_VERDICT, &attribute(VERDICT_CODE, &verdict.to_be_bytes()));
        let expressions = [
            expression("meta", &attribute(META_KEY, &6_u32.to_be_bytes())),
            expression("cmp", &[attribute(COMPARE_HOW, &EQUAL.to_be_bytes()), with].concat()),
            expression("immediate", &attribute(IMMEDIATE_DATA, &verdict)),
        ];
        let length = u8::try_from(comment.len() + 1).unwrap();
        let userdata = [&[9, 1, 0, USERDATA_COMMENT, length], comment.as_bytes(), &[0]].concat();
        let handle = attribute(RULE_HANDLE, &7_u64.to_be_bytes());
        let said = [handle, attribute(RULE_EXPRESSIONS, &expressions.concat()), attribute(RULE_USERDATA, &userdata)];
        [vec![2, 0, 0, 0], said.concat()].concat()
    }
}
