//! What an agent's own tools may not do, whatever its program would allow: a look at each call before it happens.
//!
//! - Nobody but the merge queue pushes to a branch that work lands on.
//! - Nobody writes outside of their own folder, but for temporary files; nor into those of others below it.
//! - The Mayor edits no code.
//!
//! These are rails, not walls: a call is judged by the paths and commands that it names, and a program that an
//! agent writes and runs can name others. What must hold against that belongs into `exec_wrapper`. Pure: whoever
//! asks says how a path resolves.

use std::path::{Path, PathBuf};

use model::refusal::Refusal;
use model::role::Role;

/// Whose call it is, and where that may write.
#[derive(Debug, Clone)]
pub struct Ground {
    /// As what.
    pub role: Role,
    /// Its own folder.
    pub sandbox: PathBuf,
    /// The town's folder.
    pub town: PathBuf,
    /// Folders of temporary files.
    pub scratch: Vec<PathBuf>,
    /// The folders of rigs.
    pub rigs: Vec<PathBuf>,
    /// Branches that work lands on.
    pub targets: Vec<String>,
    /// Where the call happens.
    pub cwd: PathBuf,
}

/// A call of a tool.
#[derive(Debug, Clone, Copy, Default)]
pub struct Call<'a> {
    /// The tool's name.
    pub tool: &'a str,
    /// The command that it runs.
    pub command: Option<&'a str>,
    /// The file that it is about.
    pub path: Option<&'a str>,
}

/// Tools that change the file that they name.
const WRITERS: [&str; 6] = ["Edit", "Write", "MultiEdit", "NotebookEdit", "apply_patch", "write_file"];

/// Devices that anybody may write to.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/stdout", "/dev/stderr", "/dev/tty", "/dev/pts", "/dev/fd"];

/// Judges `call`; `resolve` makes a path absolute and real.
///
/// # Errors
/// `push_to_target`, `outside_sandbox`, `mayor_edits_no_code`.
pub fn judge(ground: &Ground, call: Call<'_>, resolve: impl Fn(&Path) -> PathBuf) -> Result<(), Refusal> {
    let at = |cwd: &Path, path: &str| resolve(&cwd.join(path));
    if WRITERS.contains(&call.tool)
        && let Some(path) = call.path
    {
        ground.may_write(&at(&ground.cwd, path), path)?;
    }
    let Some(command) = call.command else { return Ok(()) };
    let mut cwd = ground.cwd.clone();
    for part in parts(command) {
        let words = bare(&part.words);
        if words.first().is_some_and(|word| word == "cd") {
            if let Some(to) = words.get(1).filter(|to| is_plain(to)) {
                cwd = cwd.join(to);
            }
            continue;
        }
        if let Some(branch) = pushed(words).find(|branch| ground.is_target(branch)) {
            return Err(Refusal::forbidden(
                "push_to_target",
                format!("only the merge queue writes to {branch}"),
            )
            .hint("commit to your own branch and say `gt done`: it is checked and landed for you"));
        }
        for path in part.written.iter().chain(written(words)) {
            if is_plain(path) && !DEVICES.iter().any(|device| path.starts_with(device)) {
                ground.may_write(&at(&cwd, path), path)?;
            }
        }
    }
    Ok(())
}

impl Ground {
    fn is_target(&self, branch: &str) -> bool {
        branch == ALL || self.targets.iter().any(|target| target == branch)
    }

    fn may_write(&self, path: &Path, said: &str) -> Result<(), Refusal> {
        if path.starts_with(&self.sandbox) {
            return Ok(());
        }
        if self.role == Role::Mayor && self.rigs.iter().any(|rig| path.starts_with(rig)) {
            return Err(Refusal::forbidden(
                "mayor_edits_no_code",
                format!("the Mayor does not write to {said}"),
            )
            .hint("make a bead and sling it: gt bead create …, gt sling BEAD RIG"));
        }
        if !path.starts_with(&self.town) && self.scratch.iter().any(|scratch| path.starts_with(scratch)) {
            return Ok(());
        }
        Err(Refusal::forbidden("outside_sandbox", format!("{said} is outside of {}", self.sandbox.display()))
            .hint("write below your own folder; what others have to do goes by mail: gt mail send"))
    }
}

/// Stands for all branches.
const ALL: &str = "all branches";

/// A simple command of a line: its words, and the files that it redirects to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Part {
    words: Vec<String>,
    written: Vec<String>,
}

