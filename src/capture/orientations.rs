//! How frames are to be shown, as their source says: by the tag `image-orientation`, which demultiplexers make of a
//! display matrix, and by each picture itself. It may change while a stream runs.
//!
//! Pure. Written by the probes of [`super::flow`], read by [`super::stream`].

use std::collections::VecDeque;

use gstreamer as gst;

use crate::geometry::Orientation;

/// The name of the tag.
const TAG: &str = "image-orientation";
/// Its values, each with Exif's number for the same.
const NAMES: [(&str, u16); 8] = [
    ("rotate-0", 1),
    ("flip-rotate-0", 2),
    ("rotate-180", 3),
    ("flip-rotate-180", 4),
    ("flip-rotate-270", 5),
    ("rotate-90", 6),
    ("flip-rotate-90", 7),
    ("rotate-270", 8),
];
/// Changes that are kept for frames that nobody has taken yet. More frames than that are never on their way.
const MOST_CHANGES: usize = 64;

/// What is stated, and from which frame on.
#[derive(Debug, Default)]
pub(super) struct Orientations {
    /// Of all that the source gives.
    of_source: Option<Orientation>,
    /// Of this stream, which goes before that.
    of_stream: Option<Orientation>,
    /// Of the picture that is decoded, which goes before both.
    of_picture: Option<Orientation>,
    /// The first frame of each, in order.
    changes: VecDeque<(u64, Orientation)>,
}

impl Orientations {
    /// Takes note of an event between frames.
    pub(super) fn hear(&mut self, event: &gst::EventRef) {
        match event.view() {
            gst::EventView::StreamStart(_) => (self.of_source, self.of_stream) = (None, None),
            gst::EventView::Tag(event) => {
                let tags = event.tag();
                let stated = tags.generic(TAG).and_then(|value| named(value.get::<&str>().ok()?));
                if stated.is_some() {
                    match tags.scope() {
                        gst::TagScope::Stream => self.of_stream = stated,
                        _ => self.of_source = stated,
                    }
                }
            }
            _ => {}
        }
    }

    /// Takes note of what the next picture says of itself.
    pub(super) fn set_of_picture(&mut self, stated: Option<Orientation>) {
        self.of_picture = stated;
    }

    /// Frame `number` comes, with what is stated now.
    pub(super) fn begin(&mut self, number: u64) {
        let stated = self.of_picture.or(self.of_stream).or(self.of_source).unwrap_or_default();
        if self.changes.back().map_or(Orientation::UPRIGHT, |(_, last)| *last) != stated {
            if self.changes.len() == MOST_CHANGES {
                self.changes.pop_front();
            }
            self.changes.push_back((number, stated));
        }
    }

    /// How frame `number` is to be shown. Frames are asked for in order.
    pub(super) fn of(&mut self, number: u64) -> Orientation {
        while self.changes.get(1).is_some_and(|(first, _)| *first <= number) {
            self.changes.pop_front();
        }
        match self.changes.front() {
            Some((first, orientation)) if *first <= number => *orientation,
            _ => Orientation::UPRIGHT,
        }
    }
}

/// The orientation of this name.
fn named(name: &str) -> Option<Orientation> {
    let (_, number) = NAMES.into_iter().find(|(of, _)| *of == name)?;
    Orientation::of_exif(number)
}

/// Writes into `tags` that the stream is to be shown in this way.
pub(super) fn state(tags: &mut gst::TagListRef, orientation: Orientation) {
    let is_it = |number| Orientation::of_exif(number) == Some(orientation);
    let name = NAMES.into_iter().find_map(|(name, number)| is_it(number).then_some(name));
    if let Some(name) = name
        && let Err(error) = tags.add_generic(TAG, name, gst::TagMergeMode::Replace)
    {
        tracing::debug!(%error, "the orientation cannot be stated");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(name: &str, scope: gst::TagScope) -> gst::Event {
        let mut tags = gst::TagList::new();
        let list = tags.get_mut().unwrap();
        list.set_scope(scope);
        list.add_generic(TAG, name, gst::TagMergeMode::Replace).unwrap();
        gst::event::Tag::new(tags)
    }

    /// A name says how the picture is turned, clockwise, after it was mirrored where the name says so.
    #[test]
    fn names_mean_what_they_say() {
        gst::init().unwrap();
        let all = [0_u16, 90, 180, 270].into_iter().flat_map(|degrees| [(false, degrees), (true, degrees)]);
        for (mirrored, degrees) in all {
            let name = format!("{}rotate-{degrees}", if mirrored { "flip-" } else { "" });
            let first = if mirrored { Orientation::MIRRORED } else { Orientation::UPRIGHT };
            let expected = first.then(Orientation::quarters((degrees / 90) as u8));
            assert_eq!(named(&name), Some(expected), "{name}");
            let mut tags = gst::TagList::new();
            state(tags.make_mut(), expected);
            let stated = tags.generic(TAG).and_then(|value| value.get::<String>().ok());
            assert_eq!(stated, Some(name));
        }
        assert_eq!([named("rotate-45"), named("rotate-360"), named("flip"), named("")], [None; 4]);
    }

    #[test]
    fn each_frame_has_what_held_when_it_came() {
        gst::init().unwrap();
        let mut orientations = Orientations::default();
        orientations.begin(0);
        orientations.hear(&tag("rotate-90", gst::TagScope::Stream));
        orientations.hear(&tag("rotate-180", gst::TagScope::Global));
        orientations.begin(1);
        orientations.begin(2);
        orientations.hear(&gst::event::StreamStart::new("another"));
        orientations.begin(3);
        orientations.set_of_picture(Some(Orientation::MIRRORED));
        orientations.begin(4);
        let upright = Orientation::UPRIGHT;
        let expected =
            [upright, Orientation::CLOCKWISE, Orientation::CLOCKWISE, upright, Orientation::MIRRORED];
        assert_eq!([0, 1, 2, 3, 4].map(|number| orientations.of(number)), expected);
        assert_eq!(orientations.of(90), Orientation::MIRRORED);
    }

    #[test]
    fn changes_that_nobody_asks_for_are_forgotten() {
        let mut orientations = Orientations::default();
        for number in 0..1000 {
            orientations.set_of_picture(Some(Orientation::quarters(number as u8)));
            orientations.begin(number);
        }
        assert_eq!(orientations.changes.len(), MOST_CHANGES);
        assert_eq!(orientations.of(999), Orientation::quarters(3));
    }
}
