//! The threads of a block and their waiting.

use crate::fault::Problem;
use crate::fibre::{Fibre, Request};
use crate::order::Turns;
use crate::warp::{Shuffle, WARP, exchange};

/// The next step of a thread.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Continue with this reply.
    Ready(u32),
    Waiting(Request),
    Ended,
}

struct Thread {
    fibre: Fibre,
    state: State,
}

/// A block on the device.
pub(crate) struct Block {
    pub(crate) number: u32,
    threads: Vec<Thread>,
    /// Its shared memory while another block runs.
    pub(crate) shared: Vec<u8>,
}

/// Result of a turn.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Some threads continued; `only_atomics` if they did so only to wait for an atomic operation's
    /// turn.
    Progress { passed_barrier: bool, only_atomics: bool },
    /// All threads have ended.
    Ended,
    /// A thread, the instruction, and the problem.
    Fault { thread: u32, site: u32, problem: Problem },
}

impl Block {
    pub(crate) fn new(number: u32, fibres: impl Iterator<Item = Fibre>, shared: Vec<u8>) -> Self {
        let threads = fibres.map(|fibre| Thread { fibre, state: State::Ready(0) }).collect();
        Self { number, threads, shared }
    }

    pub(crate) fn into_fibres(self) -> impl Iterator<Item = Fibre> {
        self.threads.into_iter().map(|thread| thread.fibre)
    }

    /// Runs each thread that is ready until it stops, then answers those that have waited for each
    /// other.
    pub(crate) fn turn(&mut self, turns: &mut Turns) -> Turn {
        let mut order: Vec<_> = (0..self.threads.len()).collect();
        turns.arrange(&mut order);
        let mut only_atomics = true;
        for index in order {
            let thread = &mut self.threads[index];
            let State::Ready(reply) = thread.state else { continue };
            thread.state = match thread.fibre.resume(reply) {
                None => State::Ended,
                Some(Request::Turn { .. }) => State::Ready(0),
                Some(Request::Fault { problem, site }) => {
                    return Turn::Fault { thread: index as u32, site, problem };
                }
                Some(request) => State::Waiting(request),
            };
            only_atomics &= matches!(thread.state, State::Ready(_));
        }
        self.answer(only_atomics)
    }

    fn answer(&mut self, only_atomics: bool) -> Turn {
        if self.threads.iter().all(|thread| thread.state == State::Ended) {
            return Turn::Ended;
        }
        let answered = (0..self.threads.len().div_ceil(WARP)).filter(|&warp| self.answer_warp(warp)).count();
        let passed_barrier = self.answer_barrier();
        let is_ready = |thread: &Thread| matches!(thread.state, State::Ready(_));
        if self.threads.iter().any(is_ready) {
            let only_atomics = only_atomics && answered == 0 && !passed_barrier;
            return Turn::Progress { passed_barrier, only_atomics };
        }
        self.deadlock()
    }

    /// Answers a warp whose named threads all wait at one instruction.
    fn answer_warp(&mut self, warp: usize) -> bool {
        let lanes = &mut self.threads[warp * WARP..];
        let brought = |lane: usize| match lanes.get(lane).map(|thread| &thread.state) {
            Some(State::Waiting(Request::Shuffle { mask, shuffle, site })) => Some((*mask, *shuffle, *site)),
            _ => None,
        };
        let waiting: [Option<(u32, Shuffle, u32)>; WARP] = std::array::from_fn(brought);
        let Some(first) = waiting.iter().flatten().next().copied() else { return false };
        let (mask, site) = (first.0, first.2);
        let meets = |lane: &usize| matches!(waiting[*lane], Some((m, _, s)) if (m, s) == (mask, site));
        let named = |lane: &usize| mask >> lane & 1 == 1;
        if !(0..WARP).filter(named).all(|lane| meets(&lane)) {
            return false;
        }
        let values: [Option<Shuffle>; WARP] =
            std::array::from_fn(|lane| waiting[lane].filter(|_| named(&lane)).map(|(_, shuffle, _)| shuffle));
        let replies = exchange(&values);
        for lane in (0..WARP).filter(named) {
            lanes[lane].state = State::Ready(replies[lane]);
        }
        true
    }

    /// Answers the block if all its threads wait at one barrier.
    fn answer_barrier(&mut self) -> bool {
        let first = self.threads[0].state.clone();
        let is_barrier = matches!(first, State::Waiting(Request::Barrier { .. }));
        if !is_barrier || self.threads.iter().any(|thread| thread.state != first) {
            return false;
        }
        self.threads.iter_mut().for_each(|thread| thread.state = State::Ready(0));
        true
    }

    /// Reports a deadlock, with the threads and where they wait.
    fn deadlock(&self) -> Turn {
        let mut groups: Vec<(String, Vec<usize>)> = vec![];
        for (index, thread) in self.threads.iter().enumerate() {
            let what = match &thread.state {
                State::Waiting(Request::Barrier { number, site }) => {
                    format!("at barrier {number} of instruction {site}")
                }
                State::Waiting(Request::Shuffle { mask, site, .. }) => {
                    format!("for warp threads {mask:#x} at instruction {site}")
                }
                _ => "no more".to_owned(),
            };
            match groups.iter_mut().find(|(known, _)| *known == what) {
                Some((_, members)) => members.push(index),
                None => groups.push((what, vec![index])),
            }
        }
        let text: Vec<_> = groups
            .iter()
            .map(|(what, members)| format!("{} threads from {} wait {what}", members.len(), members[0]))
            .collect();
        let waiting = self.threads.iter().position(|thread| thread.state != State::Ended).unwrap_or(0);
        let site = match self.threads[waiting].state {
            State::Waiting(Request::Barrier { site, .. } | Request::Shuffle { site, .. }) => site,
            _ => u32::MAX,
        };
        Turn::Fault { thread: waiting as u32, site, problem: Problem::Deadlock(text.join(", ")) }
    }
}
