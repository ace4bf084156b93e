//! What it takes to go from one configuration to another: a pure comparison, part by part.

use crate::config::{Camera, Config, want_activities};
use crate::name::Name;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// The node must start anew, because of these parts of the configuration.
    Anew(Vec<&'static str>),
    /// The node goes on: what becomes of each camera, those of the new configuration first and in its order.
    InPlace(Vec<(Name, Step)>),
}

/// What becomes of a camera.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing has changed about it.
    Keep,
    /// It goes on and is looked at differently.
    Change,
    /// Its frames come from elsewhere: it ends and begins again.
    Replace,
    /// It begins.
    Add,
    /// It ends.
    Remove,
}

impl Plan {
    /// From `old`, which runs with models for activities or without, to `new`.
    pub(super) fn of(old: &Config, new: &Config, has_activities: bool) -> Plan {
        let reasons = [
            ("node", old.node != new.node),
            ("runtime", old.runtime != new.runtime),
            ("health", old.health != new.health),
            ("models", old.models != new.models),
            ("mqtt.outbox.directory", old.mqtt.outbox.directory != new.mqtt.outbox.directory),
            ("activities", want_activities(&new.cameras) && !has_activities),
        ];
        let reasons: Vec<_> =
            reasons.into_iter().filter_map(|(part, changed)| changed.then_some(part)).collect();
        if !reasons.is_empty() {
            return Plan::Anew(reasons);
        }
        let named = |cameras: &[Camera], name: &Name| cameras.iter().any(|camera| camera.name == *name);
        let step = |camera: &Camera| match old.cameras.iter().find(|old| old.name == camera.name) {
            None => Step::Add,
            Some(old) if old == camera => Step::Keep,
            Some(old) if old.same_capture(camera) => Step::Change,
            Some(_) => Step::Replace,
        };
        let gone = old.cameras.iter().filter(|old| !named(&new.cameras, &old.name));
        let steps = new.cameras.iter().map(|camera| (camera.name.clone(), step(camera)));
        Plan::InPlace(steps.chain(gone.map(|camera| (camera.name.clone(), Step::Remove))).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::*;

    const OLD: &str = "[node]\nname = \"edge\"\n\
        [[camera]]\nname = \"a\"\nsource = \"rtsp://10.0.0.1/\"\n\
        [[camera.zone]]\nname = \"door\"\npolygon = [[0, 0], [1, 0], [1, 1]]\n\
        [[camera]]\nname = \"b\"\nsource = \"rtsp://10.0.0.2/\"\n\
        [[camera]]\nname = \"c\"\npipeline = \"videotestsrc\"\n";

    fn old() -> Config {
        Config::parse(OLD, Path::new("/etc/spotter")).unwrap()
    }

    fn plan(has_activities: bool, change: impl FnOnce(&mut Config)) -> Plan {
        let mut new = old();
        change(&mut new);
        Plan::of(&old(), &new, has_activities)
    }

    #[test]
    fn cameras_are_touched_only_where_they_changed() {
        use Step::{Add, Change, Keep, Remove, Replace};
        type Edit = fn(&mut Config);
        let cases: [(Edit, &[(&str, Step)]); 10] = [
            (|_| {}, &[("a", Keep), ("b", Keep), ("c", Keep)]),
            (|new| new.cameras.swap(0, 2), &[("c", Keep), ("b", Keep), ("a", Keep)]),
            (|new| new.mqtt.root = "x".to_owned(), &[("a", Keep), ("b", Keep), ("c", Keep)]),
            (|new| new.cameras[0].zones.clear(), &[("a", Change), ("b", Keep), ("c", Keep)]),
            (|new| new.cameras[1].objects.score = Some(0.9), &[("a", Keep), ("b", Change), ("c", Keep)]),
            (|new| new.cameras[1].tracks = true, &[("a", Keep), ("b", Change), ("c", Keep)]),
            (|new| new.cameras[2].activities.enabled = false, &[("a", Keep), ("b", Keep), ("c", Change)]),
            (
                |new| {
                    new.cameras[0].zones.clear();
                    new.cameras[0].capture = new.cameras[1].capture.clone();
                },
                &[("a", Replace), ("b", Keep), ("c", Keep)],
            ),
            (|new| drop(new.cameras.remove(1)), &[("a", Keep), ("c", Keep), ("b", Remove)]),
            (
                |new| new.cameras[1].name = Name::new("d").unwrap(),
                &[("a", Keep), ("d", Add), ("c", Keep), ("b", Remove)],
            ),
        ];
        for (index, (edit, expected)) in cases.into_iter().enumerate() {
            let expected = expected.iter().map(|(name, step)| (Name::new(name).unwrap(), *step)).collect();
            assert_eq!(plan(true, edit), Plan::InPlace(expected), "case {index}");
        }
    }

    #[test]
    fn what_other_models_or_another_folder_need_starts_the_node_anew() {
        let anew = |parts: &[&'static str]| Plan::Anew(parts.to_vec());
        assert_eq!(plan(true, |new| new.node = Name::new("other").unwrap()), anew(&["node"]));
        assert_eq!(plan(true, |new| new.models.detect = "x".to_owned()), anew(&["models"]));
        let moved = plan(true, |new| {
            new.runtime.threads += 1;
            new.mqtt.outbox.directory = Some(PathBuf::from("/elsewhere"));
        });
        assert_eq!(moved, anew(&["runtime", "mqtt.outbox.directory"]));
        assert_eq!(plan(false, |_| {}), anew(&["activities"]));
        let off = |new: &mut Config| new.cameras.iter_mut().for_each(|c| c.activities.enabled = false);
        assert!(matches!(plan(false, off), Plan::InPlace(_)));
        assert!(matches!(plan(true, off), Plan::InPlace(_)), "they stay loaded");
        let limits = |new: &mut Config| new.mqtt.outbox.max_age = Duration::from_secs(1);
        assert!(matches!(plan(true, limits), Plan::InPlace(_)));
    }
}
