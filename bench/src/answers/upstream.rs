//! A model that answers as fast as it is told to. Each delta says when it was sent.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use super::readers::micros;

/// What stands before the time in a delta, on every wire.
pub(super) const MARK: &str = "\"content\":\"t";
/// Digits of a time.
pub(super) const DIGITS: usize = 16;

const HEAD: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
const END: &str = concat!(
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: [DONE]\n\n"
);

/// The upstream; every connection that asks gets an answer.
pub(super) struct Upstream {
    pub(super) address: SocketAddr,
    /// Those that have asked, and are sent deltas.
    calls: Arc<Mutex<Vec<TcpStream>>>,
    stopped: Arc<AtomicBool>,
}

impl Upstream {
    pub(super) fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let calls: Arc<Mutex<Vec<TcpStream>>> = Arc::default();
        let stopped = Arc::new(AtomicBool::new(false));
        let (asked, over) = (calls.clone(), stopped.clone());
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                if over.load(Relaxed) {
                    return;
                }
                let asked = asked.clone();
                thread::spawn(move || accept(socket, &asked));
            }
        });
        Ok(Self { address, calls, stopped })
    }

    /// Waits until so many calls are there.
    pub(super) fn wait_for(&self, calls: usize) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.count() < calls {
            anyhow::ensure!(begin.elapsed() < Duration::from_secs(30), "{} calls", self.count());
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn count(&self) -> usize {
        self.calls.lock().map_or(0, |calls| calls.len())
    }

    /// Sends so many deltas to each call, one every `pace`; `filler` bytes follow the time of each.
    pub(super) fn send(&self, deltas: usize, pace: Duration, filler: usize) -> anyhow::Result<()> {
        let mut calls = self.calls.lock().map_err(|_| anyhow::anyhow!("a thread has failed"))?;
        let filler = "x".repeat(filler);
        let begin = Instant::now();
        let step = pace / u32::try_from(calls.len().max(1))?;
        let mut next = begin;
        for _ in 0..deltas {
            for call in calls.iter_mut() {
                while Instant::now() < next {
                    let left = next.saturating_duration_since(Instant::now());
                    thread::sleep(left.min(Duration::from_millis(1)));
                }
                next += step;
                let event = format!(
                    "data: {{\"choices\":[{{\"index\":0,\"delta\":{{{MARK}{:0DIGITS$} {filler}\"}},\
                     \"finish_reason\":null}}]}}\n\n",
                    micros()
                );
                write!(call, "{:x}\r\n{event}\r\n", event.len())?;
            }
        }
        Ok(())
    }

    /// Ends all answers.
    pub(super) fn finish(&self) -> anyhow::Result<()> {
        let mut calls = self.calls.lock().map_err(|_| anyhow::anyhow!("a thread has failed"))?;
        for mut call in calls.drain(..) {
            write!(call, "{:x}\r\n{END}\r\n0\r\n\r\n", END.len())?;
        }
        Ok(())
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopped.store(true, Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

/// Reads a request, and begins its answer.
fn accept(mut socket: TcpStream, calls: &Mutex<Vec<TcpStream>>) {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !is_whole(&request) {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    let _ = socket.set_nodelay(true);
    if socket.write_all(HEAD.as_bytes()).is_ok()
        && let Ok(mut calls) = calls.lock()
    {
        calls.push(socket);
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    body.len() >= length.unwrap_or(0)
}
