//! Templates by which Home Assistant reads the node's messages, in its dialect of Jinja.
//!
//! Pure. A template reads a message whatever profile it comes in, so a change of profile needs no other template; and it
//! reads nothing at all, which is how a retained message ends, without an error in Home Assistant's log.

/// Takes the message `m` out of a payload: out of its CloudEvents envelope where there is one, and an empty one out of
/// nothing. What it does not have is undefined.
const MESSAGE: &str = "{% set v = value_json | default({}, true) %}{% set m = v.data | default(v) %}";

/// An expression about the message `m`. Empty when there is no message: Home Assistant ignores an empty state.
pub(super) fn value(expression: &str) -> String {
    format!("{MESSAGE}{{% if m %}}{{{{ {expression} }}}}{{% endif %}}")
}

/// A dictionary out of these arguments of `dict`, as JSON.
pub(super) fn attributes(arguments: &str) -> String {
    format!("{MESSAGE}{{{{ dict({arguments}) | tojson }}}}")
}

/// Those of the named fields that an expression's dictionary has, as an argument of `dict`.
pub(super) fn fields(of: &str, names: &[&str]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
    format!("{of}.items() | selectattr(0, 'in', [{}])", names.join(", "))
}

/// One expression when a tag is the live start of something, another for all else.
pub(super) fn at_start(start: &str, otherwise: &str) -> String {
    format!(
        "{MESSAGE}{{% if m.phase == 'start' and not m.historical %}}{{{{ {start} }}}}{{% else %}}{{{{ {otherwise} }}}}\
         {{% endif %}}"
    )
}
