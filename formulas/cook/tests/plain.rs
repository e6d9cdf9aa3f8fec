//! One formula alone: steps, values, conditions, loops.

use super::*;

#[test]
fn steps_come_in_an_order_in_which_they_can_be_done() {
    let cooked = cooked(&[(
        "f",
        "[[steps]]\nid='c'\nneeds=['b','a']\n[[steps]]\nid='b'\nneeds=['a']\n[[steps]]\nid='a'",
    )]);
    assert_eq!(shape(&cooked), ["a", "b < a", "c < b, a"]);
    assert_eq!(cooked.warnings, []);
}

#[test]
fn what_is_wrong_between_steps_names_its_line() {
    let check = |rest: &str, expected: &[&str]| assert_eq!(problems(&[("f", rest)]), expected, "{rest}");
    check(
        "[[steps]]\nid='build'\nneeds=[\n 'biuld',\n 'tset']\n[[steps]]\nid='test'\n[[steps]]\nid='test'",
        &["f.toml:9: steps.test.id: \"test\" is already on line 7"],
    );
    check(
        "[[steps]]\nid='build'\nneeds=[\n 'biuld',\n 'tset']\n[[steps]]\nid='test'",
        &[
            "f.toml:5: steps.build.needs: no step is called \"biuld\"; did you mean \"build\"?",
            "f.toml:6: steps.build.needs: no step is called \"tset\"; did you mean \"test\"?",
        ],
    );
    check(
        "[[steps]]\nid='a'\nneeds=['b']\n[[steps]]\nid='b'\nneeds=['a']",
        &["f.toml:4: steps.a.needs: these steps wait for each other: a -> b -> a"],
    );
    check(
        "[[steps]]\nid='a'\nneeds=['a']",
        &["f.toml:4: steps.a.needs: these steps wait for each other: a -> a"],
    );
    check("", &["f.toml:1: steps: this key is missing"]);
    check("type='convoy'", &["f.toml:1: legs: this key is missing"]);
    check("type='expansion'", &["f.toml:1: template: this key is missing"]);
    check("type='aspect'", &["f.toml:1: advice: this key is missing"]);
}

#[test]
fn what_is_wrong_with_a_variable_names_its_line() {
    let problems = problems(&[(
        "f",
        "[vars.a]\npattern='('\n[vars.b]\ndefault='x'\nenum=['y','z']\n[vars.c]\ndefault='x'\npattern='^y$'\n\
         [vars.d]\ndefault='x'\ntype='int'\n[[steps]]\nid='s'",
    )]);
    assert!(problems[0].starts_with("f.toml:3: vars.a.pattern: the pattern is no regular expression"));
    assert_eq!(
        problems[1..],
        [
            "f.toml:5: vars.b.default: the default is none of y, z",
            "f.toml:8: vars.c.default: the default does not match ^y$",
            "f.toml:11: vars.d.default: the default is not an integer",
        ]
    );
}

#[test]
fn values_are_put_in_once_and_strangers_stay() {
    let texts = texts(&[(
        "f",
        "description='{{a}}'\n[vars]\na='1'\nb={}\n[[steps]]\nid='{{a}}'\ntitle='{{ a }} {{b}} {{free}}'\n\
         description='{{#each a}} {{.x}} {{else}} {a} {{{a}}} {{a {{a}}'\nacceptance='{{a}}'\nlabels=['{{a}}']\n\
         notes='{{a}}'\nmetadata={k='{{a}}'}",
    )]);
    let step = |order: &Order| cooked_with(&texts, "f", order).unwrap().proto.steps[0].clone();
    let plain = step(&Order::default());
    assert_eq!(plain.title, "1 {{b}} {{free}}");
    assert_eq!(plain.description, "{{#each a}} {{.x}} {{else}} {a} {1} {{a 1");
    assert_eq!(plain.acceptance.as_deref(), Some("1"));
    assert_eq!((plain.labels[0].as_str(), plain.notes.as_deref()), ("1", Some("1")));
    assert_eq!(plain.id, "{{a}}", "names are not rewritten");
    assert_eq!(step(&given(&[("a", "{{b}}"), ("b", "2"), ("free", "3")])).title, "{{b}} 2 3");
}

