//! What a process may no longer do, and neither may what it becomes or starts.

use rustix::io::Result;
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set, remove_capability_from_bounding_set, set_capabilities,
    set_no_new_privs,
};

/// Every capability, for good. Without CAP_SETPCAP the bounding set stays as it is, which gives nobody anything: there are
/// no new privileges.
pub fn give_up() -> Result<()> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    for capability in (0..u64::BITS).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
        if remove_capability_from_bounding_set(capability).is_err() {
            break; // the kernel knows no more, or does not let us
        }
    }
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}
