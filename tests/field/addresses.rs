//! Logins anywhere in a camera's address.