#[test]
fn values_that_do_not_fit_are_all_told() {
    let texts = texts(&[(
        "f",
        "[vars.check]\ndescription='How to test'\nrequired=true\n[vars.mode]\ndefault='a'\nenum=['a','b']\n\
         [vars.n]\npattern='^[0-9]+$'\n[vars.empty]\nrequired=true\ndefault=''\n[vars.t]\ntype='bool'\n[[steps]]\nid='s'",
    )]);
    let order = given(&[("mode", "c"), ("n", "x"), ("chekc", "make"), ("t", "maybe")]);
    assert_eq!(
        cooked_with(&texts, "f", &order).unwrap_err().to_string(),
        "f.toml:1: vars: there is no variable chekc; did you mean \"check\"?\n\
         f.toml:2: vars.check: variable check needs a value (How to test)\n\
         f.toml:5: vars.mode: variable mode is \"c\", which is none of a, b\n\
         f.toml:8: vars.n: variable n is \"x\", which does not match ^[0-9]+$\n\
         f.toml:10: vars.empty: variable empty needs a value\n\
         f.toml:13: vars.t: variable t is \"maybe\", which is not true or false"
    );
    let look = Order { mode: Mode::Look, ..Order::default() };
    assert!(cooked_with(&texts, "f", &look).is_ok(), "to be looked at it needs no values");
}

#[test]
fn a_name_that_is_nearly_a_variable_is_odd() {
    let texts = texts(&[(
        "f",
        "[vars]\nfeature='x'\n[[steps]]\nid='a'\ntitle='{{feture}} {{feature}} {{feature_id}} {{.feature}} {{else}}'\n\
         description='{{#each featured}}{{fixture}}'",
    )]);
    let lint = Order { mode: Mode::Lint, ..Order::default() };
    let told: Vec<String> =
        cooked_with(&texts, "f", &lint).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "f.toml:6: steps.a.title: there is no variable feture; did you mean \"feature\"?",
            "f.toml:7: steps.a.description: there is no variable fixture; did you mean \"feature\"?",
        ]
    );
}

#[test]
fn ambient_values_need_no_use() {
    let texts = texts(&[("f", "[vars]\nbead='none'\n[[steps]]\nid='s'\ntitle='{{bead}} {{rig}}'")]);
    let ambient = vars(&[("bead", "web-1"), ("rig", "web"), ("unused", "x")]);
    let title = |pairs: &[(&str, &str)]| {
        let order = Order { ambient: ambient.clone(), ..given(pairs) };
        cooked_with(&texts, "f", &order).unwrap().proto.steps[0].title.clone()
    };
    assert_eq!(title(&[]), "web-1 web");
    assert_eq!(title(&[("bead", "web-2")]), "web-2 web");
}

#[test]
fn the_same_values_give_the_same_proto_and_it_keeps() {
    let texts = texts(&[("f", "[vars]\na='1'\n[[steps]]\nid='s'\ndescription='{{a}}'\nacceptance='b'")]);
    let first = cooked_with(&texts, "f", &Order::default()).unwrap();
    let again = cooked_with(&texts, "f", &Order::default()).unwrap();
    assert_eq!(first.proto.hash(), again.proto.hash());
    let other = cooked_with(&texts, "f", &given(&[("a", "2")])).unwrap();
    assert_ne!(first.proto.hash(), other.proto.hash());
    let json = serde_json::to_string(&first.proto).unwrap();
    assert_eq!(serde_json::from_str::<Proto>(&json).unwrap(), first.proto);
    assert_eq!(first.poured().unwrap().steps[0].description, "1\n\nDone when: b");
}

