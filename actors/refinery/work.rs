//! What every errand of a refinery has in hand, and how its failures are told.

use clerk::queue::{Push, Setting};
use config::rig::RigConfig;
use git::merge::Identity;
use git::train::{Car, Words};
use git::{CancelToken, Oid, Repo};
use ledger::views::Board;
use model::ids::{MergeId, RigName};
use model::merge::MergeRequest;
use model::queue::{Run, Tree};
use model::refusal::Refusal;
use model::role::Address;

use crate::errand::blocking;
use crate::tools::Tools;

/// Why an errand ends before its last step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Something outside is in the way.
    Stuck {
        /// What.
        why: String,
        /// What can be done about it.
        hint: Option<String>,
    },
    /// It could not be recorded: the next look at the board says what is so.
    Refused(Refusal),
}

impl Trouble {
    pub(super) fn stuck(why: impl Into<String>) -> Self {
        Trouble::Stuck { why: why.into(), hint: None }
    }
}

impl From<Refusal> for Trouble {
    fn from(refusal: Refusal) -> Self {
        Trouble::Refused(refusal)
    }
}

impl From<git::Error> for Trouble {
    fn from(error: git::Error) -> Self {
        Trouble::Stuck { hint: error.hint(), why: error.to_string() }
    }
}

/// What an errand has in hand.
#[derive(Debug, Clone)]
pub(super) struct Work {
    /// The handles.
    pub tools: Tools,
    /// The rig as configured when the errand began.
    pub config: RigConfig,
    /// The same, as its queue has it.
    pub setting: Setting,
    /// Ends what blocks.
    pub cancel: CancelToken,
}

/// What `config` means for the queue.
pub(super) fn setting(config: &RigConfig) -> Setting {
    Setting {
        rig: config.name.clone(),
        target: config.default_branch.clone(),
        rules: config.merge.queue(),
        runners: config.merge.runners(),
        gates: config::gates::digest(&config.gates),
        gated: !config.gates.is_empty(),
        max_attempts: config.merge.max_attempts,
    }
}

impl Work {
    pub(super) fn rig(&self) -> &RigName {
        &self.setting.rig
    }

    pub(super) fn me(&self) -> Address {
        Address::Refinery(self.rig().clone())
    }

    pub(super) fn target(&self) -> &str {
        &self.setting.target
    }

    /// The name of a tree that was made with the gates of now.
    pub(super) fn tree(&self, tree: Oid) -> Tree {
        clerk::queue::tree(&self.setting.gates, &tree.to_string())
    }

    /// Does something with the rig's repository, on a thread for such things.
    pub(super) async fn git<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Repo) -> git::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        // What is under way with git is finished; nothing new is begun, above all no push.
        self.tools.freeze.thawed().await;
        let (path, cancel) = (self.tools.paths.rig(self.rig()).repo_git(), self.cancel.clone());
        let done = blocking(move || {
            let repo = Repo::open(path)?.with_cancel(cancel);
            work(&repo)
        });
        done.await.map_err(Trouble::stuck)?.map_err(Trouble::from)
    }

    /// Records something.
    pub(super) async fn record(
        &self,
        decide: impl FnOnce(&mut clerk::draft::Draft<'_>, &Setting) -> Result<(), Refusal>
        + Clone
        + Send
        + 'static,
    ) -> Result<(), Trouble> {
        let setting = self.setting.clone();
        Ok(self.tools.write(&self.me(), move |draft| decide(draft, &setting)).await?)
    }

    /// The requests of a run.
    ///
    /// # Errors
    /// When one is not known.
    pub(super) fn requests(&self, run: &Run) -> Result<Vec<MergeRequest>, Trouble> {
        self.tools.look(|board| {
            let find = |id: &MergeId| {
                let missing = || Trouble::stuck(format!("{id} is in the queue and not in the ledger"));
                board.merges.get(id).cloned().ok_or_else(missing)
            };
            run.stack.iter().map(find).collect()
        })
    }

    /// What is merged for `merge`; none when its head is no commit.
    pub(super) fn car(&self, merge: &MergeRequest) -> Option<Car> {
        self.tools.look(|board| car(board, merge))
    }

    /// What the merge commit of several changes says. Like those of one it depends on the requests alone.
    pub(super) fn batch(&self, cars: &[Car]) -> Words {
        let subjects: Vec<&str> = cars.iter().map(|car| car.words.message.as_str()).collect();
        let message = format!("Merge {} changes\n\n{}", cars.len(), subjects.join("\n"));
        let at = cars.iter().map(|car| car.words.author.at).max().unwrap_or_default();
        let trailers = cars.iter().flat_map(|car| car.words.trailers.iter().cloned()).collect();
        Words { message, author: author(&self.me(), at), trailers }
    }
}

/// What will be pushed, in the words of the clerk.
pub(super) fn push(work: &Work, base: Oid, ids: &[MergeId], coupled: &git::train::Coupled) -> Push {
    Push {
        base: base.to_string(),
        own: ids.iter().cloned().zip(coupled.own.iter().map(ToString::to_string)).collect(),
        line: coupled.line.iter().map(|(commit, tree)| (commit.to_string(), work.tree(*tree))).collect(),
    }
}

/// What is merged for `merge`; none when its head is no commit.
pub(crate) fn car(board: &Board, merge: &MergeRequest) -> Option<Car> {
    let title = board.beads.get(&merge.bead).map(|bead| bead.title.clone()).unwrap_or_default();
    let session = board.agents.get(&merge.worker).and_then(|agent| {
        agent.session.as_ref().map(|open| open.id.clone()).or_else(|| agent.last_session.clone())
    });
    let mut trailers = vec![
        ("Gastown-Agent".to_owned(), merge.worker.to_string()),
        ("Gastown-Bead".to_owned(), merge.bead.to_string()),
    ];
    if let Some(session) = session {
        trailers.push(("Gastown-Session".to_owned(), session.to_string()));
    }
    let message = format!("Merge {}: {title}", merge.bead);
    let author = author(&Address::Refinery(merge.rig.clone()), merge.submitted_at.millis() / 1000);
    Some(Car { head: Oid::from_str(&merge.head).ok()?, words: Words { message, author, trailers } })
}

fn author(me: &Address, at: i64) -> Identity {
    Identity { name: me.to_string(), email: format!("{}@gastown.local", me.slug()), at }
}
