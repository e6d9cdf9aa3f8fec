//! A disk on paper, and what a power cut leaves of it.
//!
//! What is promised: bytes and length of a file after a sync of that file; names in a folder after a sync
//! of that folder. All else may be there or not, each page by itself, in any order, in any version it has
//! had since the last sync, and torn between two versions at a sector. No file system in use is that bad;
//! each is bad in some of these ways.
//!
//! - A file's name is not there because the file was synced: its folder must be.
//! - The names that one rename touches change at once. Unrelated names change in any order.
//! - A file's length is one that it has had since the last sync, whatever was written behind it.
//! - After a failed sync the system takes the pages for clean: a later sync that goes well promises
//!   nothing about them, until they are written anew.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::dice::Dice;
use crate::journal::Entry;

const PAGE: usize = 4096;
const SECTOR: usize = 512;

/// What acknowledgements are written to, beside the ledger: paper that no power cut touches.
pub(crate) const WITNESS: &str = "acks";

type Id = usize;

/// A folder and all below it, as it is now and as it is for good.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    nodes: Vec<Node>,
    by_inode: HashMap<u64, Id>,
    /// Changes of names that no sync has made good, in their order.
    loose: Vec<Naming>,
    witness: Vec<u8>,
    witness_inode: Option<u64>,
}

#[derive(Debug, Clone)]
enum Node {
    File(Body),
    Folder { now: BTreeMap<String, Id>, safe: BTreeMap<String, Id> },
}

/// Names that change at once: the folder, the name, and what it means from then on.
#[derive(Debug, Clone)]
struct Naming(Vec<(Id, String, Option<Id>)>);

#[derive(Debug, Clone, Default)]
struct Body {
    safe: Vec<u8>,
    /// What was done since the last sync.
    loose: Vec<Change>,
    /// How many of these a failed sync has made the system forget.
    forgotten: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Write { at: usize, data: Vec<u8> },
    Length(usize),
}

/// How bad a power cut is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing is there that was not synced.
    Harsh,
    /// Everything is there.
    Kind,
    /// Everything up to some moment is there, and nothing after it.
    Ordered,
    /// Each page by itself.
    Pages,
    /// Each page by itself, and some of them torn.
    Torn,
}

impl Mode {
    /// One of them.
    pub(crate) fn any(dice: &mut Dice) -> Mode {
        match dice.below(8) {
            0 => Mode::Harsh,
            1 => Mode::Kind,
            2 => Mode::Ordered,
            3 | 4 => Mode::Pages,
            _ => Mode::Torn,
        }
    }
}

impl Disk {
    /// An empty folder.
    pub(crate) fn new() -> Disk {
        let root = Node::Folder { now: BTreeMap::new(), safe: BTreeMap::new() };
        Disk { nodes: vec![root], ..Disk::default() }
    }

    /// A folder as it stands, all of it for good.
    pub(crate) fn load(folder: &Path) -> io::Result<Disk> {
        let mut disk = Disk::default();
        disk.load_one(folder, true)?;
        Ok(disk)
    }

