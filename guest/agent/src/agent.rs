//! What answers know of the machine and of what runs in it.

use std::sync::Arc;

use crate::clock;
use crate::handshake::AgentInfo;
use crate::init_ready::InitReady;
use crate::sessions::Sessions;

pub struct Agent {
    pub info: AgentInfo,
    pub sessions: Arc<Sessions>,
    pub init_ready: InitReady,
    pub clock: clock::Keeper,
}