/// Cuts a shell's line into its simple commands, as far as that can be done without running it.
fn parts(line: &str) -> Vec<Part> {
    let mut all = vec![Part::default()];
    let mut word: Option<String> = None;
    let mut redirected = false;
    let mut chars = line.chars().peekable();
    let end = |word: &mut Option<String>, redirected: &mut bool, all: &mut Vec<Part>| {
        if let (Some(word), Some(part)) = (word.take(), all.last_mut()) {
            if std::mem::take(redirected) { part.written.push(word) } else { part.words.push(word) }
        }
    };
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let text = word.get_or_insert_default();
                text.extend(chars.by_ref().take_while(|c| *c != '\''));
            }
            '"' => {
                let text = word.get_or_insert_default();
                while let Some(c) = chars.next() {
                    match c {
                        '"' => break,
                        '\\' => text.extend(chars.next()),
                        c => text.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().extend(chars.next().filter(|c| *c != '\n')),
            '#' if word.is_none() => while chars.next_if(|c| *c != '\n').is_some() {},
            ' ' | '\t' => end(&mut word, &mut redirected, &mut all),
            '>' => {
                // `2>`, `&>`: the number is no word. `>&2` goes to no file.
                if word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
                    word = None;
                }
                end(&mut word, &mut redirected, &mut all);
                while chars.next_if(|c| matches!(c, '>' | '|')).is_some() {}
                if chars.next_if_eq(&'&').is_some() {
                    while chars.next_if(|c| c.is_ascii_digit() || *c == '-').is_some() {}
                } else {
                    redirected = true;
                }
            }
            '&' if chars.peek() == Some(&'>') => end(&mut word, &mut redirected, &mut all),
            ';' | '&' | '|' | '\n' | '(' | ')' | '`' | '{' | '}'
                if !(matches!(c, '{' | '}') && word.is_some()) =>
            {
                end(&mut word, &mut redirected, &mut all);
                all.push(Part::default());
            }
            c => word.get_or_insert_default().push(c),
        }
    }
    end(&mut word, &mut redirected, &mut all);
    all.retain(|part| *part != Part::default());
    all
}

/// The words from the program's name on: without assignments, and what only runs another.
fn bare(words: &[String]) -> &[String] {
    const RUNNERS: [&str; 14] = [
        "sudo", "command", "exec", "env", "nice", "nohup", "time", "then", "do", "else", "if", "while", "!",
        "builtin",
    ];
    let skipped = |word: &&String| {
        RUNNERS.contains(&word.as_str())
            || word.split_once('=').is_some_and(|(name, _)| {
                !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            })
    };
    &words[words.iter().take_while(skipped).count()..]
}

fn program(words: &[String]) -> &str {
    words.first().map(|word| word.rsplit('/').next().unwrap_or(word)).unwrap_or_default()
}

/// The branches that `git push` in `words` names.
fn pushed(words: &[String]) -> impl Iterator<Item = String> + use<> {
    let mut found = Vec::new();
    if program(words) == "git" {
        let mut rest = words[1..].iter().map(String::as_str);
        let mut verb = rest.next();
        while let Some(option) = verb.filter(|word| word.starts_with('-')) {
            if matches!(option, "-C" | "-c" | "--git-dir" | "--work-tree" | "--namespace") {
                rest.next();
            }
            verb = rest.next();
        }
        if verb == Some("push") {
            let mut names = Vec::new();
            while let Some(word) = rest.next() {
                match word {
                    "--all" | "--mirror" | "--branches" => found.push(ALL.to_owned()),
                    "-o" | "--push-option" | "--receive-pack" | "--exec" | "--repo" => drop(rest.next()),
                    option if option.starts_with('-') => {}
                    name => names.push(name),
                }
            }
            found.extend(names.iter().skip(1).map(|spec| {
                let spec = spec.trim_start_matches('+');
                let to = spec.rsplit_once(':').map_or(spec, |(_, to)| to);
                to.strip_prefix("refs/heads/").unwrap_or(to).to_owned()
            }));
        }
    }
    found.into_iter()
}

/// The files that well-known programs write to, by their words.
fn written(words: &[String]) -> Vec<&String> {
    let mut operands: Vec<&String> = words.iter().skip(1).filter(|word| !word.starts_with('-')).collect();
    match program(words) {
        "tee" | "touch" | "mkdir" | "rm" | "rmdir" | "mv" | "truncate" | "shred" | "unlink" => operands,
        "cp" | "ln" | "install" | "rsync" => operands.pop().into_iter().collect(),
        // The first one is a mode, an owner or a script.
        "chmod" | "chown" if operands.len() > 1 => operands.split_off(1),
        "sed"
            if words.iter().any(|word| word.starts_with("-i") || word == "--in-place")
                && operands.len() > 1 =>
        {
            operands.split_off(1)
        }
        _ => Vec::new(),
    }
}

