//! The camera's sensor: one thread that draws a picture at a time and hands it to every stream that somebody watches.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer_app::AppSrc;
use gstreamer_video as gst_video;

use super::faults::Faults;
use super::picture::Painter;

/// What pictures are like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Width and height in pixels, even.
    pub size: (u32, u32),
    /// Pictures per second.
    pub rate: u32,
}

/// Where pictures go, and what they are like; shared by the sensor's thread and those who command it.
pub struct Sensor {
    people: bool,
    noise: u8,
    shape: Mutex<Shape>,
    streams: Mutex<Vec<AppSrc>>,
    faults: Arc<Faults>,
}

impl Sensor {
    pub fn new(shape: Shape, people: bool, noise: u8, faults: Arc<Faults>) -> Self {
        Sensor { people, noise, shape: Mutex::new(shape), streams: Mutex::default(), faults }
    }

    /// Adds a stream; it is forgotten once it takes no more pictures.
    pub fn feed(&self, stream: AppSrc) {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner).push(stream);
    }

    /// Changes what the next pictures are like.
    pub fn reshape(&self, change: impl FnOnce(&mut Shape)) {
        change(&mut self.shape.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn shape(&self) -> Shape {
        *self.shape.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Draws for ever.
    pub fn run(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let mut shape = self.shape();
        let mut painter = self.painter(shape);
        let mut picture = None;
        let mut due = begun;
        loop {
            due += Duration::from_secs_f64(f64::from(shape.rate).recip());
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // One that was stopped for a while does not make up for it.
            due = due.max(Instant::now() - Duration::from_secs(1));
            let wanted = self.shape();
            if wanted.size != shape.size {
                painter = self.painter(wanted);
                picture = None;
            }
            let reshaped = wanted != shape;
            shape = wanted;
            if picture.is_none() || reshaped || !self.faults.is_frozen() {
                let planes = painter.paint(begun.elapsed().as_secs_f32());
                picture = Some(sample(shape, planes)?);
            }
            if let Some(sample) = &picture {
                let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
                streams.retain(|stream| stream.push_sample(sample).is_ok());
            }
        }
    }

    fn painter(&self, shape: Shape) -> Painter {
        let (width, height) = shape.size;
        Painter::new((width as usize, height as usize), self.people, self.noise)
    }
}

fn sample(shape: Shape, planes: Vec<u8>) -> anyhow::Result<gst::Sample> {
    let (width, height) = shape.size;
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, width, height)
        .fps(gst::Fraction::new(i32::try_from(shape.rate)?, 1))
        .build()?;
    let buffer = gst::Buffer::from_slice(planes);
    Ok(gst::Sample::builder().buffer(&buffer).caps(&info.to_caps()?).build())
}
