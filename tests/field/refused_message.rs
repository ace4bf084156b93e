//! Messages that a broker will not take.
