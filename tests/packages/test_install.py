"""What an administrator finds after `apt install`, and after `apt purge`."""

import json

import chain as chains
from chain import Chain
from machine import eventually
from scene import NOWHERE, SOCKETS, UNITS, Scene, deb, vendor_package

PRODUCT = "/usr/share/entitled/products.d/acme-cad.toml"


class Install(Scene):
    def setUp(self):
        super().setUp()
        self.machine.install(deb("current"))

    def test_it_is_started_and_enabled(self):
        self.assertActive(*UNITS)
        for unit in UNITS:
            self.assertEqual(self.machine.property(unit, "UnitFileState"), "enabled", unit)
        self.assertEqual(self.code(), "NO_PRODUCT")

    def test_owners_and_modes(self):
        def look(path):
            return self.machine.run("stat", "--format=%U:%G %a", path).strip()

        self.assertEqual(look("/run/entitled"), "root:root 755")
        self.assertEqual(look("/run/entitled/entitled.sock"), "root:root 666")
        self.assertEqual(look("/run/entitled/admin.sock"), "root:entitled-admin 660")
        self.assertEqual(look("/var/lib/entitled"), "entitled:entitled 700")
        self.assertEqual(look("/var/lib/entitled/kek"), "entitled:entitled 600")
        self.assertEqual(look("/etc/entitled/entitled.toml"), "root:root 644")

    def test_the_daemon_has_no_rights(self):
        status = self.machine.run("cat", f"/proc/{self.pid()}/status")
        uid = self.machine.run("id", "-u", "entitled").strip()
        self.assertIn(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}", status)
        for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
            self.assertIn(f"Cap{kind}:\t0000000000000000", status)
        # What only root may read of a process that others must not look into.
        self.assertEqual(self.machine.run("stat", "--format=%U", f"/proc/{self.pid()}/environ").strip(), "root")

    def test_the_files_are_those_of_the_package(self):
        self.assertEqual(self.machine.run("dpkg", "--verify", "entitled"), "")

    def test_only_administrators_come_in_by_the_admin_socket(self):
        self.machine.run("useradd", "ada")
        self.machine.run("useradd", "--groups=entitled-admin", "bob")
        refused = self.machine.fails("entitlectl", "audit", "verify", user="ada")
        self.assertIn("admin", refused.lower())
        self.machine.run("entitlectl", "audit", "verify", user="bob")

    def test_the_journal_has_the_fields(self):
        lines = self.machine.run("journalctl", "--unit=entitled.service", "--output=json").splitlines()
        records = [json.loads(it) for it in lines]
        ours = [it for it in records if any(field.startswith("ENTITLED_") for field in it)]
        self.assertTrue(ours, "no record has a field of ours")
        self.assertEqual({it["_SYSTEMD_UNIT"] for it in ours}, {"entitled.service"})
        ready = [it for it in records if it.get("MESSAGE") == "ready"]
        self.assertEqual(len(ready), 1)
        self.assertIn("ENTITLED_VERSION", ready[0])

    def test_another_packages_product_is_known_without_a_word(self):
        """By the trigger: the vendor's package has no script, and nobody reloads."""
        self.machine.install(vendor_package({PRODUCT: chains.product(NOWHERE)}))
        self.eventually_code("NO_WALLET")
        self.machine.run("dpkg", "--remove", "acme-cad")
        self.eventually_code("NO_PRODUCT")

    def test_a_product_is_known_after_a_reload(self):
        self.machine.write("/etc/entitled/products.d/acme-cad.toml", chains.product(NOWHERE))
        self.assertEqual(self.code(), "NO_PRODUCT")
        self.machine.run("systemctl", "reload", "entitled")
        # The reload is over when it is in force: no waiting.
        self.assertEqual(self.code(), "NO_WALLET")

    def test_manual_and_completions_are_there(self):
        for page in ("man8/entitled.8", "man8/entitled-gateway.8", "man1/entitlectl.1", "man5/entitled.toml.5", "man5/entitled-product.5",
                     "man7/entitled-rpc.7"):  # fmt: skip
            self.machine.run("test", "-s", f"/usr/share/man/{page}.gz")
        script = "set -e; . /usr/share/bash-completion/completions/entitlectl; complete -p entitlectl"
        self.assertIn("_entitlectl", self.machine.run("bash", "-c", script))


