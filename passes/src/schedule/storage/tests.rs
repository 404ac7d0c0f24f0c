use lossc_dialect::{Op, Program, ValueId, library};

use super::*;
use crate::differentiate::differentiate;
use crate::saturate::saturate;
use crate::schedule::{EntryPoints, Options, Storage, Stored, Temporary, schedule};
use crate::stabilise::stabilise;

const PRICES: PriceList = PriceList::Host;

/// Of a processor that does not sift, and of a GPU.
const BOTH: [Prices; 2] =
    [Prices { list: PRICES, place: Place::Memory }, Prices { list: PriceList::Nvidia, place: Place::Chip }];

fn optimised(choice: &str) -> Program {
    let (file, source) = library::find("random-drop").expect("in the library");
    let file = lossc_dialect::text::parse(file, source).expect("parses");
    let program = file.programs.iter().find(|program| program.name().ends_with(choice)).expect("a schedule");
    let stable = stabilise(program, false).expect("stabilises").program;
    let gradient = differentiate(&stable).expect("has a gradient");
    saturate(&gradient, PRICES, false).expect("saturates").program
}

fn joint(program: &Program, storage: Storage) -> Schedule {
    schedule(program, Options { storage, entry_points: EntryPoints::Joint, ..Options::default() })
}

/// The price of a kernel that loads `kept` of what it could load.
fn price_of(schedule: &Schedule, kernel: &Kernel, kept: &[ValueId], prices: Prices) -> u64 {
    let mut schedule = schedule.clone();
    schedule.stored =
        kept.iter().enumerate().map(|(temporary, &value)| Stored { value, temporary }).collect();
    let kernel = Kernel { loads: (0..kept.len()).collect(), ..kernel.clone() };
    let program = &schedule.program;
    let price = |value: ValueId| {
        let node = program.node(value);
        match kept.contains(&value) {
            true => prices.keeping(node).expect("can be kept"),
            false => prices.computing(node),
        }
    };
    schedule.pixel_values(&kernel).into_iter().map(price).sum()
}

#[test]
fn no_other_choice_is_cheaper() {
    for (choice, prices) in ["linear", "squ", "log"].into_iter().flat_map(|it| BOTH.map(|by| (it, by))) {
        let program = optimised(choice);
        let recomputed = joint(&program, Storage::None);
        let [first, second] = [0, 1].map(|pass| &recomputed.kernels[recomputed.forward_backward[pass]]);
        let earlier = recomputed.pixel_values(first);
        let chosen = cheaper_kept(&recomputed, second, &earlier, prices);
        let is_candidate = |value: &&ValueId| {
            let node = program.node(**value);
            earlier.contains(value) && prices.keeping(node).is_some()
        };
        let values = recomputed.pixel_values(second);
        let candidates: Vec<_> = values.iter().filter(is_candidate).copied().collect();
        assert!((2..20).contains(&candidates.len()), "{choice}: {candidates:?}");
        let subset = |bits: u32| -> Vec<_> {
            candidates.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, &it)| it).collect()
        };
        let price = |kept: &[ValueId]| price_of(&recomputed, second, kept, prices);
        let least = (0..1 << candidates.len()).map(|bits| price(&subset(bits))).min();
        assert_eq!(Some(price(&chosen)), least, "{choice}: {chosen:?}");
    }
}

#[test]
fn the_second_pass_of_random_drop_draws_no_number() {
    for choice in ["linear", "squ", "log"] {
        let program = optimised(choice);
        let schedule = joint(&program, Storage::Memory(PRICES));
        assert!(schedule.temporaries().iter().all(|it| *it == Temporary::Mask), "{choice}:\n{schedule}");
        let second = &schedule.kernels[schedule.forward_backward[1]];
        assert!(!second.loads.is_empty(), "{choice}:\n{schedule}");
        let computed = schedule.pixel_values(second);
        let drawn = computed.iter().filter(|value| program.node(**value).op == Op::Uniform).count();
        assert_eq!(drawn, 0, "{choice}:\n{schedule}");
    }
}

#[test]
fn nothing_is_kept_between_calls() {
    for storage in [Storage::Memory(PRICES), Storage::Chip(PriceList::Nvidia)] {
        let options = Options { storage, entry_points: EntryPoints::Separate, ..Options::default() };
        let schedule = schedule(&optimised("log"), options);
        assert!(schedule.stored.is_empty(), "{schedule}");
        assert!(schedule.forward_backward.is_empty() && schedule.at_once.is_none());
    }
}

/// What is kept on a chip is all that the second pass needs, and the passes by themselves
/// are as if nothing were kept.
#[test]
fn one_launch_reads_a_kept_pixel_once() {
    for choice in ["linear", "squ", "log"] {
        let program = optimised(choice);
        let alone = joint(&program, Storage::None);
        let schedule = joint(&program, Storage::Chip(PriceList::Nvidia));
        assert_eq!(schedule.kernels, alone.kernels, "{choice}");
        let at_once = schedule.at_once.as_ref().expect("two passes");
        let is_argument = |value: &ValueId| matches!(program.node(*value).op, Op::Argument(_));
        let loaded =
            |value: &ValueId| at_once.reading.loads.iter().any(|&it| schedule.stored[it].value == *value);
        let read = schedule.pixel_values(&at_once.reading);
        assert!(read.iter().filter(|value| is_argument(value)).all(loaded), "{choice}:\n{schedule}");
        assert_eq!(at_once.keeping.stores, at_once.reading.loads, "{choice}:\n{schedule}");
    }
}
