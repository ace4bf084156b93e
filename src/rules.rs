//! Rules: from what is followed to what is said about it.
//!
//! Takes the tracks of one camera after each frame and gives tags. [`crate::recognize`] calls it; it knows nothing of
//! pictures, models or MQTT.

mod objects;

pub use objects::{ObjectRules, Vocabulary};
