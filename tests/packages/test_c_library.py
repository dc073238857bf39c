"""The C library as it is shipped: programs are compiled against the installed packages, and ask the installed daemon."""

import os
import pathlib
import subprocess

import base
import chain as chains
from chain import Chain
from documents import commands
from machine import eventually
from scene import SOCKETS, Scene, Stage, deb, rpm

EXAMPLES = "/usr/share/doc/libentitled-dev/examples"
CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
PRODUCT = "/usr/share/entitled/products.d/acme-cad.toml"


class CLibrary(Scene):
    def base(self) -> pathlib.Path:
        place = Stage.home / "compiling"
        return place if place.exists() else base.unpack(place, base.COMPILING)

    def compile(self, name: str, linked: str, more: str = "") -> str:
        program = f"/srv/{name}-{len(linked)}"
        strict = "-Wall -Wextra -Werror -pedantic"
        self.machine.run("sh", "-ec", f"{more} cc {strict} -o {program} {EXAMPLES}/{name}.c {linked}")
        return program

    def says(self, program: str, user: str = "nobody") -> str:
        return self.machine.run(program, user=user).strip()

    def stop(self):
        self.machine.run("systemctl", "stop", "entitled.service", *SOCKETS)

    def test_five_lines_ask_the_installed_daemon(self):
        self.machine.install(deb("current"), *Stage.libraries["deb"])
        shared = "$(pkg-config --cflags --libs entitled)"
        programs = [self.compile("check", shared), self.compile("check", "-l:libentitled.a -lm")]
        (line,) = commands("src/client/c/README.md", self._testMethodName)
        self.machine.run("sh", "-ec", f"cd /srv; cp {EXAMPLES}/check.c .; {line}")
        programs.append("/srv/a.out")
        for program in programs:
            self.assertEqual(self.says(program), "not entitled")
        self.assertIn("libentitled.so.0", self.machine.run("ldd", programs[0]))
        self.assertNotIn("libentitled", self.machine.run("ldd", programs[1]))
        self.stop()
        for program in programs:
            self.assertEqual(self.says(program), "not known")
        # Who ships the program needs the one package only.
        self.machine.run("dpkg", "--remove", "libentitled-dev")
        self.assertEqual(self.says(programs[0]), "not known")
        self.machine.fails("dpkg", "--verify", "libentitled-dev")
        self.assertEqual(self.machine.run("dpkg", "--verify", "libentitled0"), "")

    def test_a_program_hears_of_a_purchase(self):
        if lacking := chains.missing():
            self.skipTest(f"run `make prepare`; missing: {', '.join(lacking)}")
        chain = Chain(self.machine)
        self.machine.run("useradd", "ada")
        self.machine.write("/etc/entitled/entitled.d/chains.toml", chains.CONFIGURATION)
        self.machine.write(PRODUCT, chains.product(chain.token()))
        self.machine.install(deb("current"), *Stage.libraries["deb"])
        program = self.compile("check", "$(pkg-config --cflags --libs entitled)")
        self.assertEqual(self.says(program, "ada"), "not entitled")
        wallet = self.machine.run("entitlectl", "--json", "wallet", "create", user="ada").split('"address":"')[1][:42]
        chain.mint(wallet, 7)

        def entitled():
            said = self.says(program, "ada")
            assert said == "entitled", said
            return said

        eventually("the purchase is known", entitled)
        self.assertEqual(self.says(program, "nobody"), "not entitled")

    def test_a_vendors_program_believes_nobody(self):
        """The vendor's program, compiled against what the packages installed, before a daemon on a beacon chain."""
        if lacking := chains.missing():
            self.skipTest(f"run `make prepare`; missing: {', '.join(lacking)}")
        self.machine.install(deb("current"), *Stage.libraries["deb"])
        name = "a_vendors_program_says_yes_to_what_is_proven_and_no_to_everything_else"
        run = ["cargo", "nextest", "run", "--locked", "--test", "e2e", "-E", f"test({name})"]
        installed = {**os.environ, "ENTITLED_TEST_C_ROOT": str(self.machine.root)}
        done = subprocess.run(run, cwd=CHECKOUT, env=installed, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=1800)  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("1 passed", done.stdout)

    def test_five_lines_with_the_rpm(self):
        self.machine.run("rpm", "--install", "--nodeps", *self.machine.bring(rpm("current"), *Stage.libraries["rpm"]))
        self.machine.run("systemctl", "enable", "--now", *SOCKETS)
        # Debian's own programs do not look there.
        more = "export PKG_CONFIG_PATH=/usr/lib64/pkgconfig;"
        program = self.compile("check", "$(pkg-config --cflags --libs entitled) -Wl,-rpath,/usr/lib64", more)
        self.assertEqual(self.says(program), "not entitled")
        self.assertEqual(self.machine.run("rpm", "--verify", "--nodeps", "libentitled0", "libentitled-devel"), "")
        needed = self.machine.run("rpm", "--query", "--provides", "libentitled0")
        self.assertIn("libentitled.so.0(ENTITLED_0)", needed)
