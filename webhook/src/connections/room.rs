//! The connections of a port that are open, and which of them ends when the port is full.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Context;

use futures::task::AtomicWaker;

/// What matters of a connection that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Peer {
    address: IpAddr,
    is_known: bool,
    /// Grows with every request of the port.
    used: u64,
}

/// Which connection ends for another: none of a known peer, while there are unknown ones. API servers are known by the
/// secret path of their first review, so a client that opens connections without end closes only those of unknown peers.
/// Of these, the address with the most loses the one that was used longest ago: a Pod has one address, so it loses its own,
/// and whoever connects and asks at once is served even if addresses prove nothing.
fn victim(open: &[Peer]) -> Option<usize> {
    let unknown = open.iter().any(|one| !one.is_known);
    let can_lose = || {
        let all = open.iter().enumerate();
        all.filter(|(_, one)| !(unknown && one.is_known))
    };
    let mut shares: HashMap<IpAddr, usize> = HashMap::new();
    for (_, one) in can_lose() {
        *shares.entry(one.address).or_default() += 1;
    }
    can_lose()
        .max_by_key(|(_, one)| (shares.get(&one.address), Reverse(one.used)))
        .map(|(index, _)| index)
}

/// One connection, as requests and its stream know it.
#[derive(Debug, Clone)]
pub(crate) struct Connection(Arc<State>);

#[derive(Debug)]
struct State {
    address: IpAddr,
    is_known: AtomicBool,
    used: AtomicU64,
    has_ended: AtomicBool,
    /// Whoever reads or writes: one task at a time.
    waker: AtomicWaker,
}

impl Connection {
    /// Who is at its other end has shown what only an API server can know.
    pub(crate) fn make_known(&self) {
        self.0.is_known.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_known(&self) -> bool {
        self.0.is_known.load(Ordering::Relaxed)
    }

    /// Whether it was ended for another; if not, the task is woken once it is.
    pub(super) fn has_ended(&self, context: &Context<'_>) -> bool {
        self.0.waker.register(context.waker());
        self.0.has_ended.load(Ordering::Acquire)
    }

    fn end(&self) {
        self.0.has_ended.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    fn peer(&self) -> Peer {
        Peer {
            address: self.0.address,
            is_known: self.is_known(),
            used: self.0.used.load(Ordering::Relaxed),
        }
    }
}

/// The connections of a port.
#[derive(Debug)]
pub(super) struct OpenConnections {
    most: usize,
    open: Mutex<Vec<Connection>>,
    uses: AtomicU64,
}

impl OpenConnections {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Mutex::default(),
            uses: AtomicU64::default(),
        }
    }

    /// Takes in a connection, and reports whether another had to end for it.
    pub(super) fn enter(self: Arc<Self>, address: IpAddr) -> (Slot, bool) {
        let connection = Connection(Arc::new(State {
            address,
            is_known: AtomicBool::new(false),
            used: AtomicU64::new(self.next_use()),
            has_ended: AtomicBool::new(false),
            waker: AtomicWaker::new(),
        }));
        let ended = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let is_full = open.len() >= self.most;
            if is_full {
                end_one(&mut open);
            }
            open.push(connection.clone());
            is_full
        };
        let slot = Slot {
            connections: self,
            connection,
        };
        (slot, ended)
    }

    /// A request has come by a connection.
    pub(super) fn used(&self, connection: &Connection) {
        connection.0.used.store(self.next_use(), Ordering::Relaxed);
    }

    fn next_use(&self) -> u64 {
        self.uses.fetch_add(1, Ordering::Relaxed)
    }

    fn leave(&self, connection: &Connection) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| !Arc::ptr_eq(&one.0, &connection.0));
    }
}

fn end_one(open: &mut Vec<Connection>) {
    let peers: Vec<Peer> = open.iter().map(Connection::peer).collect();
    if let Some(index) = victim(&peers) {
        open.swap_remove(index).end();
    }
}

/// A connection's place on the port, which it leaves when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    connections: Arc<OpenConnections>,
    pub(super) connection: Connection,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.leave(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: u8, is_known: bool, used: u64) -> Peer {
        Peer {
            address: IpAddr::from([10, 0, 0, address]),
            is_known,
            used,
        }
    }

    #[test]
    fn unknown_peers_lose_first_then_who_has_the_most_and_of_these_the_one_used_longest_ago() {
        let cases: [(&str, &[Peer], Option<usize>); 6] = [
            ("nobody is there", &[], None),
            (
                "the one used longest ago",
                &[peer(1, false, 3), peer(1, false, 2), peer(1, false, 4)],
                Some(1),
            ),
            (
                "a known one, however old, outlives an unknown one",
                &[peer(1, true, 0), peer(2, false, 9), peer(1, true, 1)],
                Some(1),
            ),
            ("known ones alone", &[peer(1, true, 2), peer(1, true, 1)], Some(1)),
            (
                "who has the most loses, however new",
                &[peer(1, false, 0), peer(2, false, 8), peer(2, false, 7)],
                Some(2),
            ),
            (
                "known ones are no part of the share of an unknown one",
                &[
                    peer(1, true, 0),
                    peer(1, true, 1),
                    peer(1, false, 5),
                    peer(2, false, 4),
                ],
                Some(3),
            ),
        ];
        for (what, open, lost) in cases {
            assert_eq!(victim(open), lost, "{what}");
        }
    }

    #[test]
    fn who_leaves_frees_a_slot() {
        let connections = Arc::new(OpenConnections::new(2));
        let enter = || Arc::clone(&connections).enter(IpAddr::from([10, 0, 0, 1]));
        let (first, _) = enter();
        let (second, ended) = enter();
        assert!(!ended);
        drop(first);
        let (_third, ended) = enter();
        assert!(!ended);
        let (_fourth, ended) = enter();
        assert!(ended);
        assert!(second.connection.0.has_ended.load(Ordering::Relaxed));
        drop(second);
        assert_eq!(connections.open.lock().unwrap().len(), 2);
    }
}
