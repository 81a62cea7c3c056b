//! The host: the rooms, and for each session its queue and its timer. It carries out what the rooms say.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotswap::{Accepts, SwitchError, Why};
use serde::Serialize;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::AbortHandle;

use crate::machine::room::{Admin, Delivery, Fleet, Join, Leave, Machine, Room, Say, Session, Switch};

/// How many lines may wait for a client before it is let go.
pub(crate) const QUEUE: usize = 256;

/// A line on its way; all who get it share it.
pub(crate) type Outgoing = Arc<str>;

/// All rooms and all sessions. An upgrade changes what the rooms do; what is in here stays.
pub(crate) struct Host {
    switch: Switch,
    rooms: Fleet<String>,
    clients: Mutex<Clients>,
}

#[derive(Default)]
struct Clients {
    last: u64,
    by_session: HashMap<Session, Contact>,
}

/// What belongs to a session and is no state of any room. A room names the session, and this is found by it.
struct Contact {
    queue: Sender<Outgoing>,
    /// Where its lines go; whether it is in there is for the room to know.
    room: Option<String>,
    timer: Option<Timer>,
}

/// A task that ends with this.
struct Timer(AbortHandle);

impl Drop for Timer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Host {
    pub(crate) fn new(version: u32) -> Result<Self, SwitchError> {
        let switch = Switch::builder().starting_at(version).build()?;
        Ok(Self { rooms: switch.fleet(), switch, clients: Mutex::default() })
    }

    pub(crate) fn admin(&self) -> Admin {
        self.switch.admin()
    }

    /// A new session and the lines for it, unless there are `at_most` already. The lines end when it is let go.
    pub(crate) fn connect(&self, at_most: usize) -> Option<(Session, Receiver<Outgoing>)> {
        let mut clients = self.clients();
        if clients.by_session.len() >= at_most {
            return None;
        }
        clients.last += 1;
        let session = Session(clients.last);
        let (queue, lines) = mpsc::channel(QUEUE);
        clients.by_session.insert(session, Contact { queue, room: None, timer: None });
        Some((session, lines))
    }

    /// Ends a session.
    pub(crate) fn disconnect(&self, session: Session) {
        self.let_go(&mut self.clients(), session);
    }

    /// Moves a session to a room, out of the one where it was.
    pub(crate) fn join(&self, by: Session, room: &str, nick: &str) -> Result<(), Why> {
        // a room that a panic poisoned keeps nobody
        let _ = self.leave(by);
        if let Some(contact) = self.clients().by_session.get_mut(&by) {
            contact.room = Some(room.to_owned());
        }
        self.send(by, Join { by, nick: nick.to_owned() })
    }

    /// Takes a session out of its room, if it has one.
    pub(crate) fn leave(&self, by: Session) -> Result<(), Why> {
        let mut clients = self.clients();
        let room = clients.by_session.get_mut(&by).and_then(|contact| contact.room.take());
        room.map_or(Ok(()), |room| self.step(&mut clients, room, Leave { by }))
    }

    /// Hands an input to the session's room. A room that does not know it gives it back, and is as it was.
    pub(crate) fn send<I: Serialize>(&self, by: Session, input: I) -> Result<(), Why>
    where
        Machine: Accepts<I, Output = Vec<Delivery>>,
    {
        let mut clients = self.clients();
        match clients.by_session.get(&by).and_then(|contact| contact.room.clone()) {
            Some(room) => self.step(&mut clients, room, input)?,
            None => self.deliver(&mut clients, &[by], "! join a room first: /join ROOM NICK"),
        }
        Ok(())
    }

    /// Says something for a session in a while; a second time takes the place of the first.
    ///
    /// The timer holds an input of version 1. Whatever version the room has come to when it fires takes that.
    pub(crate) fn later(self: &Arc<Self>, by: Session, after: Duration, text: String) {
        let host = Arc::clone(self);
        let timer = tokio::spawn(async move {
            tokio::time::sleep(after).await;
            // a room that was poisoned meanwhile hears nothing
            let _ = host.send(by, Say { by, text });
        });
        if let Some(contact) = self.clients().by_session.get_mut(&by) {
            contact.timer = Some(Timer(timer.abort_handle()));
        }
    }

    /// A line for one session.
    pub(crate) fn tell(&self, session: Session, line: &str) {
        self.deliver(&mut self.clients(), &[session], line);
    }

    /// One turn at a room. The clients stay locked from the step to its last delivery, so that all see the same order.
    fn step<I: Serialize>(&self, clients: &mut Clients, room: String, input: I) -> Result<(), Why>
    where
        Machine: Accepts<I, Output = Vec<Delivery>>,
    {
        // a room that nobody is in is made anew when it is wanted, in version 1's state: it is brought to what runs
        let answer = self.rooms.step_while(room, Room::default, input, |room, _| !room.is_empty());
        for Delivery { to, line } in answer.map_err(|refused| refused.why)? {
            self.deliver(clients, &to, &line);
        }
        Ok(())
    }

    fn deliver(&self, clients: &mut Clients, to: &[Session], line: &str) {
        let line: Outgoing = line.into();
        let mut slow = Vec::new();
        for session in to {
            // who is not there has just left
            if let Some(contact) = clients.by_session.get(session)
                && contact.queue.try_send(Arc::clone(&line)).is_err()
            {
                slow.push(*session);
            }
        }
        for session in slow {
            self.let_go(clients, session);
        }
    }

    /// Forgets a session: its timer ends, its queue ends after what is in it, and its room hears that it has left.
    fn let_go(&self, clients: &mut Clients, session: Session) {
        if let Some(Contact { room: Some(room), .. }) = clients.by_session.remove(&session) {
            // a room that is poisoned has nobody to tell
            let _ = self.step(clients, room, Leave { by: session });
        }
    }

    fn clients(&self) -> MutexGuard<'_, Clients> {
        // a step that panics poisons its room, and not everybody's sockets
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
