//! How a molecule moves, beside a plain model of it.

use proptest::prelude::*;

use super::*;

fn worker(name: &str) -> Address {
    format!("web/polecats/{name}").parse().unwrap()
}

fn proto(nodes: &[(String, Vec<String>)]) -> Proto {
    let steps = nodes
        .iter()
        .map(|(id, needs)| ProtoStep {
            id: id.clone(),
            title: id.clone(),
            needs: needs.clone(),
            ..ProtoStep::default()
        })
        .collect();
    Proto { formula: "f".to_owned(), version: 1, steps, ..Proto::default() }
}

fn molecule(nodes: &[(&str, &[&str])]) -> Molecule {
    let nodes: Vec<_> = nodes
        .iter()
        .map(|(id, needs)| ((*id).to_owned(), needs.iter().map(ToString::to_string).collect()))
        .collect();
    Molecule::pour(proto(&nodes)).unwrap()
}

fn ready(molecule: &Molecule) -> Vec<&str> {
    molecule.ready().map(|step| step.id.as_str()).collect()
}

#[test]
fn steps_become_ready_when_all_that_they_need_is_done() {
    let (nux, slit) = (worker("nux"), worker("slit"));
    let mut mol = molecule(&[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])]);
    assert_eq!(ready(&mol), ["a"]);
    mol.lease("a", &nux).unwrap();
    assert_eq!(ready(&mol), [""; 0]);
    assert_eq!(mol.complete("a", &nux), Ok(vec!["b".to_owned(), "c".to_owned()]));
    mol.lease("c", &slit).unwrap();
    assert_eq!(mol.current(&slit).unwrap().id, "c");
    assert_eq!(mol.current(&nux).unwrap().id, "b");
    assert_eq!(mol.complete("b", &nux), Ok(vec![]));
    assert_eq!(mol.complete("c", &slit), Ok(vec!["d".to_owned()]));
    assert_eq!(mol.progress(), (3, 4));
    assert_eq!(mol.complete("d", &nux), Ok(vec![]));
    assert!(mol.is_done() && !mol.is_stuck());
}

#[test]
fn moves_that_cannot_be_are_errors_and_change_nothing() {
    let (nux, slit) = (worker("nux"), worker("slit"));
    let mut mol = molecule(&[("a", &[]), ("b", &["a"]), ("c", &[])]);
    let waits = IllegalMove::Waits { step: "b".to_owned(), needs: vec!["a".to_owned()] };
    assert_eq!(mol.complete("b", &nux), Err(waits.clone()));
    assert_eq!(mol.lease("b", &nux), Err(waits));
    assert!(matches!(mol.complete("x", &nux), Err(IllegalMove::Unknown { .. })));
    mol.lease("a", &nux).unwrap();
    mol.lease("a", &nux).unwrap();
    let held = IllegalMove::Held { step: "a".to_owned(), by: nux.clone() };
    assert_eq!(mol.lease("a", &slit), Err(held.clone()));
    assert_eq!(mol.complete("a", &slit), Err(held.clone()));
    assert_eq!(mol.fail("a", &slit, "x"), Err(held));
    mol.complete("a", &nux).unwrap();
    let done = IllegalMove::Done { step: "a".to_owned() };
    for result in [mol.lease("a", &nux), mol.release("a"), mol.fail("a", &nux, "x"), mol.retry("a")] {
        assert_eq!(result, Err(done.clone()));
    }
    assert_eq!(mol.complete("a", &nux), Err(done));
    assert_eq!(mol.release("c"), Err(IllegalMove::Free { step: "c".to_owned() }));
    assert_eq!(mol.retry("c"), Err(IllegalMove::NotFailed { step: "c".to_owned() }));
}

#[test]
fn a_failed_step_holds_up_what_needs_it_until_it_is_tried_again() {
    let nux = worker("nux");
    let mut mol = molecule(&[("a", &[]), ("b", &["a"])]);
    mol.fail("a", &nux, "no disk").unwrap();
    assert!(mol.is_stuck());
    assert!(matches!(mol.complete("a", &nux), Err(IllegalMove::Failed { why, .. }) if why == "no disk"));
    mol.retry("a").unwrap();
    mol.complete("a", &nux).unwrap();
    assert_eq!(ready(&mol), ["b"]);
}

#[test]
fn a_worker_that_is_gone_leaves_its_step_to_the_next() {
    let mut mol = molecule(&[("a", &[])]);
    mol.lease("a", &worker("nux")).unwrap();
    mol.release("a").unwrap();
    mol.lease("a", &worker("slit")).unwrap();
    assert!(matches!(mol.complete("a", &worker("nux")), Err(IllegalMove::Held { .. })));
}

#[test]
fn a_molecule_keeps_in_the_ledgers_format() {
    let mut mol = molecule(&[("a", &[]), ("b", &["a"]), ("c", &[]), ("d", &[])]);
    mol.complete("a", &worker("nux")).unwrap();
    mol.lease("b", &worker("nux")).unwrap();
    mol.fail("c", &worker("nux"), "why").unwrap();
    let bytes = rmp_serde::to_vec_named(&mol).unwrap();
    assert_eq!(rmp_serde::from_slice::<Molecule>(&bytes).unwrap(), mol);
}

