//! What appending costs: `append DIR never|always`, 64 records of 128 bytes at a time, as one line.
use std::{env, error::Error, fs, path::Path, sync::Arc, time::Instant};

use bytes::Bytes;
use tricast_disk::{Config, DataKind, Machine, Record, Store, disk::real::RealDisk};

/// The processor time of this process in milliseconds.
fn cpu() -> Result<u64, Box<dyn Error>> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    // User and system time, in hundredths of a second.
    Ok((fields[12].parse::<u64>()? + fields[13].parse::<u64>()?) * 10)
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = env::args().collect();
    let (Some(folder), Some(policy)) = (args.get(1), args.get(2)) else {
        return Err("usage: append DIR never|always".into());
    };
    let always = policy == "always";
    fs::create_dir_all(folder)?;
    let disk = Arc::new(RealDisk::open(Path::new(folder))?);
    let config = Config { always, ..Config::for_bytes(8 << 30, Machine::this()) };
    let (mut store, opened) = Store::open(disk, config, || tricast_core::Epoch::begin(0))?;
    let channels = (0..100_000).map(|n| format!("channel{n}").parse());
    let channels = channels.collect::<Result<Vec<tricast_core::ChannelName>, _>>()?;
    let data = Bytes::from(vec![b'x'; 128]);
    let batches = if always { 2000 } else { 30_000 };
    let (began, cpu_before) = (Instant::now(), cpu()?);
    let mut seq = opened.head;
    let mut threads = Vec::new();
    for _ in 0..batches {
        let records = (seq + 1..=seq + 64).map(|seq| {
            let channel = match seq % 10 {
                0 => seq as usize / 10 % 10,
                _ => fastrand::usize(0..channels.len()),
            };
            Record::new(seq, seq, channels[channel].clone(), DataKind::Text, data.clone())
        });
        store.append(&records.collect::<Vec<_>>())?;
        seq += 64;
        if always {
            store.sync()?;
        }
        threads
            .extend(store.seal_jobs().into_iter().map(|job| std::thread::spawn(move || job.run())));
    }
    let (took, memory) = (began.elapsed(), store.memory());
    for thread in threads {
        thread.join().map_err(|_| "a thread failed")??;
    }
    let messages = batches * 64;
    let cpu = (cpu()? - cpu_before) as f64 * 1000.0 / messages as f64;
    let bytes = store.reader().bytes() / (messages as u64).max(1);
    println!(
        "{policy}: {cpu:.2} us of CPU a message, {:.0} messages/s, {bytes} bytes each, {} MiB of \
         memory for places",
        messages as f64 / took.as_secs_f64(),
        memory >> 20
    );
    Ok(())
}
