//! Work beside other work, as much of it as was agreed. A guest that wants more is turned away, and only that guest.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const STACK_BYTES: usize = 128 * 1024;

/// Drops what is beyond the limit, or beyond what the system has threads for.
#[derive(Clone)]
pub struct Crew {
    limit: usize,
    busy: Arc<AtomicUsize>,
}

impl Crew {
    pub fn new(limit: usize) -> Self {
        Self { limit, busy: Arc::default() }
    }

    pub fn start(&self, work: impl FnOnce() + Send + 'static) {
        let place = Place(Arc::clone(&self.busy));
        if place.0.fetch_add(1, Ordering::Relaxed) < self.limit {
            start(move || {
                let _place = place;
                work();
            });
        }
    }
}

/// Does `work` for each connection, at most `limit` at once, for ever.
pub fn serve_each(listener: &TcpListener, limit: usize, work: impl Fn(TcpStream) + Send + Sync + 'static) {
    let (crew, work) = (Crew::new(limit), Arc::new(work));
    for client in listener.incoming() {
        let Ok(client) = client else {
            thread::sleep(Duration::from_millis(100)); // out of descriptors: others end meanwhile
            continue;
        };
        let work = Arc::clone(&work);
        crew.start(move || work(client));
    }
}

/// Given back however the work ends
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Without a thread the work is dropped, and with it its connection.
pub fn start(work: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().stack_size(STACK_BYTES).spawn(work);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn work_beyond_the_limit_is_dropped_and_a_place_is_given_back() {
        let crew = Crew::new(1);
        let (release, wait) = mpsc::channel::<()>();
        let (done, told) = mpsc::channel();
        crew.start(move || assert!(wait.recv().is_err()));
        let beyond = done.clone();
        crew.start(move || beyond.send("beyond").unwrap());
        drop(release);
        while crew.busy.load(Ordering::Relaxed) > 0 {
            thread::yield_now();
        }
        crew.start(move || done.send("next").unwrap());
        assert_eq!(told.iter().collect::<Vec<_>>(), ["next"]);
    }
}
