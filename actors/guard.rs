//! Judges a call of an agent's tool before it happens: where the agent belongs, and where a path really leads.

use std::path::{Path, PathBuf};

use clerk::guards::{self, Call, Ground};
use model::command::Noticed;
use model::refusal::Refusal;
use model::role::Address;

use crate::errand::blocking;
use crate::tools::Tools;

/// Judges what a hook of `agent` has told.
///
/// # Errors
/// The rule that it breaks. What cannot be looked at is not refused: the rules are rails, see [`guards`].
pub(crate) async fn judge(
    tools: &Tools,
    agent: &Address,
    what: &Noticed,
    cwd: Option<&Path>,
) -> Result<(), Refusal> {
    let Noticed::ToolBegun { name, command, path, .. } = what else { return Ok(()) };
    if command.is_none() && path.is_none() {
        return Ok(());
    }
    let paths = &tools.paths;
    let town = tools.town();
    let sandbox = match agent {
        Address::Polecat(rig, name) => paths.rig(rig).polecat(name),
        Address::Crew(rig, name) => paths.rig(rig).crew(name),
        Address::Mayor => paths.mayor(),
        Address::Deacon => paths.deacon(),
        // The others have no folder of their own to work in.
        _ => return Ok(()),
    };
    let own = agent.rig();
    let of = |rig: &model::ids::RigName| own.is_none_or(|own| own == rig);
    let targets =
        town.rigs.iter().filter(|(rig, _)| of(rig)).map(|(_, rig)| rig.default_branch.clone()).collect();
    let rigs = town.rigs.keys().map(|rig| paths.rig(rig).root().to_owned()).collect();
    let scratch = ["/tmp".into(), std::env::temp_dir()].into_iter().collect();
    let cwd = cwd.map_or_else(|| sandbox.clone(), Path::to_owned);
    let ground =
        Ground { role: agent.role(), sandbox, town: paths.root().to_owned(), scratch, rigs, targets, cwd };
    let (name, command, path) = (name.clone(), command.clone(), path.clone());
    let judged = blocking(move || {
        let real = |all: Vec<PathBuf>| all.iter().map(|path| resolve(path)).collect();
        let ground = Ground {
            sandbox: resolve(&ground.sandbox),
            town: resolve(&ground.town),
            scratch: real(ground.scratch),
            rigs: real(ground.rigs),
            ..ground
        };
        guards::judge(
            &ground,
            Call { tool: &name, command: command.as_deref(), path: path.as_deref() },
            resolve,
        )
    });
    judged.await.unwrap_or(Ok(()))
}

/// The real path of what may not be there yet: links are followed as far as there is something.
fn resolve(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for piece in path.components() {
        match piece {
            // Of the folder that a link leads to, not of the one that the link lies in.
            std::path::Component::ParentDir => {
                plain = plain.canonicalize().unwrap_or(plain);
                plain.pop();
            }
            std::path::Component::CurDir => {}
            piece => plain.push(piece),
        }
    }
    let mut missing = Vec::new();
    let mut there = plain.as_path();
    loop {
        if let Ok(real) = there.canonicalize() {
            return missing.iter().rev().fold(real, |path, piece| path.join(piece));
        }
        match (there.parent(), there.file_name()) {
            (Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                there = parent;
            }
            _ => return plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_leads_out_by_a_link_is_seen_where_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("inside")).unwrap();
        std::fs::create_dir_all(root.join("outside/deep")).unwrap();
        std::os::unix::fs::symlink(root.join("outside/deep"), root.join("inside/link")).unwrap();
        assert_eq!(resolve(&root.join("inside/link/new/file")), root.join("outside/deep/new/file"));
        assert_eq!(resolve(&root.join("inside/link/../file")), root.join("outside/file"));
        assert_eq!(resolve(&root.join("inside/./new/../file")), root.join("inside/file"));
    }
}
