use proptest::prelude::*;

use super::*;

fn layout(shape: &[usize], balance: Balance) -> Layout {
    Layout::new(shape, balance).unwrap()
}

#[test]
fn balances_parse_back() {
    for balance in Balance::ALL {
        assert_eq!(balance.to_string().parse(), Ok(balance));
    }
    assert_eq!(
        "batches".parse::<Balance>().unwrap_err().to_string(),
        "unknown balance `batches`: expected image, sample, channel or batch"
    );
}

#[test]
fn planes_and_groups_of_each_balance() {
    let groups = |balance| layout(&[2, 3, 4, 5], balance).plane_group().to_vec();
    assert_eq!(groups(Balance::Image), [0, 1, 2, 3, 4, 5]);
    assert_eq!(groups(Balance::Sample), [0, 0, 0, 1, 1, 1]);
    assert_eq!(groups(Balance::Channel), [0, 1, 2, 0, 1, 2]);
    assert_eq!(groups(Balance::Batch), [0; 6]);
    let planes = layout(&[3, 4, 5], Balance::Sample);
    assert_eq!((planes.planes(), planes.groups(), planes.plane_length()), (3, 1, 20));
    assert_eq!(layout(&[4, 5], Balance::Channel).groups(), 1);
}

#[test]
fn chunks_count_the_padding_only_where_planes_are_misaligned() {
    let chunks = |shape: &[usize]| layout(shape, Balance::Image).chunks_per_plane();
    assert_eq!(chunks(&[1, 2048]), 1);
    assert_eq!(chunks(&[1, 2047]), 1);
    assert_eq!(chunks(&[1, 2049]), 2);
    assert_eq!(chunks(&[2, 1, 2048]), 1);
    assert_eq!(chunks(&[2, 1, 2045]), 1);
    assert_eq!(chunks(&[2, 1, 2046]), 2);
    assert_eq!(chunks(&[2, 1, 2047]), 2);
    assert_eq!(chunks(&[5, 1, 1]), 1);
}

#[test]
fn empty_tensors_have_a_layout() {
    let no_samples = layout(&[0, 3, 4, 5], Balance::Channel);
    assert_eq!((no_samples.planes(), no_samples.groups(), no_samples.chunks()), (0, 3, 0));
    assert_eq!(layout(&[2, 0, 4, 5], Balance::Sample).groups(), 2);
    let no_pixels = layout(&[2, 3, 0, 5], Balance::Image);
    assert_eq!((no_pixels.planes(), no_pixels.groups(), no_pixels.chunks()), (6, 6, 0));
    assert_eq!(layout(&[0, 3, 4, 5], Balance::Batch).groups(), 1);
}

#[test]
fn bad_shapes_are_errors() {
    let error = |shape: &[usize]| Layout::new(shape, Balance::Image).unwrap_err();
    assert_eq!(error(&[7]), LayoutError::Dimensions(vec![7]));
    assert_eq!(error(&[1; 5]), LayoutError::Dimensions(vec![1; 5]));
    let huge = 1 << 40;
    assert_eq!(error(&[huge, huge]), LayoutError::TooLarge(vec![huge, huge]));
    assert_eq!(error(&[usize::MAX, 0, 1]), LayoutError::TooLarge(vec![usize::MAX, 0, 1]));
}

proptest! {
    #[test]
    fn every_pixel_falls_in_one_chunk_and_blocks_of_four_line_up(
        samples in 1usize..4, channels in 1usize..4, height in 1usize..5, width in 1usize..1500,
    ) {
        let layout = layout(&[samples, channels, height, width], Balance::Image);
        for plane in 0..layout.planes() {
            let start = plane * layout.plane_length() - layout.phase(plane);
            prop_assert_eq!(start % 4, 0);
            let last = layout.plane_length() - 1 + layout.phase(plane);
            prop_assert!(last / CHUNK < layout.chunks_per_plane());
        }
        prop_assert_eq!(layout.pixels(), samples * channels * height * width);
        prop_assert!(layout.plane_group().iter().all(|&group| (group as usize) < layout.groups()));
    }
}
