//! Legs and their synthesis.

use super::*;

const REVIEW: &str = r#"type = "convoy"
[inputs.pr]
description = "Which pull request"
type = "number"
required_unless = ["files"]
[inputs.files]
required_unless = ["pr"]
[prompts]
base = "Read {{.files}} as {leg.title}, write to {output.path}. {{#each x}}{{.}}{{/each}}"
[output]
directory = "out/{{bead}}/{{.review_id}}"
leg_pattern = "{{.leg.id}}.md"
synthesis = "all.md"
[[legs]]
id = "bugs"
title = "Bugs"
focus = "What is wrong"
description = "Look for bugs."
[[legs]]
id = "style"
review_only = true
agent = "other"
[presets.quick]
legs = ["bugs"]
[synthesis]
title = "Together"
description = "Put {{.output.directory}} together."
depends_on = ["bugs", "style"]
"#;

fn review(pairs: &[(&str, &str)]) -> Result<Cooked, Invalid> {
    let ambient = vars(&[("bead", "web-1")]);
    cooked_with(&texts(&[("review", REVIEW)]), "review", &Order { ambient, ..given(pairs) })
}

#[test]
fn legs_run_side_by_side_and_are_told_all() {
    let cooked = review(&[("pr", "12")]).unwrap();
    assert_eq!(shape(&cooked), ["bugs", "style", "synthesis < bugs, style"]);
    assert!(cooked.proto.per_step, "no leg knows what another has seen");
    let bugs = step(&cooked, "bugs");
    assert!(bugs.parallel);
    assert_eq!(bugs.output["findings"], "out/web-1/{{.review_id}}/bugs.md");
    assert_eq!(
        bugs.description,
        "Focus: What is wrong\n\nLook for bugs.\n\nRead {{.files}} as Bugs, write to out/web-1/{{.review_id}}/bugs.md. \
         {{#each x}}{{.}}{{/each}}\n\nGiven:\n- pr: 12"
    );
    let synthesis = step(&cooked, "synthesis");
    assert_eq!(synthesis.output["synthesis"], "out/web-1/{{.review_id}}/all.md");
    assert!(
        synthesis
            .description
            .starts_with("Put {{.output.directory}} together.\n\nThe findings are in:\n- bugs: out/")
    );
    assert!(step(&cooked, "style").text().contains("change nothing"));
    let refused = cooked.poured().unwrap_err().to_string();
    assert_eq!(
        refused,
        "review.toml:23: legs.style.agent: a preset of a step's own cannot be carried out by this version"
    );
}

#[test]
fn a_preset_or_names_choose_among_the_legs() {
    let chosen = |pairs: &[(&str, &str)]| shape(&review(pairs).unwrap());
    assert_eq!(chosen(&[("pr", "1"), ("preset", "quick")]), ["bugs", "synthesis < bugs"]);
    assert_eq!(chosen(&[("pr", "1"), ("legs", "style")]), ["style", "synthesis < style"]);
    let told = |pairs: &[(&str, &str)]| review(pairs).unwrap_err().to_string();
    assert_eq!(
        told(&[("pr", "1"), ("preset", "quik")]),
        "review.toml:1: presets: \"quik\" is not known; did you mean \"quick\"?"
    );
    assert_eq!(
        told(&[("pr", "1"), ("legs", "bugs,stile")]),
        "review.toml:1: presets: no leg is called \"stile\"; did you mean \"style\"?"
    );
}

#[test]
fn an_input_is_required_unless_another_is_given() {
    assert!(review(&[("files", "*.rs")]).is_ok());
    assert_eq!(
        review(&[]).unwrap_err().to_string(),
        "review.toml:3: inputs.pr: variable pr needs a value (Which pull request; or give files)\n\
         review.toml:7: inputs.files: variable files needs a value (; or give pr)"
    );
    assert!(review(&[("pr", "many")]).unwrap_err().to_string().contains("which is not a number"));
}

#[test]
fn legs_that_are_spoken_of_must_be_there() {
    let broken = REVIEW
        .replace("depends_on = [\"bugs\"", "depends_on = [\"bug\"")
        .replace("legs = [\"bugs\"]", "legs = [\"bigs\"]");
    assert_eq!(
        problems(&[("review", &broken.replace("required_unless", "# "))]),
        [
            "review.toml:25: presets.quick.legs: no leg is called \"bigs\"; did you mean \"bugs\"?",
            "review.toml:29: synthesis.depends_on: no leg is called \"bug\"; did you mean \"bugs\"?",
        ]
    );
}

#[test]
fn the_aspects_of_an_aspect_are_legs_by_another_name() {
    let cooked =
        cooked(&[("f", "type='aspect'\n[[aspects]]\nid='speed'\nfocus='Time'\n[[aspects]]\nid='space'")]);
    assert_eq!(shape(&cooked), ["speed", "space"]);
    assert_eq!(cooked.proto.steps[0].description, "Focus: Time");
}
