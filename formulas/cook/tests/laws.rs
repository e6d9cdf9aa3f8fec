//! What holds of every formula, whatever is in it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// A step of a made-up formula: which earlier ones it needs, and what it is.
#[derive(Debug, Clone)]
struct Made {
    needs: Vec<usize>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Plain,
    /// Its condition does not hold.
    LeftOut,
    Loop(usize),
    Expanded,
    Parts(usize),
}

fn made() -> impl Strategy<Value = Vec<Made>> {
    let what = prop_oneof![
        4 => Just(What::Plain),
        1 => Just(What::LeftOut),
        1 => (1..4_usize).prop_map(What::Loop),
        1 => Just(What::Expanded),
        1 => (1..4_usize).prop_map(What::Parts),
    ];
    let step = (prop::collection::vec(0..12_usize, 0..4), what);
    prop::collection::vec(step, 1..12).prop_map(|steps| {
        let steps = steps.into_iter().enumerate();
        // Needing only earlier ones makes any choice a formula without cycles.
        let earlier = |at: usize, needs: Vec<usize>| {
            needs.into_iter().filter(|need| *need < at).collect::<BTreeSet<_>>().into_iter().collect()
        };
        steps.map(|(at, (needs, what))| Made { needs: earlier(at, needs), what }).collect()
    })
}

fn text(steps: &[Made]) -> String {
    let mut text = "[vars]\nno='no'\n".to_owned();
    for (at, step) in steps.iter().enumerate() {
        let needs: Vec<String> = step.needs.iter().map(|need| format!("'s{need}'")).collect();
        write!(text, "[[steps]]\nid='s{at}'\nneeds=[{}]\n", needs.join(",")).unwrap();
        match &step.what {
            What::Plain => {}
            What::LeftOut => text.push_str("condition='{{no}}'\n"),
            What::Loop(count) => {
                writeln!(text, "loop={{count={count},body=[{{id='x'}},{{id='y',needs=['x']}}]}}").unwrap();
            }
            What::Expanded => text.push_str("expand='two'\n"),
            What::Parts(count) => {
                let parts: Vec<String> = (0..*count).map(|part| format!("{{id='s{at}-{part}'}}")).collect();
                writeln!(text, "children=[{}]", parts.join(",")).unwrap();
            }
        }
    }
    text
}

const TWO: &str =
    "type='expansion'\n[[template]]\nid='{target}.a'\n[[template]]\nid='{target}.b'\nneeds=['{target}.a']";

/// The steps that come of each made-up one: all of them, those that begin it, and those that end it.
fn parts(at: usize, made: &Made) -> (Vec<String>, Vec<String>, Vec<String>) {
    let id = format!("s{at}");
    match &made.what {
        What::Plain => (vec![id.clone()], vec![id.clone()], vec![id]),
        What::LeftOut => (vec![], vec![], vec![]),
        What::Loop(count) => (
            (1..=*count).flat_map(|n| [format!("{id}.iter{n}.x"), format!("{id}.iter{n}.y")]).collect(),
            vec![format!("{id}.iter1.x")],
            vec![format!("{id}.iter{count}.y")],
        ),
        What::Expanded => {
            (vec![format!("{id}.a"), format!("{id}.b")], vec![format!("{id}.a")], vec![format!("{id}.b")])
        }
        What::Parts(count) => {
            let children: Vec<String> = (0..*count).map(|part| format!("{id}-{part}")).collect();
            let mut all = children.clone();
            all.push(id.clone());
            (all, children, vec![id])
        }
    }
}

/// For each step, all that is done before it.
fn before(cooked: &Cooked) -> HashMap<&str, HashSet<&str>> {
    let mut all: HashMap<&str, HashSet<&str>> = HashMap::new();
    for step in &cooked.proto.steps {
        let mut done = HashSet::new();
        for need in &step.needs {
            // They come in order, so what is needed is known already.
            done.extend(all[need.as_str()].iter().copied());
            done.insert(need.as_str());
        }
        all.insert(&step.id, done);
    }
    all
}

