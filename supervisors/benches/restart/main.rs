//! `cargo bench -p gastown-supervisors`: from the failure of an actor to the answer of its replacement.
//!
//! A one_for_one supervisor has a child that builds a state when it starts: a map of 1,000 entries. It fails; as soon
//! as another one has its state, which it says, whoever has its name then is asked for an entry, and answers. Where Erlang is on the PATH, the same is done there
//! (`otp.escript`), in turns within one run, so that both meet the same machine. There is a pause of 5 ms before
//! each failure: threads are parked, as in a quiet town.
//!
//! `-- ROUNDS` for another number of failures of each kind in each turn.

use std::collections::HashMap;
use std::error::Error;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gastown_supervisors::desk::Desk;
use gastown_supervisors::policy::{Intensity, Restart, Rules, Shutdown, Strategy};
use gastown_supervisors::report::{Deaf, Records};
use gastown_supervisors::spec::{DynBranch, DynChild, Start};
use gastown_supervisors::start_town;
use ractor::rpc::CallResult;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort};
use tokio::sync::mpsc;

type Outcome<T> = Result<T, Box<dyn Error>>;

const TURNS: usize = 5;
const ROUNDS: usize = 400;
const ENTRIES: u64 = 1_000;
const PAUSE: Duration = Duration::from_millis(5);
const NAME: &str = "keeper";

/// How a keeper ends.
#[derive(Clone, Copy)]
enum Way {
    Error,
    Panic,
    Kill,
}

/// What a keeper hears.
#[derive(Debug)]
enum Message {
    Fail,
    Panic,
    Get(u64, RpcReplyPort<u64>),
}

/// Says when it has its state.
struct Keeper(mpsc::UnboundedSender<()>);

impl Actor for Keeper {
    type Msg = Message;
    type State = HashMap<u64, u64>;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Message>, (): ()) -> Result<Self::State, ActorProcessingErr> {
        let state = (0..ENTRIES).map(|n| (n, n * 2)).collect();
        let _ = self.0.send(());
        Ok(state)
    }

    async fn handle(
        &self,
        _: ActorRef<Message>,
        message: Message,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Fail => return Err("it failed".into()),
            Message::Panic => panic!("it panicked"),
            Message::Get(n, reply) => reply.send(state.get(&n).copied().unwrap_or_default())?,
        }
        Ok(())
    }
}

fn main() -> Outcome<()> {
    let asked = std::env::args().skip(1).find_map(|word| word.parse().ok());
    let rounds = asked.unwrap_or(ROUNDS);
    std::panic::set_hook(Box::new(|_| {}));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let (mut error, mut panic, mut kill) = (Vec::new(), Vec::new(), Vec::new());
    let (mut otp_error, mut otp_kill) = (Vec::new(), Vec::new());
    let mut otp = true;
    for _ in 0..TURNS {
        // Where a blocking thread asks, it is asked from outside, as a town is.
        let took = runtime.block_on(runtime.spawn(async move {
            let took = ours(rounds).await;
            took.map_err(|error| error.to_string())
        }))??;
        error.extend(took[0].iter());
        panic.extend(took[1].iter());
        kill.extend(took[2].iter());
        if otp {
            match theirs(rounds)? {
                Some(took) => {
                    otp_error.extend(took.iter().map(|(error, _)| *error));
                    otp_kill.extend(took.iter().map(|(_, kill)| *kill));
                }
                None => otp = false,
            }
        }
    }
    println!("\nFrom the failure to the replacement's answer, in microseconds:\n");
    println!("| end | times | p50 | p99 | OTP p50 | OTP p99 | p50 / OTP | p99 / OTP |");
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    row("an error", &mut error, &mut otp_error);
    row("a panic", &mut panic, &mut otp_error);
    row("a kill", &mut kill, &mut otp_kill);
    if !otp {
        println!("\nSKIPPED: no escript on the PATH, so OTP's part is missing");
    }
    Ok(())
}

