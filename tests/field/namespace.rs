//! Runs a test in a network namespace of its own: nothing leaves it, and no port of it is taken.

use std::process::Command;
use std::time::Duration;

/// Set in the process that runs inside.
const INSIDE: &str = "SPOTTER_TEST_NAMESPACE";

/// What a namespace has: the loopback, and `cam0` with the address 192.0.2.9, whose other end is there too.
const NETWORK: &str = "ip link set lo up && ip link add cam0 type veth peer name cam1 && \
    echo 0 > /proc/sys/net/ipv6/conf/cam0/accept_dad && ip addr add 192.0.2.9/24 dev cam0 && ip link set cam0 up && \
    ip link set cam1 up";

/// Address of [`NETWORK`]'s `cam0`.
pub const ADDRESS: [u8; 4] = [192, 0, 2, 9];

/// Runs `test`, whose name in this binary is `name`, in a process of its own inside a new network namespace. Without the right
/// to raw sockets, as the service has none: with it Aravis reads packets past the sockets of UDP.
///
/// # Panics
/// When it fails there, or there is no right to make a namespace.
pub fn inside(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        test();
        return;
    }
    let limit = Duration::from_secs(240);
    let drop_right = "exec setpriv --bounding-set=-net_raw --inh-caps=-net_raw timeout";
    let script = format!("{NETWORK} && {drop_right} {} \"$0\" --exact {name} --nocapture", limit.as_secs());
    let output = Command::new("unshare")
        .args(["--net", "--", "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .expect("util-linux has unshare");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success(),
        "{name} in a namespace (only root may make one): {}\n{said}",
        output.status
    );
    assert!(said.contains("1 passed"), "{name} did not run: {said}");
}