#[test]
fn a_step_whose_condition_does_not_hold_is_left_out_and_what_it_needed_is_needed() {
    let texts = texts(&[(
        "f",
        "[vars]\ndeep='no'\n[[steps]]\nid='a'\n[[steps]]\nid='b'\nneeds=['a']\ncondition='{{deep}}'\n\
         [[steps.children]]\nid='b1'\n[[steps]]\nid='c'\nneeds=['b1']\ncondition='{{deep}} == yes'\n\
         [[steps]]\nid='d'\nneeds=['c', 'b']\n[[steps]]\nid='e'\ncondition='!{{deep}}'",
    )]);
    assert_eq!(shape(&cooked_with(&texts, "f", &Order::default()).unwrap()), ["a", "d < a", "e"]);
    let all = cooked_with(&texts, "f", &given(&[("deep", "yes")])).unwrap();
    assert_eq!(shape(&all), ["a", "b1 < a", "b < b1", "c < b1", "d < c, b"]);
    let lint = Order { mode: Mode::Lint, ..Order::default() };
    assert_eq!(cooked_with(&texts, "f", &lint).unwrap().proto.steps.len(), 6, "all are visited");
    assert_eq!(
        problems(&[(
            "f",
            "[vars]\ndeep='x'\n[[steps]]\nid='a'\ncondition='deep'\n[[steps]]\nid='b'\ncondition='{{dep}}'"
        )]),
        [
            "f.toml:6: steps.a.condition: the condition \"deep\" is not understood; a step's is {{var}}, !{{var}}, \
             {{var}} == value or {{var}} != value",
            "f.toml:9: steps.b.condition: there is no variable dep; did you mean \"deep\"?",
        ]
    );
    assert_eq!(
        problems(&[("f", "[vars]\ndeep=false\n[[steps]]\nid='a'\ncondition='{{deep}}'")]),
        ["f.toml:1: steps: no step fits \"the conditions\""]
    );
}

#[test]
fn parts_need_what_the_whole_needs_and_the_whole_needs_its_parts() {
    let cooked = cooked(&[(
        "f",
        "[[steps]]\nid='a'\n[[steps]]\nid='b'\nneeds=['a']\ngate={type='human'}\n[[steps.children]]\nid='b1'\n\
         [[steps.children]]\nid='b2'\nneeds=['b1']\n[[steps.children]]\nid='b3'\n[[steps]]\nid='c'\nneeds=['b']",
    )]);
    assert_eq!(shape(&cooked), ["a", "b1 < a", "b2 < b1", "b3 < a", "b < b2, b3", "c < b"]);
    assert_eq!(step(&cooked, "b1").parent.as_deref(), Some("b"));
    assert!(step(&cooked, "b").container && step(&cooked, "b").gates.is_empty());
    assert_eq!(step(&cooked, "b1").gates[0].kind, "human", "it opens before the first parts");
}

#[test]
fn a_loop_goes_round_one_round_after_the_other() {
    let cooked = cooked(&[(
        "f",
        "[vars]\ndisks=2\n[[steps]]\nid='a'\n[[steps]]\nid='l'\nneeds=['a']\n[steps.loop]\nrange='1..2^{disks}-1'\nvar='n'\n\
         [[steps.loop.body]]\nid='x'\ntitle='Move {n} of {{disks}} ({{n}})'\n[[steps.loop.body]]\nid='y'\nneeds=['x', 'a']\n\
         [[steps]]\nid='z'\nneeds=['l']",
    )]);
    assert_eq!(
        shape(&cooked),
        [
            "a",
            "l.iter1.x < a",
            "l.iter1.y < l.iter1.x, a",
            "l.iter2.x < l.iter1.y",
            "l.iter2.y < l.iter2.x, a",
            "l.iter3.x < l.iter2.y",
            "l.iter3.y < l.iter3.x, a",
            "z < l.iter3.y"
        ]
    );
    assert_eq!(step(&cooked, "l.iter3.x").title, "Move 3 of 2 (3)");
    assert_eq!(step(&cooked, "l.iter3.x").instead_of.as_deref(), Some("l"));
}

