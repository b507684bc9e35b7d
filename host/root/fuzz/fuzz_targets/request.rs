//! Whatever a caller sends is refused, or understood as one operation that is said again in the same words; and what follows
//! from it are names and addresses of banger's own.
#![no_main]

use std::collections::BTreeSet;

use banger_root::operations::Operation;
use banger_root::policy::{self, Machine};
use banger_root::serve::parse;

libfuzzer_sys::fuzz_target!(|line: &[u8]| {
    let Ok(operation) = parse(line) else { return };
    let said = serde_json::to_vec(&operation).expect("an operation has words");
    assert_eq!(parse(&said).ok().as_ref(), Some(&operation));
    if let Operation::Attach { vm, subnet, lease, reach } = operation {
        let tap = vm.tap();
        assert!(tap.len() == 15 && tap.starts_with("bgr") && tap[3..].bytes().all(|byte| byte.is_ascii_hexdigit()));
        let (network, address) = (subnet.network(), subnet.address(lease));
        assert_eq!(u32::from(address) >> (32 - network.bits), u32::from(network.address) >> (32 - network.bits));
        assert!(![subnet.gateway(), subnet.names()].contains(&address));
        let text = policy::text(&[Machine { vm, subnet, lease, reach: reach.into_iter().collect::<BTreeSet<_>>() }]);
        assert!(text.contains(&format!("elements = {{ \"{tap}\" . {address} }}")));
    }
});
