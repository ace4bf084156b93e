//! Configurations: each wrong one and exactly what is said about it, and what `spotter check` makes of files.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use spotter::config::{
    Activities, Command, Config, ConfigError, HomeAssistant, Models, Mqtt, MqttVersion, Objects, Outbox,
    Profile, Runtime, Sync,
};

#[path = "support/program.rs"]
mod program;

use program::spotter;

/// A camera that is right, for cases that are about something else.
const CAMERA: &str = "[[camera]]\nname = \"ramp\"\nsource = \"rtsp://cam/1\"\n";

const TAKEN_WRONGLY: &str = "[[camera]]\nname = \"ramp\"\nsource = \"rtsp://me:s3cret@cam/1\"\nusername = \"me\"\n\
    verify_tls = false\ndecoder = \"va h264\"\nmax_frame_rate = 0\nfrozen_after_s = 1\n[[camera.mask]]\n\
    polygon = [[0, 0], [1, 1]]\n[[camera.mask]]\n";

/// What is wrong, and the text. `CAMERA` stands for a camera that is right.
const WRONG: &[(&str, &str)] = &[
    // The text itself.
    ("empty", ""),
    ("no TOML", "[node\nname = \"edge\"\n"),
    ("no value", "[node]\nname =\n"),
    ("text without quotes", "[node]\nname = edge\n"),
    ("a key twice", "[node]\nname = \"a\"\nname = \"b\"\nCAMERA"),
    ("two places that are no TOML", "[node]\nname =\n[mqtt]\nroot = nothing\n"),
    // Keys.
    ("unknown section", "[mqqt]\nbroker = \"mqtt://b\"\nCAMERA"),
    ("unknown keys", "[mqtt]\nhost = \"b\"\n[objects]\nlabel = [\"car\"]\nCAMERAurl = \"rtsp://cam\"\n"),
    ("a table that is none", "mqtt = \"mqtt://b\"\nCAMERA"),
    ("a camera that is no list", "[camera]\nname = \"ramp\"\nsource = \"rtsp://cam/1\"\n"),
    ("cameras as texts", "camera = [\"rtsp://cam/1\"]\n"),
    ("an empty list of cameras", "camera = []\n"),
    ("no camera", "[node]\nname = \"edge\"\n"),
    // Types and ranges.
    (
        "wrong types",
        "[node]\nname = 5\n[runtime]\nthreads = \"two\"\n[models]\ndirectories = \"models\"\ndetect = [\"a\"]\n\
         [mqtt]\nbroker = 1883\nkeep_alive_s = true\nversion = 5\ninsecure = \"yes\"\nalpn = \"mqtt\"\n\
         commands = [1]\noutbox = 3\nhome_assistant.enabled = 1\n[objects]\nlabels = [\"car\", 3]\n\
         score = \"high\"\nCAMERAloop = \"yes\"\n",
    ),
    (
        "out of range",
        "[runtime]\nthreads = 257\n[mqtt]\nkeep_alive_s = 1\nstats_interval_s = 4\n[mqtt.outbox]\n\
         max_size_mb = 0\nmax_age_h = 8761\nbacklog_rate = 0\ncommit_interval_ms = 101\n[objects]\nscore = 1.5\n\
         update_interval_s = 0\nCAMERA[camera.objects]\nscore = -0.5\nupdate_interval_s = 3601\n",
    ),
    ("not a number", "[objects]\nscore = nan\nupdate_interval_s = inf\nCAMERA"),
    ("a negative number", "[runtime]\nthreads = -1\nCAMERA"),
    // Names.
    ("bad node name", "[node]\nname = \"edge/1\"\nCAMERA"),
    ("empty names", "[node]\nname = \"\"\n[[camera]]\nname = \"\"\nsource = \"rtsp://cam/1\"\n"),
    ("a name in other letters", "[[camera]]\nname = \"Einfahrt Süd\"\nsource = \"rtsp://cam/1\"\n"),
    (
        "line breaks",
        "[node]\nname = \"a\\nb\"\n[runtime]\nthreads = \"a\\nb\"\nCAMERAtransport = \"a\\nb\"\n\"c\\nd\" = 1\n",
    ),
    ("the same name twice", "CAMERACAMERA"),
    ("the same name three times", "CAMERACAMERACAMERA"),
    ("no name", "[[camera]]\nsource = \"rtsp://cam/1\"\n"),
    // Sources.
    ("no source", "[[camera]]\nname = \"ramp\"\n"),
    ("nothing but a camera", "[[camera]]\n"),
    ("empty source", "[[camera]]\nname = \"ramp\"\nsource = \" \"\n"),
    ("empty pipeline", "[[camera]]\nname = \"ramp\"\npipeline = \"\"\n"),
    ("source and pipeline", "CAMERApipeline = \"videotestsrc\"\n"),
    ("loop on rtsp", "CAMERAloop = true\n"),
    ("loop on a pipeline", "[[camera]]\nname = \"ramp\"\npipeline = \"videotestsrc\"\nloop = true\n"),
    ("frame rate of rtsp", "CAMERAframe_rate = 7\n"),
    (
        "frame rates out of range",
        "[[camera]]\nname = \"a\"\nsource = \"a.avi\"\nframe_rate = 0\n[[camera]]\nname = \"b\"\n\
         source = \"b.avi\"\nframe_rate = \"7\"\n[[camera]]\nname = \"c\"\nsource = \"c.avi\"\nframe_rate = nan\n",
    ),
    ("transport of a file", "[[camera]]\nname = \"ramp\"\nsource = \"a.avi\"\ntransport = \"tcp\"\n"),
    ("unknown transport", "CAMERAtransport = \"quic\"\n"),
    ("how frames are taken, wrongly", TAKEN_WRONGLY),
    ("unknown scheme", "[[camera]]\nname = \"ramp\"\nsource = \"srt://cam:9000\"\n"),
    ("address without a host", "[[camera]]\nname = \"ramp\"\nsource = \"rtsp:///stream\"\n"),
    ("bad port, with a password", "[[camera]]\nname = \"ramp\"\nsource = \"rtsp://me:s3cret@cam:99999/1\"\n"),
    ("bad host, with a password", "[[camera]]\nname = \"ramp\"\nsource = \"http://me:s3cret@[cam/1\"\n"),
    ("unknown scheme, with a password", "[[camera]]\nname = \"ramp\"\nsource = \"rtmp://me:s3cret@cam/1\"\n"),
    ("a relative file address", "[[camera]]\nname = \"ramp\"\nsource = \"file://clips/a.avi\"\n"),
    // The broker.
    ("broker without a scheme", "[mqtt]\nbroker = \"localhost\"\nCAMERA"),
    ("broker with another scheme", "[mqtt]\nbroker = \"tcp://localhost:1883\"\nCAMERA"),
    ("broker without a host", "[mqtt]\nbroker = \"mqtt://\"\nCAMERA"),
    ("broker with a bad port", "[mqtt]\nbroker = \"mqtt://localhost:mqtt\"\nCAMERA"),
    ("broker with a password", "[mqtt]\nbroker = \"mqtt://me:s3cret@localhost\"\nCAMERA"),
    ("user without a password", "[mqtt]\nusername = \"me\"\nCAMERA"),
    ("password file without a user", "[mqtt]\npassword_file = \"missing\"\nCAMERA"),
    ("a wildcard in the root", "[mqtt]\nroot = \"spotter/#\"\nCAMERA"),
    ("an empty level in the root", "[mqtt]\nroot = \"spotter//v1\"\nCAMERA"),
    ("a root that is the broker's own", "[mqtt]\nroot = \"$SYS/spotter\"\nCAMERA"),
    ("an empty root", "[mqtt]\nroot = \"\"\nCAMERA"),
    ("a control character in the root", "[mqtt]\nroot = \"a\\tb\"\nCAMERA"),
    (
        "words that are not known",
        "[mqtt]\nversion = \"4\"\nprofile = \"cloud\"\ncommands = [\"stats\", \"reboot\", \"stats\"]\n\
         [mqtt.outbox]\nsync = \"never\"\n[mqtt.home_assistant]\nprefix = \"home/+\"\nCAMERA",
    ),
    ("properties in MQTT 3.1.1", "[mqtt]\nversion = \"3.1.1\"\nprofile = \"cloudevents-binary\"\nCAMERA"),
    (
        "TLS without TLS",
        "[mqtt]\nbroker = \"mqtt://b\"\nca_file = \"missing\"\ninsecure = true\nalpn = [\"mqtt\"]\n\
         server_name = \"c\"\nCAMERA",
    ),
    (
        "half a certificate",
        "[mqtt]\nbroker = \"mqtts://b\"\nclient_cert_file = \"missing\"\nalpn = [\"\"]\nserver_name = \"\"\nCAMERA",
    ),
    ("a wrong address", "[mqtt]\nbroker = \"b\"\nalpn = [\"mqtt\"]\nCAMERA"),
    ("the other half", "[mqtt]\nbroker = \"mqtts://b\"\nclient_key_file = \"missing\"\nCAMERA"),
    ("verified and not", "[mqtt]\nbroker = \"mqtts://b\"\ninsecure = true\nserver_name = \"c\"\nCAMERA"),
    ("credentials without systemd", "[mqtt]\nusername = \"me\"\npassword_file = \"credential:mqtt\"\nCAMERA"),
    (
        "a credential that is a path",
        "[mqtt]\nusername = \"me\"\npassword_file = \"credential:../mqtt\"\nCAMERA",
    ),
    // The health endpoint.
    ("health for everybody", "[health]\nlisten = \"0.0.0.0:9464\"\nport = 9464\nCAMERA"),
    ("health without a port", "[health]\nlisten = \"127.0.0.1\"\nCAMERA"),
    ("health at any port", "[health]\nlisten = \"[::1]:0\"\nCAMERA"),
    // Labels.
    (
        "activities out of range",
        "[runtime]\nactivity_share = 1\n[activities]\nenabled = 1\nthreshold = 0.1\nmin_duration_s = -1\n\
         pose_rate_hz = 100\n[activities.labels]\nwave = true\n[activities.labels.fall]\nthresh = 0.5\n\
         threshold = 2\nCAMERA[camera.activities.labels.walk]\nenabled = \"no\"\n",
    ),
    // Places.
    (
        "zones",
        "CAMERA[[camera.zone]]\n[[camera.zone]]\nname = \"a/b\"\npolygon = [[0, 0], [1, 0]]\n[[camera.zone]]\n\
         name = \"gate\"\npolygon = [[0, 0], [1, 1], [1, 0], [0, 1]]\nlabels = []\nmin_dwell_s = -1\n\
         [[camera.zone]]\nname = \"gate\"\npolygon = [[0, 0], [1]]\nsize = 1\n",
    ),
    (
        "lines",
        "CAMERA[[camera.line]]\n[[camera.line]]\nname = \"gate\"\nfrom = [0.5, 0.5]\nto = [0.5, 0.5]\n\
         [[camera.line]]\nname = \"door\"\nfrom = [2, 0]\nto = [1, 1]\n[[camera.line]]\nname = \"yard\"\n\
         from = \"left\"\nto = [1, 1, 1]\n",
    ),
    (
        "a zone and a line of one name, for what the camera leaves out",
        "[objects]\nlabels = [\"person\"]\nCAMERAtracks = 1\n[[camera.zone]]\nname = \"gate\"\n\
         polygon = [[0, 0], [1, 0], [0, 1]]\nlabels = [\"person\", \"car\"]\n[[camera.line]]\nname = \"gate\"\n\
         from = [0, 0]\nto = [1, 1]\nlabels = [\"dog\"]\n",
    ),
    ("no labels", "[objects]\nlabels = []\nCAMERA"),
    ("no labels for one camera", "CAMERA[camera.objects]\nlabels = []\n"),
    // Everything at once, in the order of the file.
    (
        "many",
        "[mqtt]\nroot = \"a/+\"\nbroker = \"amqp://b\"\n[objects]\nscore = 2\n[[camera]]\nname = \"a b\"\n\
         source = \"\"\nlopp = true\n[[camera]]\nname = \"c\"\n[[camera]]\nname = \"c\"\nsource = \"rtsp://cam\"\n\
         transport = \"http\"\n[extra]\nkey = 1\n",
    ),
];