proptest! {
    #[test]
    fn whatever_stands_in_the_place_of_steps_keeps_their_order(steps in made()) {
        let text = text(&steps);
        let cooked_ = cooked_with(&texts(&[("f", &text), ("two", TWO)]), "f", &Order::default());
        if steps.iter().all(|step| matches!(step.what, What::LeftOut)) {
            prop_assert!(cooked_.is_err());
            return Ok(());
        }
        let cooked = cooked_.unwrap();
        // Just these steps, each once.
        let mut expected: Vec<String> = steps.iter().enumerate().flat_map(|(at, made)| parts(at, made).0).collect();
        let mut found: Vec<String> = cooked.proto.steps.iter().map(|step| step.id.clone()).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
        // Whatever begins a step comes after all that ends what the step needs, through those left out, too.
        let before = before(&cooked);
        for (at, made_) in steps.iter().enumerate() {
            let mut open = made_.needs.clone();
            while let Some(need) = open.pop() {
                if matches!(steps[need].what, What::LeftOut) {
                    open.extend(&steps[need].needs);
                }
                for last in parts(need, &steps[need]).2 {
                    for first in parts(at, made_).1 {
                        prop_assert!(before[first.as_str()].contains(last.as_str()), "{} before {}\n{}", last, first, text);
                    }
                }
            }
        }
        // And nothing else waits for anything: what is before a step is before it in the file, too.
        for (at, made_) in steps.iter().enumerate() {
            let mut allowed: HashSet<usize> = HashSet::new();
            let mut open = made_.needs.clone();
            while let Some(need) = open.pop() {
                if allowed.insert(need) {
                    open.extend(&steps[need].needs);
                }
            }
            let own: HashSet<String> = parts(at, made_).0.into_iter().collect();
            let others: HashSet<String> =
                allowed.iter().flat_map(|need| parts(*need, &steps[*need]).0).collect();
            for id in &own {
                for done in &before[id.as_str()] {
                    prop_assert!(own.contains(*done) || others.contains(*done), "{} before {}\n{}", done, id, text);
                }
            }
        }
    }

    #[test]
    fn advice_around_everything_leaves_the_order_of_everything_as_it_was(steps in made()) {
        let text = text(&steps);
        let plain = texts(&[("f", &text), ("two", TWO)]);
        let Ok(without) = cooked_with(&plain, "f", &Order::default()) else { return Ok(()) };
        let advice = "type='aspect'\n[[advice]]\ntarget='*'\n[advice.around]\nbefore=[{id='{step.id}<'}]\nafter=[{id='{step.id}>'}]";
        let woven = format!("[compose]\naspects=['log']\n{text}");
        let with = cooked_with(&texts(&[("f", &woven), ("two", TWO), ("log", advice)]), "f", &Order::default()).unwrap();
        prop_assert_eq!(with.proto.steps.len(), 3 * without.proto.steps.len());
        let (then, now) = (before(&without), before(&with));
        for step in &without.proto.steps {
            let (pre, post) = (format!("{}<", step.id), format!("{}>", step.id));
            prop_assert!(now[step.id.as_str()].contains(pre.as_str()));
            prop_assert!(now[post.as_str()].contains(step.id.as_str()));
            for earlier in &then[step.id.as_str()] {
                prop_assert!(now[step.id.as_str()].contains(*earlier));
                // What waits for a step waits for what comes after it, and so does what comes before that. A
                // whole ends with its parts, so what is before it is before them.
                let after = format!("{earlier}>");
                prop_assert!(now[step.id.as_str()].contains(after.as_str()), "{} before {}\n{}", after, step.id, woven);
            }
        }
    }

    #[test]
    fn a_child_of_several_parents_has_each_name_once(
        names in prop::collection::vec(prop::collection::btree_set(0..6_u8, 0..5), 1..4),
        own in prop::collection::btree_set(0..6_u8, 1..4),
    ) {
        let one = |who: &str, names: &BTreeSet<u8>| {
            let mut text = String::new();
            for name in names {
                write!(text, "[[steps]]\nid='s{name}'\ntitle='{who}'\n").unwrap();
                write!(text, "[vars.v{name}]\ndefault='{who}'\n").unwrap();
            }
            text
        };
        let mut formulas = Vec::new();
        let parents: Vec<String> = (0..names.len()).map(|at| format!("p{at}")).collect();
        let quoted: Vec<String> = parents.iter().map(|parent| format!("'{parent}'")).collect();
        let child = format!("extends=[{}]\n{}", quoted.join(","), one("child", &own));
        formulas.push(("child", child.as_str()));
        // A parent without steps of its own is no workflow by itself, but may be a parent.
        let texts_: Vec<String> = parents.iter().zip(&names).map(|(parent, names)| one(parent, names)).collect();
        formulas.extend(parents.iter().zip(&texts_).map(|(parent, text)| (parent.as_str(), text.as_str())));
        let cooked = cooked(&formulas);
        let found: Vec<&str> = cooked.proto.steps.iter().map(|step| step.id.as_str()).collect();
        let all: BTreeSet<u8> = names.iter().flatten().chain(&own).copied().collect();
        prop_assert_eq!(found.len(), all.len());
        for name in all {
            let title = &step(&cooked, &format!("s{name}")).title;
            // The child's, or else the last parent's that has it.
            let last = names.iter().rposition(|names| names.contains(&name)).map(|at| format!("p{at}"));
            let expected = if own.contains(&name) { "child".to_owned() } else { last.unwrap() };
            prop_assert_eq!(title, &expected);
        }
    }

    #[test]
    fn cooking_twice_gives_the_same(steps in made()) {
        let texts = texts(&[("f", &text(&steps)), ("two", TWO)]);
        let hash = || cooked_with(&texts, "f", &Order::default()).map(|cooked| cooked.proto.hash());
        prop_assert_eq!(hash(), hash());
    }
}