    fn load_one(&mut self, path: &Path, top: bool) -> io::Result<Id> {
        let meta = fs::metadata(path)?;
        let id = self.nodes.len();
        if meta.is_file() {
            self.nodes.push(Node::File(Body { safe: fs::read(path)?, ..Body::default() }));
            self.by_inode.insert(meta.ino(), id);
            return Ok(id);
        }
        self.nodes.push(Node::Folder { now: BTreeMap::new(), safe: BTreeMap::new() });
        self.by_inode.insert(meta.ino(), id);
        let mut names = BTreeMap::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if top && name == WITNESS {
                self.witness = fs::read(entry.path())?;
                self.witness_inode = Some(entry.metadata()?.ino());
            } else {
                names.insert(name, self.load_one(&entry.path(), false)?);
            }
        }
        self.nodes[id] = Node::Folder { now: names.clone(), safe: names };
        Ok(id)
    }

    /// What was acknowledged so far, as it was written.
    pub(crate) fn witness(&self) -> &[u8] {
        &self.witness
    }

    /// Does what `entry` says.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Begin { folder } => {
                self.by_inode.insert(*folder, 0);
            }
            Entry::Create { file, path } if path == WITNESS => self.witness_inode = Some(*file),
            Entry::Create { file, path } => self.make(*file, path, Node::File(Body::default())),
            Entry::Folder { folder, path } => {
                self.make(*folder, path, Node::Folder { now: BTreeMap::new(), safe: BTreeMap::new() });
            }
            Entry::Write { file, data, .. } if Some(*file) == self.witness_inode => {
                self.witness.extend_from_slice(data);
            }
            Entry::Write { file, at, data } => {
                self.change(*file, Change::Write { at: size(*at), data: data.clone() });
            }
            Entry::Length { file, length } => self.change(*file, Change::Length(size(*length))),
            Entry::Sync { file } => self.sync(*file),
            Entry::SyncFailed { file } => {
                if let Node::File(body) = self.node(*file) {
                    body.forgotten = body.loose.len();
                }
            }
            Entry::Rename { from, to } => {
                let (from, to) = (self.place(from), self.place(to));
                let node = self.meaning(&from);
                self.name(vec![(from.0, from.1, None), (to.0, to.1, node)]);
            }
            Entry::Remove { path } => {
                let (folder, name) = self.place(path);
                self.name(vec![(folder, name, None)]);
            }
            Entry::Link { from, to } => {
                let node = self.meaning(&self.place(from));
                let (folder, name) = self.place(to);
                self.name(vec![(folder, name, node)]);
            }
        }
    }

    fn make(&mut self, inode: u64, path: &str, node: Node) {
        let id = self.nodes.len();
        self.nodes.push(node);
        // An inode that was given back may be somebody else's now.
        self.by_inode.insert(inode, id);
        let (folder, name) = self.place(path);
        self.name(vec![(folder, name, Some(id))]);
    }

    fn node(&mut self, inode: u64) -> &mut Node {
        let id = self.by_inode.get(&inode).copied();
        &mut self.nodes[id.expect("a file that was there before the journal began")]
    }

    fn names(&self, id: Id) -> &BTreeMap<String, Id> {
        match &self.nodes[id] {
            Node::Folder { now, .. } => now,
            Node::File(_) => panic!("a name below a file"),
        }
    }

    /// The folder that holds the last name of `path`, and that name.
    fn place(&self, path: &str) -> (Id, String) {
        let mut folder = 0;
        let mut names = path.split('/').peekable();
        while let Some(name) = names.next() {
            if names.peek().is_none() {
                return (folder, name.to_owned());
            }
            folder = self.names(folder)[name];
        }
        panic!("a path without a name")
    }

    fn meaning(&self, (folder, name): &(Id, String)) -> Option<Id> {
        self.names(*folder).get(name).copied()
    }

    fn name(&mut self, changes: Vec<(Id, String, Option<Id>)>) {
        for (folder, name, node) in &changes {
            if let Node::Folder { now, .. } = &mut self.nodes[*folder] {
                set(now, name, *node);
            }
        }
        self.loose.push(Naming(changes));
    }

    fn change(&mut self, inode: u64, change: Change) {
        if let Node::File(body) = self.node(inode) {
            body.loose.push(change);
        }
    }

    fn sync(&mut self, inode: u64) {
        let Some(id) = self.by_inode.get(&inode).copied() else { return };
        if let Node::File(body) = &mut self.nodes[id] {
            body.sync();
            return;
        }
        let (mine, others): (Vec<Naming>, Vec<Naming>) =
            self.loose.drain(..).partition(|naming| naming.0.iter().any(|(folder, ..)| *folder == id));
        self.loose = others;
        for Naming(changes) in mine {
            for (folder, name, node) in changes {
                if let Node::Folder { safe, .. } = &mut self.nodes[folder] {
                    set(safe, &name, node);
                }
            }
        }
    }

    /// Writes what a power cut leaves at this moment into the empty folder `dest`.
    pub(crate) fn cut(&self, mode: Mode, dice: &mut Dice, dest: &Path) -> io::Result<()> {
        let mut folders: HashMap<Id, BTreeMap<String, Id>> = HashMap::new();
        for (id, node) in self.nodes.iter().enumerate() {
            if let Node::Folder { safe, .. } = node {
                folders.insert(id, safe.clone());
            }
        }
        for Naming(changes) in self.kept_names(mode, dice) {
            for (folder, name, node) in changes {
                set(folders.entry(*folder).or_default(), name, *node);
            }
        }
        self.write(0, &folders, mode, dice, dest)
    }

    fn kept_names(&self, mode: Mode, dice: &mut Dice) -> Vec<&Naming> {
        match mode {
            Mode::Harsh => Vec::new(),
            Mode::Kind => self.loose.iter().collect(),
            Mode::Ordered => self.loose.iter().take(dice.upto(self.loose.len())).collect(),
            Mode::Pages | Mode::Torn => {
                // Changes that have a name in common come in their order; others come as they like.
                type Group<'a> = (HashSet<(Id, &'a str)>, Vec<usize>);
                let mut groups: Vec<Group<'_>> = Vec::new();
                for (n, Naming(changes)) in self.loose.iter().enumerate() {
                    let mut names: HashSet<(Id, &str)> =
                        changes.iter().map(|(folder, name, _)| (*folder, name.as_str())).collect();
                    let mut members = Vec::new();
                    groups.retain(|(theirs, numbers)| {
                        let apart = names.is_disjoint(theirs);
                        if !apart {
                            names.extend(theirs);
                            members.extend(numbers);
                        }
                        apart
                    });
                    members.push(n);
                    members.sort_unstable();
                    groups.push((names, members));
                }
                let mut kept: HashSet<usize> = HashSet::new();
                for (_, members) in &groups {
                    kept.extend(members.iter().take(dice.upto(members.len())));
                }
                self.loose.iter().enumerate().filter(|(n, _)| kept.contains(n)).map(|(_, one)| one).collect()
            }
        }
    }

    fn write(
        &self,
        id: Id,
        folders: &HashMap<Id, BTreeMap<String, Id>>,
        mode: Mode,
        dice: &mut Dice,
        dest: &Path,
    ) -> io::Result<()> {
        match &self.nodes[id] {
            // By then the machine was started anew, which is how the store knows.
            Node::File(_) if dest.ends_with("sled/boot") => fs::write(dest, "another"),
            Node::File(body) => fs::write(dest, body.after(mode, dice)),
            Node::Folder { .. } => {
                if !dest.is_dir() {
                    fs::create_dir(dest)?;
                }
                for (name, id) in folders.get(&id).into_iter().flatten() {
                    self.write(*id, folders, mode, dice, &dest.join(name))?;
                }
                Ok(())
            }
        }
    }
}

