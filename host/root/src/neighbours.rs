//! The tables of others. What one of them drops is dropped, whatever ours says: so where one may drop, it has to let machines
//! through, and what is not for them ours drops before.

use serde_json::{Value, json};

use crate::policy;

/// Known again by it, together with what it does
const COMMENT: &str = "banger";
const MACHINES: &str = "bgr*";
const DROPS: [&str; 2] = ["drop", "reject"];

/// A chain that the kernel asks about packets
struct Chain<'a> {
    family: &'a str,
    table: &'a str,
    name: &'a str,
    /// In which the device of a machine stands
    directions: &'static [&'static str],
    drops_by_itself: bool,
}

/// The commands that are missing for machines to get through, of each table together with its name.
pub fn missing(listed: &[Value]) -> Vec<(String, Vec<Value>)> {
    let mut tables: Vec<(String, Vec<Value>)> = Vec::new();
    for chain in chains(listed).filter(|chain| chain.drops_by_itself || has_foreign_rules(chain, listed)) {
        // The last that is put first comes first.
        for direction in chain.directions.iter().rev().filter(|direction| !has_accept(&chain, direction, listed)) {
            let table = format!("{} {}", chain.family, chain.table);
            let command = insertion(&chain, direction);
            match tables.iter_mut().find(|(name, _)| *name == table) {
                Some((_, commands)) => commands.push(command),
                None => tables.push((table, vec![command])),
            }
        }
    }
    tables
}

/// The commands that take back what was put there.
pub fn removals(listed: &[Value]) -> Vec<Value> {
    let removal = |chain: &Chain, rule: &Value| {
        let (family, table, name, handle) = (chain.family, chain.table, chain.name, &rule["handle"]);
        json!({ "delete": { "rule": { "family": family, "table": table, "chain": name, "handle": handle } } })
    };
    let of_chain =
        |chain: Chain| accepts(&chain, listed).into_iter().map(|rule| removal(&chain, rule)).collect::<Vec<_>>();
    chains(listed).flat_map(of_chain).collect()
}

/// The tables of others in which machines are let through.
pub fn accepting(listed: &[Value]) -> Vec<String> {
    let accepting = chains(listed).filter(|chain| !accepts(chain, listed).is_empty());
    let mut tables: Vec<String> = accepting.map(|chain| format!("{} {}", chain.family, chain.table)).collect();
    tables.dedup();
    tables
}

fn chains(listed: &[Value]) -> impl Iterator<Item = Chain<'_>> {
    listed.iter().filter_map(|item| {
        let chain = item.get("chain")?;
        let text = |key: &str| chain.get(key)?.as_str();
        let (family, table) = (text("family")?, text("table")?);
        let is_ours = policy::is_ours(family, table);
        let sees_ipv4 = matches!(family, "ip" | "inet");
        let directions: &[&str] = match (text("type")?, text("hook")?) {
            ("filter", "input") => &["iifname"],
            ("filter", "forward") => &["iifname", "oifname"],
            ("filter", "output") => &["oifname"],
            _ => return None,
        };
        let drops_by_itself = text("policy").is_some_and(|policy| DROPS.contains(&policy));
        (sees_ipv4 && !is_ours).then_some(Chain { family, table, name: text("name")?, directions, drops_by_itself })
    })
}

fn rules<'a>(chain: &Chain, listed: &'a [Value]) -> Vec<&'a Value> {
    let is_in = |rule: &&Value| {
        let place = [("family", chain.family), ("table", chain.table), ("chain", chain.name)];
        place.iter().all(|(key, is)| rule.get(key).and_then(Value::as_str) == Some(is))
    };
    listed.iter().filter_map(|item| item.get("rule")).filter(is_in).collect()
}

fn accepts<'a>(chain: &Chain, listed: &'a [Value]) -> Vec<&'a Value> {
    rules(chain, listed).into_iter().filter(|rule| is_accept(chain, rule)).collect()
}

fn is_accept(chain: &Chain, rule: &Value) -> bool {
    rule.get("comment").and_then(Value::as_str) == Some(COMMENT)
        && chain.directions.iter().any(|direction| rule.get("expr") == Some(&accept(direction)))
}

fn has_foreign_rules(chain: &Chain, listed: &[Value]) -> bool {
    rules(chain, listed).into_iter().any(|rule| !is_accept(chain, rule))
}

fn has_accept(chain: &Chain, direction: &str, listed: &[Value]) -> bool {
    accepts(chain, listed).into_iter().any(|rule| rule.get("expr") == Some(&accept(direction)))
}

fn insertion(chain: &Chain, direction: &str) -> Value {
    let (family, table, name, expr) = (chain.family, chain.table, chain.name, accept(direction));
    let rule = json!({ "family": family, "table": table, "chain": name, "comment": COMMENT, "expr": expr });
    json!({ "insert": { "rule": rule } })
}

fn accept(direction: &str) -> Value {
    let is_machines = json!({ "op": "==", "left": { "meta": { "key": direction } }, "right": MACHINES });
    json!([{ "match": is_machines }, { "accept": null }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_may_drop_lets_machines_through_once() {
        let mut listed = vec![chain("ip", "filter", "FORWARD", "forward", "drop")];
        let tables = missing(&listed);
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].0, "ip filter");
        let inserted: Vec<&Value> = tables[0].1.iter().map(|command| &command["insert"]["rule"]["expr"]).collect();
        assert_eq!(inserted, [&accept("oifname"), &accept("iifname")]);

        listed.extend(tables[0].1.iter().enumerate().map(|(handle, command)| {
            let mut rule = command["insert"]["rule"].clone();
            rule["handle"] = json!(handle);
            json!({ "rule": rule })
        }));
        assert!(missing(&listed).is_empty());
        assert_eq!(accepting(&listed), ["ip filter"]);
        let handles: Vec<Value> =
            removals(&listed).iter().map(|command| command["delete"]["rule"]["handle"].clone()).collect();
        assert_eq!(handles, [json!(0), json!(1)]);
    }

    #[test]
    fn a_chain_that_drops_nothing_and_one_of_ours_is_left_alone() {
        let rule = |table: &str, name: &str| json!({ "rule": { "family": "inet", "table": table, "chain": name, "expr": [] } });
        let listed = [
            chain("ip", "filter", "FORWARD", "forward", "accept"),
            chain("inet", "banger", "through_host", "forward", "accept"),
            rule("banger", "through_host"),
            chain("ip6", "filter", "FORWARD", "forward", "drop"),
            json!({ "chain": { "family": "ip", "table": "filter", "name": "DOCKER-USER", "handle": 2 } }),
        ];
        assert!(missing(&listed).is_empty());
        let firewalld =
            [chain("inet", "firewalld", "filter_FORWARD", "forward", "accept"), rule("firewalld", "filter_FORWARD")];
        assert_eq!(missing(&firewalld).len(), 1);
    }

    #[test]
    fn a_rule_of_somebody_else_with_our_comment_stays() {
        let rule = json!({ "family": "ip", "table": "t", "chain": "c", "handle": 7, "comment": "banger", "expr": [{ "drop": null }] });
        assert!(removals(&[chain("ip", "t", "c", "input", "drop"), json!({ "rule": rule })]).is_empty());
    }

    fn chain(family: &str, table: &str, name: &str, hook: &str, policy: &str) -> Value {
        json!({ "chain": {
            "family": family, "table": table, "name": name, "handle": 1, "type": "filter", "hook": hook, "prio": 0, "policy": policy,
        } })
    }
}