/// What is said about a text; never with the password of any case.
fn said_of(text: &str) -> String {
    let text = text.replace("CAMERA", CAMERA);
    let said = match Config::parse(&text, Path::new("/etc/spotter")) {
        Ok(config) => panic!("nothing is wrong: {config:?}"),
        Err(error @ ConfigError::Wrong { .. }) => error.to_string(),
        Err(error) => panic!("{error}"),
    };
    assert!(!said.contains("s3cret"), "{said}");
    said
}

#[test]
fn every_error_is_told_with_its_line_its_key_and_what_is_allowed() {
    let told: Vec<String> = WRONG.iter().map(|(what, text)| format!("# {what}\n{}", said_of(text))).collect();
    insta::assert_snapshot!(told.join("\n"), @r#"
    # empty
    line 1: camera is missing; give at least one [[camera]] with name and source
    # no TOML
    line 1: unclosed table, expected `]`
    # no value
    line 2: string values must be quoted, expected literal string
    # text without quotes
    line 2: string values must be quoted, expected literal string
    # a key twice
    line 3: duplicate key
    # two places that are no TOML
    line 2: string values must be quoted, expected literal string
    line 4: invalid float, expected `nan`
    # unknown section
    line 1: mqqt is unknown; allowed here: node, runtime, accelerator, models, mqtt, snapshot, health, objects, activities, camera
    # unknown keys
    line 2: mqtt.host is unknown; allowed here: broker, version, username, password_file, ca_file, client_cert_file, client_key_file, server_name, alpn, insecure, root, keep_alive_s, profile, commands, stats_interval_s, outbox, home_assistant
    line 4: objects.label is unknown; allowed here: labels, score, update_interval_s
    line 8: camera[1].url is unknown; allowed here: name, source, pipeline, loop, frame_rate, transport, verify_tls, username, password_file, genicam, poll_s, decoder, max_frame_rate, max_width, key_frames_only, rotate, flip, mask, frozen_after_s, objects, activities, tracks, zone, line
    # a table that is none
    line 1: mqtt is "mqtt://b"; it must be a table
    # a camera that is no list
    line 1: camera is a table; it must be a list of tables, each begun by a line with its name in double brackets
    # cameras as texts
    line 1: camera[1] is "rtsp://cam/1"; it must be a table
    # an empty list of cameras
    line 1: camera is missing; give at least one [[camera]] with name and source
    # no camera
    line 1: camera is missing; give at least one [[camera]] with name and source
    # wrong types
    line 2: node.name is 5; it must be a text in quotes
    line 4: runtime.threads is "two"; it must be a whole number from 0 to 256
    line 6: models.directories is "models"; it must be a list of texts in quotes
    line 7: models.detect is a list; it must be a text in quotes
    line 9: mqtt.broker is 1883; it must be a text in quotes
    line 10: mqtt.keep_alive_s is true; it must be a number from 5 to 3600
    line 11: mqtt.version is 5; it must be a text in quotes
    line 12: mqtt.insecure is "yes"; it must be true or false
    line 13: mqtt.alpn is "mqtt"; it must be a list of texts in quotes
    line 14: mqtt.commands is a list; it must be a list of texts in quotes
    line 15: mqtt.outbox is 3; it must be a table
    line 16: mqtt.home_assistant.enabled is 1; it must be true or false
    line 18: objects.labels is a list; it must be a list of texts in quotes
    line 19: objects.score is "high"; it must be a number from 0.01 to 1
    line 23: camera[1].loop is "yes"; it must be true or false
    # out of range
    line 2: runtime.threads is 257; it must be a whole number from 0 to 256
    line 4: mqtt.keep_alive_s is 1; it must be a number from 5 to 3600
    line 5: mqtt.stats_interval_s is 4; it must be 0 for never, or from 5 to 3600
    line 7: mqtt.outbox.max_size_mb is 0; it must be a whole number from 1 to 100000
    line 8: mqtt.outbox.max_age_h is 8761; it must be a whole number from 1 to 8760
    line 9: mqtt.outbox.backlog_rate is 0; it must be a whole number from 1 to 100000
    line 10: mqtt.outbox.commit_interval_ms is 101; it must be a whole number from 1 to 100
    line 12: objects.score is 1.5; it must be a number from 0.01 to 1
    line 13: objects.update_interval_s is 0; it must be a number from 1 to 3600
    line 18: camera[1].objects.score is -0.5; it must be a number from 0.01 to 1
    line 19: camera[1].objects.update_interval_s is 3601; it must be a number from 1 to 3600
    # not a number
    line 2: objects.score is nan; it must be a number from 0.01 to 1
    line 3: objects.update_interval_s is inf; it must be a number from 1 to 3600
    # a negative number
    line 2: runtime.threads is -1; it must be a whole number from 0 to 256
    # bad node name
    line 2: node.name `edge/1` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -
    # empty names
    line 2: node.name `` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -
    line 4: camera[1].name `` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -
    # a name in other letters
    line 2: camera[1].name `Einfahrt Süd` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -
    # line breaks
    line 2: node.name `a\nb` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -
    line 4: runtime.threads is "a\nb"; it must be a whole number from 0 to 256
    line 8: camera[1].transport is "a\nb"; allowed: "tcp", "udp"
    line 9: camera[1].c\nd is unknown; allowed here: name, source, pipeline, loop, frame_rate, transport, verify_tls, username, password_file, genicam, poll_s, decoder, max_frame_rate, max_width, key_frames_only, rotate, flip, mask, frozen_after_s, objects, activities, tracks, zone, line
    # the same name twice
    line 5: camera[2].name is "ramp", which another camera has
    # the same name three times
    line 5: camera[2].name is "ramp", which another camera has
    line 8: camera[3].name is "ramp", which another camera has
    # no name
    line 1: camera[1].name is missing; every camera needs one of its own
    # no source
    line 1: camera[1].source is missing; give source or pipeline
    # nothing but a camera
    line 1: camera[1].name is missing; every camera needs one of its own
    line 1: camera[1].source is missing; give source or pipeline
    # empty source
    line 3: camera[1].source is empty: give a file, a device such as /dev/video0, or an rtsp:// or http:// address
    # empty pipeline
    line 3: camera[1].pipeline is empty
    # source and pipeline
    line 4: camera[1].pipeline stands beside source; give one of the two
    # loop on rtsp
    line 4: camera[1].loop is only for a source that is a file
    # loop on a pipeline
    line 4: camera[1].loop is only for a source that is a file
    # frame rate of rtsp
    line 4: camera[1].frame_rate is only for a source that is a file
    # frame rates out of range
    line 4: camera[1].frame_rate is 0; it must be a number from 0.1 to 1000
    line 8: camera[2].frame_rate is "7"; it must be a number from 0.1 to 1000
    line 12: camera[3].frame_rate is nan; it must be a number from 0.1 to 1000
    # transport of a file
    line 4: camera[1].transport is only for an rtsp:// source
    # unknown transport
    line 4: camera[1].transport is "quic"; allowed: "tcp", "udp"
    # how frames are taken, wrongly
    line 1: camera[1].password_file is missing; username needs it
    line 4: camera[1].username stands beside a login in the source; give one of the two
    line 5: camera[1].verify_tls is only for an rtsps:// or https:// source
    line 6: camera[1].decoder is "va h264"; allowed: "auto", "hardware", "software", or the name of a GStreamer element such as "vah264dec"
    line 7: camera[1].max_frame_rate is 0; it must be a number from 0.01 to 240
    line 8: camera[1].frozen_after_s is below 2; give 0 for never
    line 10: camera[1].mask[1].polygon has 2 corners; it must have 3 to 64
    line 11: camera[1].mask[2].polygon is missing; give its corners, such as [[0.1, 0.5], [0.9, 0.5], [0.9, 1], [0.1, 1]]
    # unknown scheme
    line 3: camera[1].source has the scheme `srt`; allowed: rtsp, rtsps, http, https, file, libcamera, genicam; give `pipeline = 'srtsrc uri=ADDRESS'` instead
    # address without a host
    line 3: camera[1].source is no address: the host is missing
    # bad port, with a password
    line 3: camera[1].source is no address: invalid port number
    # bad host, with a password
    line 3: camera[1].source is no address: invalid IPv6 address
    # unknown scheme, with a password
    line 3: camera[1].source has the scheme `rtmp`; allowed: rtsp, rtsps, http, https, file, libcamera, genicam; give `pipeline = 'rtmp2src location=ADDRESS'` instead, or the camera's rtsp:// address
    # a relative file address
    line 3: camera[1].source is no address: a file address needs an absolute path
    # broker without a scheme
    line 2: mqtt.broker is no address (the scheme is missing); it must look like mqtt://host, mqtt://host:1883, mqtts://host:8883, ws://host:8080/mqtt or wss://host/mqtt
    # broker with another scheme
    line 2: mqtt.broker has the scheme `tcp`; allowed: mqtt, mqtts, ws, wss
    # broker without a host
    line 2: mqtt.broker is no address (the host is missing); it must look like mqtt://host, mqtt://host:1883, mqtts://host:8883, ws://host:8080/mqtt or wss://host/mqtt
    # broker with a bad port
    line 2: mqtt.broker is no address (invalid port number); it must look like mqtt://host, mqtt://host:1883, mqtts://host:8883, ws://host:8080/mqtt or wss://host/mqtt
    # broker with a password
    line 2: mqtt.broker holds a user name; put it into username and password_file
    # user without a password
    line 1: mqtt.password_file is missing; username needs it
    # password file without a user
    line 1: mqtt.username is missing; password_file needs it
    line 2: mqtt.password_file cannot be read: /etc/spotter/missing: No such file or directory (os error 2)
    # a wildcard in the root
    line 2: mqtt.root is "spotter/#"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    # an empty level in the root
    line 2: mqtt.root is "spotter//v1"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    # a root that is the broker's own
    line 2: mqtt.root is "$SYS/spotter"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    # an empty root
    line 2: mqtt.root is ""; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    # a control character in the root
    line 2: mqtt.root is "a\tb"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    # words that are not known
    line 2: mqtt.version is "4"; allowed: "5", "3.1.1"
    line 3: mqtt.profile is "cloud"; allowed: "native", "cloudevents", "cloudevents-binary"
    line 4: mqtt.commands has "reboot"; allowed: snapshot, reload, camera/enable, camera/disable, stats, models
    line 4: mqtt.commands has "stats" twice
    line 6: mqtt.outbox.sync is "never"; allowed: "interval", "always"
    line 8: mqtt.home_assistant.prefix is "home/+"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    # properties in MQTT 3.1.1
    line 3: mqtt.profile is "cloudevents-binary", which needs version "5": 3.1.1 has no properties
    # TLS without TLS
    line 3: mqtt.ca_file cannot be read: /etc/spotter/missing: No such file or directory (os error 2)
    line 3: mqtt.ca_file stands beside insecure = true, which does not look at it
    line 3: mqtt.ca_file is only for a broker with mqtts:// or wss://
    line 4: mqtt.insecure is only for a broker with mqtts:// or wss://
    line 5: mqtt.alpn is only for a broker with mqtts:// or wss://
    line 6: mqtt.server_name stands beside insecure = true, which does not look at it
    line 6: mqtt.server_name is only for a broker with mqtts:// or wss://
    # half a certificate
    line 1: mqtt.client_key_file is missing; client_cert_file needs it
    line 3: mqtt.client_cert_file cannot be read: /etc/spotter/missing: No such file or directory (os error 2)
    line 4: mqtt.alpn has a name that is empty or longer than 255 bytes
    line 5: mqtt.server_name is empty
    # a wrong address
    line 2: mqtt.broker is no address (the scheme is missing); it must look like mqtt://host, mqtt://host:1883, mqtts://host:8883, ws://host:8080/mqtt or wss://host/mqtt
    # the other half
    line 1: mqtt.client_cert_file is missing; client_key_file needs it
    line 3: mqtt.client_key_file cannot be read: /etc/spotter/missing: No such file or directory (os error 2)
    # verified and not
    line 4: mqtt.server_name stands beside insecure = true, which does not look at it
    # credentials without systemd
    line 3: mqtt.password_file is "credential:mqtt", but $CREDENTIALS_DIRECTORY is not set; credentials come from systemd's LoadCredential=
    # a credential that is a path
    line 3: mqtt.password_file is "credential:../mqtt"; a credential has the name of a file, such as credential:mqtt
    # health for everybody
    line 2: health.listen is "0.0.0.0:9464", which others can reach; allowed is a loopback address with a port, such as "127.0.0.1:9464" or "[::1]:9464"
    line 3: health.port is unknown; allowed here: listen
    # health without a port
    line 2: health.listen is "127.0.0.1"; allowed is a loopback address with a port, such as "127.0.0.1:9464" or "[::1]:9464"
    # health at any port
    line 2: health.listen is "[::1]:0", which has no port; allowed is a loopback address with a port, such as "127.0.0.1:9464" or "[::1]:9464"
    # activities out of range
    line 2: runtime.activity_share is 1; it must be a number from 0.05 to 0.95
    line 4: activities.enabled is 1; it must be true or false
    line 5: activities.threshold is 0.1; it must be a number from 0.2 to 1
    line 6: activities.min_duration_s is -1; it must be a number from 0 to 60
    line 7: activities.pose_rate_hz is 100; it must be a number from 3 to 60
    line 9: activities.labels.wave is true; it must be a table
    line 11: activities.labels.fall.thresh is unknown; allowed here: enabled, threshold, min_duration_s
    line 12: activities.labels.fall.threshold is 2; it must be a number from 0.2 to 1
    line 17: camera[1].activities.labels.walk.enabled is "no"; it must be true or false
    # zones
    line 4: camera[1].zone[1].name is missing; every zone and line needs one of its own
    line 4: camera[1].zone[1].polygon is missing; give its corners, such as [[0.1, 0.5], [0.9, 0.5], [0.9, 1], [0.1, 1]]
    line 6: camera[1].zone[2].name `a/b` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -
    line 7: camera[1].zone[2].polygon has 2 corners; it must have 3 to 64
    line 10: camera[1].zone[3].polygon crosses itself: the edge from [0, 0] meets the one from [1, 0]
    line 11: camera[1].zone[3].labels is an empty list, so nothing would ever be reported; leave it out for every label
    line 12: camera[1].zone[3].min_dwell_s is -1; it must be a number from 0 to 3600
    line 14: camera[1].zone[4].name is "gate", which another zone or line of this camera has
    line 15: camera[1].zone[4].polygon is a list; it must be a list of points, such as [[0.1, 0.5], [0.9, 0.5], [0.5, 1]]
    line 16: camera[1].zone[4].size is unknown; allowed here: name, polygon, labels, min_dwell_s
    # lines
    line 4: camera[1].line[1].name is missing; every zone and line needs one of its own
    line 4: camera[1].line[1].from is missing; give one end of the line, such as [0.2, 0.6]
    line 4: camera[1].line[1].to is missing; give one end of the line, such as [0.2, 0.6]
    line 8: camera[1].line[2].to has no length: it begins and ends at [0.5, 0.5]
    line 11: camera[1].line[3].from has the end [2, 0], which is outside the picture; x and y go from 0 to 1
    line 15: camera[1].line[4].from is "left"; it must be a point, such as [0.2, 0.6]
    line 16: camera[1].line[4].to is a list; it must be a point, such as [0.2, 0.6]
    # a zone and a line of one name, for what the camera leaves out
    line 6: camera[1].tracks is 1; it must be true or false
    line 10: camera[1].zone[1].labels has "car", which objects.labels leaves out; it has: person
    line 12: camera[1].line[1].name is "gate", which another zone or line of this camera has
    line 15: camera[1].line[1].labels has "dog", which objects.labels leaves out; it has: person
    # no labels
    line 2: objects.labels is an empty list, so nothing would ever be reported; leave it out for every label
    # no labels for one camera
    line 5: camera[1].objects.labels is an empty list, so nothing would ever be reported; leave it out for every label
    # many
    line 2: mqtt.root is "a/+"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    line 3: mqtt.broker has the scheme `amqp`; allowed: mqtt, mqtts, ws, wss
    line 5: objects.score is 2; it must be a number from 0.01 to 1
    line 7: camera[1].name `a b` is no name: use 1 to 64 characters out of A-Z a-z 0-9 _ -
    line 8: camera[1].source is empty: give a file, a device such as /dev/video0, or an rtsp:// or http:// address
    line 9: camera[1].lopp is unknown; allowed here: name, source, pipeline, loop, frame_rate, transport, verify_tls, username, password_file, genicam, poll_s, decoder, max_frame_rate, max_width, key_frames_only, rotate, flip, mask, frozen_after_s, objects, activities, tracks, zone, line
    line 10: camera[2].source is missing; give source or pipeline
    line 13: camera[3].name is "c", which another camera has
    line 15: camera[3].transport is "http"; allowed: "tcp", "udp"
    line 16: extra is unknown; allowed here: node, runtime, accelerator, models, mqtt, snapshot, health, objects, activities, camera
    "#);
}

#[test]
fn what_is_left_out_has_its_default() {
    let config = Config::parse(CAMERA, Path::new("/etc/spotter")).unwrap();
    assert_eq!(config.runtime, Runtime::default());
    assert_eq!(config.models, Models::default());
    assert_eq!(config.mqtt, Mqtt::default());
    assert_eq!(config.cameras[0].objects, Objects::default());
    assert_eq!(config.cameras[0].activities, Activities::default());
    let camera = &config.cameras[0];
    assert!(!camera.tracks && camera.zones.is_empty() && camera.lines.is_empty());
}

#[test]
fn a_camera_has_zones_and_lines() {
    let text = format!(
        "{CAMERA}tracks = true\n[[camera.zone]]\nname = \"yard\"\npolygon = [[0, 0.5], [1, 0.5], [0.5, 1]]\n\
         [[camera.zone]]\nname = \"gate\"\npolygon = [[0, 0], [1, 0], [0, 1]]\nlabels = [\"car\"]\nmin_dwell_s = 2.5\n\
         [[camera.line]]\nname = \"kerb\"\nfrom = [0.1, 0.2]\nto = [0.9, 0.2]\nlabels = [\"dog\"]\n"
    );
    let config = Config::parse(&text, Path::new("")).unwrap();
    let camera = &config.cameras[0];
    assert!(camera.tracks);
    let zones: Vec<_> = camera
        .zones
        .iter()
        .map(|zone| {
            (zone.name.as_str(), zone.polygon.corners().len(), zone.min_dwell.as_secs_f64(), &zone.labels)
        })
        .collect();
    assert_eq!(zones, [("yard", 3, 1.0, &None), ("gate", 3, 2.5, &Some(vec!["car".to_owned()]))]);
    let line = &camera.lines[0];
    let (from, to) = (line.segment.from(), line.segment.to());
    assert_eq!((line.name.as_str(), from.x, from.y, to.x, to.y), ("kerb", 0.1, 0.2, 0.9, 0.2));
    assert_eq!(camera.labels_of_zones().collect::<Vec<_>>(), ["car"]);
    assert_eq!(camera.labels_of_lines().collect::<Vec<_>>(), ["dog"]);
}

/// A camera's own table begins from the table for all, and a label's rule from the nearest that there is.
#[test]
fn rules_of_activities_fill_each_other_up() {
    let text = format!(
        "[activities]\nthreshold = 0.6\n[activities.labels.wave]\nthreshold = 0.8\n{CAMERA}\
         [camera.activities]\nmin_duration_s = 2\n[camera.activities.labels.wave]\nenabled = false\n\
         [camera.activities.labels.golf]\nmin_duration_s = 5\n"
    );
    let config = Config::parse(&text, Path::new("")).unwrap();
    let rules = &config.cameras[0].activities;
    // Label, whether it is enabled, threshold and shortest duration.
    for (label, enabled, threshold, min_duration_s) in [
        ("stand", true, 0.6, 2.0),
        ("walk", true, 0.6, 1.2),
        ("run", true, 0.6, 2.0),
        ("fight", true, 0.6, 3.0),
        ("wave", false, 0.8, 1.0),
        ("golf", true, 0.6, 5.0),
        ("fall", true, 0.6, 0.2),
    ] {
        let rule = rules.of(label);
        let found = (rule.enabled, rule.threshold, rule.min_duration.as_secs_f32());
        assert_eq!(found, (enabled, threshold, min_duration_s), "{label}");
    }
}

#[test]
fn numbers_may_be_written_as_toml_has_them() {
    let text =
        format!("[mqtt]\nkeep_alive_s = 6e1\noutbox.max_size_mb = 1_000\n[objects]\nscore = 1\n{CAMERA}");
    let config = Config::parse(&text, Path::new("")).unwrap();
    let megabytes = config.mqtt.outbox.max_bytes / 1_000_000;
    assert_eq!((megabytes, config.mqtt.keep_alive.as_secs()), (1000, 60));
    assert_eq!(config.cameras[0].objects.score, Some(1.0));
}

#[test]
fn what_is_said_about_the_broker_is_taken() {
    let text = format!(
        "[mqtt]\nbroker = \"mqtts://b\"\nversion = \"3.1.1\"\ninsecure = true\nalpn = [\"mqtt\", \"x\"]\n\
         profile = \"cloudevents\"\ncommands = [\"stats\", \"camera/enable\"]\nstats_interval_s = 0\n\
         [mqtt.outbox]\ndirectory = \"box\"\nmax_size_mb = 1\nmax_age_h = 2\nsync = \"always\"\n\
         commit_interval_ms = 3\nbacklog_rate = 4\n[mqtt.home_assistant]\nenabled = true\nprefix = \"ha\"\n\
         child_devices = false\n{CAMERA}"
    );
    let mqtt = Config::parse(&text, Path::new("/etc/spotter")).unwrap().mqtt;
    assert!(mqtt.insecure());
    assert_eq!(mqtt.tls.as_ref().unwrap().alpn, ["mqtt", "x"]);
    assert_eq!((mqtt.version, mqtt.profile), (MqttVersion::V311, Profile::CloudEvents));
    assert_eq!(mqtt.commands.into_iter().collect::<Vec<_>>(), [Command::CameraEnable, Command::Stats]);
    assert_eq!(mqtt.stats_interval, None);
    let outbox = Outbox {
        directory: Some(PathBuf::from("/etc/spotter/box")),
        max_bytes: 1_000_000,
        max_age: Duration::from_secs(7200),
        sync: Sync::Always,
        commit_interval: Duration::from_millis(3),
        backlog_rate: 4,
        memory_tags: 20_000,
    };
    assert_eq!(mqtt.outbox, outbox);
    assert_eq!(
        mqtt.home_assistant,
        HomeAssistant { enabled: true, prefix: "ha".to_owned(), child_devices: false }
    );
    for in_memory in ["", "memory"] {
        let text = format!("[mqtt.outbox]\ndirectory = \"{in_memory}\"\n{CAMERA}");
        assert_eq!(Config::parse(&text, Path::new("")).unwrap().mqtt.outbox, Outbox::in_memory());
    }
}

/// The commented file of the package; its one camera is an example.
#[test]
fn the_commented_file_says_what_the_defaults_are() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/spotter.toml");
    if !path.is_file() {
        eprintln!("skipped: there is no config/spotter.toml");
        return;
    }
    let config = Config::load(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(config.runtime, Runtime::default());
    assert_eq!(config.models, Models::default());
    assert_eq!(config.mqtt, Mqtt::default());
    for camera in &config.cameras {
        assert_eq!(camera.objects, Objects::default());
        assert_eq!(camera.activities, Activities::default());
    }
}

/// A folder with a configuration.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(text: &str) -> Self {
        let folder = Folder(tempfile::tempdir().unwrap());
        std::fs::write(folder.config(), text).unwrap();
        folder
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("spotter.toml")
    }

    /// Exit code and standard error of a command that takes this configuration.
    fn said_by(&self, command: &[&str]) -> String {
        let config = self.config();
        let ended = spotter(command.iter().copied().chain(["--config", config.to_str().unwrap()]));
        assert_eq!(ended.stdout, "");
        ended.complaint(self.0.path())
    }
}

