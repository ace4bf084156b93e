//! What MQTT 5's DISCONNECT says, in each of its forms.
