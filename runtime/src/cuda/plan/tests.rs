use super::*;
use crate::layout::Balance;

/// Four multiprocessors of 1000 bytes, each of which holds at most two blocks with 100 bytes of
/// their own.
struct Small;

impl Device for Small {
    fn processors(&self) -> usize {
        4
    }

    fn resident(&self, _: Team, shared_bytes: usize) -> usize {
        4 * (1000 / (100 + shared_bytes)).min(2)
    }
}

/// A device that makes no cooperative launches.
struct Older;

impl Device for Older {
    fn processors(&self) -> usize {
        4
    }

    fn resident(&self, _: Team, _: usize) -> usize {
        0
    }
}

fn layout(shape: &[usize]) -> Layout {
    Layout::new(shape, Balance::Image).unwrap()
}

fn manifest(step_bytes: Option<usize>) -> Manifest {
    Manifest { step_bytes, ..crate::cpu::tests::manifest(3) }
}

#[test]
fn planes_are_listed_by_group_in_ascending_order() {
    let layout = Layout::new(&[2, 3, 1, 1], Balance::Channel).unwrap();
    let groups = [0, 1, 2, 0, 1, 2];
    let (before, members, tickets) = ([0, 2, 4, 6], [0, 3, 1, 4, 2, 5], [0; 8]);
    let expected = groups.iter().chain(&before).chain(&members).chain(&tickets);
    assert_eq!(planes(&layout), expected.copied().collect::<Vec<i64>>());
}

#[test]
fn a_pass_is_one_launch_of_blocks_that_share_no_plane() {
    let shapes: [(&[usize], usize, usize); 4] =
        [(&[1, 1], 1, 1), (&[3, 1, 16384], 3, 24), (&[3, 1, 16385], 6, 27), (&[1, 70_001], 5, 35)];
    for (shape, by_warps, by_blocks) in shapes {
        for (team, blocks) in [(Team::Warp, by_warps), (Team::Block, by_blocks)] {
            let entry = Entry::Pass(team);
            let expected = Launch { kernel: 4, entry, blocks, capacity: 0, shared_bytes: 0 };
            assert_eq!(totals(&layout(shape), 4, team), Some(expected), "{shape:?}");
        }
    }
    assert_eq!(totals(&layout(&[2, 0, 5]), 0, Team::Warp), None);
    let manifest = manifest(None);
    let empty =
        launches(&manifest, &layout(&[2, 0, 5]), Direction::Forward, &Small, LaunchOverrides::default());
    assert!(empty.iter().all(|launch| launch.entry == Entry::Epilogue) && !empty.is_empty());
}

#[test]
fn blocks_sum_the_chunks_of_small_images() {
    let mut manifest = manifest(None);
    let tile = 8 * 2048;
    let chosen = |manifest: &Manifest, tiles: usize, overrides| {
        team(manifest, &layout(&[1, tiles * tile]), &Small, overrides)
    };
    assert_eq!(chosen(&manifest, 7, LaunchOverrides::default()), Team::Block);
    assert_eq!(chosen(&manifest, 8, LaunchOverrides::default()), Team::Warp);
    for team in Team::ALL {
        assert_eq!(chosen(&manifest, 8, LaunchOverrides { team: Some(team), cooperative: None }), team);
    }
    manifest.has_block_teams = false;
    assert_eq!(
        chosen(&manifest, 1, LaunchOverrides { team: Some(Team::Block), cooperative: None }),
        Team::Warp
    );
}

/// Blocks, steps per warp and bytes per block of a launch of both directions by warps, where a
/// step takes three bytes.
fn plan(device: &impl Device, tiles: usize, wanted: Option<bool>) -> Option<(usize, usize, usize)> {
    let overrides = LaunchOverrides { team: Some(Team::Warp), cooperative: wanted };
    let layout = layout(&[1, tiles * 8 * 2048]);
    let launch = cooperative(&manifest(Some(3)), &layout, device, overrides)?;
    assert_eq!(launch.entry, Entry::Cooperative(Team::Warp));
    Some((launch.blocks, launch.capacity, launch.shared_bytes))
}

#[test]
fn one_launch_is_both_directions_where_a_third_of_the_pixels_finds_room() {
    // One block per multiprocessor has 900 bytes; two have 400 each, 24 per step and 24 more.
    assert_eq!(plan(&Small, 1, None), Some((1, 16, 408)));
    assert_eq!(plan(&Small, 8, None), Some((8, 14, 360)));
    assert_eq!(plan(&Small, 9, None), Some((8, 14, 360)));
    assert_eq!(plan(&Small, 21, None), Some((8, 14, 360)));
    assert_eq!(plan(&Small, 22, None), None);
    assert_eq!(plan(&Small, 22, Some(true)), Some((8, 14, 360)));
    assert_eq!(plan(&Small, 8, Some(false)), None);
    assert_eq!(plan(&Small, 0, Some(true)), None);
    assert_eq!(plan(&Older, 1, Some(true)), None);
}

#[test]
fn what_takes_no_room_is_always_kept() {
    let layout = layout(&[1, 100 * 8 * 2048]);
    let launch = cooperative(&manifest(Some(0)), &layout, &Small, LaunchOverrides::default()).unwrap();
    assert_eq!((launch.capacity, launch.shared_bytes), (13 * 16, 0));
}

#[test]
fn a_launch_of_both_directions_is_told_its_room() {
    let launch =
        cooperative(&manifest(Some(3)), &layout(&[1, 1]), &Small, LaunchOverrides::default()).unwrap();
    assert_eq!((launch.entry, launch.capacity), (Entry::Cooperative(Team::Block), 2));
    let all: Vec<u64> = (0..20).collect();
    assert_eq!(launch.parameters(&all)[19..], [19, 2]);
    assert_eq!(epilogue(0).parameters(&all), all[..11]);
}

/// 132 multiprocessors of 228 KB, of which the driver takes one per block, with registers for
/// two blocks; a block of random drop's log schedule declares 8 KB if warps sum chunks, and 24
/// if blocks do.
struct H100;

impl Device for H100 {
    fn processors(&self) -> usize {
        132
    }

    fn resident(&self, team: Team, shared_bytes: usize) -> usize {
        let declared = if team == Team::Warp { 8_208 } else { 24_656 };
        132 * ((228 << 10) / ((1 << 10) + declared + shared_bytes)).min(2)
    }
}

/// The figures for an H100 in `docs/gpu.md`.
#[test]
fn a_large_image_is_kept_by_half() {
    let manifest = manifest(Some(576));
    let kept = |shape: &[usize]| {
        let layout = layout(shape);
        let launch = cooperative(&manifest, &layout, &H100, LaunchOverrides::default()).unwrap();
        let Entry::Cooperative(team) = launch.entry else { panic!("{launch:?}") };
        let steps = team.tiles(&layout) * team.steps_per_tile();
        (team, launch.blocks, 100 * (launch.blocks * launch.capacity).min(steps) / steps)
    };
    assert_eq!(kept(&[512, 512]), (Team::Block, 128, 100));
    assert_eq!(kept(&[1440, 960]), (Team::Block, 264, 100));
    assert_eq!(kept(&[4288, 2848]), (Team::Warp, 264, 48));
    assert_eq!(kept(&[16, 1024, 1024]), (Team::Warp, 264, 35));
}
