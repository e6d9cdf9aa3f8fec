//! Real programs in real terminals: they start as asked, end as seen, and leave nothing behind.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gastown_pty::{
    ExitStatus, Filtered, Host, Piece, Screen, Signal, Size, SpawnError, StopPlan, StopStage, Wiring,
    WriteError, stop,
};
use support::{Started, host, shell, soon, spec, start, start_with, until};

#[tokio::test]
async fn a_program_prints_and_its_exit_code_is_known() {
    let town = start(shell("printf 'hello\\n'; exit 7")).await;
    assert_eq!(soon(town.terminal.exited()).await, ExitStatus::Code(7));
    assert_eq!(town.terminal.text(), "hello\n");
    assert_eq!(town.terminal.exit_status(), Some(ExitStatus::Code(7)));
}

#[tokio::test]
async fn a_signal_that_ends_a_program_is_known() {
    let town = start(shell("kill -9 $$")).await;
    assert_eq!(soon(town.terminal.exited()).await, ExitStatus::Signal(9));
}

#[tokio::test]
async fn the_whole_output_is_there_when_the_exit_is_known() {
    let town = start(shell("i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done")).await;
    soon(town.terminal.exited()).await;
    assert!(town.terminal.text().ends_with("line 498\nline 499\n"), "{}", town.terminal.text());
}

#[tokio::test]
async fn a_program_gets_its_environment_directory_and_terminal_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let cwd = folder.path().canonicalize().unwrap();
    let mut wanted = spec("/bin/sh", &["-c", "env | sort; pwd; tty; stty size; stty -a"]);
    wanted.cwd.clone_from(&cwd);
    wanted.env.insert("ONLY".into(), "this".into());
    wanted.size = Size { rows: 60, cols: 150 };
    let marker = wanted.marker.clone();
    let town = start(wanted).await;
    soon(town.terminal.exited()).await;
    let text = town.terminal.text();
    let has = |line: &str| text.lines().any(|found| found == line);
    assert!(has("ONLY=this") && has(&format!("GASTOWN_SESSION={marker}")), "{text}");
    assert!(has(&cwd.display().to_string()) && has("60 150"), "{text}");
    let tty = town.terminal.tty().display().to_string();
    assert!(has(&tty) && has(&format!("GASTOWN_TTY={tty}")), "{text}");
    assert!(!text.contains("HOME=") && !text.contains("CARGO"), "{text}");
    assert!(text.contains(" iutf8") && text.contains("-ixon "), "{text}");
}

#[tokio::test]
async fn what_cannot_be_started_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let refuse = async |spec| host().spawn(spec, Wiring::default()).await.unwrap_err();

    let error = refuse(spec("no-such-agent", &[])).await;
    assert!(matches!(&error, SpawnError::NoSuchProgram { program, .. } if program == "no-such-agent"));
    assert!(error.to_string().contains("/usr/bin"), "{error}");

    let mut gone = shell("true");
    gone.cwd = folder.path().join("gone");
    assert!(matches!(refuse(gone).await, SpawnError::NoSuchDirectory { .. }));

    let script = folder.path().join("script");
    std::fs::write(&script, "true").unwrap();
    let error = refuse(spec(&script.display().to_string(), &[])).await;
    assert!(matches!(error, SpawnError::NotExecutable { .. }));

    let mut wrapped = shell("true");
    wrapped.exec_wrapper = vec!["no-such-sandbox".into()];
    assert!(matches!(refuse(wrapped).await, SpawnError::NoSuchProgram { .. }));
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_says_so_and_exits_with_127() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let town = start(spec(&script.display().to_string(), &[])).await;
    assert_eq!(soon(town.terminal.exited()).await, ExitStatus::Code(127));
    assert!(town.terminal.text().starts_with("gastown: cannot start"), "{}", town.terminal.text());
}

#[tokio::test]
async fn a_wrapper_runs_the_program() {
    let mut wrapped = shell("echo \"$WRAPPED\"");
    wrapped.exec_wrapper = vec!["env".into(), "WRAPPED=yes".into()];
    let town = start(wrapped).await;
    soon(town.terminal.exited()).await;
    assert_eq!(town.terminal.text(), "yes\n");
}

#[tokio::test]
async fn what_is_typed_arrives_in_order() {
    let town = start(shell("read a; read b; echo \"<$a> <$b>\"")).await;
    town.terminal.write("één\n".as_bytes()).await.unwrap();
    town.terminal.write(b"two\n").await.unwrap();
    soon(town.terminal.exited()).await;
    assert!(town.terminal.text().ends_with("<één> <two>\n"), "{}", town.terminal.text());
    assert_eq!(town.terminal.write(b"late").await, Err(WriteError::Closed));
}

