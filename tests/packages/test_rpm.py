"""The .rpm, by rpm itself. There is no distribution of that family here: Debian's rpm runs its scripts under a real
systemd, and what the package needs of others (glibc, systemd) is Debian's, so `--nodeps`."""

import chain as chains
from scene import NOWHERE, UNITS, Scene, rpm


class Rpm(Scene):
    def rpm(self, *arguments: str, age: str | None = None) -> str:
        files = self.machine.bring(rpm(age)) if age else []
        return self.machine.run("rpm", *arguments, *files)

    def install(self, age: str, *options: str) -> str:
        return self.rpm("--upgrade", "--nodeps", *options, age=age)

    def enable(self):
        self.machine.run("systemctl", "enable", "--now", *UNITS)

    def test_it_is_installed_and_started_by_the_administrator(self):
        # Debian enables everything that nobody says a word about; RPM distributions nothing.
        self.machine.write("/etc/systemd/system-preset/90-default.preset", "disable *\n")
        self.install("current")
        for unit in UNITS:
            self.assertFalse(self.machine.is_active(unit), unit)
            self.assertEqual(self.machine.property(unit, "UnitFileState"), "disabled", unit)
        self.enable()
        self.assertActive(*UNITS)
        self.assertEqual(self.code(), "NO_PRODUCT")
        look = self.machine.run("stat", "--format=%U:%G %a", "/run/entitled/admin.sock").strip()
        self.assertEqual(look, "root:entitled-admin 660")
        self.assertEqual(self.rpm("--verify", "--nodeps", "entitled"), "")

    def test_nobody_notices_an_upgrade(self):
        self.install("older")
        self.enable()
        before = self.pid()
        with self.under_load():
            self.install("current")
        self.assertNotEqual(self.pid(), before, "the new daemon runs")
        self.assertActive(*UNITS)

    def test_an_upgrade_starts_nothing_that_was_stopped(self):
        self.install("older")
        self.machine.run("systemctl", "disable", "--now", *UNITS)
        self.install("current")
        for unit in UNITS:
            self.assertFalse(self.machine.is_active(unit), unit)

    def test_a_downgrade_is_refused_when_the_ledger_may_be_newer(self):
        self.install("newer")
        self.enable()
        before = self.pid()
        told = self.machine.fails("rpm", "--upgrade", "--nodeps", "--oldpackage", *self.machine.bring(rpm("current")))
        self.assertIn("schema 4000000000", told)
        self.assertIn("99.0.0", self.rpm("--query", "entitled"))
        self.assertEqual(self.pid(), before)

    def test_an_administrators_configuration_is_kept(self):
        self.install("older")
        self.machine.write("/etc/entitled/entitled.toml", "[log]\nlevel = \"warn\"\n")
        self.install("current")
        self.assertEqual(self.machine.run("cat", "/etc/entitled/entitled.toml"), "[log]\nlevel = \"warn\"\n")

    def test_erasing_stops_everything_and_keeps_the_ledger(self):
        self.install("current")
        self.enable()
        self.assertEqual(self.code(), "NO_PRODUCT")
        self.rpm("--erase", "entitled")
        for unit in UNITS:
            self.assertEqual(self.machine.property(unit, "LoadState"), "not-found", unit)
        self.machine.run("test", "-e", "/var/lib/entitled/ledger.redb")
        self.machine.fails("test", "-e", "/run/entitled")
        self.machine.fails("test", "-e", "/usr/share/entitled")

    def test_another_packages_product_is_known_without_a_word(self):
        """By the file trigger, which any package with a file in that place sets off."""
        self.install("current")
        self.enable()
        text = chains.product(NOWHERE)
        self.machine.write("/srv/acme-cad.toml", text)
        self.machine.write("/srv/acme-cad.spec", SPEC)
        self.machine.run("rpmbuild", "-bb", "--quiet", "--define", "_topdir /srv/top", "/srv/acme-cad.spec")
        self.machine.run("rpm", "--install", "--nodeps", "/srv/top/RPMS/noarch/acme-cad-1-1.noarch.rpm")
        self.eventually_code("NO_WALLET")
        self.machine.run("rpm", "--erase", "acme-cad")
        self.eventually_code("NO_PRODUCT")


SPEC = """Name: acme-cad
Version: 1
Release: 1
Summary: somebody's software
License: none
BuildArch: noarch
%description
Somebody's software.
%install
install -D -m 0644 /srv/acme-cad.toml %{buildroot}/usr/share/entitled/products.d/acme-cad.toml
%files
/usr/share/entitled/products.d/acme-cad.toml
"""
