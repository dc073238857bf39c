use super::*;

/// What no service manager of the system has named is no unit, whatever it is called.
#[test]
fn a_unit_is_the_outermost_and_a_users_own_has_its_own_place() {
    for (path, unit, user_unit) in [
        ("/system.slice/render@1.service", "render@1.service", None),
        ("/system.slice/system-render.slice/render@1.service", "render@1.service", None),
        ("/system.slice/render@1.service/render@2.service", "render@1.service", None),
        ("/user.slice/user-1001.slice/session-3.scope", "session-3.scope", None),
        ("/user.slice/user-1001.slice/session-3.scope/render@1.service", "session-3.scope", None),
        (
            "/user.slice/user-1001.slice/user@1001.service/app.slice/render@mine.service",
            "user@1001.service",
            Some("render@mine.service"),
        ),
        (
            "/user.slice/user-1001.slice/user@1001.service/a.slice/a-b.slice/x.scope/y.service",
            "user@1001.service",
            Some("x.scope"),
        ),
        (
            "/user.slice/user-1001.slice/user@1001.service/init.scope",
            "user@1001.service",
            Some("init.scope"),
        ),
        (
            "/user.slice/user-1001.slice/user@1001.service/mine/render.service",
            "user@1001.service",
            None,
        ),
        ("/system.slice/user@eve.service/render.service", "user@eve.service", None),
        ("/machine.slice/libpod-1f.scope/container/render.service", "libpod-1f.scope", None),
        ("/system.slice/docker-1f.scope/system.slice/render.service", "docker-1f.scope", None),
        ("/system.slice/_cpu.service", "cpu.service", None),
        ("/../render.service", "render.service", None),
        ("/../../system.slice/render.service/x.service", "render.service", None),
        // No unit at all: a path, which begins as none.
        ("/docker/1f/render@1.service", "/docker/1f/render@1.service", None),
        ("/mine.d/system.slice/render@1.service", "/mine.d/system.slice/render@1.service", None),
        ("/system.slice", "/system.slice", None),
        ("/", "/", None),
    ] {
        let wanted = Units { unit: unit.to_owned(), user_unit: user_unit.map(str::to_owned) };
        assert_eq!(Units::of(path), wanted, "{path}");
    }
}
