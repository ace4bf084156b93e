//! Model packages: a folder with a manifest, labels and an `.onnx` file, and what it takes to run it.
//!
//! [`Package::open`] reads `model.toml` strictly and compares the model's SHA-256; [`Runtime::load`] finds ONNX Runtime;
//! [`Session`] is one loaded model, owned by one worker; [`InputTensor`] turns a region of a frame, and [`ClipTensor`] a row
//! of frames, into what the manifest says the model wants; [`Expected`] compares what comes out with what the manifest
//! says. They live here because several tasks share them. What the numbers that come out mean is the business of each
//! task: see [`crate::detect`] and [`crate::activity`].
//!
//! This is the only module that knows the crate `ort`.

mod accelerator;
mod assignment;
mod compiled;
mod expect;
mod input;
mod manifest;
mod pace;
mod package;
mod remote;
mod runtime;
mod selftest;
mod session;
mod values;

pub use accelerator::{Accelerator, AcceleratorError, Library};
pub use assignment::Assignment;
pub use compiled::Compiled;
pub use expect::{BadOutput, Expected, Wanted};
pub use input::{ClipTensor, InputTensor, Placement};
pub use manifest::{
    Activation, BadThresholds, ClipActivation, ClipInput, ClipScope, ClipSpec, Coordinates, CornerOrder,
    DetectSpec, Input, Objects, Output, PointOrder, PoseSpec, PostureSpec, Problem, SkeletonSpec, Task,
    Thresholds, Tolerance,
};
pub use package::{Package, PackageError};
pub use remote::{RemoteError, Server};
pub use runtime::{NO_REPORTS, Runtime, RuntimeError};
pub(crate) use selftest::waves;
pub use selftest::{Answer, Difference, FoundBox, SelfTest, Testable};
pub use session::{ElementType, Outputs, Session, SessionError, SessionOptions, TensorInfo};
pub use values::{Elements, Tensor, TensorView, Values};
