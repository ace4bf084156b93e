//! Tables of what is hidden, and of what stays.

use super::*;

#[test]
fn addresses_show_neither_login_nor_query() {
    for (url, shown) in [
        ("rtsp://cam:554/s1", "rtsp://cam:554/s1"),
        ("rtsp://admin:s3cret@cam/s1", "rtsp://***@cam/s1"),
        ("rtsp://admin@cam:8554/s1", "rtsp://***@cam:8554/s1"),
        ("rtsp://:s3cret@cam/s1", "rtsp://***@cam/s1"),
        ("http://cam/cgi?user=admin&pwd=s3cret", "http://cam/cgi?***"),
        ("http://a:b@[::1]:80/cgi?pwd=s3cret#s3cret", "http://***@[::1]/cgi?***"),
        ("http://cam/mjpeg#s3cret", "http://cam/mjpeg"),
        // The path's own, as cameras of many makers take it.
        (
            "rtsp://cam/user=admin&password=s3cret&channel=1&stream=0.sdp?real_stream",
            "rtsp://cam/user=***?***",
        ),
        ("rtsp://cam/user=admin_password=s3cret_channel=1_stream=0.sdp", "rtsp://cam/user=***"),
        ("rtsp://cam/user=admin_password=_channel=1", "rtsp://cam/user=***"),
        ("rtsp://cam/channel=1&username=admin&password=s3cret", "rtsp://cam/channel=1&username=***"),
        ("rtsp://cam/ch1/StreamPassword=s3cret", "rtsp://cam/ch1/StreamPassword=***"),
        ("rtsp://cam/user_name=admin", "rtsp://cam/user_name=***"),
        ("rtsp://cam/live;pwd=s3cret;x", "rtsp://cam/live;pwd=***"),
        ("rtsp://cam/PWD=s3cret", "rtsp://cam/PWD=***"),
        ("rtsp://cam/u=admin/p=s3cret", "rtsp://cam/u=***"),
        ("rtsp://cam/token=s3cret/1", "rtsp://cam/token=***"),
        ("rtsp://cam/admin:s3cret/1", "rtsp://cam/***"),
        ("rtsp://cam/live/admin:s3cret", "rtsp://cam/live/***"),
        ("rtsp://cam/user/admin/password/s3cret/1", "rtsp://cam/user/***"),
        ("rtsp://cam/live/admin/s3cret/1", "rtsp://cam/live/admin/***"),
        ("rtsp://cam/login/admin/s3cret", "rtsp://cam/login/***"),
        ("rtsp://cam/auth/s3cret", "rtsp://cam/auth/***"),
        ("rtsp://cam/user_admin_password_s3cret", "rtsp://cam/user_***"),
        ("rtsp://cam/user-admin-password-s3cret", "rtsp://cam/user-***"),
        ("rtsp://cam/user,admin,password,s3cret", "rtsp://cam/user,***"),
        ("rtsp://cam/x/user%20admin%20pwd%20s3cret", "rtsp://cam/x/user%20***"),
        ("rtsp://cam/admin&s3cret", "rtsp://cam/admin&***"),
        ("rtsp://cam/admin,s3cret/1", "rtsp://cam/admin,***"),
        ("rtsp://cam/x;admin=s3cret", "rtsp://cam/x;admin=***"),
        ("rtsp://cam/pswd=s3cret", "rtsp://cam/pswd=***"),
        ("rtsp://cam/mot_de_passe=s3cret", "rtsp://cam/mot_de_passe=***"),
        ("rtsp://cam/contrase%C3%B1a=s3cret", "rtsp://cam/contrase%C3%B1a=***"),
        ("rtsp://cam/user_guide-1.mp4", "rtsp://cam/user_guide-1.mp4"),
        ("rtsp://cam/1/token/s3cret", "rtsp://cam/1/token/***"),
        // Escaped, also twice.
        ("rtsp://cam/user%3Dadmin%26password%3Ds3cret", "rtsp://cam/user%3D***"),
        ("rtsp://cam/%75ser=admin&p%61ssword=s3cret", "rtsp://cam/%75ser=***"),
        ("rtsp://cam/p%2561ssword%253Ds3cret", "rtsp://cam/p%2561ssword%253D***"),
        ("rtsp://proxy/rtsp%3A%2F%2Fadmin%3As3cret%40cam", "rtsp://proxy/***"),
        ("rtsp://proxy/rtsp://admin:s3cret%40cam/1", "rtsp://proxy/***"),
        // An `@` that may be the end of a login.
        ("rtsp://admin:12@s3cret/x@cam/s1", "rtsp://***"),
        ("rtsp://me:pw@cam/user=a&password=s3@cret", "rtsp://***@cam/user=***"),
        ("http://cam/snap?mail=me@home&password=s3cret", "http://cam/snap?***"),
        // What is none.
        ("rtsp://cam/cam/realmonitor?channel=1&subtype=0", "rtsp://cam/cam/realmonitor?***"),
        ("rtsp://cam/mode=real&idc=1&ids=1", "rtsp://cam/mode=real&idc=1&ids=1"),
        ("rtsp://cam/Streaming/Channels/101", "rtsp://cam/Streaming/Channels/101"),
        ("rtsp://cam/h264Preview_01_main", "rtsp://cam/h264Preview_01_main"),
        ("rtsp://cam/axis-media/media.amp", "rtsp://cam/axis-media/media.amp"),
        ("rtsp://cam/%e4%f6/1", "rtsp://cam/%e4%f6/1"),
    ] {
        assert_eq!(of_url(&Url::parse(url).unwrap()), shown);
    }
}

