//! The exec shim as a program of its own, for the tests of this room: also the reaper, and a runtime that
//! can be killed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gastown_pty::{Host, Mark, RealHost, SpawnSpec, Wiring, exec, exec_shim, reaper};

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1).collect::<Vec<_>>();
    match arguments.split_first() {
        Some((verb, rest)) if verb == exec::VERB => exec_shim(rest.to_vec()),
        Some((verb, _)) if verb == reaper::VERB => ExitCode::from(u8::from(!reaper::watch())),
        Some((verb, [town, script])) if verb == "__runtime" => run(Path::new(town), script),
        _ => {
            eprintln!("pty-shim: starts programs for the tests of gastown-pty; nothing else");
            ExitCode::from(2)
        }
    }
}

/// A runtime of the town at `town` with one session, in which a shell does what `script` says. Goes on
/// until it is killed.
fn run(town: &Path, script: &OsString) -> ExitCode {
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("pty-shim"));
    if let Err(error) = Mark::bear(town) {
        eprintln!("pty-shim: {error}");
        return ExitCode::FAILURE;
    }
    reaper::keep(program.clone());
    let Ok(tokio) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return ExitCode::FAILURE;
    };
    let spec = SpawnSpec {
        program: "sh".into(),
        args: vec!["-c".into(), script.to_string_lossy().into_owned()],
        cwd: "/".into(),
        env: [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())].into(),
        marker: "the-one-session".into(),
        ..SpawnSpec::default()
    };
    tokio.block_on(async {
        let _terminal = RealHost::new(program).spawn(spec, Wiring::default()).await;
        std::future::pending::<ExitCode>().await
    })
}
