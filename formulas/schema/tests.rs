//! What is read, and what is complained of.

use super::*;

fn problems(text: &str) -> Vec<String> {
    let Err(invalid) = read("f.toml", text) else { panic!("it was read: {text}") };
    invalid.problems.iter().map(ToString::to_string).collect()
}

fn warnings(text: &str) -> Vec<String> {
    read("f.toml", text).unwrap().1.iter().map(ToString::to_string).collect()
}

#[test]
fn everything_written_is_read_and_is_the_same_as_data() {
    let text = r#"
formula = 'f'
description = "What for."
version = 2
type = "workflow"
session = "per_step"
phase = "vapor"
pour = true
agent = "claude"
review_only = true
extends = ["base"]

[squash]
trigger = "on_complete"
template_type = "work"
include_metrics = true

[vars]
zebra = "main"
[vars.check]
description = "How."
required = true
default = 3
enum = ["3", 4]
pattern = "^[0-9]$"
type = "int"

[inputs.pr]
type = "number"
required_unless = ["files"]
[inputs.files]

[[steps]]
id = 'a'
[[steps]]
id = 'b'
title = 'The second'
needs = ['a']
depends_on = ['a', 'c']
description = """Text."""
notes = "N"
acceptance = "Green."
type = "bug"
priority = 1
labels = ["x"]
assignee = "nux"
metadata = { k = [1, true, 2.5, { z = "s" }] }
condition = "{{zebra}}"
waits_for = "children-of(a)"
parallel = true
interactive = false
timeout = "30m"
gate = { type = "gh:run", id = "release.yml", timeout = "1h" }
[steps.on_complete]
for_each = "output.items"
bond = "one"
vars = { name = "{item.name}" }
sequential = true
[[steps]]
id = 'c'
[[steps.children]]
id = 'c1'
[[steps]]
id = 'd'
[steps.loop]
range = "1..2^{n}"
var = "i"
[[steps.loop.body]]
id = 'd1'
[[steps]]
id = 'e'
expand = "tdd"
expand_vars = { lang = "go" }

[compose]
aspects = ["audit"]
[[compose.expand]]
target = "a"
with = "five"
vars = { n = 1 }
[[compose.map]]
select = "*.x"
with = "five"
[[compose.branch]]
from = "a"
steps = ["b", "c"]
join = "d"
[[compose.gate]]
before = "b"
condition = "a.status == 'complete'"
[[compose.bond_points]]
id = "end"
after_step = "d"
[[compose.hooks]]
trigger = "label:x"
attach = "other"
at = "end"

[[advice]]
target = "b"
before = { id = "{step.id}-before" }
[advice.around]
before = [{ id = "first" }, { id = "second", args = { a = "b" }, output = { o = "p" } }]
[[pointcuts]]
glob = "b*"
type = "bug"
label = "x"

[[legs]]
id = "l"
title = "L"
focus = "F"
description = "D"
agent = "claude"
review_only = true
[synthesis]
title = "S"
description = "T"
depends_on = ["l"]
[prompts]
base = "B {{.x}}"
[presets.gate]
description = "P"
legs = ["l"]
[output]
directory = "out"
leg_pattern = "{leg.id}.md"
synthesis = "all.md"

[[template]]
id = "{target}.x"
"#;
    let (written, warnings) = read("f.toml", text).unwrap();
    assert_eq!(warnings, []);
    let names: Vec<&str> = written.vars.iter().map(|var| var.name.value.as_str()).collect();
    assert_eq!(names, ["pr", "files", "zebra", "check"], "in the order of the file within each table");
    let b = &written.steps[1];
    let needs: Vec<&str> = b.needs.iter().map(|need| need.value.as_str()).collect();
    assert_eq!(needs, ["a", "c"], "`needs` and `depends_on`, each name once");
    let rounds = written.advice[0].before.iter().map(|step| step.id.value.as_str()).collect::<Vec<_>>();
    assert_eq!(rounds, ["{step.id}-before", "first", "second"]);

    // Every value of the file is there again under its own key.
    let data = serde_json::to_value(&written).unwrap();
    let step = &data["steps"][1];
    assert_eq!(step["metadata"]["k"], serde_json::json!([1, true, 2.5, {"z": "s"}]));
    assert_eq!(step["gate"]["await_id"], "release.yml");
    assert_eq!(step["on_complete"]["vars"]["name"], "{item.name}");
    assert_eq!(data["steps"][3]["loop"]["range"], "1..2^{n}");
    assert_eq!(data["steps"][4]["expand_vars"]["lang"], "go");
    assert_eq!(data["compose"]["branch"][0]["steps"], serde_json::json!(["b", "c"]));
    assert_eq!(data["compose"]["aspects"], serde_json::json!(["audit"]));
    assert_eq!(data["squash"]["template_type"], "work");
    assert_eq!(data["prompts"]["base"], "B {{.x}}");
    assert_eq!(data["presets"][0]["legs"], serde_json::json!(["l"]));
    for key in ["phase", "pour", "agent", "review_only", "pointcuts", "synthesis", "output", "template"] {
        assert!(!data[key].is_null(), "{key}");
    }
}

