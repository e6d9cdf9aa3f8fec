//! The living tree: who is alive right now, and how often each had to be started again.
//!
//! One shared picture per town. Supervisors draw their children into it; an actor may hang its
//! sessions below itself through [`TreeHandle::attach_session`]; anybody may look with
//! [`TreeHandle::snapshot`]. It is a picture and nothing else: no decision is read from it, and it
//! is gone with the process.
//!
//! The lock inside is held for a few map operations and never across an await.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// What a node of the tree is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Watches its children.
    Supervisor,
    /// Does work.
    Actor,
    /// An agent's terminal, owned by the actor above it.
    Session,
}

/// How a node fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeState {
    /// Alive.
    Running,
    /// Ended, and about to be started again.
    Restarting,
    /// Not alive, and nobody is about to change that.
    Stopped,
    /// Alive, and takes no messages.
    Blocked,
}

/// One node with everything below it, as `tree --json` prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeNode {
    /// Unique in the town, a path where that helps: `rig web/polecats/backend`.
    pub name: String,
    /// What it is.
    pub kind: NodeKind,
    /// A supervisor's restart strategy; `null` for all others.
    pub strategy: Option<String>,
    /// How it fares.
    pub state: NodeState,
    /// How often it was started again since its supervisor started.
    pub restarts: u64,
    /// In start order; an actor's sessions come in the order of their attachment.
    pub children: Vec<TreeNode>,
}

impl TreeNode {
    /// Returns the first node called `name` at or below this one.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }
}

/// The shared picture. Clones look at the same tree.
#[derive(Clone, Debug, Default)]
pub struct TreeHandle(Arc<Mutex<Picture>>);

#[derive(Debug, Default)]
struct Picture {
    root: Option<String>,
    nodes: HashMap<String, Node>,
    next_token: u64,
}

#[derive(Debug)]
struct Node {
    /// Tells this node from a later one of the same name.
    token: u64,
    kind: NodeKind,
    strategy: Option<String>,
    state: NodeState,
    blocked: bool,
    restarts: u64,
    children: Vec<String>,
    sessions: Vec<(u64, String)>,
}

impl TreeHandle {
    /// Returns an empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Draws a node in state `stopped`, or redraws one that is there already (its sessions and
    /// children stay, its state and count do not change).
    ///
    /// * `parent` - the node above it, which must have been drawn; `None` makes it the root.
    pub fn declare(&self, parent: Option<&str>, name: &str, kind: NodeKind) {
        let mut picture = self.lock();
        match picture.nodes.get_mut(name) {
            Some(node) => node.kind = kind,
            None => {
                let token = picture.token();
                picture.nodes.insert(name.to_owned(), Node::new(token, kind));
            }
        }
        match parent {
            None => picture.root = Some(name.to_owned()),
            Some(parent) => {
                if let Some(above) = picture.nodes.get_mut(parent)
                    && !above.children.iter().any(|child| child == name)
                {
                    above.children.push(name.to_owned());
                }
            }
        }
    }

    /// Notes a supervisor's strategy (`rest_for_one` and so on).
    pub fn set_strategy(&self, name: &str, strategy: &str) {
        if let Some(node) = self.lock().nodes.get_mut(name) {
            node.strategy = Some(strategy.to_owned());
        }
    }

    /// Notes how a node fares. Unknown names are ignored.
    pub fn set_state(&self, name: &str, state: NodeState) {
        if let Some(node) = self.lock().nodes.get_mut(name) {
            node.state = state;
            node.blocked = false;
        }
    }

    /// Notes whether a node that is alive takes no messages. Unknown names are ignored.
    pub fn set_blocked(&self, name: &str, blocked: bool) {
        if let Some(node) = self.lock().nodes.get_mut(name) {
            node.blocked = blocked;
        }
    }

    /// Notes how often a node was started again. Unknown names are ignored.
    pub fn set_restarts(&self, name: &str, restarts: u64) {
        if let Some(node) = self.lock().nodes.get_mut(name) {
            node.restarts = restarts;
        }
    }

    /// Erases everything below `name`, and returns the names that were erased.
    pub fn clear_below(&self, name: &str) -> Vec<String> {
        self.lock().clear_below(name)
    }

    /// Erases `name` and everything below it, and returns the names that were erased.
    pub fn remove(&self, name: &str) -> Vec<String> {
        let mut picture = self.lock();
        let mut gone = picture.clear_below(name);
        if picture.nodes.remove(name).is_some() {
            for node in picture.nodes.values_mut() {
                node.children.retain(|child| child != name);
            }
            if picture.root.as_deref() == Some(name) {
                picture.root = None;
            }
            gone.push(name.to_owned());
        }
        gone
    }

    /// Hangs a session below the actor `parent` for as long as the returned guard lives.
    ///
    /// Keep the guard in the actor's state. Where no such actor is drawn the session is not shown.
    #[must_use = "the session leaves the tree when the guard is dropped"]
    pub fn attach_session(&self, parent: &str, session: &str) -> SessionGuard {
        let mut picture = self.lock();
        let token = picture.token();
        let mut parent_token = None;
        if let Some(node) = picture.nodes.get_mut(parent) {
            node.sessions.push((token, session.to_owned()));
            parent_token = Some(node.token);
        }
        drop(picture);
        SessionGuard { tree: self.clone(), parent: parent.to_owned(), parent_token, token }
    }

