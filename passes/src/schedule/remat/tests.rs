use lossc_dialect::{Op, Program, ValueId, library};

use super::*;
use crate::differentiate::differentiate;
use crate::saturate::saturate;
use crate::schedule::{Buffer, EntryPoints, Options, Saved, SavedIn, schedule};
use crate::stabilise::stabilise;

const COSTS: CostModel = CostModel::Host;

/// The costs of a processor without compaction, and of a GPU.
const COOPERATIVE: [Costs; 2] = [
    Costs { model: COSTS, home: Home::Memory },
    Costs { model: CostModel::Nvidia, home: Home::SharedMemory },
];

fn optimised(choice: &str) -> Program {
    let (file, source) = library::find("random-drop").expect("in the library");
    let file = lossc_dialect::text::parse(file, source).expect("parses");
    let program = file.programs.iter().find(|program| program.name().ends_with(choice)).expect("a schedule");
    let stable = stabilise(program, false).expect("stabilises").program;
    let gradient = differentiate(&stable).expect("has a gradient");
    saturate(&gradient, COSTS, false).expect("saturates").program
}

fn joint(program: &Program, saved_in: SavedIn) -> Schedule {
    schedule(program, Options { saved_in, entry_points: EntryPoints::Joint, ..Options::default() })
}

/// The cost of a kernel that loads `kept` of the values that it could load.
fn cost_of(schedule: &Schedule, kernel: &Kernel, kept: &[ValueId], costs: Costs) -> u64 {
    let mut schedule = schedule.clone();
    schedule.saved = kept.iter().enumerate().map(|(buffer, &value)| Saved { value, buffer }).collect();
    let kernel = Kernel { loads: (0..kept.len()).collect(), ..kernel.clone() };
    let program = &schedule.program;
    let cost = |value: ValueId| {
        let node = program.node(value);
        match kept.contains(&value) {
            true => costs.saving(node).expect("can be kept"),
            false => costs.computing(node),
        }
    };
    schedule.pixel_values(&kernel).into_iter().map(cost).sum()
}

#[test]
fn no_other_choice_is_cheaper() {
    for (choice, costs) in ["linear", "squ", "log"].into_iter().flat_map(|it| COOPERATIVE.map(|by| (it, by)))
    {
        let program = optimised(choice);
        let recomputed = joint(&program, SavedIn::Nowhere);
        let [first, second] = [0, 1].map(|pass| &recomputed.kernels[recomputed.forward_backward[pass]]);
        let earlier = recomputed.pixel_values(first);
        let chosen = cheaper_saved(&recomputed, second, &earlier, costs);
        let is_candidate = |value: &&ValueId| {
            let node = program.node(**value);
            earlier.contains(value) && costs.saving(node).is_some()
        };
        let values = recomputed.pixel_values(second);
        let candidates: Vec<_> = values.iter().filter(is_candidate).copied().collect();
        assert!((2..20).contains(&candidates.len()), "{choice}: {candidates:?}");
        let subset = |bits: u32| -> Vec<_> {
            candidates.iter().enumerate().filter(|(at, _)| bits >> at & 1 == 1).map(|(_, &it)| it).collect()
        };
        let cost = |kept: &[ValueId]| cost_of(&recomputed, second, kept, costs);
        let least = (0..1 << candidates.len()).map(|bits| cost(&subset(bits))).min();
        assert_eq!(Some(cost(&chosen)), least, "{choice}: {chosen:?}");
    }
}

#[test]
fn the_second_pass_of_random_drop_draws_no_number() {
    for choice in ["linear", "squ", "log"] {
        let program = optimised(choice);
        let schedule = joint(&program, SavedIn::Memory(COSTS));
        assert!(schedule.buffers().iter().all(|it| *it == Buffer::Mask), "{choice}:\n{schedule}");
        let second = &schedule.kernels[schedule.forward_backward[1]];
        assert!(!second.loads.is_empty(), "{choice}:\n{schedule}");
        let computed = schedule.pixel_values(second);
        let drawn = computed.iter().filter(|value| program.node(**value).op == Op::Uniform).count();
        assert_eq!(drawn, 0, "{choice}:\n{schedule}");
    }
}

#[test]
fn nothing_is_saved_between_calls() {
    for saved_in in [SavedIn::Memory(COSTS), SavedIn::SharedMemory(CostModel::Nvidia)] {
        let options = Options { saved_in, entry_points: EntryPoints::Separate, ..Options::default() };
        let schedule = schedule(&optimised("log"), options);
        assert!(schedule.saved.is_empty(), "{schedule}");
        assert!(schedule.forward_backward.is_empty() && schedule.cooperative.is_none());
    }
}

/// All that the second pass needs is resident, and the separate passes are the same as without
/// saving.
#[test]
fn one_launch_reads_a_kept_pixel_once() {
    for choice in ["linear", "squ", "log"] {
        let program = optimised(choice);
        let alone = joint(&program, SavedIn::Nowhere);
        let schedule = joint(&program, SavedIn::SharedMemory(CostModel::Nvidia));
        assert_eq!(schedule.kernels, alone.kernels, "{choice}");
        let cooperative = schedule.cooperative.as_ref().expect("two passes");
        let is_argument = |value: &ValueId| matches!(program.node(*value).op, Op::Argument(_));
        let loaded =
            |value: &ValueId| cooperative.reading.loads.iter().any(|&it| schedule.saved[it].value == *value);
        let read = schedule.pixel_values(&cooperative.reading);
        assert!(read.iter().filter(|value| is_argument(value)).all(loaded), "{choice}:\n{schedule}");
        assert_eq!(cooperative.saving.saves, cooperative.reading.loads, "{choice}:\n{schedule}");
    }
}
