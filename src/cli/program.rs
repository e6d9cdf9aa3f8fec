//! The program from its words to its exit code.

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use config::find_town;
use model::answer::Answer;
use model::command::{Command, EventFilter, LedgerQuestion, Stream};
use model::ids::{RigName, Seq};
use model::refusal::Refusal;
use protocol::speech;
use protocol::wire::{self, Frame, StreamItem};

use crate::args::backup::Wish;
use crate::args::{Globals, Intent, Reading, View, town};
use crate::client::{self, Found};
use crate::commands::{self, attach, backup, events, hooked, learn, stop};
use crate::env::Env;
use crate::files::Saving;
use crate::grammar::{Parsed, parse};
use crate::host::{Host, InstallOptions, RestoreOptions, RunOptions, ServiceOrder, ServiceWish, TestOptions};
use crate::names::{self, Program};
use crate::output::{Failure, Output};

/// Runs one command line, `argv` with the program's name first, and returns the exit code.
///
/// Prints to standard output and standard error. `env` is [`Env::of_process`] but for tests.
pub fn main_with(argv: Vec<OsString>, env: Env, host: &dyn Host) -> u8 {
    // These two are the runtime's own and take any bytes.
    match argv.get(1).and_then(|word| word.to_str()) {
        Some("__exec") => host.exec_shim(argv.into_iter().skip(2).collect()),
        Some("__reaper") => return host.reaper(),
        Some(attach::KEEPER) => return attach::keep(),
        Some("__said" | "__hook") => return hooked::hand_over(&env, host),
        Some("__shell-agent") => return host.shell_agent(argv.into_iter().skip(2).collect()),
        _ => {}
    }
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    run(argv, &env, host, &mut out, &mut err)
}

