//! The RTSP side: who may watch, and a stream for each codec, built when the first watcher comes.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app::AppSrc;
use gstreamer_rtsp_server as rtsp;
use rtsp::gst_rtsp::RTSPAuthMethod;
use rtsp::prelude::*;
use rtsp::{gio, glib};

use super::faults::Faults;
use super::sensor::Sensor;

/// The name of the element that takes pictures.
const SENSOR: &str = "sensor";
/// The role that everybody has who may watch.
const WATCHER: &str = "watcher";
/// The path whose codec can be changed.
const LIVE: &str = "/live";

/// How pictures are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Codec {
    H264,
    H265,
    Mjpeg,
}

impl Codec {
    const ALL: [Codec; 3] = [Codec::H264, Codec::H265, Codec::Mjpeg];

    /// As a command names it; the path of its stream after a slash.
    fn name(self) -> &'static str {
        match self {
            Codec::H264 => "h264",
            Codec::H265 => "h265",
            Codec::Mjpeg => "mjpeg",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Codec::ALL.into_iter().find(|codec| codec.name() == name)
    }

    fn pipeline(self, key_interval: u32) -> String {
        // Noise must survive the encoder, or the picture of a healthy camera would stand still; and the same picture must
        // be coded in the same way each time, as a control of the bit rate would not do for a while.
        let coded = match self {
            Codec::H264 => format!(
                "x264enc tune=zerolatency speed-preset=ultrafast threads=1 pass=quant quantizer=20 \
                 key-int-max={key_interval} option-string=scenecut=0 ! rtph264pay config-interval=-1"
            ),
            Codec::H265 => format!(
                "x265enc tune=zerolatency speed-preset=ultrafast qp=20 key-int-max={key_interval} \
                 option-string=pools=1:frame-threads=1:scenecut=0 ! rtph265pay config-interval=-1"
            ),
            Codec::Mjpeg => "jpegenc quality=85 ! rtpjpegpay".to_owned(),
        };
        format!(
            "( appsrc name={SENSOR} is-live=true do-timestamp=true format=time max-buffers=2 \
             leaky-type=downstream ! {coded} name=pay0 pt=96 )"
        )
    }
}

/// How a password travels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Method {
    #[default]
    Basic,
    Digest,
}

/// Who may watch, and how the connection is kept.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// User, password, and how they travel; anybody may watch without.
    pub user: Option<(String, String, Method)>,
    /// The files of a certificate and its key, PEM; plain TCP without.
    pub tls: Option<(PathBuf, PathBuf)>,
}

/// A running server.
pub struct Server {
    server: rtsp::RTSPServer,
    mounts: rtsp::RTSPMountPoints,
    factories: Vec<(String, rtsp::RTSPMediaFactory)>,
    auth: rtsp::RTSPAuth,
    access: Access,
    key_interval: u32,
    sensor: Arc<Sensor>,
    faults: Arc<Faults>,
}

impl Server {
    /// Listens on loopback, on a free port when `port` is 0; the thread that serves ends with the process.
    pub fn start(
        port: u16,
        access: Access,
        key_interval: u32,
        sensor: Arc<Sensor>,
        faults: Arc<Faults>,
    ) -> anyhow::Result<Self> {
        let (server, mounts, auth) =
            (rtsp::RTSPServer::new(), rtsp::RTSPMountPoints::new(), rtsp::RTSPAuth::new());
        server.set_address("127.0.0.1");
        server.set_service(&port.to_string());
        server.set_mount_points(Some(&mounts));
        if let Some((certificate, key)) = &access.tls {
            let certificate =
                gio::TlsCertificate::from_files(certificate, key).context("the certificate is of no use")?;
            auth.set_tls_certificate(Some(&certificate));
        }
        server.set_auth(Some(&auth));
        let mut this =
            Server { server, mounts, factories: Vec::new(), auth, access, key_interval, sensor, faults };
        this.accept(true);
        this.factories = Codec::ALL.map(|codec| (format!("/{}", codec.name()), this.factory(codec))).to_vec();
        this.set_codec(Codec::H264);
        let context = glib::MainContext::new();
        this.server.attach(Some(&context)).context("cannot listen")?;
        std::thread::Builder::new()
            .name("rtsp".to_owned())
            .spawn(move || glib::MainLoop::new(Some(&context), false).run())?;
        Ok(this)
    }

