//! The recorded cases of the systems that this suite covers, against this suite.
//!
//! Reads `tests/vectors/limiters.json`, or the file that the variable `LIMITER_VECTORS` names. What
//! is compared is computed from the case; its id only says which group it belongs to.

mod vector_groups;

use std::{env, fs, path::PathBuf};

use serde_json::Value;

use self::vector_groups::{GROUPS, Group};

#[test]
fn limiter_vectors() {
    let cases = cases();
    let (mut passed, mut failures) = (0, Vec::new());
    for case in &cases {
        match run(case) {
            Ok(()) => passed += 1,
            Err(why) => failures.push(format!("{}: {why}", id(case))),
        }
    }
    println!("{passed} of {} limiter vectors", cases.len());
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

fn run(case: &Value) -> Result<(), String> {
    let group = GROUPS
        .iter()
        .find(|(prefix, _)| id(case).starts_with(prefix));
    match group {
        Some((_, group)) => check(*group, case),
        None => Err("no group knows this case".into()),
    }
}

fn check(group: Group, case: &Value) -> Result<(), String> {
    let known = ["id", "source", "given", "expect", "note"];
    let keys = case.as_object().ok_or("not an object")?.keys();
    match keys.into_iter().find(|key| !known.contains(&key.as_str())) {
        Some(unknown) => Err(format!("the case has an unknown `{unknown}`")),
        None => group(case),
    }
}

fn id(case: &Value) -> &str {
    case["id"].as_str().unwrap_or("a case without an id")
}

fn cases() -> Vec<Value> {
    let copy = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/limiters.json");
    let path = env::var_os("LIMITER_VECTORS").map_or_else(copy, PathBuf::from);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"))
}
