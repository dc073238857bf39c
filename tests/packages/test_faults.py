"""What goes wrong on real machines: a daemon that hangs, a key that cannot be had, a disk that is full."""

import json

import chain as chains
from machine import eventually
from scene import NOWHERE, UNITS, Scene, deb

DROP_IN = "/etc/systemd/system/entitled.service.d"
EXAMPLE = "/usr/share/doc/entitled/examples/credential.conf"
SEALED = "/etc/credstore.encrypted/entitled.kek"
STORE_UNAVAILABLE = -32007


class Watchdog(Scene):
    def test_a_daemon_that_hangs_is_replaced(self):
        # The shipped time, half a minute, would only make the test longer.
        self.machine.write(f"{DROP_IN}/soon.conf", "[Service]\nWatchdogSec=3s\n")
        self.machine.install(deb("current"))
        before = self.pid()
        self.machine.run("kill", "-STOP", str(before))

        def replaced():
            now = self.pid()
            return now if now not in (0, before) else None

        eventually("another daemon", replaced)
        self.assertIn("Watchdog timeout", self.machine.journal())
        self.assertEqual(self.code(), "NO_PRODUCT")
        self.assertActive(*UNITS)
        self.assertEqual(self.machine.property("entitled.service", "NRestarts"), "1")

    def test_one_that_is_well_is_left_alone(self):
        self.machine.write(f"{DROP_IN}/soon.conf", "[Service]\nWatchdogSec=1s\n")
        self.machine.install(deb("current"))
        before = self.pid()
        self.machine.run("sleep", "5")
        self.assertEqual(self.pid(), before)


class SealedKey(Scene):
    """The drop-in that keeps the key-encryption key sealed, with the machine's own key, as there is no TPM here."""

    def prepare(self):
        self.machine.install(deb("current"))
        self.machine.run("systemctl", "stop", "entitled")
        self.machine.run("rm", "-rf", "/var/lib/entitled")
        self.machine.run("install", "-D", "-m", "0644", EXAMPLE, f"{DROP_IN}/credential.conf")
        self.machine.run("install", "-d", "-m", "0700", "/etc/credstore.encrypted")
        self.machine.run("systemctl", "daemon-reload")

    def seal(self):
        self.machine.run("sh", "-c", f"head -c 32 /dev/urandom | systemd-creds encrypt --with-key=host --name=entitled.kek - {SEALED}")

    def keys(self) -> dict:
        return json.loads(self.machine.run("entitlectl", "--json", "keys", "status", fine=(0, 1)))

    def assertLocked(self):
        self.assertActive(*UNITS)
        self.assertEqual(self.code(), "NO_PRODUCT", "what needs no key works")
        self.assertEqual(self.keys()["state"], "LOCKED")
        self.assertIn("locked", self.machine.fails("entitlectl", "wallet", "create", user="nobody").lower())
        self.machine.fails("test", "-e", "/var/lib/entitled/kek")

    def test_with_the_key_it_is_open(self):
        self.prepare()
        self.seal()
        self.machine.run("systemctl", "start", "entitled")
        self.assertEqual(self.keys()["state"], "OPEN")
        self.machine.run("entitlectl", "wallet", "create", user="nobody")
        self.machine.fails("test", "-e", "/var/lib/entitled/kek")
        self.machine.fails("test", "-e", "/run/credstore/entitled.kek")
        # After a crash, too, the key is handed over anew.
        before = self.pid()
        self.machine.run("kill", "-KILL", str(before))
        eventually("another daemon", lambda: self.pid() not in (0, before) or None)
        self.assertEqual(self.keys()["state"], "OPEN")

    def test_without_the_key_it_is_locked_and_runs(self):
        self.prepare()
        self.machine.run("systemctl", "start", "entitled")
        self.assertLocked()

    def test_with_a_key_that_cannot_be_unsealed_it_is_locked_and_runs(self):
        """As after the TPM was exchanged, or cleared."""
        self.prepare()
        self.seal()
        self.machine.run("rm", "/var/lib/systemd/credential.secret")
        self.machine.run("systemd-creds", "setup")
        self.machine.run("systemctl", "start", "entitled")
        self.assertLocked()

    def test_a_key_that_comes_back_opens(self):
        self.prepare()
        self.seal()
        self.machine.run("systemctl", "start", "entitled")
        self.machine.run("entitlectl", "wallet", "create", user="nobody")
        self.machine.run("mv", SEALED, "/root/away")
        self.machine.run("systemctl", "restart", "entitled")
        self.assertEqual(self.keys()["state"], "LOCKED")
        self.machine.run("mv", "/root/away", SEALED)
        self.machine.run("systemctl", "restart", "entitled")
        self.assertEqual(self.keys()["state"], "OPEN")


class FullDisk(Scene):
    def create(self, fine=(0,)):
        return self.machine.run("entitlectl", "--json", "wallet", "create", user="nobody", fine=fine)

    def wallets(self) -> str:
        return self.machine.run("entitlectl", "--json", "wallet", "list", user="nobody")

    def test_reading_goes_on_and_nothing_is_lost(self):
        self.machine.install(deb("current"))
        self.machine.run("systemctl", "stop", "entitled")
        self.machine.run("rm", "-rf", "/var/lib/entitled")
        self.machine.run("install", "-d", "-o", "entitled", "-g", "entitled", "-m", "0700", "/var/lib/entitled")
        self.machine.run("mount", "-t", "tmpfs", "-o", "size=3m,mode=0700,uid=entitled,gid=entitled", "small",
                         "/var/lib/entitled")  # fmt: skip
        self.machine.write("/etc/entitled/products.d/acme-cad.toml", chains.product(NOWHERE))
        self.machine.run("systemctl", "start", "entitled")
        self.create()
        before = self.wallets()
        self.machine.run("dd", "if=/dev/zero", "of=/var/lib/entitled/filling", "bs=4k", fine=(1,))
        refused = eventually("a write is refused", self.refusal)
        self.assertIn("STORE_UNAVAILABLE", refused)
        # What is known is still told, and told right.
        known = self.wallets()
        self.assertEqual(known[: len(before) - 3], before[: len(before) - 3])
        self.assertNotEqual(self.code(), "NO_PRODUCT")
        self.assertActive(*UNITS)
        self.machine.run("rm", "/var/lib/entitled/filling")
        eventually("writing works again", lambda: self.create())
        self.machine.run("entitlectl", "audit", "verify")
        self.machine.run("systemctl", "restart", "entitled")
        address = json.loads(before)["items"][0]["address"]
        self.assertIn(address, self.wallets())
        self.machine.run("entitlectl", "audit", "verify")

    def refusal(self) -> str | None:
        """The file has room of its own at first: it takes some writes to fill it."""
        told = self.create(fine=(0, 1, 3))
        return told if "STORE_UNAVAILABLE" in told else None
