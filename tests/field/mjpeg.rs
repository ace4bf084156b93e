//! MJPEG as firmwares write it, and single pictures.
