//! What real cameras, brokers, files and machines did to Spotter: one file for each kind, against the real server where the
//! registries have it, else against bytes that do what it did.
//!
//! `make test` installs the servers: `packaging/debian-test-packages.txt`, `node/package.json`, `requirements.txt`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../support/certificates.rs"]
mod certificates;
#[path = "../support/contract.rs"]
mod contract;
mod films;
#[path = "../support/footage.rs"]
mod footage;
mod live;
mod media_server;
#[path = "../support/mosquitto.rs"]
mod mosquitto;
mod namespace;
#[path = "../support/node.rs"]
mod node;
mod peers;
mod picture_server;
#[path = "../support/pipeline.rs"]
mod pipeline;
#[path = "../support/program.rs"]
mod program;
#[path = "../support/publisher.rs"]
mod publisher;
#[path = "../support/random.rs"]
mod random;
mod scripted;
mod strange_camera;
#[path = "../support/test_camera.rs"]
mod test_camera;
#[path = "../support/watched.rs"]
mod watched;
#[path = "../support/web.rs"]
mod web;

mod addresses;
mod before_confirmation;
mod behind_a_post;
mod brokers;
mod burst;
mod clock_step;
mod colour;
mod descriptors;
mod disconnect;
mod discover;
mod drawn_post;
mod error_texts;
mod full_log;
mod genicam;
mod home_assistant;
mod late_first_frame;
mod mjpeg;
mod nothing_leaves;
mod passwords;
mod refused_message;
mod replayed_files;
mod rotation;
mod schemas;
mod sender_clock;
mod single_pictures;
mod swaying;
mod variants;
