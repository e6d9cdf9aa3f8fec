//! What git itself costs a merge queue, on a repository of many files: no gate, no ledger, no runtime.
//!
//! `cargo run --release -p gastown-git --example landings -- [BRANCHES] [FILES] [WORKTREES]`
//!
//! Makes a repository of FILES files (5,000) and BRANCHES branches (200) that change one file each, and lands them on
//! a bare remote on this disk: one by one, and in batches of eight. With `true` as the gate, in a worktree, too. Then
//! makes and removes WORKTREES worktrees (50), four at a time.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use gastown_git::landing::{self, Landing};
use gastown_git::merge::Identity;
use gastown_git::train::{self, Car, Train, Words};
use gastown_git::{Oid, Repo, gate, scratch, worktree};

type Failed = Box<dyn std::error::Error>;

fn git(cwd: &Path, words: &[&str]) -> Result<String, Failed> {
    let said = Command::new("git").current_dir(cwd).args(words).output()?;
    if !said.status.success() {
        return Err(format!("git {words:?}: {}", String::from_utf8_lossy(&said.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&said.stdout).trim().to_owned())
}

/// A remote with `files` files on `main`, and a person's clone of it.
fn remote(folder: &Path, files: usize) -> Result<PathBuf, Failed> {
    let (origin, work) = (folder.join("origin.git"), folder.join("work"));
    std::fs::create_dir_all(&origin)?;
    git(&origin, &["init", "--quiet", "--bare", "--initial-branch=main"])?;
    git(folder, &["clone", "--quiet", &origin.display().to_string(), "work"])?;
    for (key, value) in [("user.name", "Somebody"), ("user.email", "somebody@example.com")] {
        git(&work, &["config", key, value])?;
    }
    git(&work, &["checkout", "--quiet", "-B", "main"])?;
    for n in 0..files {
        let at = work.join(format!("d{:02}", n % 50)).join(format!("e{}", n % 7));
        std::fs::create_dir_all(&at)?;
        std::fs::write(at.join(format!("f{n}.txt")), format!("file {n}\n").repeat(20))?;
    }
    git(&work, &["add", "."])?;
    git(&work, &["commit", "--quiet", "-m", "Start"])?;
    git(&work, &["push", "--quiet", "origin", "main"])?;
    Ok(origin)
}

/// Branches of one changed file each, made without a checkout.
fn branches(work: &Path, count: usize, files: usize) -> Result<Vec<Oid>, Failed> {
    let base = git(work, &["rev-parse", "main"])?;
    let mut heads = Vec::new();
    for n in 0..count {
        let file = n % files;
        let path = format!("d{:02}/e{}/f{file}.txt", file % 50, file % 7);
        git(work, &["checkout", "--quiet", "--detach", &base])?;
        std::fs::write(work.join(&path), format!("changed by {n}\n"))?;
        git(work, &["commit", "--quiet", "-am", &format!("Change {n}")])?;
        git(work, &["push", "--quiet", "origin", &format!("HEAD:refs/heads/change-{n}")])?;
        heads.push(git(work, &["rev-parse", "HEAD"])?.parse()?);
    }
    git(work, &["checkout", "--quiet", "main"])?;
    Ok(heads)
}

fn words(subject: String) -> Words {
    let author =
        Identity { name: "refinery".into(), email: "refinery@example.com".into(), at: 1_700_000_000 };
    Words { message: subject, author, trailers: vec![("Gastown-Bead".into(), "web-1".into())] }
}

/// Lands `heads`, `batch` at a time; with a gate of `true` in `folder`, if one is given.
fn land(repo: &Repo, heads: &[Oid], batch: usize, folder: Option<&Path>) -> Result<Duration, Failed> {
    let began = Instant::now();
    for heads in heads.chunks(batch) {
        let base = repo.fetch_branch("main")?;
        let cars: Vec<Car> =
            heads.iter().map(|head| Car { head: *head, words: words(format!("Merge {head}")) }).collect();
        let Train::Whole(parts) = train::build(repo, base, &cars)? else {
            return Err("it does not merge".into());
        };
        let top = parts.last().map(|part| part.commit).unwrap_or(base);
        if let Some(folder) = folder {
            scratch::checkout(repo, folder, top)?;
            let job = gate::Job {
                cmd: "true".into(),
                env: Default::default(),
                timeout: Duration::from_secs(60),
                log: folder.with_extension("log"),
            };
            if gate::run_all(&[job], folder, None).iter().any(|run| run.verdict != gate::Verdict::Passed) {
                return Err("the gate fails".into());
            }
        }
        let coupled = train::couple(repo, base, &cars, &[cars.len()], |cars| {
            words(format!("Merge {} changes", cars.len()))
        })?;
        let (commit, _) = coupled.line.last().copied().ok_or("nothing to push")?;
        match landing::land(repo, "main", base, commit)? {
            Landing::Landed { .. } => {}
            other => return Err(format!("{other:?}").into()),
        }
    }
    Ok(began.elapsed())
}

/// Makes and removes `count` worktrees, four at a time; how long each of the two took.
fn worktrees(repo: &Repo, folder: &Path, count: usize) -> Result<(Duration, Duration), Failed> {
    let head = repo.fetch_branch("main")?;
    let failed: Mutex<Vec<String>> = Mutex::default();
    let each = |work: &(dyn Fn(usize) -> Result<(), Failed> + Sync)| {
        let began = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let failed = &failed;
                scope.spawn(move || {
                    for n in (thread..count).step_by(4) {
                        if let Err(error) = work(n) {
                            failed.lock().unwrap_or_else(|held| held.into_inner()).push(error.to_string());
                        }
                    }
                });
            }
        });
        began.elapsed()
    };
    let at = |n: usize| folder.join(format!("a worker {n}"));
    let made = each(&|n| {
        worktree::ensure(repo, &at(n), &format!("polecat/w{n}/b"), head)?;
        Ok(())
    });
    let removed = each(&|n| match worktree::remove(repo, &at(n), head)? {
        worktree::Removal::Removed => Ok(()),
        other => Err(format!("{other:?}").into()),
    });
    let failed = failed.into_inner().unwrap_or_else(|held| held.into_inner());
    if failed.is_empty() { Ok((made, removed)) } else { Err(failed.join("\n").into()) }
}

