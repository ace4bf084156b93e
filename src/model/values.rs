//! What goes into a model and comes out of it: numbers with a shape.

/// A tensor to be fed to a model.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    /// Dimensions.
    pub shape: &'a [usize],
    /// Elements, row-major; as many as the shape says.
    pub elements: Elements<'a>,
}

/// The elements of a tensor to be fed.
#[derive(Clone, Copy, Debug)]
pub enum Elements<'a> {
    /// 32 bit floating point.
    F32(&'a [f32]),
    /// Bytes.
    U8(&'a [u8]),
    /// 32 bit integers.
    I32(&'a [i32]),
}

/// One output, where ONNX Runtime or a server's answer has it.
#[derive(Clone, Copy, Debug)]
pub struct Tensor<'a> {
    /// Dimensions.
    pub shape: &'a [i64],
    /// Elements, row-major.
    pub values: Values<'a>,
}

/// The elements of an output.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a> {
    /// 32 bit floating point.
    F32(&'a [f32]),
    /// 64 bit integers.
    I64(&'a [i64]),
    /// 32 bit integers.
    I32(&'a [i32]),
}
