//! Groups of boxes that a test places. Lengths are picture heights; the picture is two of them wide.

use proptest::prelude::*;

use super::*;

const ASPECT: f32 = 2.0;

fn bbox(left: f32, top: f32, width: f32, height: f32) -> BBox {
    BBox { x: left / ASPECT, y: top, w: width / ASPECT, h: height }
}

/// Somebody who stands, 0.4 high.
fn stands(id: u64, left: f32) -> (TrackId, BBox) {
    (TrackId(id), bbox(left, 0.3, 0.1, 0.4))
}

fn at(tenths: i64) -> Timestamp {
    Timestamp::from_micros(100_000 * tenths)
}

/// The groups of a camera that is shown frames.
struct Scene {
    groups: Groups,
    last_id: GroupId,
}

impl Scene {
    fn new(scale: f32, near: f32) -> Self {
        Scene { groups: Groups::new(scale, near), last_id: GroupId::default() }
    }

    /// Shows a frame; gives the groups that have ended.
    fn show(&mut self, tenths: i64, people: &[(TrackId, BBox)]) -> Vec<u64> {
        let ended = self.groups.follow(at(tenths), people, ASPECT, &mut self.last_id);
        ended.into_iter().map(|id| id.0).collect()
    }

    /// Numbers and members.
    fn who(&self) -> Vec<(u64, Vec<u64>)> {
        let members = |group: &Group| group.members().iter().map(|track| track.0).collect();
        self.groups.iter().map(|group| (group.id.0, members(group))).collect()
    }

    fn square(&self) -> BBox {
        self.groups.iter().next().expect("a group").square
    }
}

#[test]
fn two_are_close_when_the_gap_is_small_and_they_are_about_as_large() {
    // How near, the second box beside one at 0.5, 0.3 that is 0.1 wide and 0.4 high, and whether they are close.
    let cases = [
        ("beside", 0.5, bbox(0.79, 0.3, 0.1, 0.4), true),
        ("too far beside", 0.5, bbox(0.81, 0.3, 0.1, 0.4), false),
        ("to the left", 0.5, bbox(0.21, 0.3, 0.1, 0.4), true),
        ("below", 0.5, bbox(0.5, 0.89, 0.1, 0.4), true),
        ("too far below", 0.5, bbox(0.5, 0.91, 0.1, 0.4), false),
        ("near across and far down", 0.5, bbox(0.61, 0.95, 0.1, 0.4), false),
        ("smaller, so nearer", 0.5, bbox(0.67, 0.3, 0.05, 0.17), true),
        ("smaller, so too far", 0.5, bbox(0.7, 0.3, 0.05, 0.17), false),
        ("too small", 0.5, bbox(0.5, 0.3, 0.05, 0.15), false),
        ("lies", 0.5, bbox(0.79, 0.6, 0.4, 0.1), true),
        ("overlaps", 0.0, bbox(0.55, 0.3, 0.1, 0.4), true),
        ("does not overlap", 0.0, bbox(0.61, 0.3, 0.1, 0.4), false),
        ("no box", 3.0, bbox(0.5, 0.3, 0.0, 0.0), false),
    ];
    for (what, near, other, expected) in cases {
        let mut scene = Scene::new(1.5, near);
        scene.show(0, &[stands(1, 0.5), (TrackId(2), other)]);
        assert_eq!(scene.who().len(), usize::from(expected), "{what}");
    }
}

#[test]
fn a_square_is_around_both_and_square_in_pixels() {
    let people = [stands(1, 0.5), stands(2, 0.7)];
    let far_apart = [stands(1, 0.5), stands(2, 1.2)];
    // The scale, who, and the square's side in picture heights: 1.5 of their size, 1.1 of their height, 1.1 of their width.
    for (scale, people, side) in [(1.5, people, 0.6), (1.0, people, 0.44), (1.0, far_apart, 0.88)] {
        let mut scene = Scene::new(scale, 3.0);
        scene.show(0, &people);
        let (square, middle) = (scene.square(), (people[0].1.x + people[1].1.right()) / 2.0);
        let expected = BBox::from_center(middle, 0.5, side / ASPECT, side);
        let off =
            [square.x - expected.x, square.y - expected.y, square.w - expected.w, square.h - expected.h];
        assert!(off.iter().all(|off| off.abs() < 1e-6), "{square:?} is not {expected:?}");
    }
}

