//! Tests of the page ranges, against plain models.

use super::*;
use std::collections::BTreeSet;

fn pages(start: u64, end: u64) -> Pages {
    Pages { start, end }
}

fn map() -> RangeMap<char> {
    let mut map = RangeMap::new();
    assert!(map.needs_growth(1));
    map.grow().unwrap();
    map
}

#[test]
fn ranges_do_not_overlap() {
    let mut map = map();
    map.insert(pages(10, 20), 'a').unwrap();
    map.insert(pages(20, 25), 'b').unwrap();
    for bad in [pages(5, 11), pages(19, 20), pages(0, 100), pages(24, 25), pages(12, 13)] {
        assert_eq!(map.insert(bad, 'x'), Err(RangeError::Overlap));
    }
    assert_eq!(map.find(19), Some((pages(10, 20), &'a')));
    assert_eq!(map.find(20), Some((pages(20, 25), &'b')));
    assert_eq!((map.find(9), map.find(25)), (None, None));
    assert_eq!(map.remove(pages(10, 19)), None);
    assert_eq!(map.remove(pages(10, 20)), Some('a'));
    assert_eq!(map.find(15), None);
}

#[test]
fn gaps_leave_a_page_on_each_side() {
    let mut map = map();
    let window = pages(100, 200);
    assert_eq!(map.find_gap(window, 10, 1), Some(pages(100, 110)));
    map.insert(pages(100, 110), 'a').unwrap();
    assert_eq!(map.find_gap(window, 10, 1), Some(pages(111, 121)));
    map.insert(pages(120, 130), 'b').unwrap();
    assert_eq!(map.find_gap(window, 8, 1), Some(pages(111, 119)));
    assert_eq!(map.find_gap(window, 9, 1), Some(pages(131, 140)));
    assert_eq!(map.find_gap(window, 9, 64), None);
    assert_eq!(map.find_gap(window, 8, 64), Some(pages(192, 200)));
    assert_eq!(map.find_gap(window, 70, 1), None);
    assert_eq!(map.find_gap(window, u64::MAX, 1), None);
}

#[test]
fn a_map_has_a_largest_size() {
    let mut map = RangeMap::new();
    let mut inserted = 0;
    while !map.needs_growth(1) || map.grow().is_ok() {
        map.insert(pages(inserted * 2, inserted * 2 + 1), ()).unwrap();
        inserted += 1;
    }
    assert_eq!(inserted as usize, RANGES_MAX);
    assert!(map.is_at_its_largest());
    assert_eq!(map.insert(pages(inserted * 2, inserted * 2 + 1), ()), Err(RangeError::Full));
}

#[test]
fn table_frames_are_counted_by_level() {
    assert_eq!(pages(0, 1).table_frames(), 3);
    assert_eq!(pages(0, 513).table_frames(), 4);
    assert_eq!(pages(511, 513).table_frames(), 4);
    assert_eq!(pages(512 * 512 - 1, 512 * 512 + 1).table_frames(), 5);
    assert_eq!(Pages::new(5, 0), None);
    assert_eq!(Pages::new(u64::MAX, 2), None);
}

#[test]
fn runs_merge_and_split() {
    let mut set = PageSet::new();
    set.grow().unwrap();
    set.insert(pages(10, 20)).unwrap();
    set.insert(pages(30, 40)).unwrap();
    set.insert(pages(20, 30)).unwrap();
    assert_eq!(set.runs, [pages(10, 40)]);
    set.remove(pages(15, 16)).unwrap();
    assert_eq!(set.runs, [pages(10, 15), pages(16, 40)]);
    assert_eq!(set.count_within(pages(0, 100)), 29);
    assert_eq!(set.first_within(pages(15, 100)), Some(pages(16, 40)));
    assert_eq!(set.first_within(pages(12, 14)), Some(pages(12, 14)));
    assert_eq!((set.first_within(pages(15, 16)), set.first_within(pages(40, 50))), (None, None));
    set.remove(pages(0, 100)).unwrap();
    assert_eq!((set.runs.len(), set.table_frames()), (0, 0));
}

#[test]
fn a_split_without_room_changes_nothing() {
    let mut set = PageSet::new();
    set.grow().unwrap();
    let mut at = 0;
    while !set.needs_growth() {
        set.insert(pages(at, at + 3)).unwrap();
        at += 10;
    }
    let before = (set.runs.clone(), set.table_frames());
    assert_eq!(set.remove(pages(1, 2)), Err(RangeError::Full));
    assert_eq!(set.insert(pages(at, at + 1)), Err(RangeError::Full));
    assert_eq!((set.runs.clone(), set.table_frames()), before);
}

#[test]
fn random_use_agrees_with_a_model() {
    let mut set = PageSet::new();
    let mut model = BTreeSet::new();
    let mut state = 7u64;
    for _ in 0..if cfg!(miri) { 30 } else { 20_000 } {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let start = (state >> 40) % 3000;
        let range = pages(start, start + 1 + (state >> 33) % 60);
        if set.needs_growth() {
            set.grow().unwrap();
        }
        assert_eq!(set.count_within(range), model.range(range.start..range.end).count() as u64, "{range:?}");
        if state >> 63 == 0 {
            set.insert(range).unwrap();
            model.extend(range.start..range.end);
        } else {
            set.remove(range).unwrap();
            model.retain(|page| !(range.start..range.end).contains(page));
        }
        assert_eq!(set.contains(start), model.contains(&start));
        assert_eq!(set.table_frames, set.runs.iter().map(Pages::table_frames).sum::<u64>());
        assert!(set.runs.windows(2).all(|pair| pair[0].end < pair[1].start));
    }
    assert_eq!(set.count_within(pages(0, 10_000)), model.len() as u64);
}