#[test]
fn the_sort_is_told_by_the_keys_when_it_is_not_said() {
    let check = |text: &str, kind: Kind| {
        assert_eq!(read("f.toml", &format!("formula='f'\n{text}")).unwrap().0.kind(), kind, "{text}");
    };
    check("[[steps]]\nid='a'", Kind::Workflow);
    check("[[legs]]\nid='a'", Kind::Convoy);
    check("[[aspects]]\nid='a'", Kind::Aspect);
    check("[[template]]\nid='a'", Kind::Expansion);
    check("[[advice]]\ntarget='a'\nbefore={id='x'}", Kind::Aspect);
    check("[[steps]]\nid='a'\n[[legs]]\nid='a'", Kind::Workflow);
    check("extends='g'", Kind::Workflow);
    check("type='convoy'\n[[legs]]\nid='a'\n[[steps]]\nid='b'", Kind::Convoy);
}

#[test]
fn every_complaint_names_file_line_and_key() {
    let check = |text: &str, expected: &[&str]| assert_eq!(problems(text), expected, "{text}");
    check("formula = 'f'\nsteps = [", &["f.toml:2: toml: unclosed array, expected `]`"]);
    check(
        "[[steps]]\nid='a'\ntitle=1",
        &[
            "f.toml:1: formula: this key is missing",
            "f.toml:3: steps.a.title: expected a string, found an integer",
        ],
    );
    check("formula=''\n[[steps]]\nid='a'", &["f.toml:1: formula: this must not be empty"]);
    check(
        "formula='f'\n[[steps]]\nid='a'\nneeds='b'\n[[steps]]\ntitle=3",
        &[
            "f.toml:4: steps.a.needs: expected an array of strings, found a string",
            "f.toml:5: steps[1].id: this key is missing",
            "f.toml:6: steps[1].title: expected a string, found an integer",
        ],
    );
    check(
        "formula='f'\ntype='worklfow'\n[[steps]]\nid='a'",
        &["f.toml:2: type: \"worklfow\" is not known; did you mean \"workflow\"?"],
    );
    check("formula='f'\nvars=3\n[[steps]]\nid='a'", &["f.toml:2: vars: expected a table, found an integer"]);
    check("formula='f'\nversion=-1", &["f.toml:2: version: expected 1 or more, found \"-1\""]);
}

#[test]
fn keys_of_a_step_that_contradict_each_other_are_errors() {
    let check = |step: &str, expected: &[&str]| {
        let text = format!("formula='f'\n[[steps]]\nid='a'\n{step}");
        assert_eq!(problems(&text), expected, "{step}");
    };
    check("priority=7", &["f.toml:4: steps.a.priority: expected a number from 0 to 4, found \"7\""]);
    check(
        "gate={type='timmer'}",
        &["f.toml:4: steps.a.gate.type: \"timmer\" is not known; did you mean \"timer\"?"],
    );
    check("gate={id='x'}", &["f.toml:4: steps.a.gate.type: this key is missing"]);
    check("gate={type='timer'}", &["f.toml:4: steps.a.gate.timeout: this key is missing"]);
    check("gate={type='conditional'}", &["f.toml:4: steps.a.gate.condition: this key is missing"]);
    check("gate={type='bead'}", &["f.toml:4: steps.a.gate.id: this key is missing"]);
    check(
        "waits_for='all-childs'",
        &["f.toml:4: steps.a.waits_for: \"all-childs\" is not known; did you mean \"all-children\"?"],
    );
    check(
        "waits_for='children-of()'",
        &["f.toml:4: steps.a.waits_for: \"children-of()\" is not known; did you mean \"children-of(step)\"?"],
    );
    check(
        "on_complete={for_each='items',bond='b'}",
        &[
            "f.toml:4: steps.a.on_complete.for_each: expected a list in the output: output.NAME, found \"items\"",
        ],
    );
    check(
        "on_complete={for_each='output.items'}",
        &["f.toml:4: steps.a.on_complete.bond: this key is missing"],
    );
    check(
        "on_complete={for_each='output.a',bond='b',parallel=true,sequential=true}",
        &["f.toml:4: steps.a.on_complete.sequential: this cannot stand beside parallel"],
    );
    check("expand_vars={a='b'}", &["f.toml:4: steps.a.expand_vars: this needs expand beside it"]);
    check(
        "expand='x'\nchildren=[{id='b'}]",
        &["f.toml:2: steps.a.children: this cannot stand beside expand"],
    );
    check("loop={body=[{id='b'}]}", &["f.toml:4: steps.a.loop.count: this key is missing"]);
    check("loop={count=2}", &["f.toml:4: steps.a.loop.body: this key is missing"]);
    check(
        "loop={count=2,range='1..2',body=[{id='b'}]}",
        &["f.toml:4: steps.a.loop.count: this cannot stand beside range"],
    );
    check(
        "loop={until='step.status == 1',body=[{id='b'}]}",
        &["f.toml:4: steps.a.loop.until: this needs max beside it"],
    );
    check(
        "loop={until='step.status == 1',max=0,body=[{id='b'}]}",
        &["f.toml:4: steps.a.loop.max: expected 1 or more, found \"0\""],
    );
}

