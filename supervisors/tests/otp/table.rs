//! THE table: what OTP's `supervisor` manual page says, sentence by sentence, each with a scene in which it
//! shows and what is seen there.
//!
//! The page is `supervisor(3)` of stdlib 4.2 (Erlang/OTP 25), <https://www.erlang.org/docs/25/man/supervisor>;
//! "Principles" is the chapter "Supervisor Behaviour" of the OTP Design Principles of the same release. What
//! differs here on purpose stands in [`OURS`].

use crate::scene::AutoShutdown::{AllSignificant, AnySignificant, Never};
use crate::scene::How::{Error, Kill, Normal, Panic, Shutdown};
use crate::scene::Restart::{Permanent, Temporary, Transient};
use crate::scene::Step::{Count, Delete, Ends, Restart, Start, Stop, Terminate, Wait, Which};
use crate::scene::Strategy::{OneForAll, OneForOne, RestForOne, Simple};
use crate::scene::{Kid, Scene, Step, Sup, above, permanent, sup, temporary, transient};

/// One sentence of the manual page.
pub(crate) struct Row {
    /// What it says.
    pub(crate) says: &'static str,
    /// Where.
    pub(crate) at: &'static str,
    /// A scene in which it shows.
    pub(crate) scene: Scene,
    /// What is seen: at the start, and after each step.
    pub(crate) seen: Vec<&'static str>,
}

/// What the house does otherwise than OTP, and why.
pub(crate) const OURS: &[(&str, &str)] = &[
    (
        "A child that came at run time has its place as long as it is up or about to be, whatever its \
         supervisor's strategy.",
        "In OTP that is so below simple_one_for_one alone. Workers come and go by name; nobody deletes them.",
    ),
    (
        "A supervisor may set a child aside that fails too often, and go on (`Excess::SetAside`).",
        "Workers have nothing to do with each other: thirty are not ended for one.",
    ),
    (
        "A restart waits until the dead child's state is dropped, and may wait for a back-off besides.",
        "A BEAM process leaves nothing behind when it has ended; a terminal and a worktree have an owner.",
    ),
    (
        "A supervisor that is killed outright leaves its children to end by their graces.",
        "In OTP they get an exit signal with its reason, and may ignore it.",
    ),
    (
        "Restarts are counted to the nanosecond.",
        "OTP 25 counts seconds of a monotonic clock, so that its window may be up to a second longer.",
    ),
];

const STRATEGIES: &str = "Restart Strategies";
const INTENSITY: &str = "Restart intensity and period";
const AUTO: &str = "Automatic Shutdown";
const PRINCIPLES: &str = "Principles, Automatic Shutdown";
const SPEC: &str = "Child specification";

/// More restarts than any scene has.
const MANY: (u32, u64) = (9, 60);

