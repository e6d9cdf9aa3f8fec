//! `cargo bench -p gastown-formulas [-- FOLDER…]`: how long it takes from the text of a formula to its steps.
//!
//! With folders, every formula in them is cooked, too.

use std::error::Error;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use gastown_formulas::{Catalog, Mode, Order};

const ROUNDS: usize = 30;

fn main() -> Result<(), Box<dyn Error>> {
    println!("| what | steps | text KiB | p50 ms | worst ms |\n|---|--:|--:|--:|--:|");
    let catalog = Catalog::default();
    for count in [100, 1_025, 10_000] {
        let text = chain(count);
        row(&catalog, &format!("a chain of {count}"), &text)?;
    }
    row(&catalog, "a loop of 10,000 rounds", LOOP)?;
    row(&catalog, "5 steps each of 2,000 in the place of one, and advice around all", &mapped(2_000))?;
    shipped(&catalog, "towers-of-hanoi")?;
    shipped(&catalog, "shiny")?;
    for folder in std::env::args().skip(1).filter(|arg| !arg.starts_with('-')) {
        folder_of(&folder)?;
    }
    Ok(())
}

/// The steps that come of a text, again and again.
fn row(catalog: &Catalog, what: &str, text: &str) -> Result<(), Box<dyn Error>> {
    let order = Order { mode: Mode::Look, ..Order::default() };
    let mut steps = 0;
    let times = timed(|| {
        let cooked = catalog.cook_text("bench.toml", black_box(text), &order)?;
        steps = black_box(cooked).proto.steps.len();
        Ok(())
    })?;
    print(what, steps, text.len(), times);
    Ok(())
}

fn shipped(catalog: &Catalog, name: &str) -> Result<(), Box<dyn Error>> {
    let order = Order { mode: Mode::Look, ..Order::default() };
    let mut steps = 0;
    let times = timed(|| {
        steps = black_box(catalog.cook(name, &order)?).proto.steps.len();
        Ok(())
    })?;
    print(&format!("{name}, as shipped"), steps, 0, times);
    Ok(())
}

fn folder_of(folder: &str) -> Result<(), Box<dyn Error>> {
    let catalog = Catalog::new([folder.into()]);
    let order = Order { mode: Mode::Lint, ..Order::default() };
    let names: Vec<String> = catalog.list()?.into_iter().map(|entry| entry.name).collect();
    let mut steps = 0;
    let times = timed(|| {
        steps = 0;
        for name in &names {
            steps += catalog.cook(name, &order)?.proto.steps.len();
        }
        Ok(())
    })?;
    print(&format!("all {} that are found from {folder}, files and all", names.len()), steps, 0, times);
    Ok(())
}

fn timed(mut once: impl FnMut() -> Result<(), Box<dyn Error>>) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        once()?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times)
}

fn print(what: &str, steps: usize, bytes: usize, times: Vec<Duration>) {
    let ms = |time: Option<&Duration>| time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    let kib = if bytes == 0 { String::new() } else { format!("{}", bytes.div_ceil(1024)) };
    let (half, worst) = (ms(times.get(times.len() / 2)), ms(times.last()));
    println!("| {what} | {steps} | {kib} | {half:.2} | {worst:.2} |");
}

/// Steps that each need the one before, with texts as people write them.
fn chain(count: usize) -> String {
    let mut text = "formula='chain'\n[vars]\nname='x'\n".to_owned();
    for step in 0..count {
        let _ = write!(
            text,
            "[[steps]]\nid='move-{step}'\ntitle='Move {step} of {{{{name}}}}'\ndescription='''\nTake the uppermost disk \
             of {{{{name}}}} and put it where it belongs.\n'''\n"
        );
        if let Some(before) = step.checked_sub(1) {
            let _ = writeln!(text, "needs=['move-{before}']");
        }
    }
    text
}

const LOOP: &str = "formula='loop'\n[[steps]]\nid='l'\n[steps.loop]\nrange='1..10000'\nvar='n'\n\
                    [[steps.loop.body]]\nid='x'\ntitle='Round {n}'\n";

/// Steps that are all expanded by a shipped expansion, with advice around what comes of it.
fn mapped(count: usize) -> String {
    let mut text = "formula='mapped'\n".to_owned();
    for step in 0..count {
        let _ = write!(text, "[[steps]]\nid='s{step}'\ntitle='S'\n");
        if let Some(before) = step.checked_sub(1) {
            let _ = writeln!(text, "needs=['s{before}']");
        }
    }
    text + "[[compose.map]]\nselect='*'\nwith='rule-of-five'\n\
            [[advice]]\ntarget='*.draft'\nbefore={id='{step.id}-before'}\nafter={id='{step.id}-after'}\n"
}
