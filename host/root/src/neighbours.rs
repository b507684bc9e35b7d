//! The tables of others. What one of them drops is dropped, whatever ours says: so where one may drop, it has to let machines
//! through, and what is not for them ours drops before.

use serde_json::{Value, json};

use crate::chains::{COMMENT, Chain, Direction, MACHINES};

/// The commands that are missing for machines to get through, of each table together with its name.
pub fn missing(chains: &[Chain]) -> Vec<(String, Vec<Value>)> {
    let mut tables: Vec<(String, Vec<Value>)> = Vec::new();
    for chain in chains.iter().filter(|chain| chain.drops_by_itself || chain.has_others) {
        // The last that is put first comes first.
        for direction in chain.hook.directions().iter().rev().filter(|direction| !has_accept(chain, **direction)) {
            let (table, command) = (name(chain), insertion(chain, *direction));
            match tables.iter_mut().find(|(name, _)| *name == table) {
                Some((_, commands)) => commands.push(command),
                None => tables.push((table, vec![command])),
            }
        }
    }
    tables
}

/// The commands that take back what was put there.
pub fn removals(chains: &[Chain]) -> Vec<Value> {
    let of_chain = |Chain { family, table, name, accepts, .. }: &Chain| {
        let removal = |handle: u64| json!({ "delete": { "rule": { "family": family, "table": table, "chain": name, "handle": handle } } });
        accepts.iter().map(|accept| removal(accept.handle)).collect::<Vec<_>>()
    };
    chains.iter().flat_map(of_chain).collect()
}

/// The tables of others in which machines are let through.
pub fn accepting(chains: &[Chain]) -> Vec<String> {
    let mut tables: Vec<String> = chains.iter().filter(|chain| !chain.accepts.is_empty()).map(name).collect();
    tables.dedup();
    tables
}

fn name(chain: &Chain) -> String {
    format!("{} {}", chain.family, chain.table)
}

fn has_accept(chain: &Chain, direction: Direction) -> bool {
    chain.accepts.iter().any(|accept| accept.direction == direction)
}

fn insertion(Chain { family, table, name, .. }: &Chain, direction: Direction) -> Value {
    let is_machines = json!({ "op": "==", "left": { "meta": { "key": direction.device() } }, "right": MACHINES });
    let expr = json!([{ "match": is_machines }, { "accept": null }]);
    let rule = json!({ "family": family, "table": table, "chain": name, "comment": COMMENT, "expr": expr });
    json!({ "insert": { "rule": rule } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chains::{Accept, Hook};

    #[test]
    fn a_chain_that_may_drop_lets_machines_through_once() {
        let mut chains = [chain("ip", "filter")];
        chains[0].drops_by_itself = true;
        let tables = missing(&chains);
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].0, "ip filter");
        let devices =
            tables[0].1.iter().map(|command| &command["insert"]["rule"]["expr"][0]["match"]["left"]["meta"]["key"]);
        assert_eq!(devices.collect::<Vec<_>>(), ["oifname", "iifname"]);

        chains[0].accepts = vec![
            Accept { direction: Direction::FromMachine, handle: 5 },
            Accept { direction: Direction::ToMachine, handle: 6 },
        ];
        assert!(missing(&chains).is_empty());
        assert_eq!(accepting(&chains), ["ip filter"]);
        let handles: Vec<Value> =
            removals(&chains).iter().map(|command| command["delete"]["rule"]["handle"].clone()).collect();
        assert_eq!(handles, [json!(5), json!(6)]);
    }

    #[test]
    fn a_chain_that_drops_nothing_is_left_alone_and_one_with_rules_is_not() {
        let mut chains = [chain("inet", "firewalld")];
        assert!(missing(&chains).is_empty());
        chains[0].has_others = true;
        assert_eq!(missing(&chains).len(), 1);
    }

    fn chain(family: &'static str, table: &str) -> Chain {
        Chain {
            family,
            table: table.to_owned(),
            name: "FORWARD".to_owned(),
            hook: Hook::Forward,
            drops_by_itself: false,
            accepts: Vec::new(),
            has_others: false,
        }
    }
}
