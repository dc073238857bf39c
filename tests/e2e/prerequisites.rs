//! What other tests skip where it is missing is there in CI: one test for each thing, so that a gap has a name.

use std::path::Path;

use crate::alerts;
use crate::book;
use crate::support::etcd;
use crate::support::page;
use crate::support::prerequisites;
use crate::support::tests_dir;

/// Fails where `CI` is set and `found` is false.
fn must_be_there_in_ci(what: &str, found: bool) {
    assert!(
        found || std::env::var_os("CI").is_none(),
        "{what} is missing: run `make prepare` as root"
    );
    if !found {
        prerequisites::skipped("what needs it", what);
    }
}

#[test]
fn curl_is_there_in_ci() {
    must_be_there_in_ci("curl", prerequisites::has("curl", "HTTP as curl speaks it"));
}

#[test]
fn chromium_is_there_in_ci() {
    must_be_there_in_ci("chromium", page::chromium().is_some());
}

#[test]
fn node_is_there_in_ci() {
    must_be_there_in_ci("node", prerequisites::has("node", "ethers, viem and ethereumjs"));
}

#[test]
fn python_is_there_in_ci() {
    must_be_there_in_ci("python3", prerequisites::has("python3", "other users of the machine"));
}

#[test]
fn web3_py_is_there_in_ci() {
    let found = prerequisites::python_with_web3("web3.py and eth-account");
    must_be_there_in_ci("web3.py in tests/.venv", found.is_some());
}

#[test]
fn mdbook_is_there_in_ci() {
    must_be_there_in_ci("mdbook in tests/.venv", book::mdbook().is_some());
}

#[test]
fn a_c_compiler_with_cjson_is_there_in_ci() {
    must_be_there_in_ci("cc with libcjson-dev", prerequisites::has_cc_with_cjson());
}

#[test]
fn go_is_there_in_ci() {
    must_be_there_in_ci("go", prerequisites::has("go", "the client library for Go"));
}

#[test]
fn a_jdk_is_there_in_ci() {
    must_be_there_in_ci("javac", prerequisites::has("javac", "the client library for Java"));
}

#[test]
fn a_cpp_compiler_is_there_in_ci() {
    must_be_there_in_ci("c++", prerequisites::has("c++", "the client library for C++"));
}

#[test]
fn etcd_is_there_in_ci() {
    must_be_there_in_ci("etcd", etcd::program().is_some());
    must_be_there_in_ci("etcdctl", etcd::client().is_some());
}

#[test]
fn promtool_is_there_in_ci() {
    must_be_there_in_ci("promtool", alerts::promtool().is_some());
}

#[test]
fn openssl_is_there_in_ci() {
    must_be_there_in_ci("openssl", Path::new("/usr/bin/openssl").exists());
}

#[test]
fn setpriv_is_there_in_ci() {
    must_be_there_in_ci("setpriv", Path::new("/usr/bin/setpriv").exists());
}

#[test]
fn what_npm_installs_is_there_in_ci() {
    must_be_there_in_ci("tests/node_modules", tests_dir().join("node_modules").is_dir());
    let typescript = tests_dir().join("node_modules/typescript").is_dir();
    must_be_there_in_ci("typescript in tests/node_modules", typescript);
    let browser = ["playwright-core", "axe-core"];
    let found = browser.iter().all(|it| tests_dir().join("node_modules").join(it).is_dir());
    must_be_there_in_ci("playwright-core and axe-core in tests/node_modules", found);
}