#[test]
fn who_is_close_to_somebody_of_a_group_joins_it() {
    let mut scene = Scene::new(1.5, 0.5);
    scene.show(0, &[stands(1, 0.5), stands(2, 0.65), stands(3, 0.8), stands(7, 1.5), stands(8, 1.6)]);
    // The pair in the middle of the three has the most support; the pair far away has none and comes after it.
    assert_eq!(scene.who(), [(1, vec![1, 2, 3]), (2, vec![7, 8])]);
    // Alone, or far from everybody, nobody is in a group.
    let mut scene = Scene::new(1.5, 0.5);
    scene.show(0, &[stands(1, 0.1), stands(2, 0.9), stands(3, 1.7)]);
    scene.show(1, &[stands(1, 0.1)]);
    scene.show(2, &[]);
    assert_eq!(scene.who(), []);
}

#[test]
fn the_middle_of_a_crowd_is_its_place() {
    let mut scene = Scene::new(1.5, 0.3);
    let row: Vec<_> = (0..5).map(|index| stands(index, 0.5 + 0.15 * index as f32)).collect();
    scene.show(0, &row);
    let middle = scene.square().center().x * ASPECT;
    assert!((0.6..1.1).contains(&middle), "{middle}");
    assert!(scene.who()[0].1.len() >= 4, "{:?}", scene.who());
}

#[test]
fn a_group_keeps_its_number_while_it_moves() {
    let mut scene = Scene::new(1.5, 0.5);
    for tenths in 0..30 {
        let left = 0.1 + 0.05 * tenths as f32;
        assert_eq!(scene.show(tenths, &[stands(1, left), stands(2, left + 0.15)]), [0; 0]);
        assert_eq!(scene.who(), [(1, vec![1, 2])]);
    }
    // The same two far away.
    scene.show(30, &[stands(1, 0.1), stands(2, 0.25)]);
    assert_eq!(scene.who(), [(1, vec![1, 2])]);
    // Somebody in their place under another number.
    scene.show(31, &[stands(1, 0.1), stands(5, 0.25)]);
    assert_eq!(scene.who(), [(1, vec![1, 2, 5])]);
    // Two others somewhere else.
    scene.show(32, &[stands(1, 0.1), stands(5, 0.25), stands(8, 1.5), stands(9, 1.6)]);
    assert_eq!(scene.who(), [(1, vec![1, 2, 5]), (2, vec![8, 9])]);
}

#[test]
fn two_groups_that_meet_keep_the_number_of_the_nearer_place() {
    let mut scene = Scene::new(1.5, 0.3);
    scene.show(0, &[stands(1, 0.3), stands(2, 0.4), stands(3, 1.3), stands(4, 1.4)]);
    assert_eq!(scene.who(), [(1, vec![1, 2]), (2, vec![3, 4])]);
    scene.show(1, &[stands(1, 1.1), stands(2, 1.2), stands(3, 1.3), stands(4, 1.4)]);
    let who = scene.who();
    assert_eq!((who[0].clone(), &who[1].1), ((1, vec![1, 2]), &vec![1, 2, 3, 4]), "the first lasts a little");
}

#[test]
fn a_group_lasts_two_seconds_longer_in_its_last_place() {
    let mut scene = Scene::new(1.5, 0.5);
    for tenths in 0..=10 {
        scene.show(tenths, &[stands(1, 0.5), stands(2, 0.65)]);
    }
    let square = scene.square();
    for tenths in 11..=30 {
        // They are found as one box.
        assert_eq!(scene.show(tenths, &[(TrackId(1), bbox(0.45, 0.3, 0.3, 0.4))]), [0; 0]);
        assert_eq!((scene.who(), scene.square()), (vec![(1, vec![1, 2])], square));
    }
    assert_eq!(scene.show(31, &[stands(1, 0.5)]), [1]);
    assert_eq!(scene.who(), []);
    scene.show(32, &[stands(1, 0.5), stands(2, 0.65)]);
    assert_eq!(scene.who(), [(2, vec![1, 2])], "a number is used once");
}

