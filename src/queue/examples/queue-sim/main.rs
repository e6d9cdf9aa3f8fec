//! Drives the production queue with virtual time and random changes, and prints what it costs beside other ways and
//! the bound. While it runs, an oracle checks each promise; exit code 1 when one is broken.
//!
//! `cargo run --release --example queue-sim -- --help`

mod options;
mod oracle;
mod rivals;
mod rng;
mod truth;
mod world;

use std::process::ExitCode;

use gastown_queue::group;
use options::Options;
use rivals::Figure;
use truth::Truth;
use world::World;

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(text) => {
            let asked = text == options::HELP;
            if asked {
                println!("{text}")
            } else {
                eprintln!("queue-sim: {text}")
            };
            return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    let truth = Truth::new(&options);
    let mut world = World::new(&options, &truth);
    world.go();
    let report = Report::new(&options, &truth, &world);
    if options.json {
        report.print_json()
    } else {
        report.print()
    }
    if world.oracle.broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

struct Report<'a> {
    options: &'a Options,
    world: &'a World<'a>,
    ours: Figure,
    others: Vec<(&'static str, &'static str, Figure)>,
    bound: f64,
    /// The same for the changes that this stream happened to have.
    bound_of_stream: f64,
    good: u64,
}

impl<'a> Report<'a> {
    fn new(options: &'a Options, truth: &Truth, world: &'a World<'a>) -> Self {
        let merged = world.oracle.merged as f64;
        let good = truth.changes.iter().filter(|change| !change.bad).count();
        let mut others = vec![
            ("serial", "one by one", rivals::serial(truth)),
            ("halving", "plain halving", rivals::halving(truth, options)),
        ];
        if options.runners > 1 {
            others.push(("one_each", "a runner for each change", rivals::one_each(truth, options)));
        }
        Report {
            options,
            world,
            ours: Figure { runs: world.runs as f64 / merged, rate: merged / world.time() },
            others,
            bound: group::bound(options.failure_rate),
            bound_of_stream: group::bound(1.0 - good as f64 / truth.changes.len() as f64),
            good: good as u64,
        }
    }

    fn innocents(&self) -> f64 {
        self.world.oracle.innocents as f64 / self.good as f64
    }

    fn wait(&self, share: f64) -> f64 {
        let waits = self.world.waits();
        waits
            .get(((waits.len() as f64 * share) as usize).min(waits.len().saturating_sub(1)))
            .copied()
            .unwrap_or(0.0)
    }

    fn print(&self) {
        let Options { failure_rate, runners, changes, seed, flake, .. } = self.options;
        let oracle = &self.world.oracle;
        println!(
            "failure rate {failure_rate}, flakes {flake}, {runners} runners, {changes} changes, seed {seed}\n"
        );
        println!("{:<26} {:>22} {:>24}", "", "CI runs per merged", "merged per CI duration");
        let line =
            |name: &str, figure: &Figure| println!("{name:<26} {:>22.3} {:>24.2}", figure.runs, figure.rate);
        line("this queue", &self.ours);
        self.others.iter().for_each(|(_, name, figure)| line(name, figure));
        println!("{:<26} {:>22.3}", "bound (entropy)", self.bound);
        println!("{:<26} {:>22.3}\n", "the same, of this stream", self.bound_of_stream);
        println!(
            "merged {} in {} first-parent commits, {} of them untested; evicted {}",
            oracle.merged, oracle.commits, oracle.untested, oracle.evicted
        );
        println!(
            "innocents evicted {} ({:.4} % of the good); flakes {}, trees seen red and green {}; kills {}",
            oracle.innocents,
            self.innocents() * 100.0,
            self.world.flakes,
            self.world.queue.state().memo().flaky(),
            self.world.kills
        );
        println!(
            "from handed in to its fate, in CI durations: half within {:.1}, 99 % within {:.1}, all within {:.1}",
            self.wait(0.5),
            self.wait(0.99),
            self.wait(1.0)
        );
        for broken in &oracle.broken {
            println!("BROKEN: {broken}");
        }
    }

    fn print_json(&self) {
        let Options { failure_rate, runners, changes, seed, flake, .. } = self.options;
        let oracle = &self.world.oracle;
        let figure = |figure: &Figure| {
            format!("{{\"runs_per_merged\":{:.5},\"merged_per_duration\":{:.5}}}", figure.runs, figure.rate)
        };
        let others: Vec<String> =
            self.others.iter().map(|(key, _, other)| format!("\"{key}\":{}", figure(other))).collect();
        println!(
            "{{\"failure_rate\":{failure_rate},\"flake\":{flake},\"runners\":{runners},\"changes\":{changes},\
             \"seed\":{seed},\"queue\":{},{},\"bound\":{:.5},\
             \"bound_of_stream\":{:.5},\"merged\":{},\"commits\":{},\"untested\":{},\
             \"evicted\":{},\"innocents\":{},\"innocent_share\":{:.7},\"runs\":{},\"flakes\":{},\"kills\":{},\
             \"wait_p50\":{:.2},\"wait_p99\":{:.2},\"wait_max\":{:.2},\"broken\":{}}}",
            figure(&self.ours),
            others.join(","),
            self.bound,
            self.bound_of_stream,
            oracle.merged,
            oracle.commits,
            oracle.untested,
            oracle.evicted,
            oracle.innocents,
            self.innocents(),
            self.world.runs,
            self.world.flakes,
            self.world.kills,
            self.wait(0.5),
            self.wait(0.99),
            self.wait(1.0),
            oracle.broken.len()
        );
    }
}
