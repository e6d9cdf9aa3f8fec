//! Formulas that build on others: extends, expansions, aspects, branches, hooks.

use super::*;

const BASE: &str = "description='Base'\n[vars]\nv='base'\n[vars.w]\nrequired=true\n[[steps]]\nid='a'\n[[steps]]\nid='b'\nneeds=['a']\n\
                    [[steps]]\nid='c'\nneeds=['b']";

const FIVE: &str = "type='expansion'\n[vars]\nlang='go'\n[[template]]\nid='{target}.draft'\ntitle='Draft: {target.title} in {lang}'\n\
                    description='{target.description} {{lang}} {{v}}'\n[[template]]\nid='{target}.check'\nneeds=['{target}.draft']";

const AUDIT: &str = "type='aspect'\n[[advice]]\ntarget='b'\n[advice.around]\nbefore=[{id='{step.id}-pre', title='Before {step.title}'}]\n\
                     after=[{id='{step.id}-post'}]\n[[advice]]\ntarget='submit'\nbefore={id='{step.id}-pre'}";

#[test]
fn a_child_has_all_of_its_parents_and_replaces_by_name() {
    let formulas = [
        (
            "f",
            "extends=['base','more']\n[vars]\nw='child'\n[[steps]]\nid='b'\ntitle='Mine {{v}} {{w}}'\nneeds=['a']\n[[steps]]\nid='d'\nneeds=['c','m']",
        ),
        ("base", BASE),
        ("more", "[vars]\nv='more'\n[[steps]]\nid='m'"),
    ];
    let cooked = cooked(&formulas);
    assert_eq!(shape(&cooked), ["a", "b < a", "c < b", "m", "d < c, m"]);
    assert_eq!(
        step(&cooked, "b").title,
        "Mine base child",
        "of several parents the first one's variable counts"
    );
    assert_eq!(cooked.proto.description, "Base");
    assert_eq!(step(&cooked, "a").from.as_deref(), Some("base"));
    assert_eq!(cooked.warnings, []);
}

#[test]
fn parents_that_contradict_each_other_are_told() {
    let formulas = [
        ("f", "extends=['base','more']\n[vars]\nw='x'"),
        ("base", BASE),
        ("more", "[[steps]]\nid='b'\ntitle='Theirs'"),
    ];
    assert_eq!(step(&cooked(&formulas), "b").title, "Theirs");
    assert_eq!(warnings(&formulas), ["f.toml:2: extends: step \"b\" of base is replaced by that of more"]);
    // Two ways to one ancestor are no contradiction.
    let diamond = [
        ("f", "extends=['l','r']\n[vars]\nw='x'"),
        ("l", "extends='base'"),
        ("r", "extends='base'"),
        ("base", BASE),
    ];
    assert_eq!(shape(&cooked(&diamond)), ["a", "b < a", "c < b"]);
    assert_eq!(warnings(&diamond), [""; 0]);
}

#[test]
fn formulas_that_are_missing_broken_or_in_a_circle_are_told_where_they_are_named() {
    let check = |formulas: &[(&str, &str)], expected: &[&str]| assert_eq!(problems(formulas), expected);
    check(
        &[("f", "extends=['bsae']"), ("base", BASE)],
        &["f.toml:2: extends: no formula is called \"bsae\"; did you mean \"base\"?"],
    );
    check(
        &[("f", "extends=['g']"), ("g", "steps=3")],
        &["g.toml:2: steps: expected an array of tables, [[steps]], found an integer"],
    );
    check(
        &[("f", "extends=['g']"), ("g", "extends=['h']"), ("h", "extends=['f']")],
        &["h.toml:2: extends: these formulas build on each other: f -> g -> h -> f"],
    );
    check(
        &[("f", "extends=['f']\n[[steps]]\nid='a'")],
        &["f.toml:2: extends: these formulas build on each other: f -> f"],
    );
    check(
        &[("f", "[[steps]]\nid='a'\nexpand='x'"), ("x", "[[template]]\nid='{target}.1'\nexpand='x'")],
        &["x.toml:4: template.{target}.1.expand: these formulas build on each other: x -> x"],
    );
    check(
        &[
            ("f", "[compose]\naspects=['five']\n[[steps]]\nid='a'\nexpand='base'"),
            ("five", FIVE),
            ("base", BASE),
        ],
        &[
            "f.toml:3: compose.aspects: formula \"five\" is of type expansion, and aspect is needed here",
            "f.toml:6: steps.a.expand: formula \"base\" is of type workflow, and expansion is needed here",
        ],
    );
}

