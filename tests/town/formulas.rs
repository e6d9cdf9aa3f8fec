//! Formulas from their files to what lands: composed, looked over, refused.

use serde_json::json;

use crate::support::Town;

fn write(town: &Town, file: &str, text: &str) {
    std::fs::write(town.root.join("formulas").join(file), text).unwrap();
}

/// A step that leaves its name behind.
fn echo(id: &str, needs: &str) -> String {
    format!(
        "id = \"{id}\"\nneeds = [{needs}]\ndescription = '''\n```sh\necho '{id}' >> order.txt\n```\n'''\n"
    )
}

#[test]
fn a_formula_that_is_composed_of_others_is_carried_out_in_its_order() {
    let (town, origin) = Town::with_rig();
    write(
        &town,
        "base.formula.toml",
        &format!("formula = 'base'\n[[steps]]\n{}[[steps]]\n{}", echo("a", ""), echo("c", "'a'")),
    );
    write(
        &town,
        "twice.formula.toml",
        &format!(
            "formula = 'twice'\ntype = 'expansion'\n[[template]]\n{}[[template]]\n{}",
            echo("{target}.1", ""),
            echo("{target}.2", "'{target}.1'")
        ),
    );
    write(
        &town,
        "watch.formula.toml",
        &format!(
            "formula = 'watch'\ntype = 'aspect'\n[[advice]]\ntarget = 'c'\n[advice.after]\n{}",
            echo("{step.id}-after", "")
        ),
    );
    write(
        &town,
        "mine.formula.toml",
        &format!(
            "formula = 'mine'\nextends = ['base']\n[vars]\ndeep = 'no'\n[[steps]]\n{}condition = '{{{{deep}}}}'\n[[steps]]\nid = 'l'\n\
             needs = ['c', 'x']\n[steps.loop]\nrange = '1..2'\nvar = 'n'\n[[steps.loop.body]]\n{}[compose]\naspects = ['watch']\n\
             [[compose.expand]]\ntarget = 'c'\nwith = 'twice'\n",
            echo("x", "'a'"),
            echo("round-{n}", "")
        ),
    );
    let running = town.run();
    let bead = town.bead("composed", "true");
    town.gastown(&["sling", &bead, "web", "--formula", "mine"]).ok();
    town.event_of("mq.landed", &bead);
    let order = "a\nc.1\nc.2\nc-after\nround-1\nround-2\n";
    assert_eq!(origin.file("order.txt").trim(), order.trim());
    let poured = town.event_of("mol.created", &bead);
    let ids: Vec<&str> =
        poured["data"]["steps"].as_array().unwrap().iter().map(|step| step["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "c.1", "c.2", "c-after", "l.iter1.round-1", "l.iter2.round-2"]);
    running.stop();
}

#[test]
fn a_small_tower_of_hanoi_is_moved_and_played_back() {
    let (town, origin) = Town::with_rig();
    let running = town.run();
    let bead = town.bead("move the tower", "true");
    town.gastown(&["sling", &bead, "web", "--formula", "towers-of-hanoi", "--var", "disks=3"]).ok();
    town.event_of("mq.landed", &bead);
    assert_eq!(origin.file("towers.txt").lines().count(), 7);
    assert_eq!(town.event_of("mol.created", &bead)["data"]["steps"].as_array().unwrap().len(), 9);
    running.stop();
}

#[test]
fn what_a_formula_says_and_nobody_could_do_is_refused_before_anything_happens() {
    let (town, _origin) = Town::with_rig();
    write(&town, "preset.formula.toml", "formula = 'preset'\nagent = 'claude'\n[[steps]]\nid = 'a'\n");
    write(&town, "broken.formula.toml", "formula = 'broken'\n[[steps]]\nid = 'a'\nneeds = ['b']\n");
    write(&town, "asks.formula.toml", "formula = 'asks'\n[vars.how]\nrequired = true\n[[steps]]\nid = 'a'\n");
    let bead = town.bead("gated", "true");
    let sling = |formula: &str| town.gastown(&["sling", &bead, "web", "--formula", formula, "--json"]);
    let told = |refusal: serde_json::Value| refusal["message"].as_str().unwrap().to_owned();
    let preset = told(sling("preset").refused(2, "formula_not_yet"));
    assert!(preset.ends_with("cannot be carried out by this version"), "{preset}");
    let broken = told(sling("broken").refused(2, "invalid_formula"));
    assert!(
        broken
            .ends_with("broken.formula.toml:4: steps.a.needs: no step is called \"b\"; did you mean \"a\"?"),
        "{broken}"
    );
    let asks = told(sling("asks").refused(2, "usage"));
    assert!(asks.ends_with("asks.formula.toml:2: vars.how: variable how needs a value"), "{asks}");
    sling("gatet").refused(4, "no_such_formula");
    assert_eq!(town.bead_shown(&bead)["status"], "open");
}

#[test]
fn formulas_are_listed_shown_drawn_looked_over_and_begun_without_a_runtime() {
    let (town, _origin) = Town::with_rig();
    write(
        &town,
        "odd.formula.toml",
        "formula = 'odd'\ntitel = 'x'\n[[steps]]\nid = 'a'\n[[steps]]\nid = 'b'\nneeds = ['a']\n",
    );
    let rows = town.json(&["formula", "list"]);
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == "odd").unwrap();
    assert_eq!(row["steps"], 2);

    let lint = town.gastown(&["formula", "lint", "odd", "--json"]).ok().json();
    assert_eq!(lint[0]["warnings"][0]["line"], 2);
    assert_eq!(lint[0]["warnings"][0]["key"], "titel");
    write(&town, "broken.formula.toml", "formula = 'broken'\n[[steps]]\nid = 'a'\nneeds = 'b'\n");
    let all = town.gastown(&["formula", "lint"]);
    assert_eq!(all.code, 1);
    assert!(
        all.stdout.contains("broken.formula.toml:4: error: steps.a.needs: expected an array of strings"),
        "{}",
        all.stdout
    );
    // A file that lies elsewhere is looked over where it lies, and by what the town has.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::write(
        elsewhere.path().join("elsewhere.toml"),
        "formula = 'elsewhere'\nextends = ['odd', 'shiny']\n",
    )
    .unwrap();
    let root = town.root.to_str().unwrap();
    town.gastown_in(elsewhere.path(), &["--town", root, "formula", "lint", "./elsewhere.toml"]).ok();

    let shown = town.json(&["formula", "show", "odd"]);
    assert_eq!((&shown["type"], &shown["steps"][1]["needs"]), (&json!("workflow"), &json!(["a"])));
    let resolved = town.json(&["formula", "show", "shiny", "--resolved", "--var", "feature=search"]);
    assert_eq!(resolved["steps"][0]["title"], "Design: search");
    assert_eq!(resolved["hash"], town.json(&["cook", "shiny", "--var", "feature=search"])["hash"]);
    let graph = town.json(&["formula", "graph", "odd"]);
    assert_eq!(graph["edges"], json!([{"from": "a", "to": "b"}]));
    assert_eq!(graph["nodes"][1]["wave"], 2);
    let drawn = town.gastown(&["formula", "graph", "odd", "--format", "dot"]).ok();
    assert!(drawn.stdout.contains("\"a\" -> \"b\";"), "{}", drawn.stdout);

    for kind in ["workflow", "expansion", "aspect", "convoy"] {
        town.gastown(&["formula", "new", &format!("my-{kind}"), "--type", kind]).ok();
        town.gastown(&["formula", "lint", &format!("my-{kind}")]).ok();
    }
    town.gastown(&["formula", "new", "my-convoy", "--json"]).refused(5, "formula_exists");
    town.gastown(&["formula", "new", "../out", "--json"]).refused(2, "usage");
    town.gastown(&["formula", "new", "own", "--rig", "web"]).ok();
    assert!(town.root.join("web/formulas/own.formula.toml").is_file());
    town.gastown(&["formula", "show", "own", "--json"]).refused(4, "no_such_formula");
    assert_eq!(town.json(&["formula", "show", "own", "--rig", "web"])["name"], "own");
}
