//! Quarter turns and mirror images: how a picture is shown that was stored another way.
//!
//! Pure. [`crate::config`] reads what an installer wants, [`crate::capture`] what a file says, and [`crate::frame`] shows
//! pictures so.

use super::{BBox, Point};

/// One of the eight ways in which a stored picture is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Whether rows are shown as columns, by reflection in the diagonal from the top left to the bottom right.
    transposed: bool,
    /// Whether the stored rows are read from right to left.
    flipped_x: bool,
    /// Whether the stored columns are read from bottom to top.
    flipped_y: bool,
}

impl Orientation {
    /// As it is stored.
    pub const UPRIGHT: Orientation = Orientation { transposed: false, flipped_x: false, flipped_y: false };
    /// Turned by 90 degrees, clockwise.
    pub const CLOCKWISE: Orientation = Orientation { transposed: true, flipped_x: false, flipped_y: true };
    /// Turned by 180 degrees.
    pub const HALF_TURN: Orientation = Orientation { transposed: false, flipped_x: true, flipped_y: true };
    /// Turned by 90 degrees, counterclockwise.
    pub const COUNTERCLOCKWISE: Orientation =
        Orientation { transposed: true, flipped_x: true, flipped_y: false };
    /// Left and right exchanged.
    pub const MIRRORED: Orientation = Orientation { transposed: false, flipped_x: true, flipped_y: false };
    /// Top and bottom exchanged.
    pub const UPSIDE_DOWN: Orientation = Orientation { transposed: false, flipped_x: false, flipped_y: true };

    /// Turned by so many quarters, clockwise.
    pub const fn quarters(quarters: u8) -> Self {
        match quarters % 4 {
            0 => Orientation::UPRIGHT,
            1 => Orientation::CLOCKWISE,
            2 => Orientation::HALF_TURN,
            _ => Orientation::COUNTERCLOCKWISE,
        }
    }

    /// The orientation of this number in the tag `Orientation` of Exif 2.3, from 1 to 8.
    pub fn of_exif(number: u16) -> Option<Self> {
        let (is_mirrored, quarters) = match number {
            1 => (false, 0),
            2 => (true, 0),
            3 => (false, 2),
            4 => (true, 2),
            5 => (true, 3),
            6 => (false, 1),
            7 => (true, 1),
            8 => (false, 3),
            _ => return None,
        };
        let mirrored = if is_mirrored { Orientation::MIRRORED } else { Orientation::UPRIGHT };
        Some(mirrored.then(Orientation::quarters(quarters)))
    }

    /// What is shown in this way, and then in the `next` one.
    #[must_use]
    pub const fn then(self, next: Orientation) -> Self {
        let (x, y) =
            if self.transposed { (next.flipped_y, next.flipped_x) } else { (next.flipped_x, next.flipped_y) };
        Orientation {
            transposed: self.transposed != next.transposed,
            flipped_x: self.flipped_x != x,
            flipped_y: self.flipped_y != y,
        }
    }

    /// Whether width and height change places.
    pub const fn is_sideways(self) -> bool {
        self.transposed
    }

    /// Width and height as they are shown, of what is stored with these, and the other way round.
    pub fn size<T>(self, (width, height): (T, T)) -> (T, T) {
        if self.transposed { (height, width) } else { (width, height) }
    }

    /// Whether stored rows are read from right to left, and stored columns from bottom to top.
    pub const fn flips(self) -> (bool, bool) {
        (self.flipped_x, self.flipped_y)
    }

    /// Where in the stored picture the pixel `x`, `y` lies that is shown; `width` and `height` are those of the stored one.
    pub fn pixel(self, (x, y): (usize, usize), (width, height): (usize, usize)) -> (usize, usize) {
        let (x, y) = self.size((x, y));
        (if self.flipped_x { width - 1 - x } else { x }, if self.flipped_y { height - 1 - y } else { y })
    }

    /// Where in the stored picture the point lies that is shown at `shown`.
    pub fn stored(self, shown: Point) -> Point {
        let (x, y) = self.size((shown.x, shown.y));
        Point { x: if self.flipped_x { 1.0 - x } else { x }, y: if self.flipped_y { 1.0 - y } else { y } }
    }