class Licence(Scene):
    """A real chain, a real licence, an unprivileged user."""

    def test_a_user_is_entitled_by_a_token(self):
        if lacking := chains.missing():
            self.skipTest(f"run `make prepare`; missing: {', '.join(lacking)}")
        chain = Chain(self.machine)
        self.machine.run("useradd", "ada")
        self.machine.write("/etc/entitled/entitled.d/chains.toml", chains.CONFIGURATION)
        self.machine.install(deb("current"), vendor_package({PRODUCT: chains.product(chain.token())}))
        self.assertEqual(self.code(user="ada"), "NO_WALLET")
        made = self.machine.run("entitlectl", "--json", "wallet", "create", user="ada")
        wallet = json.loads(made)["address"]
        self.eventually_code("NOT_HELD", user="ada")
        chain.mint(wallet, 7)
        self.eventually_code("VALID", user="ada")
        told = self.machine.run("entitlectl", "check", "acme-cad", "--feature", "export", user="ada")
        self.assertIn("pro", told)
        self.assertEqual(self.code(user="nobody"), "NO_WALLET", "another user is not ada")
        # What was proven outlives the daemon, and the chain.
        chain.process.terminate()
        self.machine.run("systemctl", "restart", "entitled")
        verdict = eventually("still entitled", lambda: self.check("acme-cad", "ada"))
        self.assertTrue(verdict["valid"], verdict)


class Configuration(Scene):
    def setUp(self):
        super().setUp()
        self.machine.install(deb("current"))

    def test_a_wrong_configuration_changes_nothing_at_a_reload(self):
        before = self.pid()
        self.machine.write("/etc/entitled/entitled.d/wrong.toml", "[store]\nbackups = -1\n")
        self.machine.fails("systemctl", "reload", "entitled")
        self.assertIn("backups", self.machine.journal())
        self.assertActive(*UNITS)
        self.assertEqual(self.pid(), before)
        self.assertEqual(self.code(), "NO_PRODUCT")

    def test_a_wrong_configuration_stops_the_start_once(self):
        self.machine.write("/etc/entitled/entitled.d/wrong.toml", "[store]\nbackups = -1\n")
        self.machine.fails("systemctl", "restart", "entitled")
        self.assertEqual(self.machine.property("entitled.service", "ExecMainStatus"), "2")
        self.assertEqual(self.machine.property("entitled.service", "NRestarts"), "0")
        self.assertIn("backups", self.machine.journal())
        self.machine.run("rm", "/etc/entitled/entitled.d/wrong.toml")
        self.machine.run("systemctl", "start", "entitled")
        self.assertEqual(self.code(), "NO_PRODUCT")


class Removal(Scene):
    def listing(self) -> set[str]:
        """Everything on the disk but what the machine itself keeps changing."""
        left_out = ["/proc", "/sys", "/dev", "/run", "/tmp", "/srv", "/var/log", "/var/lib/dpkg", "/var/cache",
                    "/var/lib/systemd", "/var/tmp"]  # fmt: skip
        prune = " -o ".join(f"-path {it}" for it in left_out)
        return set(self.machine.run("sh", "-c", f"find / \\( {prune} \\) -prune -o -print").splitlines())

    def test_purge_leaves_nothing(self):
        before = self.listing()
        self.machine.install(deb("current"))
        self.eventually_code("NO_PRODUCT")
        self.machine.run("dpkg", "--purge", "entitled")
        # Files that adding a user and a group leave, which Debian's users outlive their packages for.
        of_users = {f"/etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow")} | {"/etc/.pwd.lock"}
        self.assertEqual(self.listing() - before - of_users, set())
        self.assertEqual(before - self.listing(), set())
        self.assertEqual(self.machine.run("ls", "-A", "/run").count("entitled"), 0)
        helper = self.machine.run("find", "/var/lib/systemd", "-name", "*entitled*")
        self.assertEqual(helper, "")
        for unit in UNITS:
            self.assertEqual(self.machine.property(unit, "LoadState"), "not-found", unit)

    def test_removal_keeps_the_ledger_and_the_configuration(self):
        self.machine.install(deb("current"))
        self.machine.run("entitlectl", "wallet", "create", "--label", "kept", user="nobody")
        self.machine.write("/etc/entitled/entitled.d/mine.toml", "[cache]\ncapacity = 100\n")
        self.machine.run("dpkg", "--remove", "entitled")
        for unit in UNITS:
            self.assertFalse(self.machine.is_active(unit), unit)
        self.machine.run("test", "-e", "/etc/entitled/entitled.toml")
        self.machine.install(deb("current"))
        self.assertActive(*UNITS)
        self.assertIn("kept", self.machine.run("entitlectl", "wallet", "list", user="nobody"))

    def test_an_administrators_file_survives_a_purge(self):
        self.machine.install(deb("current"))
        self.machine.write("/etc/entitled/entitled.d/mine.toml", "[cache]\ncapacity = 100\n")
        self.machine.run("dpkg", "--purge", "entitled")
        self.machine.run("test", "-e", "/etc/entitled/entitled.d/mine.toml")
        self.machine.fails("test", "-e", "/var/lib/entitled")

    def test_a_disabled_unit_stays_disabled(self):
        self.machine.install(deb("older"))
        self.machine.run("systemctl", "disable", "--now", *UNITS)
        self.machine.install(deb("current"))
        for unit in UNITS:
            self.assertEqual(self.machine.property(unit, "UnitFileState"), "disabled", unit)
        for unit in SOCKETS:
            self.assertFalse(self.machine.is_active(unit), unit)
