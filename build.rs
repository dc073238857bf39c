//! Says which commit was built, and when: `ENTITLED_GIT` and `ENTITLED_BUILT`, for `system_version`.
//!
//! Whoever packages gives both in the environment, and `SOURCE_DATE_EPOCH` alone gives the time. In a clone git is asked, and
//! the time is the commit's: the same commit is the same build. Runs again only when the commit has changed.
#![allow(clippy::print_stdout, reason = "that is how a build script speaks to cargo")]

use std::path::Path;
use std::process::Command;

fn main() {
    for name in ["ENTITLED_GIT", "ENTITLED_BUILT", "SOURCE_DATE_EPOCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    for place in ["HEAD", "packed-refs"].into_iter().map(str::to_owned).chain(branch()) {
        // What is not there would make this run every time.
        if let Some(path) = git(&["rev-parse", "--git-path", &place])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let given = |name: &str| std::env::var(name).ok().filter(|it| !it.is_empty());
    let commit = given("ENTITLED_GIT").or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let built = given("ENTITLED_BUILT").or_else(|| {
        let epoch =
            given("SOURCE_DATE_EPOCH").or_else(|| git(&["show", "-s", "--format=%ct", "HEAD"]));
        epoch?.parse().ok().and_then(rfc3339)
    });
    for (name, value) in [("ENTITLED_GIT", commit), ("ENTITLED_BUILT", built)] {
        if let Some(value) = value {
            println!("cargo::rustc-env={name}={value}");
        }
    }
}

/// The ref that HEAD follows, such as `refs/heads/main`.
fn branch() -> Option<String> {
    git(&["symbolic-ref", "--quiet", "HEAD"])
}

/// What git says of the repository whose root this package is. Nothing where there is none, or it is another's.
fn git(arguments: &[&str]) -> Option<String> {
    let here = std::env::var_os("CARGO_MANIFEST_DIR")?;
    let here = Path::new(&here);
    if !here.join(".git").exists() {
        return None;
    }
    let said = Command::new("git").current_dir(here).args(arguments).output().ok()?;
    let text = String::from_utf8(said.stdout).ok().filter(|_| said.status.success())?;
    Some(text.trim().to_owned()).filter(|it| !it.is_empty())
}

/// Seconds since 1970 as RFC 3339 in UTC. By Howard Hinnant's `civil_from_days`.
fn rfc3339(epoch: i64) -> Option<String> {
    let (days, second) = (epoch.div_euclid(86_400), epoch.rem_euclid(86_400));
    let shifted = days.checked_add(719_468)?;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"))
}