#[tokio::test]
async fn a_program_hears_of_a_new_size() {
    let town = start(shell("trap 'stty size; exit' WINCH; echo up; while :; do read x; done")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    town.terminal.resize(Size { rows: 33, cols: 99 }).unwrap();
    soon(town.terminal.exited()).await;
    assert!(town.terminal.text().contains("33 99"), "{}", town.terminal.text());
    assert_eq!(town.terminal.snapshot().size, Size { rows: 33, cols: 99 });
}

#[tokio::test]
async fn a_program_is_answered_when_it_asks_its_terminal() {
    let ask = "stty raw -echo; printf 'ab\\033[6n'; dd bs=1 count=6 2>/dev/null | od -An -c";
    let town = start(shell(ask)).await;
    soon(town.terminal.exited()).await;
    assert!(town.terminal.text().contains("033   [   1   ;   3   R"), "{}", town.terminal.text());
}

#[tokio::test]
async fn a_program_that_never_reads_holds_nobody_up() {
    let town = start(shell("stty raw -echo; echo up; exec sleep 1000")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    let mut queued = 0;
    while town.terminal.try_write(&[b'x'; 4096]).is_ok() {
        queued += 1;
        assert!(queued < 1000, "the queue has no end");
    }
    assert_eq!(town.terminal.try_write(&[b'x'; 4096]), Err(WriteError::Full));
    // Everything else goes on as ever.
    town.terminal.resize(Size { rows: 10, cols: 80 }).unwrap();
    assert!(town.terminal.text().contains("up"));
    let report = soon(stop(&town.terminal, StopPlan::terminate(support::PATIENCE))).await;
    assert_eq!((report.status, report.stage), (ExitStatus::Signal(15), StopStage::Terminated));
}

#[tokio::test]
async fn a_program_that_closes_its_terminal_holds_nobody_up() {
    let town = start(shell("stty raw -echo; echo up; exec sleep 1000 </dev/null >/dev/null 2>&1")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    // What cannot be read by anyone is taken and thrown away, and the task goes on.
    for _ in 0..100 {
        soon(town.terminal.write(&[b'x'; 4096])).await.unwrap();
    }
    let report = soon(stop(&town.terminal, StopPlan::terminate(support::PATIENCE))).await;
    assert_eq!(report.stage, StopStage::Terminated);
}

#[tokio::test]
async fn a_terminal_that_is_opened_again_is_heard_again() {
    let script = "exec </dev/null >/dev/null 2>&1; for i in 1 2 3 4 5; do \
        echo round $i >$GASTOWN_TTY; sleep 0.05; done; exec sleep 1000";
    let town = start(shell(script)).await;
    until(&town.terminal, |text| text.contains("round 5")).await;
    assert!(town.terminal.text().starts_with("round 1\nround 2\n"), "{}", town.terminal.text());
}

#[tokio::test]
async fn a_flood_is_drained_and_its_end_is_seen() {
    let town =
        start(shell("yes 0123456789012345678901234567890123456789 | head -c 20000000; echo; echo END")).await;
    soon(town.terminal.exited()).await;
    assert!(town.terminal.text().ends_with("END\n"));
}

#[tokio::test]
async fn the_ladder_stops_at_the_step_that_works() {
    let plan = |text: Option<&str>| StopPlan {
        type_first: text.map(|text| text.as_bytes().to_vec()),
        ask: support::PATIENCE,
        term: support::PATIENCE,
    };
    let town = start(shell("echo up; read word; exit 3")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    let report = soon(stop(&town.terminal, plan(Some("bye\n")))).await;
    assert_eq!((report.status, report.stage), (ExitStatus::Code(3), StopStage::Asked));
    let report = soon(stop(&town.terminal, plan(None))).await;
    assert_eq!((report.status, report.stage), (ExitStatus::Code(3), StopStage::AlreadyEnded));

    let town = start(shell("trap 'exit 4' TERM; echo up; while :; do read x; done")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    let report = soon(stop(&town.terminal, plan(None))).await;
    assert_eq!((report.status, report.stage), (ExitStatus::Code(4), StopStage::Terminated));
}

#[tokio::test]
async fn a_program_that_ignores_every_signal_is_killed() {
    let town = start(shell("trap '' TERM HUP INT; echo up; while :; do sleep 1000; done")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    let plan = StopPlan {
        type_first: Some(b"bye\n".to_vec()),
        ask: Duration::from_millis(50),
        term: Duration::from_millis(50),
    };
    let report = soon(stop(&town.terminal, plan)).await;
    assert_eq!((report.status, report.stage), (ExitStatus::Signal(9), StopStage::Killed));
    assert_eq!(town.living(), Vec::<i32>::new());
}

#[tokio::test]
async fn a_stopped_program_is_woken_to_be_terminated() {
    let town = start(shell("trap 'exit 5' TERM; echo up; kill -STOP $$; while :; do read x; done")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    let report = soon(stop(&town.terminal, StopPlan::terminate(support::PATIENCE))).await;
    assert_eq!(report.status, ExitStatus::Code(5));
}

/// Starts a program with children in every kind of hiding place.
async fn with_runaways() -> Started {
    let script = "setsid sleep 1000 & (trap '' HUP TERM; exec sleep 1000) & \
        setsid sh -c 'trap \"\" HUP TERM; sleep 1000 & sleep 1000' & sh -c 'set -m; env -i sleep 1000 & sleep 1000' & \
        sleep 1000 </dev/null >/dev/null 2>&1 & echo up; ";
    let town = start(shell(&format!("{script} while :; do read x; done"))).await;
    until(&town.terminal, |text| text.contains("up")).await;
    // Each is there under its own name: the shells have become what they were to become.
    support::eventually(|| town.living().len() >= 10).await;
    town
}

#[tokio::test]
async fn stopping_leaves_nothing_alive_that_the_program_started() {
    let town = with_runaways().await;
    let report = soon(stop(&town.terminal, StopPlan::terminate(support::PATIENCE))).await;
    assert!(report.swept >= 2, "{report:?}");
    support::eventually(|| town.living().is_empty()).await;
}

#[tokio::test]
async fn dropping_the_owner_leaves_nothing_alive_either() {
    let Started { terminal, marker } = with_runaways().await;
    let handle = terminal.handle();
    drop(terminal);
    assert_eq!(soon(handle.exited()).await, ExitStatus::Signal(9));
    support::eventually(|| support::living(&marker, handle.pid()).is_empty()).await;
}

#[tokio::test]
async fn an_exit_is_known_though_a_grandchild_holds_the_terminal() {
    let town = start(shell("setsid sh -c 'echo up; exec sleep 1000' & while :; do read x; done")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    town.terminal.signal_group(Signal::Kill).unwrap();
    assert_eq!(soon(town.terminal.exited()).await, ExitStatus::Signal(9));
    assert_eq!(town.terminal.sweep(), 1);
    support::eventually(|| town.living().is_empty()).await;
}

#[tokio::test]
async fn a_spawn_that_nobody_waits_for_leaves_nothing_alive() {
    let wanted = shell("exec sleep 1000");
    let marker = wanted.marker.clone();
    let mut spawning = host().spawn(wanted, Wiring::default());
    // Polled once, so that the program is on its way, and given up.
    std::future::poll_fn(|context| {
        let _ = spawning.as_mut().poll(context);
        std::task::Poll::Ready(())
    })
    .await;
    drop(spawning);
    // The spawning thread works in order: once another program runs, the first has been dropped.
    let town = start(shell("true")).await;
    soon(town.terminal.exited()).await;
    support::eventually(|| support::living(&marker, 0).is_empty()).await;
}

#[tokio::test]
async fn a_crashed_runtimes_programs_are_found_by_their_town() {
    let folder = tempfile::tempdir().unwrap();
    let mut wanted = shell("setsid sleep 1000 & echo up; while :; do read x; done");
    wanted.env.insert("GASTOWN_TOWN".into(), folder.path().display().to_string());
    let town = start(wanted).await;
    until(&town.terminal, |text| text.contains("up")).await;
    // The program in the background is one of its own, and shows whose it is.
    support::eventually(|| town.living().len() >= 2).await;
    assert_eq!(host().sweep_town(std::path::Path::new("/no/such/town")), 0);
    assert!(host().sweep_town(folder.path()) >= 2);
    soon(town.terminal.exited()).await;
    support::eventually(|| town.living().is_empty()).await;
}

#[tokio::test]
async fn the_tap_hears_everything_and_people_see_what_it_lets_through() {
    let (heard, mut hears) = tokio::sync::mpsc::unbounded_channel();
    let folder = tempfile::tempdir().unwrap();
    let recording = gastown_pty::RecordingSpec::new(folder.path().join("s.cast"));
    let wiring = Wiring {
        tap: Some(Box::new(move |raw: &[u8]| {
            heard.send(raw.to_vec()).unwrap();
            Filtered::Changed(String::from_utf8_lossy(raw).replace("secret", "***").into_bytes())
        })),
        recording: Some(recording.clone()),
    };
    let town = start_with(shell("echo the secret word"), wiring).await;
    let mut viewer = town.terminal.attach();
    soon(town.terminal.exited()).await;
    assert_eq!(town.terminal.text(), "the *** word\n");
    let kept = gastown_pty::replay::tail(&recording.path, 10).unwrap();
    assert_eq!(kept, "the *** word\n", "whoever hears of the end can read all of it");
    let mut seen = Vec::new();
    while let Some(piece) = soon(viewer.next()).await {
        seen.extend(piece.into_bytes());
    }
    assert!(!String::from_utf8_lossy(&seen).contains("secret"));
    let mut raw = Vec::new();
    while let Some(chunk) = hears.recv().await {
        raw.extend(chunk);
    }
    assert_eq!(raw, b"the secret word\r\n");
}

#[tokio::test]
async fn a_tap_that_panics_hides_its_bytes_and_the_session_goes_on() {
    let broken = Arc::new(AtomicBool::new(false));
    let breaks = Arc::clone(&broken);
    let wiring = Wiring {
        tap: Some(Box::new(move |raw: &[u8]| {
            breaks.store(true, Ordering::Relaxed);
            assert!(!raw.starts_with(b"bad"), "planted");
            Filtered::Same
        })),
        recording: None,
    };
    let town = start_with(shell("echo bad; read x; echo good"), wiring).await;
    support::eventually(|| broken.load(Ordering::Relaxed)).await;
    town.terminal.write(b"\n").await.unwrap();
    soon(town.terminal.exited()).await;
    assert!(town.terminal.text().ends_with("good\n"), "{}", town.terminal.text());
}

#[tokio::test]
async fn who_attaches_in_the_middle_of_a_flood_sees_a_consistent_picture() {
    let script = "i=0; while [ $i -lt 3000 ]; do printf '\\033[3%dmline %d ↑\\033[0m\\r\\n' $((i%8)) $i; i=$((i+1)); done";
    let mut wanted = shell(script);
    wanted.size = Size { rows: 24, cols: 80 };
    let town = start(wanted).await;
    let mut screens = Vec::new();
    let mut tasks = Vec::new();
    for after in [0, 100, 1000] {
        until(&town.terminal, |text| {
            text.lines().any(|line| {
                line.strip_prefix("line ").and_then(|rest| rest.split(' ').next()?.parse::<u32>().ok())
                    >= Some(after)
            })
        })
        .await;
        let mut viewer = town.terminal.attach();
        tasks.push(tokio::spawn(async move {
            let mut screen = Screen::new(Size { rows: 24, cols: 80 });
            let first = viewer.next().await.unwrap();
            assert!(matches!(first, Piece::Screen(_)));
            screen.feed(&first.into_bytes());
            while let Some(piece) = viewer.next().await {
                assert!(matches!(piece, Piece::Output(_)), "this viewer kept up");
                screen.feed(&piece.into_bytes());
            }
            screen.snapshot()
        }));
    }
    soon(town.terminal.exited()).await;
    for task in tasks {
        screens.push(soon(task).await.unwrap());
    }
    let wanted = town.terminal.snapshot();
    assert!(screens.iter().all(|seen| *seen == wanted), "{screens:?}\n{wanted:?}");
    assert_eq!(town.terminal.viewers(), 0);
}

#[tokio::test]
async fn a_viewer_that_stops_costs_nothing_and_catches_up_with_one_redraw() {
    let town = start(shell("yes 01234567890123456789 | head -c 5000000; echo; echo END")).await;
    let mut viewer = town.terminal.attach();
    assert!(matches!(soon(viewer.next()).await, Some(Piece::Screen(_))));
    soon(town.terminal.exited()).await;
    let mut fresh = Screen::new(town.terminal.snapshot().size);
    let mut pieces = 0;
    while let Some(piece) = soon(viewer.next()).await {
        pieces += 1;
        fresh.feed(&piece.into_bytes());
    }
    assert_eq!(pieces, 1);
    assert_eq!(fresh.text(), town.terminal.text());
}

#[tokio::test]
async fn orphans_are_buried_and_other_peoples_children_are_not() {
    gastown_pty::orphans::become_subreaper().unwrap();
    // Ours, in our session, ended and not waited for.
    let mut plain = std::process::Command::new("/bin/sh").args(["-c", "exit 6"]).spawn().unwrap();
    // An orphan with a session of its own, which ends on its own.
    let town = start(shell("setsid sh -c 'exit 8' & echo up; while :; do read x; done")).await;
    until(&town.terminal, |text| text.contains("up")).await;
    let report = soon(stop(&town.terminal, StopPlan::kill())).await;
    assert_eq!(report.status, ExitStatus::Signal(9));
    support::eventually(|| {
        gastown_pty::orphans::reap_orphans();
        support::zombies_elsewhere() == 0
    })
    .await;
    assert_eq!(plain.wait().unwrap().code(), Some(6));
}

#[tokio::test]
async fn debug_never_prints_the_environment() {
    let mut wanted = shell("true");
    wanted.env.insert("GASTOWN_TOKEN".into(), "hush".into());
    let printed = format!("{wanted:?}");
    assert!(printed.contains("GASTOWN_TOKEN") && !printed.contains("hush"), "{printed}");
}