    /// Returns the whole tree as it is now, or `None` before a root was drawn.
    #[must_use]
    pub fn snapshot(&self) -> Option<TreeNode> {
        let picture = self.lock();
        let root = picture.root.as_deref()?;
        picture.render(root)
    }

    fn lock(&self) -> MutexGuard<'_, Picture> {
        // Nothing below can leave the maps half changed, so a poisoned lock is as good as any.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Picture {
    fn token(&mut self) -> u64 {
        self.next_token += 1;
        self.next_token
    }

    fn clear_below(&mut self, name: &str) -> Vec<String> {
        let mut gone = Vec::new();
        let mut left: Vec<String> = match self.nodes.get_mut(name) {
            Some(node) => std::mem::take(&mut node.children),
            None => return gone,
        };
        while let Some(next) = left.pop() {
            if let Some(node) = self.nodes.remove(&next) {
                left.extend(node.children);
                gone.push(next);
            }
        }
        gone
    }

    fn render(&self, name: &str) -> Option<TreeNode> {
        let node = self.nodes.get(name)?;
        let mut children: Vec<TreeNode> =
            node.children.iter().filter_map(|child| self.render(child)).collect();
        children.extend(node.sessions.iter().map(|(_, session)| TreeNode {
            name: session.clone(),
            kind: NodeKind::Session,
            strategy: None,
            state: NodeState::Running,
            restarts: 0,
            children: Vec::new(),
        }));
        Some(TreeNode {
            name: name.to_owned(),
            kind: node.kind,
            strategy: node.strategy.clone(),
            state: match node.state {
                NodeState::Running if node.blocked => NodeState::Blocked,
                state => state,
            },
            restarts: node.restarts,
            children,
        })
    }
}

impl Node {
    fn new(token: u64, kind: NodeKind) -> Self {
        Self {
            token,
            kind,
            strategy: None,
            state: NodeState::Stopped,
            blocked: false,
            restarts: 0,
            children: Vec::new(),
            sessions: Vec::new(),
        }
    }
}

/// Keeps one session in the tree; dropping it takes the session out.
#[derive(Debug)]
pub struct SessionGuard {
    tree: TreeHandle,
    parent: String,
    parent_token: Option<u64>,
    token: u64,
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let mut picture = self.tree.lock();
        if let Some(node) = picture.nodes.get_mut(&self.parent)
            && Some(node.token) == self.parent_token
        {
            node.sessions.retain(|(token, _)| *token != self.token);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn town() -> TreeHandle {
        let tree = TreeHandle::new();
        tree.declare(None, "town", NodeKind::Supervisor);
        tree.set_strategy("town", "rest_for_one");
        tree.set_state("town", NodeState::Running);
        tree.declare(Some("town"), "scribe", NodeKind::Actor);
        tree.declare(Some("town"), "rigs", NodeKind::Supervisor);
        tree.declare(Some("rigs"), "rig web", NodeKind::Supervisor);
        tree.declare(Some("rig web"), "rig web/witness", NodeKind::Actor);
        tree
    }

    #[test]
    fn it_is_printed_with_the_fields_of_the_contract() {
        let tree = TreeHandle::new();
        tree.declare(None, "town", NodeKind::Supervisor);
        tree.set_strategy("town", "rest_for_one");
        tree.set_state("town", NodeState::Running);
        tree.declare(Some("town"), "scribe", NodeKind::Actor);
        let json = serde_json::to_string(&tree.snapshot().unwrap()).unwrap();
        assert_eq!(
            json,
            r#"{"name":"town","kind":"supervisor","strategy":"rest_for_one","state":"running","restarts":0,"children":[{"name":"scribe","kind":"actor","strategy":null,"state":"stopped","restarts":0,"children":[]}]}"#
        );
    }

    #[test]
    fn a_session_is_shown_while_its_guard_lives() {
        let tree = town();
        let guard = tree.attach_session("scribe", "s-1");
        let shown = tree.snapshot().unwrap();
        assert_eq!(shown.find("s-1").map(|node| node.kind), Some(NodeKind::Session));
        drop(guard);
        assert_eq!(tree.snapshot().unwrap().find("s-1"), None);
    }

    #[test]
    fn a_late_guard_leaves_the_sessions_of_a_new_node_alone() {
        let tree = town();
        let old = tree.attach_session("rig web/witness", "s-1");
        tree.clear_below("rig web");
        tree.declare(Some("rig web"), "rig web/witness", NodeKind::Actor);
        let _new = tree.attach_session("rig web/witness", "s-1");
        drop(old);
        assert!(tree.snapshot().unwrap().find("s-1").is_some());
    }

    #[test]
    fn removing_a_node_takes_all_below_it_and_says_which() {
        let tree = town();
        let mut gone = tree.remove("rigs");
        gone.sort();
        assert_eq!(gone, ["rig web", "rig web/witness", "rigs"]);
        assert_eq!(tree.snapshot().unwrap().children.len(), 1);
    }

    #[test]
    fn declaring_a_node_twice_draws_it_once() {
        let tree = town();
        tree.set_restarts("scribe", 4);
        tree.declare(Some("town"), "scribe", NodeKind::Actor);
        let shown = tree.snapshot().unwrap();
        assert_eq!(shown.children.len(), 2);
        assert_eq!(shown.find("scribe").map(|node| node.restarts), Some(4));
    }

    #[test]
    fn an_empty_tree_has_no_picture() {
        assert_eq!(TreeHandle::new().snapshot(), None);
    }
}
