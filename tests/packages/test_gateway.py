"""The gateway of the package: the administrator's to start, of the package's version where it runs, and of no more rights."""

import hashlib
import json

from machine import eventually
from scene import NOWHERE, Scene, deb

import chain as chains

UNIT = "entitled-gateway.service"
TOKEN = "a-token-of-the-web-shop"
ADDRESS = "http://127.0.0.1:8080"
CONFIGURATION = f"""
probes = "127.0.0.1:9470"

[[client]]
name = "shop"
token_sha256 = "{hashlib.sha256(TOKEN.encode()).hexdigest()}"
customer = "customer:1"
scopes = ["entitlements"]
"""
ASK = """
import sys, urllib.error, urllib.request
request = urllib.request.Request(sys.argv[1], headers={"Authorization": "Bearer " + sys.argv[2]})
try: print(urllib.request.urlopen(request, timeout=20).read().decode())
except urllib.error.HTTPError as refused: print(refused.read().decode())
"""


class Gateway(Scene):
    def set_up(self, age: str) -> None:
        """As entitled-gateway(8) says."""
        self.machine.install(deb(age))
        self.machine.write("/etc/entitled/products.d/acme-cad.toml", chains.product(NOWHERE))
        self.machine.write("/etc/entitled/entitled.d/gateway.toml", '[socket]\ndelegates = ["entitled-gateway"]\n')
        self.machine.run("systemctl", "restart", "entitled.service")
        self.machine.run("entitlectl", "customer", "create", "Web shop")
        self.machine.write("/etc/entitled/gateway.toml", CONFIGURATION, mode=0o640)
        self.machine.run("chgrp", "entitled-gateway", "/etc/entitled/gateway.toml")
        self.machine.run("systemctl", "enable", "--now", UNIT)

    def ask(self, token: str = TOKEN) -> str:
        path = "/api/v1/products/acme-cad/entitlement"
        return json.loads(self.machine.run("python3", "-c", ASK, ADDRESS + path, token))["code"]

    def gateway(self) -> str:
        return self.machine.property(UNIT, "MainPID")

    def test_it_waits_for_the_administrator_and_answers_with_a_token(self):
        self.machine.install(deb("current"))
        self.assertFalse(self.machine.is_active(UNIT))
        self.assertEqual(self.machine.property(UNIT, "UnitFileState"), "disabled")
        # Without a configuration there is nothing to start.
        self.machine.run("systemctl", "start", UNIT)
        self.assertFalse(self.machine.is_active(UNIT))
        self.set_up("current")
        self.assertEqual((self.ask(), self.ask("another")), ("NO_WALLET", "UNAUTHENTICATED"))
        self.machine.run("entitled", "gateway", "--probe")

    def test_it_has_no_rights_and_reaches_no_key(self):
        self.set_up("current")
        status = self.machine.run("cat", f"/proc/{self.gateway()}/status")
        uid = self.machine.run("id", "-u", "entitled-gateway").strip()
        self.assertIn(f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}", status)
        self.assertIn("CapBnd:\t0000000000000000", status)
        refused = self.machine.fails("entitlectl", "keys", "status", user="entitled-gateway")
        self.assertIn("admin", refused.lower())

    def test_an_upgrade_restarts_it_and_a_removal_ends_it(self):
        self.set_up("older")
        before = self.gateway()
        self.machine.install(deb("current"))
        eventually("the gateway of the new package answers", lambda: self.ask() == "NO_WALLET" or None)
        self.assertNotEqual(self.gateway(), before)
        self.machine.run("dpkg", "--remove", "entitled")
        self.assertFalse(self.machine.is_active(UNIT))
