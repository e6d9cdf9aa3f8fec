//! What can be asked for on the command line.

use std::str::FromStr;

pub(crate) const HELP: &str = "\
Drives the merge queue with virtual time and random changes, and counts.

  cargo run --release --example queue-sim -- [OPTIONS]

  --failure-rate P   how many changes are bad                        [0.1]
  --runners N        gate runs at once                               [1]
  --changes N        changes in all                                  [20000]
  --seed N           another stream                                  [1]
  --flake P          how often a good tree is red                    [0]
  --discord P        how many changes are good alone and bad with one of the twenty before [0]
  --clash P          how many cannot be merged with one of the twenty before               [0]
  --depends P        how many need one of the twenty before                                [0]
  --areas N          parts of the code; only changes of one part disturb one another       [1]
  --footprints       tell the queue which part a change touches
  --backlog N        how many changes wait at any time               [300]
  --arrivals X       instead: how many come in one CI duration, at random
  --spread X         runs take 1 CI duration, plus or minus this     [0]
  --kill P           how often the runtime is killed when a run ends [0]
  --moves P          how often somebody else moves the target when something lands [0]
  --always           try everything twice before it is evicted
  --json             print one line of JSON

A CI duration is what one gate run takes. Exit code 1 when a promise was broken.";

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) failure_rate: f64,
    pub(crate) runners: usize,
    pub(crate) changes: usize,
    pub(crate) seed: u64,
    pub(crate) flake: f64,
    pub(crate) discord: f64,
    pub(crate) clash: f64,
    pub(crate) depends: f64,
    pub(crate) areas: usize,
    pub(crate) footprints: bool,
    pub(crate) backlog: usize,
    pub(crate) arrivals: Option<f64>,
    pub(crate) spread: f64,
    pub(crate) kill: f64,
    pub(crate) moves: f64,
    pub(crate) always: bool,
    pub(crate) json: bool,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            failure_rate: 0.1,
            runners: 1,
            changes: 20_000,
            seed: 1,
            flake: 0.0,
            discord: 0.0,
            clash: 0.0,
            depends: 0.0,
            areas: 1,
            footprints: false,
            backlog: 300,
            arrivals: None,
            spread: 0.0,
            kill: 0.0,
            moves: 0.0,
            always: false,
            json: false,
        }
    }
}

impl Options {
    /// Reads the command line; what is wrong with it, in words.
    pub(crate) fn read(args: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Options::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let (name, mut given) = match arg.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (arg, None),
            };
            let mut value = || given.take().or_else(|| args.next()).ok_or(format!("{name} needs a value"));
            match name.as_str() {
                "--failure-rate" => options.failure_rate = share(&name, &value()?)?,
                "--runners" => options.runners = at_least_one(&name, &value()?)?,
                "--changes" => options.changes = at_least_one(&name, &value()?)?,
                "--seed" => options.seed = number(&name, &value()?)?,
                "--flake" => options.flake = share(&name, &value()?)?,
                "--discord" => options.discord = share(&name, &value()?)?,
                "--clash" => options.clash = share(&name, &value()?)?,
                "--depends" => options.depends = share(&name, &value()?)?,
                "--areas" => options.areas = at_least_one(&name, &value()?)?,
                "--footprints" => options.footprints = true,
                "--backlog" => options.backlog = at_least_one(&name, &value()?)?,
                "--arrivals" => options.arrivals = Some(number(&name, &value()?)?),
                "--spread" => options.spread = share(&name, &value()?)?,
                "--kill" => options.kill = share(&name, &value()?)?,
                "--moves" => options.moves = share(&name, &value()?)?,
                "--always" => options.always = true,
                "--json" => options.json = true,
                "--help" | "-h" => return Err(HELP.to_owned()),
                _ => return Err(format!("there is no option {name}; --help lists them")),
            }
        }
        Ok(options)
    }
}

fn number<T: FromStr>(name: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{name}: {text:?} is not a number"))
}

fn at_least_one(name: &str, text: &str) -> Result<usize, String> {
    number(name, text)
        .and_then(|n: usize| if n > 0 { Ok(n) } else { Err(format!("{name} must be at least 1")) })
}

fn share(name: &str, text: &str) -> Result<f64, String> {
    number(name, text).and_then(|p: f64| {
        if (0.0..1.0).contains(&p) { Ok(p) } else { Err(format!("{name} must be from 0 to 1, 1 excluded")) }
    })
}
