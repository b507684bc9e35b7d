//! What answers know of the machine and of what runs in it.

use std::sync::Arc;

use crate::clock;
use crate::handshake::AgentInfo;
use crate::image_config::KeptConfig;
use crate::init_ready::InitReady;
use crate::sessions::Sessions;
use crate::still_root::StillRoot;

/// What the agent answers for
#[derive(Clone, Copy, PartialEq)]
pub enum World {
    /// The machine that it has booted
    Machine,
    /// Itself among a host's other processes: it sets no clock there, and ends where a machine would
    Process,
}

pub struct Agent {
    pub world: World,
    pub info: AgentInfo,
    pub sessions: Arc<Sessions>,
    pub init_ready: InitReady,
    pub image: KeptConfig,
    pub clock: clock::Keeper,
    /// Of a machine whose files are only read
    pub still: Option<StillRoot>,
}