#[test]
fn an_expansion_takes_the_place_of_a_step() {
    let formulas = [
        (
            "f",
            "extends='base'\n[vars]\nw='x'\n[[steps]]\nid='b'\ntitle='Do {{v}}'\ndescription='D {{v}}'\nneeds=['a']\nacceptance='ok'\n\
               [[compose.expand]]\ntarget='b'\nwith='five'\nvars={lang='rust {{v}}'}",
        ),
        ("base", BASE),
        ("five", FIVE),
    ];
    let cooked = cooked(&formulas);
    assert_eq!(shape(&cooked), ["a", "b.draft < a", "b.check < b.draft", "c < b.check"]);
    let draft = step(&cooked, "b.draft");
    assert_eq!(draft.title, "Draft: Do base in rust base");
    assert_eq!(draft.description, "D base rust base base");
    assert_eq!((draft.instead_of.as_deref(), draft.from.as_deref()), (Some("b"), Some("five")));
    assert_eq!(step(&cooked, "b.check").acceptance.as_deref(), Some("ok"), "what the whole must fulfil");
}

#[test]
fn expansions_can_be_inline_nested_and_for_all_that_fit() {
    let cooked = cooked(&[
        (
            "f",
            "[[steps]]\nid='a.impl'\n[[steps]]\nid='b.impl'\nneeds=['a.impl']\nexpand='outer'\nexpand_vars={lang='c'}\n\
               [[steps]]\nid='z'\nneeds=['b.impl']\n[[compose.map]]\nselect='*.impl'\nwith='five'",
        ),
        (
            "outer",
            "[[template]]\nid='{target}.one'\ntitle='{lang}'\n[[template]]\nid='{target}.two'\nneeds=['{target}.one']\nexpand='five'",
        ),
        ("five", FIVE),
    ]);
    assert_eq!(
        shape(&cooked),
        [
            "a.impl.draft",
            "a.impl.check < a.impl.draft",
            "b.impl.one < a.impl.check",
            "b.impl.two.draft < b.impl.one",
            "b.impl.two.check < b.impl.two.draft",
            "z < b.impl.two.check"
        ],
        "what is expanded already is not expanded again"
    );
    assert_eq!(step(&cooked, "b.impl.one").title, "c");
}

#[test]
fn rules_that_fit_nothing_are_told() {
    let check = |rule: &str, expected: &[&str]| {
        let rest = format!("[[steps]]\nid='a'\n[[steps]]\nid='b'\n{rule}");
        assert_eq!(
            problems(&[("f", &rest), ("five", FIVE), ("audit", AUDIT), ("base", BASE)]),
            expected,
            "{rule}"
        );
    };
    check(
        "[[compose.expand]]\ntarget='bb'\nwith='five'",
        &["f.toml:7: compose.expand[0].target: no step is called \"bb\"; did you mean \"b\"?"],
    );
    check(
        "[[compose.expand]]\ntarget='b'\nwith='fiv'",
        &["f.toml:8: compose.expand[0].with: no formula is called \"fiv\"; did you mean \"five\" or \"f\"?"],
    );
    check(
        "[[compose.expand]]\ntarget='b'\nwith='base'",
        &[
            "f.toml:8: compose.expand[0].with: formula \"base\" is of type workflow, and expansion is needed here",
        ],
    );
    check(
        "[[compose.expand]]\ntarget='b'\nwith='five'\n[[compose.expand]]\ntarget='b'\nwith='five'",
        &[
            "f.toml:10: compose.expand[1].target: \"b\" has been replaced by steps of its own; name one of them: b.draft, b.check",
        ],
    );
    check(
        "[[compose.map]]\nselect='x'\nwith='five'",
        &["f.toml:7: compose.map[0].select: no step fits \"x\""],
    );
    check(
        "[compose]\naspects=['five']",
        &["f.toml:7: compose.aspects: formula \"five\" is of type expansion, and aspect is needed here"],
    );
    check(
        "[[compose.branch]]\nfrom='a'\nsteps=['other']\njoin='b'",
        &["f.toml:8: compose.branch[0].steps: no step is called \"other\""],
    );
    check(
        "[[compose.gate]]\nbefore='other'\ncondition='soon'",
        &[
            "f.toml:7: compose.gate[0].before: no step is called \"other\"",
            "f.toml:8: compose.gate[0].condition: the condition \"soon\" is not understood; it is STEP.status == 'complete', \
         STEP.output.NAME == VALUE, children(STEP).all(…), steps.complete >= N, file.exists('PATH') or env.NAME == 'VALUE'",
        ],
    );
    check(
        "[[compose.bond_points]]\nid='p'\nafter_step='other'",
        &["f.toml:8: compose.bond_points.p.after_step: no step is called \"other\""],
    );
    check("[[advice]]\ntarget='x'\nbefore={id='y'}", &["f.toml:6: advice[0]: no step fits \"x\""]);
}