    /// Where in the stored picture the box lies that is shown at `shown`.
    pub fn stored_box(self, shown: &BBox) -> BBox {
        let first = self.stored(Point { x: shown.x, y: shown.y });
        let second = self.stored(Point { x: shown.right(), y: shown.bottom() });
        BBox::from_corners(first.x, first.y, second.x, second.y)
    }

    /// The other way round: what is stored, of what is shown in this way.
    #[must_use]
    pub const fn undone(self) -> Self {
        let (flipped_x, flipped_y) =
            if self.transposed { (self.flipped_y, self.flipped_x) } else { (self.flipped_x, self.flipped_y) };
        Orientation { transposed: self.transposed, flipped_x, flipped_y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The corners of a stored picture, as they are shown: top left, top right, bottom left, bottom right.
    fn shown(orientation: Orientation) -> String {
        let stored = [['a', 'b'], ['c', 'd']];
        let at = |x, y| {
            let (x, y) = orientation.pixel((x, y), (2, 2));
            stored[y][x]
        };
        [at(0, 0), at(1, 0), at(0, 1), at(1, 1)].iter().collect()
    }

    #[test]
    fn pictures_are_turned_clockwise() {
        for (orientation, expected) in [
            (Orientation::UPRIGHT, "abcd"),
            (Orientation::CLOCKWISE, "cadb"),
            (Orientation::HALF_TURN, "dcba"),
            (Orientation::COUNTERCLOCKWISE, "bdac"),
            (Orientation::MIRRORED, "badc"),
            (Orientation::UPSIDE_DOWN, "cdab"),
        ] {
            assert_eq!(shown(orientation), expected, "{orientation:?}");
        }
    }

    /// Where row 0 and column 0 of the stored picture are shown, by Exif 2.3.
    #[test]
    fn exif_numbers_are_those_of_the_standard() {
        for (number, expected) in [
            (1, "abcd"),
            (2, "badc"),
            (3, "dcba"),
            (4, "cdab"),
            (5, "acbd"),
            (6, "cadb"),
            (7, "dbca"),
            (8, "bdac"),
        ] {
            assert_eq!(shown(Orientation::of_exif(number).unwrap()), expected, "{number}");
        }
        assert_eq!((Orientation::of_exif(0), Orientation::of_exif(9)), (None, None));
    }

    #[test]
    fn what_is_undone_is_as_it_was() {
        let shown = BBox { x: 0.125, y: 0.25, w: 0.25, h: 0.125 };
        for orientation in (1..=8).filter_map(Orientation::of_exif) {
            assert_eq!(orientation.then(orientation.undone()), Orientation::UPRIGHT, "{orientation:?}");
            let stored = orientation.stored_box(&shown);
            assert_eq!(orientation.undone().stored_box(&stored), shown, "{orientation:?}");
        }
        let lower_left = BBox { x: 0.0, y: 0.75, w: 0.5, h: 0.25 };
        let upper_left = BBox { x: 0.0, y: 0.0, w: 0.25, h: 0.5 };
        assert_eq!(Orientation::CLOCKWISE.stored_box(&upper_left), lower_left);
    }

    #[test]
    fn one_after_the_other_is_one() {
        let all = (1..=8).map(|number| Orientation::of_exif(number).unwrap());
        for (first, next) in all.clone().flat_map(|first| all.clone().map(move |next| (first, next))) {
            let size = (3usize, 5usize);
            let middle = first.size(size);
            let (width, height) = next.size(middle);
            assert_eq!(first.then(next).size(size), (width, height));
            for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let apart = first.pixel(next.pixel((x, y), middle), size);
                assert_eq!(first.then(next).pixel((x, y), size), apart, "{first:?} then {next:?}");
            }
        }
    }

    #[test]
    fn points_go_where_pixels_go() {
        for orientation in (1..=8).filter_map(Orientation::of_exif) {
            let (x, y) = orientation.pixel((0, 0), (4, 4));
            let point = orientation.stored(Point { x: 0.125, y: 0.125 });
            assert_eq!(point, Point { x: (x as f32 + 0.5) / 4.0, y: (y as f32 + 0.5) / 4.0 });
        }
    }
}