#[test]
fn messages_keep_their_words_and_lose_the_login() {
    let camera = "rtsp://admin:s3cret@cam/s1";
    for (url, message, shown) in [
        (camera, "cannot open rtsp://admin:s3cret@cam/s1", "cannot open rtsp://***@cam/s1"),
        (camera, "admin:s3cret@cam says no", "***@cam says no"),
        (camera, "wrong password s3cret", "wrong password ***"),
        (camera, "admin@cam says no to an admin", "***@cam says no to an admin"),
        ("rtsp://a@cam/s1", "for reading, data@home, a@cam", "for reading, data@home, ***@cam"),
        ("rtsp://a:b@cam/s1", "a bad cable: a:b@cam", "a bad cable: ***@cam"),
        ("rtsp://me:p%40ss%2Bword@cam/", "me:p@ss+word@cam, p@ss+word", "***@cam, ***"),
        ("rtsp://me:p%40ss%2Bword@cam/", "p%40ss%2Bword", "***"),
        ("http://cam/cgi?pwd=s3cret", "GET /cgi?pwd=s3cret: 404", "GET /cgi?***: 404"),
        ("http://cam/cgi?pwd=s3cret", "at http://cam/cgi?pwd=s3cret: 404", "at http://cam/cgi?***: 404"),
        (
            "rtsp://cam/user=admin&password=s3cret&channel=1",
            "no stream user=admin&password=s3cret&channel=1",
            "no stream user=***",
        ),
        (
            "rtsp://cam/user=admin&password=s3cret&channel=1",
            "s3cret is wrong, says cam",
            "*** is wrong, says cam",
        ),
        ("rtsp://cam/user=admin_password=s3_cret_channel=1", "wrong: s3_cret", "wrong: ***"),
        ("rtsp://cam/user=admin&password=s3%26cret", "wrong: s3&cret or s3%26cret", "wrong: *** or ***"),
        ("rtsp://cam/user=admin&password=1", "password 1 of 10", "password *** of 10"),
        ("rtsp://cam/user/admin/password/s3cret", "s3cret is wrong", "*** is wrong"),
        ("rtsp://cam/live/admin/s3cret", "s3cret is wrong", "*** is wrong"),
        ("rtsp://cam/user_admin_password_s3cret", "s3cret is wrong", "*** is wrong"),
        ("http://cam/cgi?usr=admin&pwd=s3cret", "usr=admin: s3cret", "usr=***: ***"),
        ("http://cam/cgi?x=1#s3cret", "http://cam/cgi#s3cret, s3cret", "http://cam/cgi#***, ***"),
        ("rtsp://cam/1", "moved to rtsp://cam2/user=a&password=b.", "moved to rtsp://cam2/user=***."),
        ("rtsp://cam/1", "the login password=other is wrong", "the login password=*** is wrong"),
        ("rtsp://me:a%25b%2Fc@cam/1", "wrong: a%b/c", "wrong: ***"),
        ("rtsp://me:123@cam/1", "wrong: 123 (1234)", "wrong: *** (1234)"),
        (camera, "Not Found (404)", "Not Found (404)"),
        (camera, "moved to rtsp://other:login@cam2/s1", "moved to rtsp://***@cam2/s1"),
    ] {
        assert_eq!(of_message(message, &Url::parse(url).unwrap()), shown, "{url}");
    }
}