fn main() -> Result<(), Failed> {
    let mut numbers = std::env::args().skip(1).map(|word| word.parse::<usize>());
    let count = numbers.next().transpose()?.unwrap_or(200).max(1);
    let files = numbers.next().transpose()?.unwrap_or(5_000).max(1);
    let workers = numbers.next().transpose()?.unwrap_or(50);
    let folder = std::env::temp_dir().join(format!("landings-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let ended = measure(&folder, count, files, workers);
    std::fs::remove_dir_all(&folder)?;
    ended
}

fn measure(folder: &Path, count: usize, files: usize, workers: usize) -> Result<(), Failed> {
    let origin = remote(folder, files)?;
    let heads = branches(&folder.join("work"), count, files)?;
    let start = git(&origin, &["rev-parse", "main"])?;
    let repo = Repo::clone_bare(&origin.display().to_string(), folder.join("repo.git"), &mut |_| {})?;
    println!("{count} branches on {files} files");
    let gate = folder.join("gate");
    for (what, batch, gate) in [
        ("one by one, no gate", 1, None),
        ("one by one, gate `true`", 1, Some(gate.as_path())),
        ("eight at a time, gate `true`", 8, Some(gate.as_path())),
    ] {
        git(&origin, &["update-ref", "refs/heads/main", &start])?;
        let took = land(&repo, &heads, batch, gate)?;
        let each = took.as_secs_f64() * 1000.0 / count as f64;
        println!("{what:30} {each:8.1} ms each {:8.1} landed per second", 1000.0 / each);
    }
    let (made, removed) = worktrees(&repo, folder, workers)?;
    println!(
        "{workers} worktrees made in {:.1} s, removed in {:.1} s",
        made.as_secs_f64(),
        removed.as_secs_f64()
    );
    Ok(())
}
