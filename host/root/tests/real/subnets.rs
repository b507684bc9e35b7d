//! Where machines are, beside VPNs and other networks of the host.

use serde_json::{Value, json};

use crate::corner::Corner;
use crate::helper::{Helper, attach, verb};
use crate::machine::Machine;
use crate::traffic::{PORT, seen_as, serve};
use crate::world::{HOST, INTERNET, World};

const VM: &str = "0123456789ab";

#[test]
fn a_subnet_into_which_the_host_has_a_route_is_refused_and_told() {
    let corner = host();
    let helper = Helper::start(&corner);
    corner.ip("route add 10.0.0.0/8 dev vpn");
    assert_eq!(helper.refused(&attach(VM, 16, &[])), "SUBNET_CLAIMED");
    let claims = claims(&helper);
    assert_eq!(claims[0], json!("10.0.0.0/8 dev vpn"));
    assert_eq!(claims.iter().filter(|claim| claim.is_null()).count(), 7, "those outside of 10/8");
    let elsewhere = json!({ "do": "attach", "vm": VM, "subnet": 5, "lease": 16, "reach": [] });
    assert_eq!(helper.done(&elsewhere)["address"], "192.168.144.16");
}

#[test]
fn routes_of_another_table_and_addresses_of_the_host_claim_and_halves_of_everything_do_not() {
    let corner = host();
    let helper = Helper::start(&corner);
    corner.ip("route add 0.0.0.0/1 dev vpn
        route add 128.0.0.0/1 dev vpn
        route add default dev vpn table 51820");
    assert!(claims(&helper).iter().all(Value::is_null));
    corner.ip("route add 10.147.112.0/24 dev vpn table 51820
        addr add 192.168.150.1/24 dev vpn
        route add blackhole 198.18.64.7/32");
    let claimed: Vec<usize> =
        claims(&helper).iter().enumerate().filter(|(_, claim)| !claim.is_null()).map(|(subnet, _)| subnet).collect();
    assert_eq!(claimed, [1, 5, 9]);
}

#[test]
fn a_machine_that_is_there_when_a_vpn_comes_keeps_its_address() {
    let corner = host();
    let helper = Helper::start(&corner);
    helper.done(&attach(VM, 16, &[]));
    assert!(claims(&helper)[0].is_null(), "a machine's own route claims nothing");
    corner.ip("route add 10.213.0.0/16 dev vpn");
    helper.done(&attach(VM, 16, &["host"]));
    assert_eq!(claims(&helper)[0], json!("10.213.0.0/16 dev vpn"));
    assert_eq!(helper.refused(&attach("0123456789ac", 17, &[])), "SUBNET_CLAIMED");
    // What is refused leaves what there was.
    corner.ip("route add 10.147.0.0/16 dev vpn");
    let elsewhere = json!({ "do": "attach", "vm": VM, "subnet": 1, "lease": 16, "reach": [] });
    assert_eq!(helper.refused(&elsewhere), "SUBNET_CLAIMED");
    assert_eq!(helper.done(&verb("list"))["taps"][0]["address"], "10.213.64.16");
}

/// In two halves as OpenVPN does it, and by a table of its own as WireGuard's tools do
#[test]
fn a_machine_gets_out_by_a_vpn_that_takes_everything_and_the_host_reaches_it() {
    for ways in [
        "route add 0.0.0.0/1 via 192.0.2.1
         route add 128.0.0.0/1 via 192.0.2.1",
        "route add default via 192.0.2.1 table 51820
         rule add lookup 51820 priority 200
         rule add lookup main suppress_prefixlength 0 priority 100",
    ] {
        let world = World::new();
        world.host.ip(&format!(
            "link add vpn type veth peer name vpn netns {}
             addr add 192.0.2.2/24 dev vpn
             link set vpn up",
            world.outside.path()
        ));
        world.outside.ip("addr add 192.0.2.1/24 dev vpn
             link set vpn up");
        let helper = Helper::start(&world.host);
        let machine = Machine::start(&world.host, &helper, VM, 16, &[]);
        serve(&world.outside, &format!("{INTERNET}:80"));
        serve(&machine.guest, &format!("0.0.0.0:{PORT}"));
        assert_eq!(seen_as(&machine.guest, &format!("{INTERNET}:80")), HOST);
        world.host.ip(ways);
        assert_eq!(seen_as(&machine.guest, &format!("{INTERNET}:80")), "192.0.2.2");
        assert_eq!(seen_as(&world.host, &format!("{}:{PORT}", machine.address)), "10.213.64.1");
        helper.done(&attach("0123456789ac", 17, &[]));
    }
}

fn host() -> Corner {
    let corner = Corner::new();
    corner.ip("link add vpn type veth peer name peer
        link set vpn up
        addr add 203.0.113.9/32 dev vpn");
    corner
}

fn claims(helper: &Helper) -> Vec<Value> {
    let listed = helper.done(&verb("list"));
    listed["subnets"].as_array().unwrap().iter().map(|subnet| subnet["claimedBy"].clone()).collect()
}
