//! `spotter eval`: how good the stages are, on data with a known truth.

mod activity;
mod skeleton;
mod track;

use super::{Outcome, manual};

/// Measures a stage on data with a known truth.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    stage: Stage,
}

#[derive(clap::Subcommand)]
enum Stage {
    #[command(after_long_help = manual::EVAL_TRACK)]
    Track(track::Arguments),
    #[command(after_long_help = manual::EVAL_SKELETON)]
    Skeleton(skeleton::Arguments),
    #[command(after_long_help = manual::EVAL_ACTIVITY)]
    Activity(activity::Arguments),
}

pub fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.stage {
        Stage::Track(arguments) => track::run(arguments),
        Stage::Skeleton(arguments) => skeleton::run(arguments),
        Stage::Activity(arguments) => activity::run(arguments),
    }
}
