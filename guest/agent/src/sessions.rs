//! The table of sessions: commands that the host started and that outlive its connection.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http_answers::{Code, Refusal};
use crate::session::{Session, SessionInfo};

const LIMIT: usize = 128;

pub struct Sessions {
    table: Mutex<HashMap<String, Arc<Session>>>,
    slots: Arc<Semaphore>,
    /// The beginning of every id of this agent
    life: String,
    earlier_lives: Vec<String>,
    next_number: AtomicU64,
}

impl Sessions {
    /// Ids carry the life of their agent: one of an agent or a boot before names no session of today.
    pub fn new(earlier_lives: Vec<String>) -> Arc<Self> {
        let random = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
        let life = random.chars().take(8).collect();
        let slots = Arc::new(Semaphore::new(LIMIT));
        Arc::new(Self { table: Mutex::default(), slots, life, earlier_lives, next_number: AtomicU64::new(1) })
    }

    pub fn life(&self) -> &str {
        &self.life
    }

    /// Room for one more session, held until the permit is dropped.
    pub fn take_slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let refusal = |_| Refusal::new(Code::TooManySessions, format!("{LIMIT} sessions are there already"));
        self.slots.clone().try_acquire_owned().map_err(refusal)
    }

    pub fn next_id(&self) -> String {
        format!("{}-{}", self.life, self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    pub fn add(&self, session: Arc<Session>) {
        self.table().insert(session.id.clone(), session);
    }

    pub fn get(&self, id: &str) -> Result<Arc<Session>, Refusal> {
        let session = self.table().get(id).cloned();
        session.ok_or_else(|| Refusal::new(Code::NotFound, self.describe_missing(id)))
    }

    fn describe_missing(&self, id: &str) -> String {
        let is_lost =
            self.earlier_lives.iter().any(|life| id.strip_prefix(life).is_some_and(|rest| rest.starts_with('-')));
        match is_lost {
            true => format!("the session \"{id}\" was lost when the agent ended, which has come back without it"),
            false => format!("there is no session \"{id}\""),
        }
    }

    pub fn forget(&self, id: &str) {
        self.table().remove(id);
    }

    /// Tells what runs as the image's own command to end, and waits until it has.
    pub async fn stop_own_command(&self) {
        let own: Vec<Arc<Session>> = self.table().values().filter(|session| session.tell_to_stop()).cloned().collect();
        for session in own {
            session.exited().await;
        }
    }

    pub fn list(&self) -> Vec<SessionInfo> {
        let mut list: Vec<SessionInfo> = self.table().values().map(|session| session.info()).collect();
        list.sort_by(|a, b| (a.started_unix_ms, &a.id).cmp(&(b.started_unix_ms, &b.id)));
        list
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_of_an_agent_before_is_told_as_lost() {
        let sessions = Sessions::new(vec!["0a1b2c3d".to_owned()]);
        let missing = |id: &str| sessions.get(id).err().unwrap().message;
        assert!(missing("0a1b2c3d-7").contains("was lost when the agent ended"));
        for id in ["0a1b2c3d7", "ffffffff-1", "", &format!("{}-1", sessions.life())] {
            assert!(missing(id).contains("there is no session"), "{id}");
        }
    }
}
