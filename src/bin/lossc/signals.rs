//! Clean-up on signals that end the command, so that no file is left half written.

use std::{fs, thread};

use lossc_runtime::output::discard_unfinished;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;
use tracing::warn;

/// Makes such signals delete unfinished files before they end the process.
pub fn clean_up_when_they_end_the_process() {
    let ignored = ignored();
    let ends = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter();
    // `nohup` makes a command ignore a signal, which must stay ignored.
    let signals = Signals::new(ends.filter(|signal| ignored & (1 << (signal - 1)) == 0));
    let started = signals.and_then(|mut signals| {
        thread::Builder::new().name("signals".into()).spawn(move || {
            for signal in signals.forever() {
                let _discarded = discard_unfinished();
                // Ends the process as the signal itself would.
                let _ = emulate_default_handler(signal);
            }
        })
    });
    if let Err(error) = started {
        warn!("a signal may leave unfinished files: {error}");
    }
}

/// The signals that this process was told to ignore, one bit each.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}