#[test]
fn advice_is_around_what_it_fits_and_never_around_itself() {
    let cooked_ = cooked(&[
        ("f", "extends='base'\n[vars]\nw='x'\n[compose]\naspects=['audit']"),
        ("base", BASE),
        ("audit", AUDIT),
    ]);
    assert_eq!(shape(&cooked_), ["a", "b-pre < a", "b < a, b-pre", "b-post < b", "c < b, b-post"]);
    assert_eq!(step(&cooked_, "b-pre").title, "Before b");
    let all = cooked(&[(
        "f",
        "[[steps]]\nid='a'\n[[steps]]\nid='b'\n[[advice]]\ntarget='*'\nafter={id='{step.id}-log'}",
    )]);
    assert_eq!(shape(&all), ["a", "a-log < a", "b", "b-log < b"]);
}

#[test]
fn advice_by_pointcut_and_around_what_has_been_expanded() {
    let cooked = cooked(&[
        (
            "f",
            "[[steps]]\nid='a'\n[[steps]]\nid='b'\ntitle='B'\nneeds=['a']\n[[steps]]\nid='c'\nneeds=['b']\nlabels=['risky']\n\
               [compose]\naspects=['audit','log']\n[[compose.expand]]\ntarget='b'\nwith='five'",
        ),
        ("five", FIVE),
        ("audit", AUDIT),
        (
            "log",
            "type='aspect'\n[[advice]]\nafter={id='{step.id}-log'}\n[[pointcuts]]\nlabel='risky'\n[[pointcuts]]\nglob='*.draft'",
        ),
    ]);
    assert_eq!(
        shape(&cooked),
        [
            "a",
            "b-pre < a",
            "b.draft < a, b-pre",
            "b.draft-log < b.draft",
            "b.check < b.draft, b.draft-log",
            "b-post < b.check",
            "c < b.check, b-post",
            "c-log < c"
        ]
    );
    assert_eq!(step(&cooked, "b-pre").title, "Before B");
}

#[test]
fn advice_that_fits_nothing_is_an_error_unless_other_advice_of_the_aspect_fits() {
    let advice = "[[advice]]\ntarget='x'\nbefore={id='y'}\n[[advice]]\ntarget='a'\nbefore={id='z'}";
    assert_eq!(
        problems(&[("f", &format!("[[steps]]\nid='a'\n{advice}"))]),
        ["f.toml:4: advice[0]: no step fits \"x\""]
    );
    assert_eq!(
        warnings(&[
            ("f", "[compose]\naspects=['g']\n[[steps]]\nid='a'"),
            ("g", &format!("type='aspect'\n{advice}"))
        ]),
        ["g.toml:3: advice[0]: no step fits \"x\""]
    );
    assert_eq!(
        problems(&[
            ("f", "[compose]\naspects=['g']\n[[steps]]\nid='b'"),
            ("g", &format!("type='aspect'\n{advice}"))
        ]),
        ["f.toml:3: compose.aspects: no step fits \"x, a\""]
    );
}

