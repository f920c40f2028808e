//! Which Events were written lately, and so whether one more is an Event of its own or belongs to an existing one.
//! Kubernetes lets nobody change the note of an Event (`events.k8s.io/v1`), so another note needs another Event.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::told::Told;

/// How long a repeated report belongs to an Event; later ones are a new Event. As in client-go's recorder.
const REMEMBER: Duration = Duration::from_mins(6);
/// Notes of one cause that have an Event of their own: whoever can choose what is noted, such as the role that is asked
/// for, could fill the API server's memory with them.
const MOST_NOTES: usize = 5;
/// Causes that are remembered; while there are as many, no other one is reported.
const MOST_CAUSES: usize = 1024;
/// What further notes of a cause are counted in.
const MORE: &str =
    "there are more of these than have an Event of their own; the log of irsa-emu-webhook names them";

/// Kind, Namespace, name and uid of an object, and the reason of its Events.
type Cause = [String; 5];

/// What is to be done about something that is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// It is an Event of its own, with this note.
    Create { note: String },
    /// It belongs to an existing Event.
    Count { note: String, name: String, count: i32 },
    /// Too many other causes are remembered.
    Nothing,
}

/// The Events that were written lately.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<Cause, Vec<Written>>);

#[derive(Debug)]
struct Written {
    note: String,
    name: String,
    count: i32,
    last: Instant,
}

impl Memory {
    /// What is to be done about something that is reported.
    pub(super) fn step(&mut self, told: &Told, now: Instant) -> Step {
        self.0.retain(|_, written| {
            written.retain(|one| now < one.last + REMEMBER);
            !written.is_empty()
        });
        let Some(written) = self.0.get(&cause(told)) else {
            return if self.0.len() < MOST_CAUSES {
                Step::Create {
                    note: told.note.clone(),
                }
            } else {
                Step::Nothing
            };
        };
        let own = written.iter().filter(|one| one.note != MORE).count();
        let is_known = written.iter().any(|one| one.note == told.note);
        let note = if is_known || own < MOST_NOTES {
            &told.note
        } else {
            MORE
        };
        match written.iter().find(|one| one.note == note) {
            Some(one) => Step::Count {
                note: one.note.clone(),
                name: one.name.clone(),
                count: one.count.saturating_add(1),
            },
            None => Step::Create {
                note: note.to_owned(),
            },
        }
    }

    /// An Event of this name was created, or its number written.
    pub(super) fn wrote(&mut self, told: &Told, note: &str, name: &str, count: i32, now: Instant) {
        let written = self.0.entry(cause(told)).or_default();
        written.retain(|one| one.note != note);
        written.push(Written {
            note: note.to_owned(),
            name: name.to_owned(),
            count,
            last: now,
        });
    }
}

fn cause(told: &Told) -> Cause {
    let object = &told.object;
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    [
        text(&object.kind),
        text(&object.namespace),
        text(&object.name),
        text(&object.uid),
        told.reason.clone(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::tests::told;
    use super::*;

    /// Does what is to be done, and reports what that was.
    fn tell(memory: &mut Memory, told: &Told, now: Instant) -> Step {
        let step = memory.step(told, now);
        match &step {
            Step::Create { note } => memory.wrote(told, note, &format!("event-of-{note}"), 1, now),
            Step::Count { note, name, count } => memory.wrote(told, note, name, *count, now),
            Step::Nothing => {}
        }
        step
    }

    fn create(note: &str) -> Step {
        Step::Create {
            note: note.to_owned(),
        }
    }

    fn count(note: &str, count: i32) -> Step {
        let (note, name) = (note.to_owned(), format!("event-of-{note}"));
        Step::Count { note, name, count }
    }

    #[test]
    fn the_same_note_counts_and_another_is_an_event_of_its_own() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let steps = ["a", "a", "b", "a", "b"].map(|note| tell(&mut memory, &told("app", note), now));
        assert_eq!(
            steps,
            [
                create("a"),
                count("a", 2),
                create("b"),
                count("a", 3),
                count("b", 2)
            ]
        );
        assert_eq!(tell(&mut memory, &told("other", "a"), now), create("a"));
        let mut anew = told("app", "a");
        anew.object.uid = Some("uid-of-the-next".into());
        assert_eq!(tell(&mut memory, &anew, now), create("a"));
        let mut made = told("app", "a");
        made.reason = "RoleMade".into();
        assert_eq!(tell(&mut memory, &made, now), create("a"));
    }

    #[test]
    fn an_event_counts_for_six_minutes_after_it_was_told_last() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        let minutes = |minutes| start + Duration::from_mins(minutes);
        assert_eq!(tell(&mut memory, &told("app", "a"), start), create("a"));
        assert_eq!(tell(&mut memory, &told("app", "a"), minutes(5)), count("a", 2));
        assert_eq!(tell(&mut memory, &told("app", "a"), minutes(10)), count("a", 3));
        assert_eq!(tell(&mut memory, &told("app", "a"), minutes(16)), create("a"));
    }

    #[test]
    fn notes_without_end_are_six_events() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        let steps: Vec<Step> = (0..100)
            .map(|number| tell(&mut memory, &told("app", &format!("role-{number}")), now))
            .collect();
        let created = steps.iter().filter(|step| matches!(step, Step::Create { .. }));
        assert_eq!(created.count(), MOST_NOTES + 1);
        assert_eq!(steps[MOST_NOTES], create(MORE));
        assert_eq!(steps[99], count(MORE, 95));
        // What has an Event still counts there.
        assert_eq!(tell(&mut memory, &told("app", "role-3"), now), count("role-3", 2));
    }

    #[test]
    fn causes_without_end_are_not_remembered_without_end() {
        let (mut memory, now) = (Memory::default(), Instant::now());
        for number in 0..MOST_CAUSES {
            tell(&mut memory, &told(&format!("app-{number}"), "a"), now);
        }
        assert_eq!(tell(&mut memory, &told("one-more", "a"), now), Step::Nothing);
        assert_eq!(tell(&mut memory, &told("app-1", "a"), now), count("a", 2));
        let later = now + REMEMBER;
        assert_eq!(tell(&mut memory, &told("one-more", "a"), later), create("a"));
    }
}