    pub fn port(&self) -> i32 {
        self.server.bound_port()
    }

    /// A stream that all its watchers share, so that who comes later comes between two key frames.
    fn factory(&self, codec: Codec) -> rtsp::RTSPMediaFactory {
        let factory = rtsp::RTSPMediaFactory::new();
        factory.set_launch(&codec.pipeline(self.key_interval));
        factory.set_shared(true);
        let allowed = gst::Structure::builder(WATCHER)
            .field(rtsp::RTSP_PERM_MEDIA_FACTORY_ACCESS, true)
            .field(rtsp::RTSP_PERM_MEDIA_FACTORY_CONSTRUCT, true)
            .build();
        factory.add_role_from_structure(&allowed);
        let (sensor, faults) = (Arc::clone(&self.sensor), Arc::clone(&self.faults));
        factory.connect_media_configure(move |_, media| {
            let source = media.element().downcast::<gst::Bin>().ok().and_then(|bin| bin.by_name(SENSOR));
            if let Some(source) = source.and_then(|source| source.downcast::<AppSrc>().ok()) {
                sensor.feed(source);
            }
            // Not before the server knows what the stream is like, for which it needs whole packets.
            let faults = Arc::clone(&faults);
            media.connect_prepared(move |media| {
                let pad = media.stream(0).and_then(|stream| stream.srcpad());
                pad.iter().for_each(|pad| faults.strike(pad));
                reports(media).iter().for_each(|pad| faults.date(pad));
            });
        });
        factory
    }

    /// Lets `/live` be of this codec, and cuts those who watch the old one.
    pub fn set_codec(&mut self, codec: Codec) {
        self.factories.retain(|(path, _)| path != LIVE);
        self.factories.push((LIVE.to_owned(), self.factory(codec)));
        self.mount(true);
        self.cut();
    }

    /// Takes every stream away, or brings all back.
    pub fn mount(&self, there: bool) {
        for (path, factory) in &self.factories {
            if there {
                self.mounts.add_factory(path, factory.clone());
            } else {
                self.mounts.remove_factory(path);
            }
        }
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.server.client_filter(Some(&mut |_, _| rtsp::RTSPFilterResult::Remove));
    }

    /// Lets watchers in, or says to each that its password is wrong.
    pub fn accept(&self, lets_in: bool) {
        let mut token =
            rtsp::RTSPToken::builder().field(rtsp::RTSP_TOKEN_MEDIA_FACTORY_ROLE, WATCHER).build();
        let Some((user, password, method)) = &self.access.user else {
            self.auth.set_default_token(lets_in.then_some(&mut token));
            return;
        };
        let basic = rtsp::RTSPAuth::make_basic(user, password);
        match (method, lets_in) {
            (Method::Basic, true) => self.auth.add_basic(&basic, &token),
            (Method::Basic, false) => self.auth.remove_basic(&basic),
            (Method::Digest, true) => self.auth.add_digest(user, password, &token),
            (Method::Digest, false) => self.auth.remove_digest(user),
        }
        self.auth.set_supported_methods(match method {
            Method::Basic => RTSPAuthMethod::Basic,
            Method::Digest => RTSPAuthMethod::Digest,
        });
    }
}

/// Where the reports (RTCP) of the first stream of `media` leave for its watchers.
fn reports(media: &rtsp::RTSPMedia) -> Option<gst::Pad> {
    let pipeline = media.element().parent()?.downcast::<gst::Bin>().ok()?;
    let elements = pipeline.iterate_elements().into_iter().filter_map(Result::ok);
    let mut pads = elements.filter_map(|element| element.static_pad("send_rtcp_src_0"));
    pads.next()
}
