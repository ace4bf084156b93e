//! Rules: from what is followed to what is said about it.
//!
//! Takes the tracks of one camera, and what is believed of the people among them, after each frame and gives tags.
//! [`crate::recognize`] calls it; it knows nothing of pictures, models or MQTT.

mod activities;
mod lines;
mod objects;
mod vocabulary;
mod zones;

pub use activities::ActivityRules;
pub use lines::LineRules;
pub use objects::ObjectRules;
pub use vocabulary::Vocabulary;
pub use zones::ZoneRules;
