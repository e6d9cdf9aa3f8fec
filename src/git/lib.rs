//! Worktrees and merges