#[test]
fn check_accepts_a_good_file_and_shows_no_password() {
    let folder = Folder::with(
        "[node]\nname = \"edge-1\"\n[mqtt]\nbroker = \"mqtts://broker.example\"\nusername = \"me\"\n\
         password_file = \"password\"\n[[camera]]\nname = \"ramp\"\nsource = \"rtsp://me:s3cret@cam/1\"\n\
         [[camera]]\nname = \"door\"\nsource = \"clip.avi\"\nloop = true\n[camera.objects]\nlabels = [\"person\"]\n",
    );
    std::fs::write(folder.0.path().join("password"), "s3cret\n").unwrap();
    std::fs::write(folder.0.path().join("clip.avi"), "").unwrap();
    let ended = spotter(["check".as_ref(), "--config".as_ref(), folder.config().as_os_str()]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let said = ended.stdout.replace(&folder.0.path().display().to_string(), "<folder>");
    insta::assert_snapshot!(said, @"
    <folder>/spotter.toml: valid; node edge-1, models centernet-mobilenetv3-coco, movenet-lightning, posture-tcn, skeleton-tcn-jhmdb, broker broker.example:8883
      camera ramp: rtsp://***@cam/1
      camera door: <folder>/clip.avi
    ");
}

#[test]
fn a_service_finds_its_credentials_where_systemd_puts_them() {
    let folder = Folder::with(
        "[mqtt]\nusername = \"me\"\npassword_file = \"credential:password\"\n[[camera]]\nname = \"ramp\"\n\
         source = \"rtsp://cam/1\"\n",
    );
    let credentials = tempfile::tempdir().unwrap();
    let said = || {
        let checked = std::process::Command::new(env!("CARGO_BIN_EXE_spotter"))
            .args(["check", "--config", folder.config().to_str().unwrap()])
            .env("CREDENTIALS_DIRECTORY", credentials.path())
            .output()
            .unwrap();
        (checked.status.code(), String::from_utf8(checked.stderr).unwrap())
    };
    let (code, stderr) = said();
    assert_eq!(code, Some(78));
    assert!(stderr.contains("line 3: mqtt.password_file cannot be read: "), "{stderr}");
    std::fs::write(credentials.path().join("password"), "s3cret\n").unwrap();
    assert_eq!(said(), (Some(0), String::new()));
}

#[test]
fn every_command_that_takes_a_configuration_refuses_a_wrong_one_alike() {
    let folder = Folder::with("[mqtt]\nbroker = \"b\"\nroot = \"a/+\"\n[[camera]]\nname = \"ramp\"\n");
    let said = folder.said_by(&["check"]);
    insta::assert_snapshot!(said, @r#"
    78: <folder>/spotter.toml: line 2: mqtt.broker is no address (the scheme is missing); it must look like mqtt://host, mqtt://host:1883, mqtts://host:8883, ws://host:8080/mqtt or wss://host/mqtt
    <folder>/spotter.toml: line 3: mqtt.root is "a/+"; it must be topic levels such as spotter/v1, at most 200 bytes, none empty, without + # and control characters
    <folder>/spotter.toml: line 4: camera[1].source is missing; give source or pipeline
    "#);
    assert_eq!(folder.said_by(&["run"]), said);
    assert_eq!(folder.said_by(&["watch"]), said);
    assert_eq!(folder.said_by(&["replay", "clip.avi"]), said);
}

#[test]
fn check_looks_for_what_the_file_names() {
    let folder = Folder::with(
        "[runtime]\nonnxruntime = \"lib.so\"\n[models]\ndirectories = [\".\"]\ndetect = \"yolo\"\n[[camera]]\n\
         name = \"ramp\"\nsource = \"missing.avi\"\n[[camera]]\nname = \"door\"\nsource = \"rtsp://cam/1\"\n",
    );
    insta::assert_snapshot!(folder.said_by(&["check"]), @r#"
    78: <folder>/spotter.toml: camera ramp: source is <folder>/missing.avi, which is not there
    <folder>/spotter.toml: runtime.onnxruntime: ONNX Runtime's library <folder>/lib.so ([runtime] onnxruntime) cannot be used: it is no library that can be loaded here: <folder>/lib.so: cannot open shared object file: No such file or directory
    <folder>/spotter.toml: models.detect: there is no model package `yolo`; looked in <folder>/.; found none
    <folder>/spotter.toml: models.pose: there is no model package `movenet-lightning`; looked in <folder>/.; found none
    <folder>/spotter.toml: models.posture: there is no model package `posture-tcn`; looked in <folder>/.; found none
    <folder>/spotter.toml: models.skeleton: there is no model package `skeleton-tcn-jhmdb`; looked in <folder>/.; found none
    "#);
}

#[test]
fn a_file_that_cannot_be_read_is_a_wrong_configuration() {
    let folder = Folder::with("");
    std::fs::remove_file(folder.config()).unwrap();
    insta::assert_snapshot!(folder.said_by(&["check"]), @"78: spotter: cannot read the configuration <folder>/spotter.toml: No such file or directory (os error 2)");
    std::fs::create_dir(folder.config()).unwrap();
    insta::assert_snapshot!(folder.said_by(&["run"]), @"78: spotter: cannot read the configuration <folder>/spotter.toml: Is a directory (os error 21)");
    std::fs::remove_dir(folder.config()).unwrap();
    std::fs::write(folder.config(), b"[node]\nname = \"\xff\"\n").unwrap();
    insta::assert_snapshot!(folder.said_by(&["check"]), @"78: spotter: cannot read the configuration <folder>/spotter.toml: stream did not contain valid UTF-8");
}
