//! What a subscriber costs: memory while idle, CPU for each delivered message, beside a bare epoll loop
//! that sends the same bytes. `make figures` runs it; everything in turn, in one run, on loopback.

mod floor;
mod readers;
mod server;

use std::time::{Duration, Instant};

use readers::Readers;
use server::{Kind, Server};

/// Subscribers while messages are delivered, and the upper end of the memory slope.
const MANY: usize = 5000;
/// The lower end of the memory slope.
const FEW: usize = 500;
/// Messages in a round, and how many a second.
const MESSAGES: usize = 60;
const RATE: u32 = 20;
/// Bytes of data in a message.
const DATA: usize = 128;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|word| word == "floor") {
        return floor::serve();
    }
    let program = arguments.get(1).expect("usage: figures PATH-OF-TRICAST [ROUNDS]");
    let rounds: usize = arguments.get(2).map_or(3, |text| text.parse().expect("a number"));
    let kinds = match arguments.get(3).map(String::as_str) {
        Some("sse") => vec![Kind::Floor, Kind::Sse],
        _ => vec![Kind::Floor, Kind::Sse, Kind::Chunked, Kind::Ws],
    };
    let mut figures: Vec<Vec<Figures>> = kinds.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        for (kind, of_kind) in kinds.iter().zip(&mut figures) {
            let measured = measure(program, *kind);
            eprintln!("round {round} {:<8} {measured:?}", kind.name());
            of_kind.push(measured);
        }
    }
    println!(
        "| wire | RSS for each idle connection, KiB | CPU for each delivered message, µs | to the floor | p50 / p99 latency, ms | undelivered |"
    );
    println!("|---|---|---|---|---|---|");
    for (index, kind) in kinds.iter().enumerate() {
        let of = |figure: fn(&Figures) -> f64| median(figures[index].iter().map(figure).collect());
        // The ratio is taken round by round: the machine's own speed drifts.
        let ratios = figures[index].iter().zip(&figures[0]).map(|(a, b)| a.cpu / b.cpu).collect();
        println!(
            "| {} | {:.2} | {:.2} | {:.2} | {:.1} / {:.1} | {} |",
            kind.name(),
            of(|f| f.rss),
            of(|f| f.cpu),
            median(ratios),
            of(|f| f.p50),
            of(|f| f.p99),
            of(|f| f.undelivered as f64),
        );
    }
}

#[derive(Debug)]
struct Figures {
    /// KiB for each idle connection: slope from FEW to MANY.
    rss: f64,
    /// Microseconds of the server's CPU, kernel included, for each delivered message.
    cpu: f64,
    /// Milliseconds from before the publish to the last byte.
    p50: f64,
    p99: f64,
    undelivered: usize,
}

fn measure(program: &str, kind: Kind) -> Figures {
    let server = Server::start(program, kind);
    let mut readers = Readers::new();
    readers.connect(&server, FEW);
    let few = server.rss_kib();
    readers.connect(&server, MANY - FEW);
    let many = server.rss_kib();
    let rss = (many - few) / (MANY - FEW) as f64;

    readers.forget_what_came();
    let before = server.cpu();
    let mut latencies = Vec::with_capacity(MANY * MESSAGES);
    let mut received = 0;
    let begin = Instant::now();
    for n in 0..MESSAGES {
        let due = begin + Duration::from_secs(1) / RATE * n as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let published = Instant::now();
        server.publish(n, DATA);
        let deadline = published + Duration::from_secs(5);
        received += readers.until_all_have_one(kind, published, deadline, &mut latencies);
    }
    let cpu = (server.cpu() - before).as_secs_f64() * 1e6 / received.max(1) as f64;
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[(latencies.len() as f64 * share) as usize];
    let undelivered = MANY * MESSAGES - received;
    Figures { rss, cpu, p50: at(0.5), p99: at(0.99), undelivered }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