#[test]
fn what_was_not_written_by_this_program_is_refused() {
    let load = |steps: &str| {
        serde_json::from_str::<Molecule>(&format!(r#"{{"formula":"f","version":1,"steps":[{steps}]}}"#))
    };
    let ok =
        r#"{"id":"a","title":"a","state":"done"},{"id":"b","title":"b","needs":["a"],"state":"pending"}"#;
    assert_eq!(ready(&load(ok).unwrap()), ["b"], "what is ready follows from what is done");
    assert!(load(r#"{"id":"a","title":"a","state":"done"},{"id":"a","title":"a","state":"done"}"#).is_err());
    assert!(load(r#"{"id":"a","title":"a","needs":["x"],"state":"pending"}"#).is_err());
    assert!(
        load(r#"{"id":"a","title":"a","state":"ready"},{"id":"b","title":"b","needs":["a"],"state":"done"}"#)
            .is_err()
    );
}

#[test]
fn a_chain_of_ten_thousand_is_walked_to_its_end() {
    let nodes: Vec<(String, Vec<String>)> = (0..10_000_usize)
        .map(|step| {
            (format!("s{step}"), step.checked_sub(1).map(|before| format!("s{before}")).into_iter().collect())
        })
        .collect();
    let mut mol = Molecule::pour(proto(&nodes)).unwrap();
    for step in 0..10_000 {
        mol.complete(&format!("s{step}"), &worker("nux")).unwrap();
    }
    assert!(mol.is_done());
}

#[derive(Debug, Clone)]
enum Move {
    Lease(usize, bool),
    Release(usize),
    Complete(usize, bool),
    Fail(usize, bool),
    Retry(usize),
    Reload,
}

fn moves(count: usize) -> impl Strategy<Value = Move> {
    prop_oneof![
        3 => (0..count, any::<bool>()).prop_map(|(step, who)| Move::Lease(step, who)),
        1 => (0..count).prop_map(Move::Release),
        5 => (0..count, any::<bool>()).prop_map(|(step, who)| Move::Complete(step, who)),
        1 => (0..count, any::<bool>()).prop_map(|(step, who)| Move::Fail(step, who)),
        1 => (0..count).prop_map(Move::Retry),
        1 => Just(Move::Reload),
    ]
}

/// What a step is in the model: who holds it, whether it is done, whether it has failed.
#[derive(Debug, Clone, Default)]
struct Plain {
    held: Option<bool>,
    done: bool,
    failed: bool,
}

const COUNT: usize = 9;

proptest! {
    #[test]
    fn any_moves_on_any_graph_agree_with_a_plain_model(
        edges in prop::collection::vec((0..COUNT, 0..COUNT), 0..20),
        moves in prop::collection::vec(moves(COUNT), 0..60),
    ) {
        // Needing only earlier ones makes any choice of edges a graph without cycles.
        let needs = |step: usize| -> Vec<usize> {
            edges.iter().filter(|(a, b)| (*a).max(*b) == step && a != b).map(|(a, b)| (*a).min(*b)).collect()
        };
        let mut nodes: Vec<(String, Vec<String>)> = (0..COUNT)
            .map(|step| (step.to_string(), needs(step).iter().map(ToString::to_string).collect()))
            .collect();
        nodes.reverse();
        let mut mol = Molecule::pour(proto(&nodes)).unwrap();
        let mut plain = vec![Plain::default(); COUNT];
        let who = |first: bool| worker(if first { "nux" } else { "slit" });

        for step in moves {
            let free = |plain: &[Plain], step: usize| {
                needs(step).iter().all(|need| plain[*need].done) && !plain[step].done && !plain[step].failed
            };
            let may = |plain: &[Plain], step: usize, by: bool| {
                free(plain, step) && plain[step].held.is_none_or(|holder| holder == by)
            };
            match step {
                Move::Lease(step, by) => {
                    let allowed = may(&plain, step, by);
                    prop_assert_eq!(mol.lease(&step.to_string(), &who(by)).is_ok(), allowed);
                    if allowed { plain[step].held = Some(by); }
                }
                Move::Release(step) => {
                    let allowed = free(&plain, step) && plain[step].held.is_some();
                    prop_assert_eq!(mol.release(&step.to_string()).is_ok(), allowed);
                    if allowed { plain[step].held = None; }
                }
                Move::Complete(step, by) => {
                    let allowed = may(&plain, step, by);
                    let result = mol.complete(&step.to_string(), &who(by));
                    prop_assert_eq!(result.is_ok(), allowed);
                    if allowed {
                        let before: Vec<bool> = (0..COUNT).map(|other| free(&plain, other)).collect();
                        plain[step].done = true;
                        let freed: std::collections::HashSet<String> = (0..COUNT)
                            .filter(|other| !before[*other] && free(&plain, *other))
                            .map(|other| other.to_string())
                            .collect();
                        prop_assert_eq!(result.unwrap().into_iter().collect::<std::collections::HashSet<_>>(), freed);
                    }
                }
                Move::Fail(step, by) => {
                    let allowed = may(&plain, step, by);
                    prop_assert_eq!(mol.fail(&step.to_string(), &who(by), "x").is_ok(), allowed);
                    if allowed { plain[step].failed = true; plain[step].held = None; }
                }
                Move::Retry(step) => {
                    let allowed = plain[step].failed;
                    prop_assert_eq!(mol.retry(&step.to_string()).is_ok(), allowed);
                    if allowed { plain[step].failed = false; }
                }
                Move::Reload => {
                    let json = serde_json::to_string(&mol).unwrap();
                    let again: Molecule = serde_json::from_str(&json).unwrap();
                    prop_assert_eq!(&again, &mol);
                    mol = again;
                }
            }
            for (step, plain_step) in plain.iter().enumerate() {
                let state = &mol.step(&step.to_string()).unwrap().state;
                let expected = match plain_step {
                    Plain { done: true, .. } => "done",
                    Plain { failed: true, .. } => "failed",
                    Plain { held: Some(_), .. } => "leased",
                    _ if free(&plain, step) => "ready",
                    _ => "pending",
                };
                prop_assert_eq!(state.as_str(), expected);
            }
            prop_assert_eq!(mol.is_done(), plain.iter().all(|step| step.done));
        }
    }
}