/// Whether nothing in a word is left to the shell.
fn is_plain(word: &str) -> bool {
    !word.is_empty() && !word.contains(['$', '*', '?', '`']) && !word.starts_with('~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(role: Role) -> Ground {
        let sandbox = if role == Role::Mayor { "/town/mayor" } else { "/town/web/polecats/docs" };
        Ground {
            role,
            sandbox: sandbox.into(),
            town: "/town".into(),
            scratch: vec!["/tmp".into()],
            rigs: vec!["/town/web".into()],
            targets: vec!["main".into()],
            cwd: sandbox.into(),
        }
    }

    /// As the file system would, without links.
    fn real(path: &Path) -> PathBuf {
        let mut out = PathBuf::new();
        for piece in path.components() {
            match piece {
                std::path::Component::ParentDir => drop(out.pop()),
                std::path::Component::CurDir => {}
                piece => out.push(piece),
            }
        }
        out
    }

    #[track_caller]
    fn run(command: &str, rule: Option<&str>) {
        let call = Call { tool: "Bash", command: Some(command), path: None };
        let told = judge(&ground(Role::Polecat), call, real).err().map(|refusal| refusal.code);
        assert_eq!(told.as_deref(), rule, "{command}");
    }

    #[test]
    fn only_the_queue_pushes_to_where_work_lands() {
        let no = Some("push_to_target");
        run("git push origin main", no);
        run("git push -f origin +HEAD:main", no);
        run("cd . && GIT_DIR=x /usr/bin/git -C . -c a=b push -q origin HEAD:refs/heads/main", no);
        run("make test; git push --all origin", no);
        run("(git push origin :main)", no);
        run("if true; then git push \"origin\" 'main'; fi", no);
        run("git push origin polecat/docs/web-1", None);
        run("git push", None);
        run("git push origin HEAD:mainland", None);
        run("echo 'git push origin main'", None);
        run("git commit -m 'git push origin main'", None);
        run("git log origin main", None);
    }

    #[test]
    fn nobody_writes_outside_of_their_own_folder() {
        let no = Some("outside_sandbox");
        run("echo x > notes.txt 2>&1", None);
        run("echo x >> ../other/notes.txt", no);
        run("cd .. && touch notes.txt", no);
        run("rm -rf /home/somebody", no);
        run("make > /dev/null 2> /tmp/log", None);
        run("echo x &> /etc/hosts", no);
        run("cp /etc/hosts here", None);
        run("cp here /etc/hosts", no);
        run("sed -i s/a/b/ /town/config/town.json", no);
        run("cat x | tee /town/mayor/notes", no);
        run("echo \"a > /etc/hosts\"", None);
        run("echo ${HOME} > $OUT; ls *.rs", None);
        run("# > /etc/hosts\ntrue", None);
        for (path, rule) in [
            ("src/lib.rs", None),
            ("/town/web/polecats/docs/src/lib.rs", None),
            ("../other/src/lib.rs", no),
            ("/etc/hosts", no),
            ("/tmp/scratch", None),
        ] {
            let call = Call { tool: "Write", command: None, path: Some(path) };
            let told = judge(&ground(Role::Polecat), call, real).err().map(|refusal| refusal.code);
            assert_eq!(told.as_deref(), rule, "{path}");
            let read = Call { tool: "Read", ..call };
            assert!(judge(&ground(Role::Polecat), read, real).is_ok(), "{path} may be read");
        }
    }

    #[test]
    fn the_mayor_edits_no_code_and_keeps_notes() {
        for (path, rule) in [
            ("/town/web/polecats/docs/a.rs", Some("mayor_edits_no_code")),
            ("../web/mayor/rig/a.rs", Some("mayor_edits_no_code")),
            ("notes.md", None),
            ("/town/config/town.json", Some("outside_sandbox")),
        ] {
            let call = Call { tool: "Edit", command: None, path: Some(path) };
            let told = judge(&ground(Role::Mayor), call, real).err().map(|refusal| refusal.code);
            assert_eq!(told.as_deref(), rule, "{path}");
        }
    }

    #[test]
    fn any_line_is_cut_without_a_panic() {
        for line in ["", "'", "\"", "\\", ">", ">&", "2>", "a'b\"c", "((", "|&;", "\u{0}", ">>|&x", "{ a; }"]
        {
            let _ = parts(line);
            let call = Call { tool: "Bash", command: Some(line), path: None };
            let _ = judge(&ground(Role::Polecat), call, real);
        }
    }
}