#[test]
fn loops_within_loops_know_the_numbers_and_names_around_them() {
    let cooked = cooked(&[(
        "f",
        "[[steps]]\nid='o'\n[steps.loop]\nrange='2..3'\nvar='i'\n[[steps.loop.body]]\nid='s'\n[[steps.loop.body]]\nid='n'\n\
         [steps.loop.body.loop]\nrange='1..{i}-1'\nvar='j'\n[[steps.loop.body.loop.body]]\nid='x'\ntitle='{i}{j}'\nneeds=['s']\n\
         [[steps.loop.body]]\nid='e'\nneeds=['n']",
    )]);
    assert_eq!(
        shape(&cooked),
        [
            "o.iter1.s",
            "o.iter1.n.iter1.x < o.iter1.s",
            "o.iter1.e < o.iter1.n.iter1.x",
            "o.iter2.s < o.iter1.e",
            "o.iter2.n.iter1.x < o.iter2.s",
            "o.iter2.n.iter2.x < o.iter2.s, o.iter2.n.iter1.x",
            "o.iter2.e < o.iter2.n.iter2.x"
        ]
    );
    assert_eq!(step(&cooked, "o.iter2.n.iter2.x").title, "32");
}

#[test]
fn a_loop_until_something_holds_is_there_once_and_says_so() {
    let cooked = cooked(&[(
        "f",
        "[[steps]]\nid='l'\n[steps.loop]\nuntil=\"review.output.ok == true\"\nmax=3\n[[steps.loop.body]]\nid='review'",
    )]);
    assert_eq!(shape(&cooked), ["l.iter1.review"]);
    let repeat = &cooked.proto.repeats[0];
    assert_eq!(
        (repeat.id.as_str(), repeat.max, &repeat.steps[..]),
        ("l", 3, &["l.iter1.review".to_owned()][..])
    );
    let told = &cooked.poured().unwrap().steps[0].description;
    assert!(told.contains("look whether this holds: review.output.ok == true"), "{told}");
    assert!(told.contains("at most 3 times"), "{told}");
}

#[test]
fn loops_that_cannot_be_run_say_why() {
    let check = |loop_: &str, expected: &str| {
        let rest = format!("[vars.n]\n[[steps]]\nid='l'\nloop={{{loop_},body=[{{id='x'}}]}}");
        assert_eq!(problems(&[("f", &rest)]), [format!("f.toml:5: steps.l.loop.{expected}")], "{loop_}");
    };
    check("range='1..0'", "range: expected 1 or more rounds, found \"1..0\"");
    check("count=0", "count: expected 1 or more rounds, found \"0\"");
    check("count=1000000000", "count: this makes more than 100000 steps");
    check("range='1..{n}'", "range: variable n needs a value");
    check("range='1..x'", "range: \"1..x\" cannot be calculated: 'x' is no number");
    check(
        "until='done',max=2",
        "until: the condition \"done\" is not understood; it is STEP.status == 'complete', STEP.output.NAME == VALUE, \
         children(STEP).all(…), steps.complete >= N, file.exists('PATH') or env.NAME == 'VALUE'",
    );
    let doubled = "[[steps]]\nid='a'\n[steps.loop]\ncount=1000\n[[steps.loop.body]]\nid='b'\n\
                   [steps.loop.body.loop]\ncount=1000\n[[steps.loop.body.loop.body]]\nid='c'";
    assert_eq!(problems(&[("f", doubled)]).len(), 1);
}

