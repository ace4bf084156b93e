//! What real cameras, brokers, files and machines did to Spotter: one file for each kind, against the real server where the
//! registries have it, else against bytes that do what it did.
//!
//! `make test` installs the servers: `packaging/debian-test-packages.txt`, `node/package.json`, `requirements.txt`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
#[path = "../support/node.rs"]
mod node;
#[path = "../support/pipeline.rs"]
mod pipeline;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/publisher.rs"]
mod publisher;
#[path = "../support/test_camera.rs"]
mod test_camera;
#[path = "../support/watched.rs"]
mod watched;
mod peers;

mod nothing_leaves;
mod addresses;
mod passwords;
mod full_log;
mod descriptors;
mod refused_message;
mod disconnect;
mod clock_step;
mod late_first_frame;
mod variants;
mod burst;
mod rotation;
mod colour;
mod error_texts;
mod mjpeg;
mod replayed_files;
mod genicam;
mod behind_a_post;
mod before_confirmation;
mod swaying;
mod schemas;
mod home_assistant;
mod brokers;
