//! A town on paper, for the clerk's tests: a board, and a way to decide and record.

use std::collections::BTreeMap;
use std::time::Duration;

use ledger::views::Board;
use ledger::{LedgerError, Limits, Store};
use model::answer::{Answer, FormulaRow};
use model::command::{Command, NewBead, Origin, Sling};
use model::escalation::Rules;
use model::event::{Event, PouredStep, Record};
use model::ids::{AgentName, BeadId, RigName, Seq};
use model::refusal::Refusal;
use model::role::Address;
use model::time::Timestamp;

use crate::book::Book;
use crate::decide::decide;
use crate::draft::{Deed, Draft};
use crate::past::{self, Past};

/// A book with one formula of two steps.
#[derive(Debug)]
pub(crate) struct OneFormula;

impl Book for OneFormula {
    fn steps(
        &self,
        _: Option<&RigName>,
        formula: &str,
        _: &BTreeMap<String, String>,
        _: &model::bead::Bead,
    ) -> Result<Vec<PouredStep>, Refusal> {
        let step = |id: &str, needs: &[&str]| PouredStep {
            id: id.into(),
            title: id.into(),
            description: String::new(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            own_session: formula == "apart",
        };
        match formula {
            "two" | "apart" => Ok(vec![step("first", &[]), step("second", &["first"])]),
            _ => Err(Refusal::no_such("formula", formula, ["two"])),
        }
    }

    fn list(&self, _: Option<&RigName>) -> Vec<FormulaRow> {
        Vec::new()
    }

    fn show(
        &self,
        _: Option<&RigName>,
        formula: &str,
        _: Option<&BTreeMap<String, String>>,
    ) -> Result<serde_json::Value, Refusal> {
        Err(Refusal::no_such("formula", formula, []))
    }

    fn cook(
        &self,
        _: Option<&RigName>,
        formula: &str,
        _: &BTreeMap<String, String>,
    ) -> Result<serde_json::Value, Refusal> {
        Err(Refusal::no_such("formula", formula, []))
    }

    fn lint(
        &self,
        _: Option<&RigName>,
        _: &[String],
        _: &[model::formula::Text],
    ) -> Result<Vec<model::formula::Checked>, Refusal> {
        Ok(Vec::new())
    }

    fn draft(&self, _: Option<&RigName>, name: &str, _: &str) -> Result<model::formula::Draft, Refusal> {
        Err(Refusal::no_such("formula", name, []))
    }

    fn default_for(&self, _: &RigName) -> Option<String> {
        Some("two".into())
    }

    fn escalation(&self) -> Rules {
        Rules::default()
    }

    fn workers(&self, _: &RigName) -> Vec<AgentName> {
        vec!["docs".parse().unwrap(), "backend".parse().unwrap()]
    }

    fn gate_log(&self, log: &str) -> Result<String, Refusal> {
        Ok(format!("what {log} says"))
    }
}

/// A town on paper, with the rig `web`.
#[derive(Debug, Clone)]
pub(crate) struct Paper {
    pub(crate) board: Board,
    pub(crate) records: Vec<Record>,
    /// How much later it is than the records make it.
    pub(crate) later: Duration,
}

impl Past for Paper {
    fn look<R>(&self, look: impl FnOnce(&Board) -> R) -> R {
        look(&self.board)
    }

    fn records(&self, from: Seq, limit: usize) -> Result<Vec<Record>, LedgerError> {
        Ok(self.records.iter().filter(|record| record.seq >= from).take(limit).cloned().collect())
    }
}

impl Paper {
    pub(crate) fn new() -> Self {
        let mut paper = Paper { board: Board::default(), records: Vec::new(), later: Duration::ZERO };
        paper.rig("web", "web");
        paper
    }

    pub(crate) fn rig(&mut self, name: &str, prefix: &str) {
        let (rig, prefix) = (name.parse().unwrap(), prefix.parse().unwrap());
        let event = Event::RigAdded { rig, git_url: "/x".into(), prefix, branch: "main".into() };
        self.record(vec![(Address::Overseer, event)]);
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_000 * (self.records.len() as i64 + 1)).plus(self.later)
    }

    /// The time, and how long beads rest after a failure.
    pub(crate) fn rest(&self) -> (Timestamp, std::time::Duration) {
        (self.now(), crate::strategy::Rules::default().redispatch_after)
    }

    pub(crate) fn record(&mut self, deed: Deed) {
        for (actor, event) in deed {
            let record = Record { seq: self.board.head.next(), at: self.now(), actor, event };
            self.board.apply(&record);
            self.records.push(record);
        }
    }