#[test]
fn pipelines_lose_logins_and_passwords() {
    for (fragment, message, shown) in [
        (
            "rtspsrc location=rtsp://me:pw@cam/1 ! x",
            "rtspsrc location=rtsp://me:pw@cam/1 ! x",
            "rtspsrc location=rtsp://***@cam/1 ! x",
        ),
        (
            "rtspsrc user-id=me user-pw=\"a secret\" location=\"rtsp://cam/1?t=1\" latency=3",
            "rtspsrc user-id=me user-pw=\"a secret\" location=\"rtsp://cam/1?t=1\" latency=3",
            "rtspsrc user-id=*** user-pw=\"***\" location=\"rtsp://cam/1?***\" latency=3",
        ),
        ("x proxy-pw = s3cret", "could not set it to \"s3cret\"", "could not set it to \"***\""),
        ("x user-pw=\"a-pw=b c\" y=1", "x user-pw=\"a-pw=b c\" y=1", "x user-pw=\"***\" y=1"),
        ("x user-pw=", "x user-pw=", "x user-pw="),
        ("x user-pw=\"", "x user-pw=\"", "x user-pw=\""),
        ("x password=s3 passwd='s4'", "x password=s3 passwd='s4' in x", "x password=*** passwd='***' in x"),
        (
            "srtsrc uri=srt://cam:9 passphrase=s3cret-pw streamid=read:cam:me:pw latency=3",
            "srtsrc uri=srt://cam:9 passphrase=s3cret-pw streamid=read:cam:me:pw: s3cret-pw",
            "srtsrc uri=srt://cam:9 passphrase=*** streamid=*** ***",
        ),
        ("x cookies=sid=s3cret y=1", "x cookies=sid=s3cret y=1: sid=s3cret", "x cookies=*** y=1: ***"),
        ("x cookies=\"<a=1 b>\" y=1", "x cookies=\"<a=1 b>\" y=1", "x cookies=\"***\" y=1"),
        (
            "souphttpsrc extra-headers=\"h,Authorization=\\\"Bearer s3 cret\\\",a=1\" location=http://cam/",
            "souphttpsrc extra-headers=\"h,Authorization=\\\"Bearer s3 cret\\\",a=1\" location=http://cam/",
            "souphttpsrc extra-headers=\"***\" location=http://cam/",
        ),
        (
            "x extra-headers=\"h,Authorization=\\\"Bearer s3 cret\\\"\"",
            "no h,Authorization=\"Bearer s3 cret\"; says Bearer s3 cret",
            "no h,Authorization=\"***\"; says ***",
        ),
        // As somebody might write it: GStreamer refuses it, and says so with all of it.
        (
            "x extra-headers=h,Authorization=\"Bearer s3 cret\" y=1",
            "x extra-headers=h,Authorization=\"Bearer s3 cret\" y=1",
            "x extra-headers=*** y=1",
        ),
        (
            "x options='a,authorization=(string)\"Basic s3 cret\"' y=1",
            "x options='a,authorization=(string)\"Basic s3 cret\"' y=1",
            "x options='a,authorization=*** y=1",
        ),
        ("x access-token=s3 c=1", "x access-token=s3 c=1", "x access-token=*** c=1"),
        ("x Client_Secret='s3 cr' c=1", "x Client_Secret='s3 cr' c=1", "x Client_Secret='***' c=1"),
        ("x user_pw=s3\\ cret c=1", "x user_pw=s3\\ cret c=1: s3 cret", "x user_pw=*** c=1: ***"),
        ("x source::api-key=s3 c=1", "x source::api-key=s3 c=1", "x source::api-key=*** c=1"),
        ("aesdec key=0123 iv=4567", "aesdec key=0123 iv=4567", "aesdec key=*** iv=4567"),
        ("x password=it's c=it's", "x password=it's c=it's", "x password=*** c=***"),
        ("x tokens=1 key-unit=2 headers-only=3", "x tokens=1 key-unit=2", "x tokens=1 key-unit=2"),
        (
            "rtspsrc location=rtsp://cam/user=me&password=s3cret ! x",
            "rtspsrc location=rtsp://cam/user=me&password=s3cret ! x: s3cret",
            "rtspsrc location=rtsp://cam/user=*** ! x: ***",
        ),
        ("videotestsrc pattern=ball", "no property \"ball\"", "no property \"ball\""),
    ] {
        assert_eq!(of_pipeline(message, fragment), shown);
    }
}