impl Body {
    fn sync(&mut self) {
        let loose = std::mem::take(&mut self.loose);
        if self.forgotten == 0 {
            for change in &loose {
                change.apply(&mut self.safe);
            }
            return;
        }
        // What was written since the failure is there with the whole of its pages; other pages of before
        // stay in doubt, one by one.
        let mut now = self.safe.clone();
        for change in &loose {
            change.apply(&mut now);
        }
        let (before, since) = loose.split_at(self.forgotten.min(loose.len()));
        let pages =
            |changes: &[Change]| -> HashSet<usize> { changes.iter().flat_map(Change::pages).collect() };
        let doubtful: Vec<usize> = pages(before).difference(&pages(since)).copied().collect();
        let mut safe = now.clone();
        for page in doubtful {
            let (from, to) = (page * PAGE, ((page + 1) * PAGE).min(now.len()));
            if from >= to {
                continue;
            }
            for (at, byte) in (from..to).zip(&mut safe[from..to]) {
                *byte = self.safe.get(at).copied().unwrap_or(0);
            }
            self.loose.push(Change::Write { at: from, data: now[from..to].to_vec() });
        }
        self.forgotten = self.loose.len();
        self.safe = safe;
    }

    /// What is there after a power cut.
    fn after(&self, mode: Mode, dice: &mut Dice) -> Vec<u8> {
        let mut bytes = self.safe.clone();
        if mode == Mode::Harsh || self.loose.is_empty() {
            return bytes;
        }
        let all = self.loose.len();
        if matches!(mode, Mode::Kind | Mode::Ordered) {
            let kept = if mode == Mode::Kind { all } else { dice.upto(all) };
            for change in &self.loose[..kept] {
                change.apply(&mut bytes);
            }
            // The one at which it happens is cut off between two sectors.
            if let Some(Change::Write { at, data }) = self.loose.get(kept) {
                let sectors = dice.upto(data.len() / SECTOR) * SECTOR;
                Change::Write { at: *at, data: data[..sectors].to_vec() }.apply(&mut bytes);
            }
            return bytes;
        }
        let mut lengths = vec![bytes.len()];
        for change in &self.loose {
            let before = *lengths.last().unwrap_or(&0);
            lengths.push(match change {
                Change::Write { at, data } => before.max(at + data.len()),
                Change::Length(length) => *length,
            });
        }
        bytes.resize(lengths.iter().copied().max().unwrap_or(0), 0);
        // By page, the moment that is kept of it; where it is torn, that of its upper sectors.
        let mut moments: HashMap<usize, (usize, usize, usize)> = HashMap::new();
        let mut moment = |page: usize, sector: usize| {
            let (low, high, from) = *moments.entry(page).or_insert_with(|| {
                let low = moment_of(all, dice);
                match mode {
                    Mode::Torn if dice.below(2) == 0 => {
                        (low, moment_of(all, dice), 1 + dice.upto(PAGE / SECTOR - 2))
                    }
                    _ => (low, low, PAGE / SECTOR),
                }
            });
            if sector < from { low } else { high }
        };
        for (n, change) in self.loose.iter().enumerate() {
            let (at, end, data) = match change {
                Change::Write { at, data } => (*at, at + data.len(), Some(data)),
                Change::Length(length) => (*length, bytes.len(), None),
            };
            let mut from = at;
            while from < end {
                let to = end.min((from / SECTOR + 1) * SECTOR);
                if n < moment(from / PAGE, from % PAGE / SECTOR) {
                    match data {
                        Some(data) => bytes[from..to].copy_from_slice(&data[from - at..to - at]),
                        None => bytes[from..to].fill(0),
                    }
                }
                from = to;
            }
        }
        let length = lengths[moment_of(all, dice)];
        bytes.truncate(length);
        bytes
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Length(length) => bytes.resize(*length, 0),
            Change::Write { at, data } => {
                let end = at + data.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*at..end].copy_from_slice(data);
            }
        }
    }

    fn pages(&self) -> std::ops::Range<usize> {
        match self {
            Change::Write { at, data } => at / PAGE..(at + data.len()).div_ceil(PAGE),
            // A file that grows by itself has no page of its own yet.
            Change::Length(_) => 0..0,
        }
    }
}

/// A number of changes that were kept: often none, often all.
fn moment_of(all: usize, dice: &mut Dice) -> usize {
    match dice.below(3) {
        0 => 0,
        1 => all,
        _ => dice.upto(all),
    }
}

fn set(names: &mut BTreeMap<String, Id>, name: &str, node: Option<Id>) {
    match node {
        Some(node) => names.insert(name.to_owned(), node),
        None => names.remove(name),
    };
}

fn size(n: u64) -> usize {
    usize::try_from(n).expect("a file that fits into memory")
}
