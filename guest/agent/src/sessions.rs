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
    id_prefix: String,
    next_number: AtomicU64,
}

impl Sessions {
    /// Ids carry a part of the boot's id: one from before a restart names no session of today.
    pub fn new(boot_id: &str) -> Arc<Self> {
        let id_prefix = boot_id.chars().take(8).collect();
        let slots = Arc::new(Semaphore::new(LIMIT));
        Arc::new(Self { table: Mutex::default(), slots, id_prefix, next_number: AtomicU64::new(1) })
    }

    /// Room for one more session, held until the permit is dropped.
    pub fn take_slot(&self) -> Result<OwnedSemaphorePermit, Refusal> {
        let refusal = |_| Refusal::new(Code::TooManySessions, format!("{LIMIT} sessions are there already"));
        self.slots.clone().try_acquire_owned().map_err(refusal)
    }

    pub fn next_id(&self) -> String {
        format!("{}-{}", self.id_prefix, self.next_number.fetch_add(1, Ordering::Relaxed))
    }

    pub fn add(&self, session: Arc<Session>) {
        self.table().insert(session.id.clone(), session);
    }

    pub fn get(&self, id: &str) -> Result<Arc<Session>, Refusal> {
        let session = self.table().get(id).cloned();
        session.ok_or_else(|| Refusal::new(Code::NotFound, format!("there is no session \"{id}\"")))
    }

    pub fn forget(&self, id: &str) {
        self.table().remove(id);
    }

    pub fn list(&self) -> Vec<SessionInfo> {
        let mut list: Vec<SessionInfo> = self.table().values().map(|session| session.info()).collect();
        list.sort_by(|a, b| (a.started_unix_ms, &a.id).cmp(&(b.started_unix_ms, &b.id)));
        list
    }

    pub fn count(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