#[test]
fn who_leaves_a_group_is_a_member_for_two_seconds_longer() {
    let mut scene = Scene::new(1.5, 0.5);
    scene.show(0, &[stands(1, 0.5), stands(2, 0.65), stands(3, 0.8)]);
    for tenths in 1..=20 {
        scene.show(tenths, &[stands(1, 0.5), stands(2, 0.65), stands(3, 1.8)]);
        assert_eq!(scene.who(), [(1, vec![1, 2, 3])]);
    }
    scene.show(21, &[stands(1, 0.5), stands(2, 0.65), stands(3, 1.8)]);
    assert_eq!(scene.who(), [(1, vec![1, 2])]);
}

#[test]
fn after_a_long_pause_the_same_two_are_the_same_group() {
    let mut scene = Scene::new(1.5, 0.5);
    scene.show(0, &[stands(1, 0.5), stands(2, 0.65)]);
    assert_eq!(scene.show(50, &[stands(1, 0.5), stands(2, 0.65)]), [0; 0]);
    assert_eq!(scene.who(), [(1, vec![1, 2])]);
}

#[test]
fn a_clock_that_is_set_back_ends_every_group() {
    let mut scene = Scene::new(1.5, 0.5);
    let people = [stands(1, 0.5), stands(2, 0.65)];
    scene.show(1000, &people);
    assert_eq!(scene.show(0, &people), [1]);
    assert_eq!(scene.who(), [(2, vec![1, 2])]);
}

#[test]
fn no_more_than_three_groups_are_followed_and_the_largest_first() {
    let mut scene = Scene::new(1.5, 0.5);
    let pair = |id: u64, left: f32, size: f32| {
        let person = |id, left| (TrackId(id), bbox(left, 0.3, size / 4.0, size));
        [person(id, left), person(id + 1, left + size / 3.0)]
    };
    let pairs = [pair(1, 0.1, 0.1), pair(3, 0.5, 0.2), pair(5, 1.0, 0.2), pair(7, 1.6, 0.2)].concat();
    scene.show(0, &pairs);
    assert_eq!(scene.who(), [(1, vec![3, 4]), (2, vec![5, 6]), (3, vec![7, 8])]);
    // As long as those last, there is no room for another.
    scene.show(10, &pairs[..2]);
    assert_eq!(scene.who().len(), 3);
    assert_eq!(scene.show(21, &pairs[..2]), [1, 2, 3]);
    assert_eq!(scene.who(), [(4, vec![1, 2])]);
}

/// Boxes anywhere, also where no detector would put them.
fn people() -> impl Strategy<Value = Vec<(TrackId, BBox)>> {
    let bbox = (-0.5f32..2.5, -0.5f32..1.5, 0.0f32..1.0, 0.0f32..1.0);
    let frame = prop::collection::vec(bbox, 0..40);
    frame.prop_map(|boxes| {
        let person = |(index, (x, y, w, h))| (TrackId(index as u64 + 1), self::bbox(x, y, w, h));
        boxes.into_iter().enumerate().map(person).collect()
    })
}

proptest! {
    #[test]
    fn whatever_comes_groups_are_few_and_whole(frames in prop::collection::vec((people(), -5i64..30), 1..20)) {
        let mut scene = Scene::new(1.5, 0.5);
        let (mut now, mut ended) = (0, Vec::new());
        for (people, step) in frames {
            now += step;
            ended.extend(scene.show(now, &people));
            let ids: Vec<u64> = scene.who().iter().map(|(id, _)| *id).collect();
            prop_assert!(ids.len() <= MOST_GROUPS && ids.is_sorted() && ids.iter().all(|id| !ended.contains(id)));
            for group in scene.groups.iter() {
                let members = group.members();
                prop_assert!(members.len() >= 2 && members.windows(2).all(|pair| pair[0] < pair[1]));
                prop_assert!(group.square.is_finite());
                prop_assert!((group.square.w * ASPECT - group.square.h).abs() < 1e-4);
            }
        }
        ended.sort_unstable();
        let all = ended.len();
        ended.dedup();
        prop_assert_eq!(ended.len(), all, "no group ends twice");
    }
}
