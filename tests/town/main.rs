//! What the contract promises, tried on real towns: a real runtime in a temporary folder, real
//! terminals, real repositories, scripted agents. A file per promise; the harness is in [`support`].

mod attach;
mod backup;
mod bad_disk;
mod bad_input;
mod beads;
mod capacity;
mod carriers;
mod chaos;
mod comeback;
mod compact;
mod costs;
mod deaths;
mod demo;
mod durability;
mod emergency;
mod ends;
mod escalations;
mod exits;
mod faults;
mod flow;
mod formulas;
mod handoff;
mod judgement;
mod land;
mod letters;
mod looks;
mod nudges;
mod offline;
mod outage;
#[expect(dead_code, reason = "the room whose fakes these are uses the rest")]
#[path = "../../src/notify/tests/fakes.rs"]
mod outside;
mod post;
mod queue;
mod recover;
mod rescue;
mod rework;
mod service;
#[path = "../../src/ledger/tests/shim/mod.rs"]
mod shim;
mod standstill;
mod stop;
mod stuck;
mod supervision;
mod support;
mod watching;