/// Pieces of which formulas are made, right and wrong.
const PIECES: [&str; 40] = [
    "[[steps]]\n",
    "id='a'\n",
    "id='b'\n",
    "id='{target}.x'\n",
    "id=3\n",
    "title='{{v}} {n} {step.id}'\n",
    "needs=['a']\n",
    "needs=['b','a','zz']\n",
    "condition='{{v}}'\n",
    "condition='!{{w}} =='\n",
    "[steps.loop]\n",
    "count=2\n",
    "range='1..2^{v}'\n",
    "until='a.status == 1'\n",
    "max=2\n",
    "var='n'\n",
    "[[steps.loop.body]]\n",
    "[[steps.children]]\n",
    "expand='x'\n",
    "expand='f'\n",
    "gate={type='timer',timeout='1h'}\n",
    "waits_for='children-of(a)'\n",
    "on_complete={for_each='output.a',bond='f'}\n",
    "[[template]]\n",
    "extends=['x']\n",
    "[vars]\nv='1'\n",
    "[inputs.v]\nrequired=true\n",
    "[[compose.expand]]\ntarget='a'\nwith='x'\n",
    "[[compose.map]]\nselect='*'\nwith='x'\n",
    "[compose]\naspects=['y','f']\n",
    "[[compose.branch]]\nfrom='a'\nsteps=['b']\njoin='a'\n",
    "[[compose.gate]]\nbefore='b'\ncondition='x.y == 1'\n",
    "[[compose.hooks]]\ntrigger='type:task'\nattach='y'\n",
    "[[advice]]\ntarget='*'\nbefore={id='{step.id}-b'}\n",
    "[[pointcuts]]\nglob='[a-b]'\n",
    "[[legs]]\n",
    "[synthesis]\ndepends_on=['a']\n",
    "[presets.p]\nlegs=['a']\n",
    "type='convoy'\n",
    "[squash]\ntrigger='on_complete'\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn no_formula_however_wrong_brings_it_down(
        main in prop::collection::vec(0..PIECES.len(), 0..14),
        other in prop::collection::vec(0..PIECES.len(), 0..6),
        noise in prop::option::of((any::<prop::sample::Index>(), "\\PC{0,3}")),
    ) {
        let made = |pieces: &[usize]| pieces.iter().map(|piece| PIECES[*piece]).collect::<String>();
        let mut text = format!("formula='f'\n{}", made(&main));
        if let Some((at, noise)) = noise {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            text.insert_str(places[at.index(places.len())], &noise);
        }
        let mut library = texts(&[("x", &format!("type='expansion'\n{}", made(&other))), ("y", &made(&other))]);
        library.0.insert("f".to_owned(), text.clone());
        let Ok(formula) = Formula::parse("f.toml", &text) else { return Ok(()) };
        for mode in [Mode::Pour, Mode::Look, Mode::Lint] {
            let subject = Some(Subject { kind: "task".to_owned(), ..Subject::default() });
            let order = Order { mode, subject, given: vars(&[("v", "3")]), ..Order::default() };
            match cook(&library, &Arc::new(formula.clone()), &order) {
                Ok(cooked) => {
                    // What is cooked can be worked at.
                    prop_assert!(crate::molecule::Molecule::pour(cooked.proto).is_ok());
                }
                Err(invalid) => {
                    for problem in invalid.problems {
                        prop_assert!(problem.file.ends_with(".toml") && problem.line > 0 && !problem.key.is_empty(), "{}", problem);
                    }
                }
            }
        }
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "\\PC{0,80}|[\\[\\]a-z='\"{}\n.,#0-9]{0,120}") {
        let _ = Formula::parse("f.toml", &text);
        let _ = Formula::parse("f.toml", &format!("formula='f'\n{text}"));
    }
}
