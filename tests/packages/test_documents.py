"""Commands of the documents that need a machine with a service manager, run as they stand there."""

import json

import chain as chains
from documents import commands, put
from machine import eventually
from scene import UNITS, Scene, deb

DROP_INS = "/etc/systemd/system/entitled.service.d"


class Documents(Scene):
    def shell(self, text: str) -> str:
        return self.machine.run("bash", "-euo", "pipefail", "-c", text)

    def keys(self) -> dict:
        return json.loads(self.machine.run("entitlectl", "--json", "keys", "status", fine=(0, 1)))

    def test_it_is_installed_as_the_manual_says(self):
        (package,) = self.machine.bring(deb("current"))
        (block,) = commands("docs/operating.md", self._testMethodName)
        # What is for the other family of systems has a test of its own (test_rpm.py).
        self.shell(put(block, {"./entitled_VERSION_amd64.deb": package, "dnf install ./entitled-VERSION.x86_64.rpm": "true"}))
        self.assertActive(*UNITS)

    def test_chains_are_configured_as_the_manual_says(self):
        self.machine.install(deb("current"))
        self.machine.write("/srv/chains.toml", chains.CONFIGURATION)
        (block,) = commands("docs/operating.md", self._testMethodName)
        told = self.shell("export EDITOR='cp /srv/chains.toml'\n" + block)
        self.assertIn("entitlectl wallet link", told, "what to do next")
        self.assertIn(chains.URL, self.machine.run("entitlectl", "--json", "chain", "status"))

    def test_the_key_is_rotated_as_the_manual_says(self):
        self.machine.install(deb("current"))
        self.machine.run("systemctl", "stop", "entitled")
        self.machine.run("rm", "-rf", "/var/lib/entitled")
        example = "/usr/share/doc/entitled/examples/credential.conf"
        self.machine.run("install", "-D", "-m", "0644", example, f"{DROP_INS}/credential.conf")
        self.shell(
            "install -d -m 0700 /etc/credstore.encrypted; head -c 32 /dev/urandom | "
            "systemd-creds encrypt --name=entitled.kek - /etc/credstore.encrypted/entitled.kek"
        )
        self.machine.run("systemctl", "daemon-reload")
        self.machine.run("systemctl", "start", "entitled")
        self.machine.run("entitlectl", "wallet", "create", user="nobody")
        before = self.keys()
        self.assertEqual((before["state"], before["under_key"]), ("OPEN", 1), before)

        rotate, tidy = commands("docs/keys.md", self._testMethodName)
        # What the editor is used for.
        unit = f"{DROP_INS}/next.conf"
        written = f"printf '[Service]\\nLoadCredentialEncrypted=entitled.kek.next\\n' > {unit}; systemctl daemon-reload"
        self.shell(put(rotate, {"systemctl edit entitled ": f"{written} "}))
        rotated = eventually("the key is rotated", lambda: self.under_another(before))
        self.shell(put(tidy, {"systemctl edit entitled ": f"rm {unit}; systemctl daemon-reload "}))
        after = self.keys()
        self.assertEqual((after["state"], after["key"], after["under_key"]), ("OPEN", rotated["key"], 1), after)
        self.machine.fails("test", "-e", "/etc/credstore.encrypted/entitled.kek.next")

    def under_another(self, before: dict) -> dict | None:
        now = self.keys()
        return now if now["state"] == "OPEN" and now["key"] != before["key"] and now["under_key"] == 1 else None
