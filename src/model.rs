//! Model packages: a folder with a manifest, labels and an `.onnx` file, and what it takes to run it.
//!
//! [`Package::open`] reads `model.toml` strictly and compares the model's SHA-256; [`Runtime::load`] finds ONNX Runtime;
//! [`Session`] is one loaded model, owned by one worker; [`InputTensor`] turns a region of a frame into what the manifest
//! says the model wants. The last one lives here, and not with the detector, because every task feeds its model the
//! same way. What the numbers that come out mean is the business of each task: see [`crate::detect`].
//!
//! This is the only module that knows the crate `ort`.

mod input;
mod manifest;
mod package;
mod runtime;
mod session;

pub use input::{InputTensor, Placement};
pub use manifest::{
    Activation, BadThresholds, Coordinates, CornerOrder, Input, Objects, Output, Problem, Task, Thresholds,
};
pub use package::{Package, PackageError};
pub use runtime::{Runtime, RuntimeError};
pub use session::{ElementType, Outputs, Session, SessionError, SessionOptions, Tensor, TensorInfo, Values};