#[test]
fn rules_of_composition_must_be_whole() {
    let check = |text: &str, expected: &[&str]| {
        assert_eq!(problems(&format!("formula='f'\n{text}")), expected, "{text}");
    };
    check("[[compose.expand]]\ntarget='a'", &["f.toml:2: compose.expand[0].with: this key is missing"]);
    check(
        "[[compose.branch]]\nfrom='a'\nsteps=[]\njoin='b'",
        &["f.toml:4: compose.branch[0].steps: this must not be empty"],
    );
    check("[[compose.gate]]\nbefore='a'", &["f.toml:2: compose.gate[0].condition: this key is missing"]);
    check(
        "[[compose.bond_points]]\nid='p'\nafter_step='a'\nbefore_step='b'",
        &["f.toml:5: compose.bond_points.p.before_step: this cannot stand beside after_step"],
    );
    check("[[compose.hooks]]\nattach='a'", &["f.toml:2: compose.hooks[0].trigger: this key is missing"]);
    check("[[advice]]\ntarget='a'", &["f.toml:2: advice[0].before: this key is missing"]);
    check("[[legs]]\nid='a'\n[[legs]]\nid='a'", &["f.toml:5: legs.a.id: \"a\" is already on line 3"]);
    check(
        "[inputs.a]\nrequired_unless=['c']\n[inputs.b]",
        &["f.toml:3: inputs.a.required_unless: there is no variable c; did you mean \"a\" or \"b\"?"],
    );
}

#[test]
fn unknown_keys_are_warnings_with_what_may_have_been_meant() {
    let text = "formula='f'\ndescripton='x'\n[[steps]]\nid='a'\nneed=['b']\nxyzzy=1\ngate={type='human',aprovers=[]}\n\
                [vars.v]\ndefalt=1\n[compose]\nbranches=1";
    assert_eq!(
        warnings(text),
        [
            "f.toml:2: descripton: unknown key; did you mean \"description\"?",
            "f.toml:5: steps.a.need: unknown key; did you mean \"needs\"?",
            "f.toml:6: steps.a.xyzzy: unknown key",
            "f.toml:7: steps.a.gate.aprovers: unknown key; did you mean \"approvers\"?",
            "f.toml:9: vars.v.defalt: unknown key; did you mean \"default\"?",
            "f.toml:11: compose.branches: unknown key; did you mean \"branch\"?",
        ]
    );
}

#[test]
fn what_is_read_and_does_nothing_is_a_warning() {
    assert_eq!(
        warnings(
            "formula='f'\n[vars]\nelse='x'\n[[steps]]\nid='a'\ndescription='d'\nloop={count=1,body=[{id='b'}]}"
        ),
        [
            "f.toml:3: vars.else: this key has no effect: the word belongs to the templates that models read, and stays as it is",
            "f.toml:6: steps.a.description: this key has no effect: a loop is its body; write it into a step of that",
        ]
    );
}

#[test]
fn nesting_has_a_limit_that_is_told() {
    let mut text = "formula='f'\n[[steps]]\nid='a'\n".to_owned();
    for depth in 1..60 {
        text.push_str(&format!("[[steps{}]]\nid='a{depth}'\n", ".children".repeat(depth)));
    }
    assert_eq!(problems(&text).len(), 1);
    assert!(problems(&text)[0].ends_with("this is nested more than 32 deep"), "{:?}", problems(&text));
    let deep = format!("formula='f'\nx={}1{}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(read("f.toml", &deep).is_err());
}
