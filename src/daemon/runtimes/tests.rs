use super::*;

const SERVICE: &str = include_str!("../../../systemd/entitled.service");
/// The most threads that the configuration may ask for to serve connections.
const MOST_SERVING: usize = 64;

#[test]
fn all_threads_there_may_be_fit_into_what_the_service_is_allowed() {
    let allowed = SERVICE.lines().find_map(|it| it.strip_prefix("TasksMax="));
    let allowed: usize = allowed.unwrap().parse().unwrap();
    assert!(most_threads(MOST_SERVING) <= allowed, "{}", most_threads(MOST_SERVING));
}
