//! Every rule over worlds that pass and worlds that fail, and all that is found in every format.
//!
//! The snapshots are rewritten by `INSTA_UPDATE=always cargo test -p selvedge-conventions --test
//! rules`; read the difference before you commit it.

mod common;

use common::World;
use common::fixtures::all;
use proptest::prelude::*;
use selvedge_conventions::{
    Baseline, Damage, Dtype, Filter, Float16Evidence, Format, Hdf5Facts, RULES, Report, RunState,
    SafetensorsFacts, Storage, TensorFacts, Uint16Evidence,
};

#[test]
fn every_rule_has_fixtures_that_pass_and_fixtures_that_fail() {
    let with_fixtures: Vec<_> = all().iter().map(|fixture| fixture.code).collect();
    let codes: Vec<_> = RULES.iter().map(|rule| rule.code()).collect();
    assert_eq!(with_fixtures, codes);
    for fixture in all() {
        assert!(!fixture.passing.is_empty(), "{}: none passes", fixture.code);
        assert!(!fixture.failing.is_empty(), "{}: none fails", fixture.code);
    }
}

#[test]
fn what_passes_passes_and_what_fails_fails() {
    for fixture in all() {
        let code = fixture.code;
        for (what, world) in fixture.passing {
            let found = world.check(code);
            assert!(found.is_empty(), "{code}, {what}: {found:#?}");
        }
        for (what, world) in fixture.failing {
            let found = world.check(code);
            assert!(!found.is_empty(), "{code}, {what}: nothing found");
            assert!(
                found.iter().all(|finding| finding.code == code),
                "{found:#?}"
            );
        }
    }
}

/// All that the failing fixtures show, less one that a baseline knows, which also has a stale entry.
fn report() -> Report {
    let worlds = || {
        all()
            .into_iter()
            .map(|fixture| (fixture.code, fixture.failing))
    };
    let findings = worlds()
        .flat_map(|(code, worlds)| worlds.into_iter().map(move |(_, world)| (code, world)))
        .flat_map(|(code, world)| world.check(code))
        .collect();
    let baseline =
        "version = 1\n[files]\n\"notebooks/1.5b_many.ipynb\" = { NBK003 = 1, NBK005 = 1 }";
    let baseline = Baseline::parse(baseline, "baseline.toml").unwrap();
    Report::new(findings, 128).with_baseline(&baseline, |_, _| true)
}

#[test]
fn full() {
    insta::assert_snapshot!(report().render(Format::Full));
}

#[test]
fn concise() {
    insta::assert_snapshot!(report().render(Format::Concise));
}

#[test]
fn json() {
    insta::assert_snapshot!(report().render(Format::Json));
}

#[test]
fn github() {
    insta::assert_snapshot!(report().render(Format::Github));
}

#[test]
fn gitlab() {
    insta::assert_snapshot!(report().render(Format::Gitlab));
}

#[test]
fn junit() {
    insta::assert_snapshot!(report().render(Format::Junit));
}

/// Without the manual pages, of which all but the first are left out, and the version.
#[test]
fn sarif() {
    let text = report().render(Format::Sarif);
    let rules = "\"rules\": [";
    let start = text.find(rules).unwrap();
    let first = start + text[start..].find("\n            },").unwrap();
    let end = first + text[first..].find("\n          ]").unwrap();
    let shortened = format!("{}\n            }}{}", &text[..first], &text[end..])
        .replace(env!("CARGO_PKG_VERSION"), "[version]");
    insta::assert_snapshot!(shortened);
}

#[test]
fn every_format_ends_with_one_line_break_and_has_the_summary() {
    for report in [report(), Report::new(Vec::new(), 0)] {
        for format in Format::ALL {
            let text = report.render(format);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{format}");
            // JSON escapes nothing that a summary has, and GitLab's list has no place for one.
            assert!(
                format == Format::Gitlab || text.contains(&report.summary().to_string()),
                "{format}: {text}"
            );
        }
    }
}

/// Numbers as headers have them, and as damaged headers have them.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..4_u64, 0..10_000_u64, any::<u64>(), Just(u64::MAX)]
}

fn tensor() -> impl Strategy<Value = TensorFacts> {
    let axes = || prop::collection::vec(number(), 0..4);
    let evidence = prop::array::uniform7(number());
    (
        prop::sample::select(vec!["uint16", "float16", "float32"]),
        (
            axes(),
            axes(),
            prop::option::of(axes()),
            prop::option::of(number()),
        ),
        number(),
        evidence,
        any::<bool>(),
    )
        .prop_map(
            |(dtype, (shape, chunk, advised_chunk, stored_bytes), element_bytes, seen, chunked)| {
                let [values, zeros, tiny, short, full, infinite, nan] = seen;
                let filter = Filter {
                    id: 1,
                    name: "gzip-1".to_owned(),
                };
                TensorFacts {
                    storage: if chunked {
                        Storage::Chunked {
                            filters: if values % 2 == 0 {
                                vec![filter]
                            } else {
                                vec![]
                            },
                            chunk,
                            fast_encoder: None,
                        }
                    } else {
                        Storage::Contiguous
                    },
                    advised_chunk,
                    stored_bytes,
                    uint16: Some(Uint16Evidence::of((0..100).map(|at| {
                        (values.wrapping_add(zeros.wrapping_mul(at)) & 0xFFFF) as u16
                    }))),
                    float16: Some(Float16Evidence {
                        values,
                        zeros,
                        tiny,
                        short,
                        full,
                        long: 0,
                        infinite,
                        nan,
                    }),
                    ..TensorFacts::new("W", Dtype::named(dtype), element_bytes, &shape)
                }
            },
        )
}

proptest! {
    // Each case runs every rule and renders every format.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_facts_make_a_rule_panic(
        tensors in prop::collection::vec(tensor(), 0..3),
        (planned_steps, committed_steps) in (prop::option::of(number()), prop::option::of(number())),
        state in prop::sample::select(vec![
            RunState::Finished, RunState::Live, RunState::Died, RunState::Unknown,
        ]),
        (from, to) in (number(), number()),
        name in "\\PC{0,12}",
    ) {
        let hdf5 = Hdf5Facts {
            damage: Some(Damage::Truncated { expected: from, found: to }),
            state,
            planned_steps,
            committed_steps,
            tensors: tensors.clone(),
            ..Hdf5Facts::default()
        };
        let safetensors = SafetensorsFacts {
            uncovered: vec![from..to, to..from],
            notebook: Some(name.clone()),
            tensors,
            ..SafetensorsFacts::default()
        };
        let world = World::default()
            .file(&format!("tensors/{name}.h5"), from, hdf5)
            .file(&format!("{name}.safetensors"), to, safetensors);
        let findings = RULES.iter().flat_map(|rule| world.check(rule.code())).collect();
        let report = Report::new(findings, 2);
        for format in Format::ALL {
            prop_assert!(report.render(format).ends_with('\n'));
        }
    }
}
