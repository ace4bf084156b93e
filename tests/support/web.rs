//! A small HTTP server that does what a test says.
//!
//! Used by integration tests with `#[path]`.

#![allow(dead_code, reason = "every test uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Serves HTTP on loopback until it is dropped, each request on a thread of its own.
pub struct Web {
    pub port: u16,
    ends: Arc<AtomicBool>,
}

impl Web {
    /// `answer` has the path and the header lines of a request.
    pub fn start(
        answer: impl Fn(&str, &[String], &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let ends = Arc::new(AtomicBool::new(false));
        let (ended, answer) = (Arc::clone(&ends), Arc::new(answer));
        let serve = move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let answer = Arc::clone(&answer);
                let reply = move || -> std::io::Result<()> {
                    let mut stream = stream?;
                    let lines: Vec<String> = BufReader::new(&stream)
                        .lines()
                        .map_while(Result::ok)
                        .take_while(|line| !line.is_empty())
                        .collect();
                    let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or("/");
                    answer(path, &lines, &mut stream)
                };
                // Whoever asked may go at any time.
                let threads = std::thread::Builder::new().name("reply".to_owned());
                threads.spawn(move || drop(reply())).unwrap();
            }
        };
        std::thread::Builder::new().name("web".to_owned()).spawn(serve).unwrap();
        Web { port, ends }
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        drop(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)));
    }
}
