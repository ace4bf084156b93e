//! What a track did before it was confirmed.