/// The same with output of the caller's choice.
pub(crate) fn run(
    argv: Vec<OsString>,
    env: &Env,
    host: &dyn Host,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> u8 {
    let mut output = Output::new(out, err, env.now);
    // The form of an answer is known before the line is understood: a usage error has it too.
    let options = argv.iter().skip(1).take_while(|word| *word != "--");
    let (mut json, mut color) = (false, env.allows_color());
    for word in options {
        json |= word == "--json";
        color &= word != "--no-color";
    }
    output.json = json;
    output.terminal = env.stdout_terminal;
    output.pen.color = color && env.stdout_terminal;
    output.pen.width = env.stdout_terminal.then_some(env.width);
    output.err_color = color && env.stderr_terminal;
    match carry_out(argv, env, host, &mut output) {
        Ok(code) => code,
        Err(failure) => output.failure(failure),
    }
}

fn carry_out(
    argv: Vec<OsString>,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<u8, Failure> {
    let mut words = argv.into_iter();
    let program = words.next().map_or(Program::Gastown, |path| Program::called(&path.to_string_lossy()));
    let words = words.map(word).collect::<Result<Vec<String>, Refusal>>()?;
    let words = names::canonical(program, words);
    let reading = Reading { now: env.now, rig: rig(&words, env), cwd: Some(env.cwd.clone()) };
    let (intent, globals) = match parse(&words, &reading)? {
        Parsed::Intent(wanted) => *wanted,
        Parsed::Text(text) => return Ok(output.text(&text).map(|()| 0)?),
    };
    match intent {
        Intent::Ask(command, view) => return ask(command, view, &words, &globals, env, host, output),
        Intent::Noted(note, command) => {
            let code = ask(command, View::Usual, &words, &globals, env, host, output)?;
            output.note(&crate::output::line(&note));
            return Ok(code);
        }
        Intent::Save(command, path) => save(command, &path, &globals, env, host, output)?,
        Intent::Write(command) => write(command, &globals, env, host, output)?,
        Intent::ExportLedger(path) => export_ledger(path.as_deref(), &globals, env, host, output)?,
        Intent::Follow(filter, view) => follow(filter, view, &globals, env, host, output)?,
        Intent::Attach(args) => attach::attach(&args, &globals, env, host, output)?,
        Intent::TestAgent(args) => {
            let town = client::town(&globals, env).ok();
            let options = TestOptions { preset: args.preset, town, patience: args.patience, keep: args.keep };
            let found = host.test_agent(options)?;
            if output.json {
                output.value(&serde_json::to_value(&found).unwrap_or_default())?;
            } else {
                let text = commands::agents::conformance(&found, &output.pen);
                output.text(&text)?;
            }
            return Ok(u8::from(found.tried.iter().any(|tried| tried.result == "no")));
        }
        Intent::Run(args) => return Ok(host.run(run_options(&args, &globals, env, output)?)),
        Intent::Install(args) => {
            let path = env.cwd.join(&args.path);
            let made = host.install(InstallOptions { path, name: args.name, agent: args.agent })?;
            if output.json {
                output.value(&serde_json::to_value(&made).unwrap_or_default())?;
            } else {
                output.text(&commands::town::installed(&made))?;
            }
        }
        Intent::Service(wish) => return service(wish, &globals, env, host, output),
        Intent::Backups(wish) => return backups(wish, env, host, output),
        Intent::Help(words) => output.text(&learn::help(&words)?)?,
        Intent::Suggest(words) => {
            let entries = names::suggestions(&words);
            if output.json {
                output.value(&serde_json::to_value(&entries).unwrap_or_default())?;
            } else {
                output.text(&learn::suggested(&entries))?;
            }
        }
        Intent::Version => {
            let version = env!("CARGO_PKG_VERSION");
            if output.json {
                output.value(&serde_json::json!({"name": "gastown", "version": version}))?;
            } else {
                output.text(&format!("gastown {version}"))?;
            }
        }
    }
    Ok(0)
}

/// One question over whatever way there is; returns the exit code that goes with the answer.
fn ask(
    command: Command,
    view: View,
    words: &[String],
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<u8, Failure> {
    match client::find(globals, env, host)? {
        Found::Carrier(mut carrier) => {
            let watched = matches!(command, Command::Stop | Command::StopAll)
                .then(|| stop::watch(&mut *carrier))
                .flatten();
            let answer = carrier.ask(command.clone())?;
            if let Some(town) = watched {
                town.wait()?;
            }
            let code = commands::exit_code(&answer);
            commands::show(&command, view, answer, output)?;
            Ok(code)
        }
        Found::Tty(tty) => {
            tty.say(words)?;
            output.note("said on this terminal; no answer comes back this way");
            Ok(0)
        }
    }
}

/// The lines of an answer into a file.
fn save(
    command: Command,
    path: &Path,
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let answer = live(client::find(globals, env, host)?)?.ask(command)?;
    let Answer::Jsonl(lines) = answer else { return Err(unexpected().into()) };
    let mut saving = Saving::begin(path)?;
    saving.add(&lines)?;
    saving.finish()?;
    let beads = lines.lines().count();
    if output.json {
        output.value(&serde_json::json!({"file": path, "beads": beads}))?;
    } else {
        let shown = crate::output::line(&path.display().to_string());
        output.text(&format!("Exported {} to {shown}", crate::output::count(beads, "bead")))?;
    }
    Ok(())
}

/// What is to be written, into the file that the answer names; what is there is left as it is.
fn write(
    command: Command,
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let answer = live(client::find(globals, env, host)?)?.ask(command.clone())?;
    let Answer::FormulaDraft(draft) = answer else { return Err(unexpected().into()) };
    crate::files::create(&draft.path, &draft.text)?;
    if output.json {
        output.value(&serde_json::json!({"name": draft.name, "file": draft.path}))?;
    } else {
        output.text(&commands::formula::written(&draft, &command))?;
    }
    Ok(())
}

/// All records, a page at a time.
fn export_ledger(
    path: Option<&Path>,
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut carrier = live(client::find(globals, env, host)?)?;
    let mut saving = path.map(Saving::begin).transpose()?;
    let mut head = Seq::default();
    loop {
        let answer = carrier.ask(Command::Ledger(LedgerQuestion::Export { after: head }))?;
        let Answer::Events(records) = answer else { return Err(unexpected().into()) };
        let Some(last) = records.last() else { break };
        head = last.seq;
        let line = |record| serde_json::to_value(record).unwrap_or_default().to_string() + "\n";
        let page: String = records.iter().map(line).collect();
        match &mut saving {
            Some(saving) => saving.add(&page)?,
            None => output.text(&page)?,
        }
    }
    let (Some(saving), Some(path)) = (saving, path) else { return Ok(()) };
    saving.finish()?;
    if output.json {
        output.value(&serde_json::json!({"file": path, "records": head}))?;
    } else {
        let shown = crate::output::line(&path.display().to_string());
        let records = usize::try_from(head.0).unwrap_or(usize::MAX);
        output.text(&format!("Exported {} to {shown}", crate::output::count(records, "record")))?;
    }
    Ok(())
}

fn unexpected() -> Refusal {
    Refusal::failed("other_answer", "the town gave an answer of another kind")
        .hint("it may run another version: use the program that it was started with, its bin/gastown")
}

/// What is wanted of the service that brings the town back.
fn service(
    wish: town::Service,
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<u8, Failure> {
    if env.is_agent() {
        return Err(Refusal::forbidden("operator_only", "only a person decides what their machine runs")
            .hint("write to the Mayor: gt mail send mayor/ --kind help -s SUBJECT -m BODY")
            .into());
    }
    let wish = match wish {
        town::Service::Install { dry_run, no_start } => ServiceWish::Install { dry_run, no_start },
        town::Service::Uninstall => ServiceWish::Uninstall,
        town::Service::Status => ServiceWish::Status,
    };
    let report = host.service(ServiceOrder { town: client::town(globals, env)?, wish })?;
    if output.json {
        output.value(&serde_json::to_value(&report).unwrap_or_default())?;
    } else {
        output.text(&commands::town::service(&report, &output.pen))?;
    }
    Ok(0)
}

/// What is asked about a folder of backups; returns the exit code that goes with the answer.
fn backups(wish: Wish, env: &Env, host: &dyn Host, output: &mut Output<'_>) -> Result<u8, Failure> {
    let (value, text, code) = match wish {
        Wish::Restore { .. } if env.is_agent() => {
            return Err(Refusal::forbidden("operator_only", "only a person restores a town")
                .hint("write to the Mayor: gt mail send mayor/ --kind help -s SUBJECT -m BODY")
                .into());
        }
        Wish::Restore { dir, town, number } => {
            let restored = host.restore(RestoreOptions { dir, town, number })?;
            (serde_json::to_value(&restored), backup::restored(&restored, &output.pen), 0)
        }
        Wish::List { dir } => {
            let found = host.backups(&dir)?;
            (serde_json::to_value(&found), backup::list(&found, &output.pen), 0)
        }
        Wish::Verify { dir } => {
            let verified = host.verify_backups(&dir)?;
            let code = u8::from(!verified.sound);
            (serde_json::to_value(&verified), backup::verified(&verified, &output.pen), code)
        }
    };
    if output.json {
        output.value(&value.unwrap_or_default())?
    } else {
        output.text(&text)?
    }
    Ok(code)
}

/// Events until either side has enough.
fn follow(
    filter: EventFilter,
    view: View,
    globals: &Globals,
    env: &Env,
    host: &dyn Host,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let mut carrier = live(client::find(globals, env, host)?)?;
    let stream = carrier.open(Stream::Events(filter))?;
    for frame in stream.incoming {
        let frame = frame.map_err(|error| wire::broken(&error))?;
        match item(&frame)? {
            StreamItem::Event(record) if output.json => {
                output.value_line(&serde_json::to_value(&record).unwrap_or_default())?;
            }
            StreamItem::Event(record) => {
                let text = events::one(&record, view, &output.pen);
                output.text(&text)?;
            }
            StreamItem::Notice(text) => output.note(&crate::output::line(&text)),
            StreamItem::Size { .. } | StreamItem::Exited { .. } => {}
        }
    }
    output.note("the town has ended the stream");
    Ok(())
}

/// The carrier, where one is needed that answers.
pub(crate) fn live(found: Found) -> Result<Box<dyn wire::Carrier>, Refusal> {
    match found {
        Found::Carrier(carrier) => Ok(carrier),
        Found::Tty(_) => Err(Refusal::not_running("what goes on")),
    }
}

/// Reads a message of a stream.
pub(crate) fn item(frame: &Frame) -> Result<StreamItem, Refusal> {
    frame.parse().map_err(|error| wire::broken(&error))
}

fn run_options(
    args: &town::Run,
    globals: &Globals,
    env: &Env,
    output: &Output<'_>,
) -> Result<RunOptions, Refusal> {
    // A demo makes a town of its own, wherever one stands.
    let town = if args.demo {
        globals.town.as_ref().map(|town| env.cwd.join(town))
    } else {
        Some(client::town(globals, env)?)
    };
    Ok(RunOptions {
        town,
        until_idle: args.until_idle || args.demo,
        demo: args.demo,
        detach: args.detach,
        json: output.json,
        live: env.stdout_terminal && !output.json,
        color: output.pen.color,
    })
}

/// As lines on a terminal may have it: padding or none.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One word of the command line; `@base64:…` stands for what it encodes, as in the line protocol.
fn word(word: OsString) -> Result<String, Refusal> {
    let word = word.into_string().map_err(|word| {
        Refusal::usage(format!("{:?} is not valid UTF-8", word.to_string_lossy()))
            .hint("give such text as a file, or encoded as @base64:…")
    })?;
    let Some(encoded) = word.strip_prefix(speech::BASE64) else { return Ok(word) };
    let wrong = |why: &str| {
        Refusal::usage(format!("a word that starts with {} is not valid {why}", speech::BASE64))
            .hint("encode it with `base64 -w0`")
    };
    let bytes = BASE64.decode(encoded).map_err(|_| wrong("base64"))?;
    String::from_utf8(bytes).map_err(|_| wrong("UTF-8"))
}

/// The rig that the speaker is in: an agent's own, or that of the folder a person stands in.
fn rig(words: &[String], env: &Env) -> Option<RigName> {
    if let Some(rig) = env.var("GASTOWN_RIG") {
        return rig.parse().ok();
    }
    // In a folder of one town, speaking to another: the folder says nothing.
    if env.var("GASTOWN_TOWN").is_some() || words.iter().any(|word| word.starts_with("--town")) {
        return None;
    }
    let town = find_town(None, None, &env.cwd).ok()?;
    let first = env.cwd.strip_prefix(&town).ok()?.components().next()?;
    let name = first.as_os_str().to_str()?;
    town.join(name).join("config.json").is_file().then(|| name.parse().ok())?
}

#[cfg(test)]
mod tests;
