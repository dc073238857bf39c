"""Upgrades and reloads while everybody keeps asking; and the way back."""

from scene import SOCKETS, UNITS, Scene, deb


class Upgrade(Scene):
    def test_nobody_notices_an_upgrade(self):
        self.machine.install(deb("older"))
        before = self.pid()
        inode = self.machine.run("stat", "--format=%i", "/run/entitled/entitled.sock")
        with self.under_load():
            for age in ("current", "newer"):
                self.machine.install(deb(age))
                self.assertNotEqual(self.pid(), before, "the new daemon runs")
                before = self.pid()
        self.assertEqual(self.machine.run("stat", "--format=%i", "/run/entitled/entitled.sock"), inode)
        self.assertActive(*UNITS)

    def test_nobody_notices_a_restart(self):
        self.machine.install(deb("current"))
        with self.under_load():
            # Fewer than the unit allows in a minute.
            for _ in range(3):
                self.machine.run("systemctl", "restart", "entitled")
        self.assertActive(*UNITS)

    def test_nobody_notices_a_reload(self):
        self.machine.install(deb("current"))
        before = self.pid()
        with self.under_load():
            for capacity in range(100, 110):
                self.machine.write("/etc/entitled/entitled.d/mine.toml", f"[cache]\ncapacity = {capacity}\n")
                self.machine.run("systemctl", "reload", "entitled")
        self.assertEqual(self.pid(), before)

    def test_nobody_notices_a_crash(self):
        self.machine.install(deb("current"))
        before = self.pid()
        # An answer may be lost with the process, but nobody is refused.
        self.machine.run("kill", "-KILL", str(before))
        self.assertEqual(self.code(), "NO_PRODUCT")
        self.assertNotEqual(self.pid(), before)

    def test_a_changed_socket_unit_is_restarted(self):
        self.machine.install(deb("older"))
        unit = "/usr/lib/systemd/system/entitled.socket"
        self.machine.run("sed", "-i", "s/^Backlog=.*/Backlog=7/", unit)
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "restart", *SOCKETS)
        self.machine.run("systemctl", "start", "entitled")
        inode = self.machine.run("stat", "--format=%i", "/run/entitled/entitled.sock")
        self.machine.install(deb("current"))
        self.assertActive(*UNITS)
        self.assertNotEqual(self.machine.run("stat", "--format=%i", "/run/entitled/entitled.sock"), inode)
        self.assertEqual(self.machine.property("entitled.socket", "Backlog"), "256")
        self.assertEqual(self.code(), "NO_PRODUCT")

    def test_an_administrators_configuration_is_kept(self):
        self.machine.install(deb("older"))
        self.machine.write("/etc/entitled/entitled.toml", "[log]\nlevel = \"warn\"\n")
        self.machine.write("/etc/entitled/entitled.d/mine.toml", "[cache]\ncapacity = 100\n")
        told = self.machine.install(deb("current"))
        self.assertNotIn("conffile", told.lower(), "nobody is asked")
        self.assertEqual(self.machine.run("cat", "/etc/entitled/entitled.toml"), "[log]\nlevel = \"warn\"\n")
        self.assertEqual(self.machine.run("cat", "/etc/entitled/entitled.d/mine.toml"), "[cache]\ncapacity = 100\n")

    def test_wallets_and_audit_survive(self):
        self.machine.install(deb("older"))
        self.machine.run("entitlectl", "wallet", "create", "--label", "kept", user="nobody")
        before = self.machine.run("entitlectl", "--json", "wallet", "list", user="nobody")
        self.machine.install(deb("current"))
        self.assertEqual(self.machine.run("entitlectl", "--json", "wallet", "list", user="nobody"), before)
        self.machine.run("entitlectl", "audit", "verify")


class Downgrade(Scene):
    def test_it_is_refused_when_the_ledger_may_be_newer(self):
        self.machine.install(deb("newer"))
        before = self.pid()
        told = self.machine.fails("dpkg", "--install", *self.machine.bring(deb("current")))
        self.assertIn("schema 4000000000", told)
        self.assertIn("nothing was changed", told)
        self.assertIn("99.0.0-1", self.machine.run("dpkg-query", "--show", "entitled"))
        self.assertIn("install ok installed", self.machine.run("dpkg", "--status", "entitled"))
        self.assertActive(*UNITS)
        self.assertEqual(self.pid(), before, "its daemon was not even restarted")

    def test_it_is_allowed_without_a_newer_ledger(self):
        self.machine.install(deb("current"))
        self.machine.install(deb("older"))
        self.assertActive(*UNITS)
        self.assertEqual(self.code(), "NO_PRODUCT")

    def test_it_is_allowed_where_there_is_no_ledger(self):
        self.machine.install(deb("newer"))
        self.machine.run("systemctl", "stop", *UNITS)
        self.machine.run("rm", "-r", "/var/lib/entitled")
        self.machine.install(deb("current"))
        self.assertActive(*UNITS)