fn row<const N: usize>(
    says: &'static str,
    at: &'static str,
    sup: Sup,
    start: &'static str,
    steps: [(Step, &'static str); N],
) -> Row {
    let mut seen = vec![start];
    let steps = steps.map(|(step, line)| {
        seen.push(line);
        step
    });
    Row { says, at, scene: Scene { sup, steps: steps.into() }, seen }
}

fn abc(kind: fn(&'static str) -> Kid) -> Vec<Kid> {
    vec![kind("a"), kind("b"), kind("c")]
}

#[rustfmt::skip]
pub(crate) fn table() -> Vec<Row> {
    let mut rows = principles();
    rows.extend(strategies());
    rows.extend(restart_types());
    rows.extend(intensity());
    rows.extend(shutdown());
    rows.extend(significance());
    rows.extend(requests());
    rows.extend(dynamic());
    rows
}

#[rustfmt::skip]
fn principles() -> Vec<Row> {
    let at = "Supervision Principles";
    vec![
        row("When the supervisor is started, the child processes are started in order from left to right \
             according to this list.", at,
            sup(OneForOne, MANY, abc(permanent)), "start a, start b, start c", []),
        row("When the supervisor terminates, it first terminates its child processes in reversed start order, \
             from right to left.", at,
            sup(OneForOne, MANY, abc(permanent)), "start a, start b, start c",
            [(Stop, "stop c, stop b, stop a, over")]),
        row("If any child process start function fails [..], the supervisor first terminates all already \
             started child processes with reason shutdown and then terminate itself.", "start_link",
            sup(RestForOne, MANY, vec![permanent("a"), permanent("b"), permanent("c").fails(&[1]), permanent("d")]),
            "start a, start b, fail c, stop b, stop a, over", []),
        row("start_link/2,3 does not return until Module:init/1 has returned and all child processes have been \
             started.", "start_link",
            sup(OneForOne, MANY, vec![
                above(Permanent, "s", sup(OneForOne, MANY, vec![permanent("a"), permanent("b")])),
                permanent("c"),
            ]), "start a, start b, start c", []),
        row("If the child process is another supervisor, the shutdown time must be set to infinity to give the \
             subtree ample time to shut down.", SPEC,
            sup(OneForOne, MANY, vec![
                permanent("a"),
                above(Permanent, "s", sup(OneForOne, MANY, vec![permanent("b"), permanent("c").deaf()])),
            ]), "start a, start b, start c",
            [(Stop, "kill c, stop b, stop a, over")]),
    ]
}

#[rustfmt::skip]
fn strategies() -> Vec<Row> {
    vec![
        row("one_for_one: If one child process terminates and is to be restarted, only that child process is \
             affected.", STRATEGIES,
            sup(OneForOne, MANY, abc(permanent)), "start a, start b, start c",
            [(Ends("b", Error), "start b"), (Ends("a", Normal), "start a")]),
        row("one_for_all: If one child process terminates and is to be restarted, all other child processes are \
             terminated and then all child processes are restarted.", STRATEGIES,
            sup(OneForAll, MANY, abc(permanent)), "start a, start b, start c",
            [(Ends("b", Error), "stop c, stop a, start a, start b, start c")]),
        row("rest_for_one: If one child process terminates and is to be restarted, the 'rest' of the child \
             processes [..] are terminated. Then the terminated child process and all child processes after it \
             are restarted.", STRATEGIES,
            sup(RestForOne, MANY, abc(permanent)), "start a, start b, start c",
            [(Ends("b", Panic), "stop c, start b, start c"),
             (Ends("c", Kill), "start c"),
             (Ends("a", Normal), "stop c, stop b, start a, start b, start c")]),
        row("A child that is not to be restarted affects nobody, whatever the strategy.", STRATEGIES,
            sup(OneForAll, MANY, vec![permanent("a"), transient("b"), temporary("c")]),
            "start a, start b, start c",
            [(Ends("b", Normal), ""), (Ends("c", Error), ""), (Which, "a up, b down")]),
        row("Siblings that are down are restarted with the group.", STRATEGIES,
            sup(OneForAll, MANY, vec![permanent("a"), transient("b"), permanent("c")]),
            "start a, start b, start c",
            [(Ends("b", Normal), ""),
             (Ends("a", Error), "stop c, start a, start b, start c")]),
        row("A group's restart is one restart.", INTENSITY,
            sup(OneForAll, (1, 60), abc(permanent)), "start a, start b, start c",
            [(Ends("c", Error), "stop b, stop a, start a, start b, start c"),
             (Ends("c", Error), "stop b, stop a, over")]),
        row("A restart whose start function fails is tried again, and counts each time.", INTENSITY,
            sup(OneForOne, (3, 60), vec![permanent("a"), permanent("b").fails(&[2, 3])]), "start a, start b",
            [(Ends("b", Error), "fail b, fail b, start b"), (Ends("a", Error), "stop b, over")]),
        row("A group that cannot be restarted is restarted from the one that would not start.", STRATEGIES,
            sup(RestForOne, MANY, vec![permanent("a"), permanent("b"), permanent("c").fails(&[2]), permanent("d")]),
            "start a, start b, start c, start d",
            [(Ends("b", Error), "stop d, stop c, start b, fail c, start c, start d")]),
        row("With one_for_all it is all of them again.", STRATEGIES,
            sup(OneForAll, MANY, vec![permanent("a"), permanent("b").fails(&[2]), permanent("c")]),
            "start a, start b, start c",
            [(Ends("c", Error), "stop b, stop a, start a, fail b, stop a, start a, start b, start c")]),
    ]
}

/// Permanent, transient and temporary children, by every end.
fn restart_types() -> Vec<Row> {
    let ends = [(Normal, false), (Shutdown, false), (Error, true), (Panic, true), (Kill, true)];
    let mut rows = Vec::new();
    for (how, abnormal) in ends {
        let scene = |kind: fn(&'static str) -> Kid| sup(OneForOne, MANY, vec![kind("a"), permanent("z")]);
        rows.push(row(
            "A permanent child process is always restarted.",
            SPEC,
            scene(permanent),
            "start a, start z",
            [(Ends("a", how), "start a"), (Which, "a up, z up")],
        ));
        let (said, state) = if abnormal { ("start a", "a up, z up") } else { ("", "a down, z up") };
        rows.push(row(
            "A transient child process is restarted only if it terminates abnormally, that is, with another \
             exit reason than normal, shutdown, or {shutdown,Term}.",
            SPEC,
            scene(transient),
            "start a, start z",
            [(Ends("a", how), said), (Which, state)],
        ));
        rows.push(row(
            "A temporary child process is never restarted [..]; the child specification is automatically \
             deleted when the child terminates.",
            SPEC,
            scene(temporary),
            "start a, start z",
            [(Ends("a", how), ""), (Which, "z up"), (Restart("a"), "not found")],
        ));
    }
    let says = "A temporary child process is never restarted (even when the supervisor's restart strategy is \
                rest_for_one or one_for_all and a sibling's death causes the temporary process to be \
                terminated).";
    rows.push(row(
        says,
        SPEC,
        sup(RestForOne, MANY, vec![permanent("a"), temporary("b"), transient("c")]),
        "start a, start b, start c",
        [(Ends("a", Error), "stop c, stop b, start a, start c"), (Which, "a up, c up")],
    ));
    rows.push(row(
        says,
        SPEC,
        sup(OneForAll, MANY, vec![temporary("a"), permanent("b"), temporary("c")]),
        "start a, start b, start c",
        [(Ends("b", Error), "stop c, stop a, start b"), (Which, "b up")],
    ));
    rows
}

#[rustfmt::skip]
fn intensity() -> Vec<Row> {
    let more = "If more than MaxR restarts occur within MaxT seconds, the supervisor terminates all child \
                processes and then itself.";
    vec![
        row(more, INTENSITY,
            sup(OneForOne, (2, 60), abc(permanent)), "start a, start b, start c",
            // Exactly MaxR are borne, whoever they are; one more is too many.
            [(Ends("a", Error), "start a"), (Ends("b", Kill), "start b"), (Ends("c", Normal), "stop b, stop a, over")]),
        row("MaxR may be 0: the first restart is too many.", INTENSITY,
            sup(OneForAll, (0, 1), abc(permanent)), "start a, start b, start c",
            [(Ends("b", Normal), "stop c, stop a, over")]),
        row("Restarts that are longer ago than MaxT do not count.", INTENSITY,
            sup(OneForOne, (1, 1), vec![permanent("a")]), "start a",
            [(Ends("a", Error), "start a"), (Wait(2_500), ""), (Ends("a", Error), "start a"), (Wait(2_500), ""),
             (Ends("a", Error), "start a"), (Ends("a", Error), "over")]),
        row("The window slides: each restart counts for MaxT from its own moment.", INTENSITY,
            sup(OneForOne, (2, 2), vec![permanent("a")]), "start a",
            [(Ends("a", Error), "start a"), (Wait(3_500), ""), (Ends("a", Error), "start a"),
             (Ends("a", Error), "start a"), (Ends("a", Error), "over")]),
        row("Ends without a restart do not count.", INTENSITY,
            sup(OneForOne, (0, 60), vec![permanent("a"), transient("b"), temporary("c")]),
            "start a, start b, start c",
            [(Ends("b", Normal), ""), (Ends("c", Error), ""), (Which, "a up, b down")]),
        row("The one whose restart is too many is not terminated again.", INTENSITY,
            sup(RestForOne, (0, 60), abc(permanent)), "start a, start b, start c",
            [(Ends("b", Error), "stop c, stop a, over")]),
        row("The termination reason for the supervisor itself in that case will be shutdown. [A permanent one \
             is restarted, with all its children.]", INTENSITY,
            sup(OneForOne, MANY, vec![
                permanent("a"),
                above(Permanent, "s", sup(OneForOne, (0, 60), vec![permanent("b"), permanent("c")])),
            ]), "start a, start b, start c",
            [(Ends("b", Error), "stop c, start b, start c")]),
        row("The termination reason for the supervisor itself in that case will be shutdown. [So a transient \
             one is not restarted.]", INTENSITY,
            sup(OneForOne, MANY, vec![
                permanent("a"),
                above(Transient, "s", sup(OneForOne, (0, 60), vec![permanent("b"), permanent("c")])),
            ]), "start a, start b, start c",
            [(Ends("b", Error), "stop c"), (Which, "a up, s down"), (Restart("s"), "start b, start c, ok")]),
        row("Giving up goes upwards until somebody bears it.", INTENSITY,
            sup(OneForOne, (1, 60), vec![
                above(Permanent, "s", sup(OneForOne, (0, 60), vec![
                    permanent("a"),
                    above(Permanent, "t", sup(OneForAll, (0, 60), vec![permanent("b"), permanent("c")])),
                ])),
                permanent("d"),
            ]), "start a, start b, start c, start d",
            [(Ends("c", Kill), "stop b, stop a, start a, start b, start c"),
             (Ends("b", Error), "stop c, stop a, stop d, over")]),
    ]
}

#[rustfmt::skip]
fn shutdown() -> Vec<Row> {
    vec![
        row("brutal_kill means that the child process is unconditionally terminated using exit(Child,kill).", SPEC,
            sup(OneForAll, MANY, vec![permanent("a"), permanent("b").brutal(), permanent("c")]),
            "start a, start b, start c",
            [(Ends("c", Error), "kill b, stop a, start a, start b, start c"), (Stop, "stop c, kill b, stop a, over")]),
        row("If no exit signal is received within the specified number of milliseconds, the child process is \
             unconditionally terminated using exit(Child,kill).", SPEC,
            sup(RestForOne, MANY, vec![permanent("a"), permanent("b").deaf(), permanent("c")]),
            "start a, start b, start c",
            [(Ends("a", Error), "stop c, kill b, start a, start b, start c"), (Stop, "stop c, kill b, stop a, over")]),
        row("A child that is killed by its own supervisor is not a failure to it.", SPEC,
            sup(OneForAll, (1, 60), vec![permanent("a"), permanent("b").deaf(), transient("c").brutal()]),
            "start a, start b, start c",
            [(Ends("a", Error), "kill c, kill b, start a, start b, start c")]),
    ]
}

#[rustfmt::skip]
fn significance() -> Vec<Row> {
    let by_itself = "The automatic shutdown facility only applies when significant children terminate by \
                     themselves [..]: neither the termination of a child as a consequence of a sibling's death \
                     [..] nor the manual termination [..] will trigger an automatic shutdown.";
    let any = "any_significant: The supervisor will shut itself down when any significant child terminates, \
               that is, when a transient significant child terminates normally or when a temporary significant \
               child terminates normally or abnormally.";
    let all = "all_significant: The supervisor will shut itself down when all significant children have \
               terminated, that is, when the last active significant child terminates.";
    let two = || vec![transient("a").significant(), temporary("b").significant(), permanent("c")];
    vec![
        row("With auto_shutdown set to never, child specs with the significant flag set to true are considered \
             invalid and will be rejected.", AUTO,
            sup(OneForOne, MANY, vec![permanent("a"), transient("b").significant()]).auto(Never), "invalid, over", []),
        row("Setting this option to true when the restart type is permanent is invalid.", SPEC,
            sup(OneForOne, MANY, vec![permanent("a").significant()]).auto(AnySignificant), "invalid, over", []),
        row("Attempts to start significant children dynamically will be rejected.", PRINCIPLES,
            sup(OneForOne, MANY, abc(permanent)), "start a, start b, start c",
            [(Start(transient("d").significant()), "invalid"), (Which, "a up, b up, c up")]),
        row(any, AUTO,
            sup(OneForOne, MANY, two()).auto(AnySignificant), "start a, start b, start c",
            [(Ends("a", Error), "start a"), (Ends("a", Normal), "stop c, stop b, over")]),
        row(any, AUTO,
            sup(OneForOne, MANY, two()).auto(AnySignificant), "start a, start b, start c",
            [(Ends("b", Kill), "stop c, stop a, over")]),
        row("The end of a child that is not significant shuts nothing down.", AUTO,
            sup(OneForOne, MANY, vec![transient("a"), transient("b").significant()]).auto(AnySignificant),
            "start a, start b",
            [(Ends("a", Normal), ""), (Which, "a down, b up"), (Ends("b", Shutdown), "over")]),
        row(all, AUTO,
            sup(OneForOne, MANY, two()).auto(AllSignificant), "start a, start b, start c",
            [(Ends("b", Error), ""), (Ends("a", Error), "start a"), (Ends("a", Normal), "stop c, over")]),
        row(all, AUTO,
            sup(RestForOne, MANY, two()).auto(AllSignificant), "start a, start b, start c",
            [(Ends("a", Normal), ""), (Ends("b", Normal), "stop c, over")]),
        row(by_itself, PRINCIPLES,
            sup(OneForAll, MANY, vec![temporary("a").significant(), permanent("b")]).auto(AnySignificant),
            "start a, start b",
            [(Ends("b", Error), "stop a, start b"), (Which, "b up")]),
        row(by_itself, PRINCIPLES,
            sup(OneForOne, MANY, vec![transient("a").significant(), permanent("b")]).auto(AnySignificant),
            "start a, start b",
            [(Terminate("a"), "stop a, ok"), (Which, "a down, b up")]),
        row("The supervisor [..] shut[s] itself down with exit reason shutdown. [So a transient one stays \
             down.]", AUTO,
            sup(OneForOne, MANY, vec![
                above(Transient, "s", sup(OneForOne, MANY, vec![transient("a").significant(), permanent("b")])
                    .auto(AnySignificant)),
                permanent("c"),
            ]), "start a, start b, start c",
            [(Ends("a", Normal), "stop b"), (Which, "c up, s down")]),
        row("A permanent supervisor that has shut itself down is restarted.", AUTO,
            sup(OneForOne, MANY, vec![
                above(Permanent, "s", sup(OneForOne, MANY, vec![temporary("a").significant(), permanent("b")])
                    .auto(AllSignificant)),
            ]), "start a, start b",
            [(Ends("a", Error), "stop b, start a, start b")]),
        row("A significant supervisor that gives up takes the one above it along.", AUTO,
            sup(OneForOne, MANY, vec![
                above(Temporary, "s", sup(OneForOne, (0, 60), vec![permanent("a")])).significant(),
                permanent("b"),
            ]).auto(AnySignificant), "start a, start b",
            [(Ends("a", Error), "stop b, over")]),
    ]
}

#[rustfmt::skip]
fn requests() -> Vec<Row> {
    vec![
        row("terminate_child: The process, if any, is terminated and, unless it is a temporary child, the child \
             specification is kept by the supervisor.", "terminate_child",
            sup(OneForOne, MANY, vec![permanent("a"), transient("b"), temporary("c")]), "start a, start b, start c",
            [(Terminate("a"), "stop a, ok"), (Terminate("b"), "stop b, ok"), (Terminate("c"), "stop c, ok"),
             (Which, "a down, b down"), (Terminate("a"), "ok"), (Terminate("x"), "not found")]),
        row("The child process can later be restarted by the supervisor.", "terminate_child",
            sup(OneForAll, MANY, vec![permanent("a"), permanent("b")]), "start a, start b",
            [(Terminate("a"), "stop a, ok"), (Ends("b", Error), "start a, start b")]),
        row("The child process can also be restarted explicitly by calling restart_child/2.", "terminate_child",
            sup(OneForOne, (0, 60), vec![permanent("a"), permanent("b")]), "start a, start b",
            // It does not count as a restart.
            [(Terminate("a"), "stop a, ok"), (Restart("a"), "start a, ok"), (Which, "a up, b up")]),
        row("restart_child: the corresponding child process must not be running; [..] {error,not_found}, \
             {error,running}.", "restart_child",
            sup(OneForOne, MANY, vec![permanent("a")]), "start a",
            [(Restart("a"), "running"), (Restart("x"), "not found")]),
        row("restart_child: If the child process start function returns an error tuple [..], the function \
             returns {error,Error}.", "restart_child",
            sup(OneForOne, (0, 60), vec![permanent("a").fails(&[2])]), "start a",
            [(Terminate("a"), "stop a, ok"), (Restart("a"), "fail a, failed"), (Which, "a down"),
             (Restart("a"), "start a, ok")]),
        row("delete_child: The corresponding child process must not be running. [..] {error,running} [..] \
             {error,not_found}.", "delete_child",
            sup(OneForOne, MANY, vec![permanent("a"), transient("b")]), "start a, start b",
            [(Delete("a"), "running"), (Ends("b", Normal), ""), (Delete("b"), "ok"), (Delete("b"), "not found"),
             (Which, "a up")]),
        row("A child that was deleted is restarted with nobody.", "delete_child",
            sup(OneForAll, MANY, abc(permanent)), "start a, start b, start c",
            [(Terminate("b"), "stop b, ok"), (Delete("b"), "ok"), (Ends("a", Error), "stop c, start a, start c"),
             (Restart("b"), "not found")]),
        row("A manual termination is not a restart, and starts nobody else again.", "terminate_child",
            sup(RestForOne, (0, 60), abc(permanent)), "start a, start b, start c",
            [(Terminate("a"), "stop a, ok"), (Which, "a down, b up, c up")]),
        row("which_children: [..] the atom restarting if the process is about to be restarted, or undefined if \
             there is no such process.", "which_children",
            sup(OneForOne, MANY, vec![permanent("a"), transient("b"), temporary("c")]), "start a, start b, start c",
            [(Ends("b", Shutdown), ""), (Ends("c", Shutdown), ""), (Which, "a up, b down")]),
        row("count_children: specs - the total count of children, dead or alive; active - the count of all \
             actively running child processes; supervisors, workers - [..] regardless if the child process is \
             still alive.", "count_children",
            sup(OneForOne, MANY, vec![
                permanent("a"), transient("b"), temporary("c"),
                above(Transient, "s", sup(OneForOne, MANY, vec![permanent("d")])),
            ]), "start a, start b, start c, start d",
            [(Count, "specs 4, active 4, supervisors 1, workers 3"), (Ends("b", Normal), ""),
             (Ends("c", Normal), ""), (Terminate("s"), "stop d, ok"),
             (Count, "specs 3, active 1, supervisors 1, workers 2")]),
    ]
}

#[rustfmt::skip]
fn dynamic() -> Vec<Row> {
    let none = || sup(Simple, (2, 60), vec![transient("kind")]);
    vec![
        row("simple_one_for_one: [..] all child processes are dynamically added instances of the same process \
             type. [..] No child process is then started during the initialization phase.", STRATEGIES,
            none(), "",
            [(Start(transient("a")), "start a, ok"), (Start(transient("b")), "start b, ok"),
             (Ends("a", Error), "start a"), (Ends("b", Normal), ""), (Ends("a", Kill), "start a"),
             (Ends("a", Error), "over")]),
        row("start_child: If the child process start function returns an error tuple [..], the child \
             specification is discarded, and the function returns {error,Error}.", "start_child",
            none(), "",
            [(Start(transient("a").fails(&[1])), "fail a, failed"), (Start(transient("a")), "start a, ok")]),
        row("As a simple_one_for_one supervisor can have many children, it shuts them all down asynchronously.", STRATEGIES,
            none(), "",
            [(Start(transient("a")), "start a, ok"), (Start(transient("b").deaf()), "start b, ok"),
             (Start(transient("c")), "start c, ok"), (Stop, "kill b, stop a, stop c, over")]),
        row("Function terminate_child/2 can also be used for children under simple_one_for_one supervisors. \
             [They are gone then.]", STRATEGIES,
            none(), "",
            [(Start(transient("a")), "start a, ok"), (Terminate("a"), "stop a, ok"), (Terminate("a"), "not found"),
             (Start(transient("a")), "start a, ok")]),
        row("A permanent child that came at run time is always restarted.", STRATEGIES,
            sup(Simple, (2, 60), vec![permanent("kind")]), "",
            [(Start(permanent("a")), "start a, ok"), (Ends("a", Normal), "start a"), (Ends("a", Kill), "start a")]),
        row("A temporary child that came at run time is never restarted.", STRATEGIES,
            sup(Simple, (0, 60), vec![temporary("kind")]), "",
            [(Start(temporary("a")), "start a, ok"), (Ends("a", Panic), ""), (Terminate("a"), "not found")]),
        row("start_child: If there already exists a child specification with the specified identifier, ChildSpec \
             is discarded [..] {error,{already_started,Child}}.", "start_child",
            sup(OneForOne, MANY, abc(permanent)), "start a, start b, start c",
            [(Start(permanent("b")), "already started")]),
        row("start_child: Dynamically adds a child specification to supervisor SupRef. [It is the last in start \
             order.]", "start_child",
            sup(RestForOne, MANY, vec![permanent("a"), permanent("b")]), "start a, start b",
            [(Start(permanent("c")), "start c, ok"), (Ends("b", Error), "stop c, start b, start c"),
             (Stop, "stop c, stop b, stop a, over")]),
    ]
}