    /// A command of `origin`, decided and recorded.
    pub(crate) fn by(&mut self, origin: &Origin, command: Command) -> Result<Answer, Refusal> {
        if let Some(answer) = past::answer(self, origin, &command) {
            return answer;
        }
        if let Some(answer) = crate::escalations::answer(self, &command, self.now()) {
            return answer;
        }
        let letters = past::named(self, &command)?;
        let (deed, answer) = decide(&self.board, &OneFormula, &letters, origin, &command, self.now())?;
        self.record(deed);
        Ok(answer)
    }

    /// A command of the operator.
    pub(crate) fn does(&mut self, command: Command) -> Result<Answer, Refusal> {
        self.by(&Origin::operator(), command)
    }

    /// What an actor at `address` decides.
    pub(crate) fn role(
        &mut self,
        address: &Address,
        decide: impl FnOnce(&mut Draft<'_>) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let board = self.board.clone();
        let mut draft = Draft::new(&board, address.clone(), self.now());
        decide(&mut draft)?;
        self.record(draft.finish());
        Ok(())
    }

    /// What the Deacon records about escalations by now.
    pub(crate) fn deacon(&mut self) {
        self.role(&Address::Deacon, |draft| {
            crate::routing::settle(draft, &Rules::default(), &Default::default());
            Ok(())
        })
        .unwrap();
    }

    /// Makes a bead of the rig `web`.
    pub(crate) fn bead(&mut self, title: &str) -> BeadId {
        let new = NewBead { title: title.into(), rig: Some("web".parse().unwrap()), ..Default::default() };
        match self.does(Command::BeadCreate(new)).unwrap() {
            Answer::Bead(bead) => bead.id,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn sling(&mut self, beads: &[&BeadId], target: &str) -> Result<Answer, Refusal> {
        let beads = beads.iter().map(|id| (*id).clone()).collect();
        self.does(Command::Sling(Sling { beads, target: target.into(), ..Default::default() }))
    }

    /// Hangs what can go next on a hook of `web`, as its dispatcher would; returns who took what.
    pub(crate) fn dispatch(&mut self, max_workers: usize) -> Option<(BeadId, Address)> {
        let pool = ["docs".parse().unwrap(), "backend".parse().unwrap()];
        let rig = "web".parse().unwrap();
        let (waiting, worker) =
            crate::hooks::next_assignment(&self.board, &rig, &pool, max_workers, self.rest())?;
        let bead = waiting.bead.clone();
        let who = worker.clone();
        self.role(&Address::Runtime, move |draft| {
            crate::hooks::hang(draft, &OneFormula, &waiting, &who).map(drop)
        })
        .unwrap();
        Some((bead, worker))
    }

    /// What is left to do, all rigs being configured.
    pub(crate) fn left(&self) -> crate::idle::Left {
        crate::idle::Left::of(&self.board, &self.board.rigs.iter().map(|rig| rig.name.clone()).collect())
    }

    /// The events since record number `from`, by type.
    pub(crate) fn kinds(&self, from: usize) -> Vec<&'static str> {
        self.records[from..].iter().map(|record| record.event.kind()).collect()
    }
}

/// A ledger on disk that is told what happens to a town on paper, and is opened anew now and then.
pub(crate) struct OnDisk {
    dir: tempfile::TempDir,
    store: Option<Store>,
}

impl OnDisk {
    pub(crate) fn new(paper: &Paper) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Some(Store::open(dir.path(), Limits::default()).unwrap());
        let mut disk = OnDisk { dir, store };
        disk.follow(paper);
        disk
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// Writes what has happened on paper since the last time.
    pub(crate) fn follow(&mut self, paper: &Paper) {
        let known = usize::try_from(self.store().head().0).unwrap();
        for record in &paper.records[known..] {
            let events = vec![(record.actor.clone(), record.event.clone())];
            let written = self.store().write_one(record.at, |_, _| Ok((events, ()))).unwrap();
            assert_eq!(written.records, std::slice::from_ref(record));
        }
    }

    /// Opens it anew, as after a kill, and looks whether it says what the paper says.
    pub(crate) fn restart(&mut self, paper: &Paper) {
        self.store = None;
        self.store = Some(Store::open(self.dir.path(), Limits::default()).unwrap());
        self.store().read(|board| assert_eq!(*board, paper.board));
        self.store().verify().unwrap();
    }
}