#[test]
fn ways_part_and_meet_and_gates_stand_before_the_first() {
    let cooked = cooked(&[
        (
            "f",
            "[[steps]]\nid='a'\n[[steps]]\nid='b'\n[[steps]]\nid='c'\nexpand='five'\n[[steps]]\nid='d'\n\
               [[compose.branch]]\nfrom='a'\nsteps=['b','c']\njoin='d'\n[[compose.gate]]\nbefore='c'\ncondition=\"a.status == 'complete'\"",
        ),
        ("five", FIVE),
    ]);
    assert_eq!(shape(&cooked), ["a", "b < a", "c.draft < a", "c.check < c.draft", "d < b, c.check"]);
    assert_eq!(step(&cooked, "c.draft").gates[0].condition.as_deref(), Some("a.status == 'complete'"));
}

#[test]
fn hooks_attach_a_formula_when_the_work_is_such() {
    let attach = |at: &str, point: &str| {
        format!(
            "[[steps]]\nid='a'\n[[steps]]\nid='b'\nneeds=['a']\n[[steps]]\nid='c'\nneeds=['b']\n[[compose.hooks]]\ntrigger='label:risky'\n\
             attach='scan'\n{at}\nvars={{depth='{{{{d}}}}'}}\n{point}\n[vars]\nd='deep'"
        )
    };
    let scan = ("scan", "[vars.depth]\n[[steps]]\nid='s'\ntitle='{{depth}}'\n[[steps]]\nid='t'\nneeds=['s']");
    let risky = Subject { labels: vec!["risky".to_owned()], ..Subject::default() };
    let shape_of = |rest: &str, subject: Option<Subject>| {
        let order = Order { subject, ..Order::default() };
        let cooked = cooked_with(&texts(&[("f", rest), scan]), "f", &order).unwrap();
        (shape(&cooked), cooked)
    };
    let point = |keys: &str| format!("[[compose.bond_points]]\nid='p'\n{keys}");
    assert_eq!(shape_of(&attach("", ""), None).0, ["a", "b < a", "c < b"]);
    let (at_end, cooked) = shape_of(&attach("", ""), Some(risky.clone()));
    assert_eq!(at_end, ["a", "b < a", "c < b", "scan.s < c", "scan.t < scan.s"]);
    assert_eq!(step(&cooked, "scan.s").title, "deep");
    let at = |keys: &str| shape_of(&attach("at='p'", &point(keys)), Some(risky.clone())).0;
    assert_eq!(at("after_step='b'"), ["a", "b < a", "scan.s < b", "scan.t < scan.s", "c < b, scan.t"]);
    assert_eq!(at("before_step='b'"), ["a", "scan.s < a", "scan.t < scan.s", "b < a, scan.t", "c < b"]);
    assert_eq!(
        at("after_step='b'\nparallel=true"),
        ["a", "b < a", "scan.s < a", "scan.t < scan.s", "c < b, scan.t"]
    );
    let told = |rest: &str| problems(&[("f", rest), scan]);
    assert_eq!(
        told(&attach("at='q'", &point("")))[0],
        "f.toml:13: compose.hooks[0].at: \"q\" is not known; did you mean \"p\"?"
    );
    assert!(
        told(&attach("", "").replace("label:risky", "when it rains"))[0]
            .contains("trigger: expected label:NAME")
    );
}

#[test]
fn an_expansion_or_an_aspect_alone_is_for_all_of_the_work() {
    let subject =
        Subject { title: "Fix it".to_owned(), description: "All of it.".to_owned(), ..Subject::default() };
    let order = Order { subject: Some(subject), ..Order::default() };
    let five = cooked_with(&texts(&[("five", FIVE)]), "five", &order).unwrap();
    assert_eq!(shape(&five), ["main.draft", "main.check < main.draft"]);
    assert_eq!(five.proto.steps[0].title, "Draft: Fix it in go");
    let audit = cooked(&[("audit", AUDIT), (DEFAULT, "[[steps]]\nid='a'\n[[steps]]\nid='b'\nneeds=['a']")]);
    assert_eq!(shape(&audit), ["a", "b-pre < a", "b < a, b-pre", "b-post < b"]);
    assert_eq!(
        problems(&[("audit", AUDIT), (DEFAULT, "[[steps]]\nid='a'")]),
        ["audit.toml:1: formula: no step fits \"b, submit\""]
    );
}
