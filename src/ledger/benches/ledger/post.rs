//! Letters per second, acknowledged: many senders, each of which waits for its answer, and one task
//! that writes them in groups as the scribe does.

use std::path::Path;
use std::time::{Duration, Instant};

use gastown_ledger::{Decision, Store};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;
use tokio::sync::{mpsc, oneshot};

use crate::raw::Raw;
use crate::{Outcome, letter, median, ms, open, quantile};

const SENDERS: [usize; 4] = [1, 8, 64, 512];

/// As the scribe has it.
const GROUP: usize = 128;

/// What one number of senders came to, over all repetitions.
#[derive(Debug, Default)]
struct Row {
    rate: Vec<f64>,
    batch: Vec<f64>,
    /// Syncs of the ledger to raw syncs.
    syncs: Vec<f64>,
    /// p50 of a letter to p50 of a raw sync.
    wait: Vec<f64>,
    took: Vec<Duration>,
}

pub(crate) fn bench(root: &Path, full: bool) -> Outcome<()> {
    let (repetitions, span) = if full { (15, 1000) } else { (7, 500) };
    let span = Duration::from_millis(span);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build()?;
    let mut raw = Raw::new(root)?;
    let mut rows: [Row; SENDERS.len()] = Default::default();
    let (mut raw_rates, mut raw_took) = (Vec::new(), Vec::new());
    for repetition in 0..repetitions {
        for (row, senders) in rows.iter_mut().zip(SENDERS) {
            // Half before and half after, so that a mood of the disk meets both.
            let before = raw.syncs(span / 4)?;
            let store = open(&root.join(format!("post-{repetition}-{senders}")))?;
            let syncs = store.syncs();
            let from = Instant::now();
            let mut took = runtime.block_on(run(store.clone(), senders, span))?;
            let seconds = from.elapsed().as_secs_f64();
            let syncs = (store.syncs() - syncs) as f64;
            let mut both = raw.syncs(span / 4)?;
            both.extend(before);
            let raw_rate = both.len() as f64 / both.iter().sum::<Duration>().as_secs_f64();
            row.rate.push(took.len() as f64 / seconds);
            row.batch.push(took.len() as f64 / syncs);
            row.syncs.push(syncs / seconds / raw_rate);
            row.wait.push(ms(quantile(0.5, &mut took)) / ms(quantile(0.5, &mut both)));
            row.took.append(&mut took);
            raw_rates.push(raw_rate);
            raw_took.append(&mut both);
        }
    }
    println!(
        "\nraw: {:.0} syncs/s (median of {} samples, lowest {:.0}, highest {:.0}); p50 {:.2} ms, p99 {:.2} ms\n",
        median(&mut raw_rates),
        raw_rates.len(),
        raw_rates[0],
        raw_rates[raw_rates.len() - 1],
        ms(quantile(0.5, &mut raw_took)),
        ms(quantile(0.99, &mut raw_took))
    );
    println!(
        "| senders | letters/s | letters per sync | syncs / raw syncs | p50 ms | p99 ms | p50 / raw p50 |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|");
    for (row, senders) in rows.iter_mut().zip(SENDERS) {
        println!(
            "| {senders} | {:.0} | {:.1} | {:.2} | {:.2} | {:.2} | {:.2} |",
            median(&mut row.rate),
            median(&mut row.batch),
            median(&mut row.syncs),
            ms(quantile(0.5, &mut row.took)),
            ms(quantile(0.99, &mut row.took)),
            median(&mut row.wait)
        );
    }
    Ok(())
}

type Wish = (Decision<'static, ()>, oneshot::Sender<Result<(), Refusal>>);

/// Lets `senders` write for a while and returns how long each letter took until it was acknowledged.
async fn run(store: Store, senders: usize, span: Duration) -> Outcome<Vec<Duration>> {
    let (wishes, heard) = mpsc::unbounded_channel();
    let until = Instant::now() + span;
    let tasks: Vec<_> =
        (0..senders).map(|sender| tokio::spawn(send(sender, wishes.clone(), until))).collect();
    drop(wishes);
    let scribe = tokio::spawn(scribe(store, heard));
    let mut took = Vec::new();
    for task in tasks {
        took.append(&mut task.await?.map_err(|refusal| refusal.to_string())?);
    }
    scribe.await?;
    Ok(took)
}

async fn send(
    sender: usize,
    wishes: mpsc::UnboundedSender<Wish>,
    until: Instant,
) -> Result<Vec<Duration>, Refusal> {
    let mut took = Vec::new();
    for number in 0u64.. {
        let from = Instant::now();
        if from >= until {
            break;
        }
        let id = format!("m-{sender}-{number}");
        let decide: Decision<'static, ()> = Box::new(move |_, at| {
            let event = letter(id, Address::Overseer, Address::Mayor, at);
            Ok((vec![(Address::Overseer, event.map_err(|error| Refusal::usage(error.to_string()))?)], ()))
        });
        let (reply, answer) = oneshot::channel();
        if wishes.send((decide, reply)).is_err() {
            break;
        }
        answer.await.unwrap_or_else(|_| Err(Refusal::failed("lost", "no answer")))?;
        took.push(from.elapsed());
    }
    Ok(took)
}

async fn scribe(store: Store, mut heard: mpsc::UnboundedReceiver<Wish>) {
    let mut group = Vec::new();
    while heard.recv_many(&mut group, GROUP).await > 0 {
        let (decisions, replies): (Vec<_>, Vec<_>) = group.drain(..).unzip();
        let store = store.clone();
        let written =
            tokio::task::spawn_blocking(move || store.write(Timestamp::from_millis(1), decisions)).await;
        for (answer, reply) in written.into_iter().flatten().zip(replies) {
            let _ = reply.send(answer.map(drop));
        }
    }
}