fn row(what: &str, ours: &mut [u64], otp: &mut [u64]) {
    let micros = |ns: Option<u64>| ns.map(|ns| ns as f64 / 1e3);
    let (p50, p99) = (micros(quantile(0.5, ours)), micros(quantile(0.99, ours)));
    let (otp50, otp99) = (micros(quantile(0.5, otp)), micros(quantile(0.99, otp)));
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.0}"));
    let ratio = |ours: Option<f64>, otp: Option<f64>| match (ours, otp) {
        (Some(ours), Some(otp)) => format!("{:.2}", ours / otp),
        _ => "-".to_owned(),
    };
    println!(
        "| {what} | {} | {} | {} | {} | {} | {} | {} |",
        ours.len(),
        shown(p50),
        shown(p99),
        shown(otp50),
        shown(otp99),
        ratio(p50, otp50),
        ratio(p99, otp99)
    );
}

/// The value below which the share `of` of all lies.
fn quantile(of: f64, all: &mut [u64]) -> Option<u64> {
    all.sort_unstable();
    let at = (all.len() as f64 * of) as usize;
    all.get(at.min(all.len().saturating_sub(1))).copied()
}

/// Nanoseconds of each failure: by an error, by a panic, by a kill.
async fn ours(rounds: usize) -> Outcome<[Vec<u64>; 3]> {
    let intensity = Intensity { restarts: 1_000_000, within: Duration::from_secs(1) };
    let (up, mut is_up) = mpsc::unbounded_channel();
    let start = Start::actor(None, move || (Keeper(up.clone()), ()));
    let branch = DynBranch {
        children: vec![DynChild::actor(NAME, Restart::Permanent, Shutdown::secs(5), start)],
        ..DynBranch::new("town", Rules::new(Strategy::OneForOne, intensity))
    };
    let town = start_town(branch, Records::new(Arc::new(Deaf))).await?;
    let desk = town.desk();
    is_up.recv().await.ok_or("it has not started")?;
    let mut took = [Vec::new(), Vec::new(), Vec::new()];
    for way in [Way::Error, Way::Panic, Way::Kill] {
        fall(&desk, &mut is_up, way).await?;
    }
    for _ in 0..rounds {
        for (way, took) in [Way::Error, Way::Panic, Way::Kill].into_iter().zip(&mut took) {
            took.push(fall(&desk, &mut is_up, way).await?);
        }
    }
    town.stop(Duration::from_secs(5)).await;
    Ok(took)
}

/// From the failure to the answer of whoever has the name then.
async fn fall(desk: &Desk, is_up: &mut mpsc::UnboundedReceiver<()>, way: Way) -> Outcome<u64> {
    tokio::time::sleep(PAUSE).await;
    let old = desk.find(NAME)?;
    let from = Instant::now();
    match way {
        Way::Error => ActorRef::<Message>::from(old.clone()).cast(Message::Fail)?,
        Way::Panic => ActorRef::<Message>::from(old.clone()).cast(Message::Panic)?,
        Way::Kill => old.kill(),
    }
    is_up.recv().await.ok_or("it has not started again")?;
    // Its supervisor enters its name just after that.
    while !answers(desk, &old).await {
        tokio::task::yield_now().await;
    }
    Ok(u64::try_from(from.elapsed().as_nanos())?)
}

async fn answers(desk: &Desk, old: &ActorCell) -> bool {
    let Ok(cell) = desk.find(NAME) else { return false };
    if cell.get_id() == old.get_id() {
        return false;
    }
    let asked = ActorRef::<Message>::from(cell).call(|reply| Message::Get(7, reply), None).await;
    matches!(asked, Ok(CallResult::Success(14)))
}

/// The same in OTP: nanoseconds by an error and by a kill; `None` where there is no Erlang.
fn theirs(rounds: usize) -> Outcome<Option<Vec<(u64, u64)>>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/restart/otp.escript");
    let ran = Command::new("escript")
        .args([script, &rounds.to_string(), &ENTRIES.to_string()])
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    let Ok(output) = ran else { return Ok(None) };
    let text = String::from_utf8(output.stdout)?;
    let pair = |line: &str| {
        let (error, kill) = line.split_once(' ')?;
        Some((error.parse().ok()?, kill.parse().ok()?))
    };
    let took: Vec<(u64, u64)> = text.lines().filter_map(pair).collect();
    if took.len() == rounds {
        Ok(Some(took))
    } else {
        Err(format!("escript has not measured: {text}").into())
    }
}