#[test]
fn what_only_a_running_engine_can_decide_is_poured_along() {
    let cooked = cooked(&[
        (
            "f",
            "[vars]\nrun='release.yml'\n[squash]\ntrigger='on_complete'\n[[steps]]\nid='a'\n[steps.on_complete]\nfor_each='output.items'\n\
             bond='g'\nvars={name='{item.name}',rig='{{run}}'}\n[[steps]]\nid='b'\nneeds=['a']\nwaits_for='any-children'\ntimeout='1h30m'\n\
             interactive=true\nassignee='nux'\ntype='human'\ngate={type='gh:run',id='{{run}}',timeout='30m'}",
        ),
        ("g", "[[steps]]\nid='s'"),
    ]);
    let (a, b) = (step(&cooked, "a"), step(&cooked, "b"));
    let fanout = a.on_complete.as_ref().unwrap();
    assert_eq!(fanout.vars, vars(&[("name", "{item.name}"), ("rig", "release.yml")]));
    let waits = b.waits_for.as_ref().unwrap();
    assert_eq!((waits.any, waits.of.as_str()), (true, "a"));
    assert_eq!(
        (b.gates[0].await_id.as_deref(), b.gates[0].timeout.as_deref()),
        (Some("release.yml"), Some("30m"))
    );
    let poured = cooked.poured().unwrap();
    assert_eq!(poured.squash.as_deref(), Some("on_complete"));
    let more = |id: &str| poured.steps.iter().find(|step| step.id == id).unwrap().more.clone().unwrap();
    assert_eq!(more("a").on_complete.unwrap().for_each, "output.items");
    let b = more("b");
    let kinds: Vec<&str> = b.gates.iter().map(|gate| gate.kind.as_str()).collect();
    // It waits for the run, and then for the person that it is for; nobody else says that it is done.
    assert_eq!(kinds, ["gh:run", "human"]);
    assert_eq!((b.gates[0].timeout_s, &b.gates[1].approvers[..]), (Some(1_800), &["nux".to_owned()][..]));
    assert_eq!((b.timeout_s, b.container), (Some(5_400), true));
    assert!(b.waits_for.is_some_and(|wait| wait.any && wait.of == "a"));
}

#[test]
fn times_and_later_formulas_are_checked_before_they_are_needed() {
    assert_eq!(
        problems(&[(
            "f",
            "[[steps]]\nid='a'\ntimeout='soon'\ngate={type='timer',timeout='1 hour'}\non_complete={for_each='output.a',bond='g'}\n\
             [[steps]]\nid='b'\nwaits_for='all-children'",
        )]),
        [
            "f.toml:4: steps.a.timeout: expected a time, as 90s, 30m, 1h30m or 7d, found \"soon\"",
            "f.toml:5: steps.a.gate.timeout: expected a time, as 90s, 30m, 1h30m or 7d, found \"1 hour\"",
            "f.toml:6: steps.a.on_complete.bond: no formula is called \"g\"; did you mean \"f\"?",
            "f.toml:9: steps.b.waits_for: this needs needs beside it",
        ]
    );
}

#[test]
fn ten_thousand_steps_in_a_chain_are_no_problem() {
    use std::fmt::Write as _;
    let mut text = "[vars]\nodd='x'\n".to_owned();
    for step in (0..10_000).rev() {
        write!(text, "[[steps]]\nid='s{step}'\n").unwrap();
        if step > 0 {
            writeln!(text, "needs=['s{}']", step - 1).unwrap();
        }
        if step > 5_000 && step < 9_999 {
            writeln!(text, "condition='!{{{{odd}}}}'").unwrap();
        }
    }
    let texts_ = texts(&[("f", &text)]);
    let all = cooked_with(&texts_, "f", &given(&[("odd", "")])).unwrap();
    assert_eq!((all.proto.steps.len(), all.proto.steps[9_999].id.as_str()), (10_000, "s9999"));
    let some = cooked_with(&texts_, "f", &Order::default()).unwrap();
    assert_eq!(shape(&some).last().unwrap(), "s9999 < s5000", "a chain of those left out is walked, too");

    let ring = problems(&[("f", &text.replace("id='s0'", "id='s0'\nneeds=['s9999']"))]);
    assert!(
        ring[0].contains(".needs: these steps wait for each other") && ring[0].contains("more) -> s9999"),
        "{ring:?}"
    );
}
