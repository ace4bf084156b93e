//! A server of pictures that does what a test wants, and the camera that plays them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use spotter::capture::{Next, Stream, Timing};
use spotter::clock::SystemClock;
use spotter::config::{Capture, Config};
use spotter::frame::Frame;
use spotter::name::Name;

use crate::films::{ffmpeg, pixel};

pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pictures that differ: each a grey of its own.
pub fn pictures(folder: &Path, count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|n| {
            let path = folder.join(format!("{n}.jpg"));
            let grey = 40 + 20 * n;
            let source = format!("color=c=0x{grey:02x}{grey:02x}{grey:02x}:s=160x120");
            ffmpeg(&format!("-f lavfi -i {source} -frames:v 1 -q:v 2"), &path);
            fs::read(path).unwrap()
        })
        .collect()
}

/// What a server answers to a request, of which it is told the head and how many came before; false ends the answer.
type Answers = dyn Fn(&str, usize, &mut TcpStream) -> std::io::Result<()> + Send + Sync;

/// A server of the test's own on loopback. Dropping it ends it.
pub struct Server {
    pub port: u16,
    stopped: Arc<AtomicBool>,
    pub asked: Arc<AtomicUsize>,
    pub heads: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub fn start(
        answers: impl Fn(&str, usize, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (stopped, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(answers);
        let (stop, count, noted) = (Arc::clone(&stopped), Arc::clone(&asked), Arc::clone(&heads));
        let serve = move || {
            let mut connections: Vec<JoinHandle<()>> = Vec::new();
            for stream in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let (answers, count, noted) = (Arc::clone(&answers), Arc::clone(&count), Arc::clone(&noted));
                let answer = move || {
                    let mut stream = stream;
                    let mut head = String::new();
                    let mut lines = BufReader::new(stream.try_clone().unwrap());
                    while lines.read_line(&mut head).is_ok_and(|read| read > 2) {}
                    let number = count.fetch_add(1, Ordering::SeqCst);
                    noted.lock().unwrap().push(head.clone());
                    // A client that has left is no failure of the server.
                    drop(answers(&head, number, &mut stream));
                };
                let connection = std::thread::Builder::new().name("connection".to_owned()).spawn(answer);
                connections.push(connection.unwrap());
            }
            for connection in connections {
                connection.join().unwrap();
            }
        };
        let thread = std::thread::Builder::new().name("pictures".to_owned()).spawn(serve).unwrap();
        Server { port, stopped, asked, heads, thread: Some(thread) }
    }

    pub fn url(&self, user_info: &str) -> String {
        format!("http://{user_info}127.0.0.1:{}/video", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
        if let Some(thread) = self.thread.take() {
            assert!(thread.join().is_ok() || std::thread::panicking());
        }
    }
}

pub fn capture(url: &str, keys: &str) -> Capture {
    let text = format!("[[camera]]\nname = \"a\"\nsource = \"{url}\"\n{keys}\n");
    Config::parse(&text, Path::new("")).unwrap().cameras.remove(0).capture
}

/// Plays a camera, and hands frames to `until` until it holds.
pub fn play(capture: &Capture, mut until: impl FnMut(&Frame) -> bool) {
    let timing = Timing::Live(Arc::new(SystemClock));
    let mut stream = Stream::open(Name::new("test").unwrap(), capture, timing).unwrap();
    let begun = Instant::now();
    loop {
        match stream.next(Duration::from_millis(200)).unwrap() {
            Next::Frame(frame) if until(&frame) => return,
            Next::End => panic!("it has ended"),
            Next::Frame(_) | Next::Idle => {}
        }
        assert!(begun.elapsed() < PATIENCE, "it does not come");
    }
}

/// Whether the picture's grey is that of picture `n`.
pub fn shows(frame: &Frame, n: usize) -> bool {
    pixel(&frame.image, 0.5, 0.5)[1].abs_diff((40 + 20 * n) as u8) <= 4
}

/// Answers with one picture and ends.
pub fn single(stream: &mut TcpStream, head: &str, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 200 OK\r\n{head}Connection: close\r\n\r\n")?;
    stream.write_all(body)
}
