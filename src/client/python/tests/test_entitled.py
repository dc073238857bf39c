"""What is Python's own: no truth of an answer, threads, forks, cancellation, a host that has SIGPIPE at its default."""

import asyncio
import json
import os
import signal
import socket
import tempfile
import threading
import unittest

import entitled
from entitled import NO, NOT_KNOWN, YES


class Daemon:
    """Answers every check with a yes to products that end in 3, from a thread for each connection; `silent` never does."""

    def __init__(self, silent=False):
        self.directory = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.directory.name, "entitled.sock")
        self.silent, self.connections = silent, 0
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.talk, args=(peer,), daemon=True).start()

    def talk(self, peer):
        with peer, peer.makefile("rwb") as lines:
            for line in lines:
                request = json.loads(line)
                product = request["params"]["product"]
                valid = product.endswith("3")
                result = {"product": product, "valid": valid, "code": "VALID" if valid else "NOT_HELD"}
                if request["method"] == "entitlement_subscribe":
                    result = 7
                if not self.silent:
                    lines.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode() + b"\n")
                    lines.flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.directory.cleanup()


class Answers(unittest.TestCase):
    def test_an_answer_is_compared_and_never_tested(self):
        with Daemon() as daemon, entitled.Client(daemon.path) as client:
            verdicts = [client.check("p3"), client.check("p4"), entitled.Client("/nowhere").check("p")]
        self.assertEqual([it.answer for it in verdicts], [YES, NO, NOT_KNOWN])
        for it in verdicts:
            for value in (it, it.answer, it.has("export")):
                with self.assertRaises(TypeError):
                    bool(value)

    def test_only_a_mistake_of_the_programs_own_raises(self):
        with self.assertRaises(TypeError):
            entitled.Client("/nowhere").check(7)
        for path in ("/nowhere", "x" * 300, "a\0b", ""):
            verdict = entitled.Client(path, timeout=1).check("p")
            self.assertEqual((verdict.answer, type(verdict.error)), (NOT_KNOWN, entitled.Unreachable))

    def test_the_environment_names_the_socket_as_a_path_or_with_its_scheme(self):
        with Daemon() as daemon:
            for named in (daemon.path, f"unix://{daemon.path}"):
                os.environ["ENTITLED_SOCKET"] = named
                try:
                    self.assertEqual(entitled.default_path(), named)
                    self.assertIs(entitled.check("p3").answer, YES)
                finally:
                    del os.environ["ENTITLED_SOCKET"]


class Receipts(unittest.TestCase):
    def test_what_proves_nothing_is_not_known_with_the_c_library_or_without(self):
        key = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"
        for receipt in ("", "no receipt", b"\x00\xff", "-----BEGIN ENTITLED RECEIPT-----"):
            verdict = entitled.verify_receipt(receipt, "acme-cad", key, nonce=b"7")
            self.assertEqual((verdict.answer, type(verdict.error)), (NOT_KNOWN, entitled.ReceiptError), receipt)
            # Said by whoever starts this test, who also says where the library is.
            is_missing = "ENTITLED_TEST_C_LIBRARY" not in os.environ
            self.assertEqual("not installed" in str(verdict.error), is_missing, verdict.error)

    def test_a_version_that_is_none_is_not_taken_for_another(self):
        for version in (-1, 2**32, 2**32 + 1):
            verdict = entitled.verify_receipt("it", "acme-cad", "RW", min_version=version)
            self.assertEqual((verdict.answer, type(verdict.error)), (NOT_KNOWN, entitled.ReceiptError))
            self.assertIn("no version", str(verdict.error))


class Hosts(unittest.TestCase):
    def test_threads_share_a_client(self):
        wrong = []
        with Daemon() as daemon, entitled.Client(daemon.path) as client:
            def ask(at):
                for product in (f"{at}-3", f"{at}-4"):
                    verdict = client.check(product)
                    if (verdict.product, verdict.answer) != (product, YES if product.endswith("3") else NO):
                        wrong.append(verdict)
            threads = [threading.Thread(target=ask, args=(at,)) for at in range(20)]
            for it in threads:
                it.start()
            for it in threads:
                it.join()
            self.assertEqual((wrong, daemon.connections), ([], 1))

    def test_a_forked_child_has_a_connection_of_its_own(self):
        with Daemon() as daemon, entitled.Client(daemon.path) as client:
            client.check("p3")
            child = os.fork()
            if child == 0:
                os._exit(0 if client.check("child-3").answer is YES else 1)
            _, status = os.waitpid(child, 0)
            self.assertEqual(status, 0)
            self.assertIs(client.check("p3").answer, YES)
            self.assertEqual(daemon.connections, 2)

    def test_a_host_with_sigpipe_at_its_default_lives(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "entitled.sock")
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
            listener.listen(8)
            stop = threading.Event()

            def slam():
                while not stop.is_set():
                    listener.accept()[0].close()
            threading.Thread(target=slam, daemon=True).start()
            before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            try:
                for _ in range(200):
                    self.assertIs(entitled.Client(path).check("p3").answer, NOT_KNOWN)
            finally:
                signal.signal(signal.SIGPIPE, before)
                stop.set()
                entitled.Client(path).check("p3")
                listener.close()

    def test_a_watch_that_waits_is_ended_from_another_thread(self):
        with Daemon() as daemon, entitled.Client(daemon.path) as client:
            watch, heard = client.watch("p3"), []
            thread = threading.Thread(target=lambda: heard.extend(watch))
            thread.start()
            while daemon.connections == 0:
                thread.join(0.01)
            watch.close()
            thread.join(30)
            self.assertEqual((thread.is_alive(), heard), (False, []))


class Asyncio(unittest.IsolatedAsyncioTestCase):
    async def test_many_questions_at_once(self):
        with Daemon() as daemon:
            async with entitled.AsyncClient(daemon.path) as client:
                said = await asyncio.gather(*(client.check(f"p{at}") for at in range(50)))
                self.assertEqual([it.product for it in said], [f"p{at}" for at in range(50)])
                self.assertEqual([it.answer for it in said].count(YES), 5)
                self.assertEqual(daemon.connections, 1)

    async def test_a_question_that_is_cancelled_costs_the_connection(self):
        with Daemon(silent=True) as daemon:
            async with entitled.AsyncClient(daemon.path, timeout=30) as client:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.check("p3"), 0.05)
                daemon.silent = False
                self.assertIs((await client.check("p3")).answer, YES)
                self.assertEqual(daemon.connections, 2)

    async def test_a_watch_can_be_cancelled(self):
        with Daemon() as daemon:
            async with entitled.AsyncClient(daemon.path) as client:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(client.watch("p3").__anext__(), 0.2)


if __name__ == "__main__":
    unittest.main()
