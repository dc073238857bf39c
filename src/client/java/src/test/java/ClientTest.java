import entitled.Answer;
import entitled.Client;
import entitled.EntitledException;
import entitled.Verdict;
import entitled.Watch;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What is Java's own: threads that share a client, interrupts, and a watch that another thread ends. */
final class ClientTest {
    /** Answers every check with a yes to products that end in 3; says nothing while it is silent. */
    private static final class Daemon implements AutoCloseable {
        final Path directory = Files.createTempDirectory("entitled");
        final Path path = directory.resolve("entitled.sock");
        final ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        final AtomicInteger connections = new AtomicInteger();
        final AtomicBoolean isSilent = new AtomicBoolean();

        Daemon() throws Exception {
            listener.bind(UnixDomainSocketAddress.of(path));
            start(() -> {
                while (true) {
                    SocketChannel peer = listener.accept();
                    connections.incrementAndGet();
                    start(() -> talk(peer));
                }
            });
        }

        void talk(SocketChannel peer) throws Exception {
            BufferedReader lines = new BufferedReader(new InputStreamReader(Channels.newInputStream(peer), StandardCharsets.UTF_8));
            Pattern asked = Pattern.compile("\"id\":([0-9]+).*\"product\":\"([^\"]*)\"");
            for (String line; (line = lines.readLine()) != null;) {
                Matcher it = asked.matcher(line);
                check(it.find(), line);
                String verdict = String.format("{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"product\":\"%s\",\"valid\":%b,\"code\":\"X\"}}\n",
                        it.group(1), it.group(2), it.group(2).endsWith("3"));
                if (!isSilent.get()) {
                    peer.write(ByteBuffer.wrap(verdict.getBytes(StandardCharsets.UTF_8)));
                }
            }
        }

        Client client() {
            return new Client(path.toString(), Duration.ofSeconds(30));
        }

        @Override
        public void close() throws IOException {
            listener.close();
            Files.deleteIfExists(path);
            Files.delete(directory);
        }
    }

    private interface Work {
        void run() throws Exception;
    }

    private static Thread start(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Exception it) {
                // The other side hung up, or the test is over.
            }
        });
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    private static void check(boolean isRight, Object what) {
        if (!isRight) {
            throw new AssertionError(what);
        }
    }

    private static void threadsShareAClient() throws Exception {
        try (Daemon daemon = new Daemon(); Client client = daemon.client()) {
            ConcurrentLinkedQueue<Verdict> wrong = new ConcurrentLinkedQueue<>();
            List<Thread> threads = new ArrayList<>();
            for (int at = 0; at < 50; at++) {
                String product = "p" + at;
                threads.add(start(() -> {
                    Verdict it = client.check(product);
                    if (!it.product().equals(product) || it.answer() != (product.endsWith("3") ? Answer.YES : Answer.NO)) {
                        wrong.add(it);
                    }
                }));
            }
            for (Thread it : threads) {
                it.join();
            }
            check(wrong.isEmpty() && daemon.connections.get() == 1, wrong + " " + daemon.connections);
        }
    }

    private static void anInterruptEndsAQuestionAndIsKept() throws Exception {
        try (Daemon daemon = new Daemon(); Client client = daemon.client()) {
            daemon.isSilent.set(true);
            ConcurrentLinkedQueue<Object> heard = new ConcurrentLinkedQueue<>();
            Thread asker = start(() -> {
                Verdict it = client.check("p3");
                heard.add(it.answer());
                heard.add(it.error().orElseThrow() instanceof EntitledException.Timeout);
                heard.add(Thread.currentThread().isInterrupted());
            });
            while (daemon.connections.get() == 0) {
                Thread.onSpinWait();
            }
            asker.interrupt();
            asker.join(30_000);
            check(List.copyOf(heard).equals(List.of(Answer.NOT_KNOWN, true, true)), heard);
            daemon.isSilent.set(false);
            check(client.check("p3").answer() == Answer.YES, "the next question");
        }
    }

    private static void aWatchIsEndedByAnotherThread() throws Exception {
        try (Daemon daemon = new Daemon(); Client client = daemon.client()) {
            Watch watch = client.watch("p3");
            ConcurrentLinkedQueue<Object> heard = new ConcurrentLinkedQueue<>();
            Thread listener = start(() -> heard.add(watch.hasNext()));
            while (daemon.connections.get() == 0) {
                Thread.onSpinWait();
            }
            watch.close();
            listener.join(30_000);
            check(List.copyOf(heard).equals(List.of(false)), heard);
        }
    }

    private static void noPathThrows() {
        for (String path : List.of("/nowhere", "x".repeat(300), "a\0b", "")) {
            Verdict it = new Client(path, Duration.ofSeconds(1)).check("p3");
            check(it.answer() == Answer.NOT_KNOWN && it.error().orElseThrow() instanceof EntitledException.Unreachable, it);
        }
    }

    public static void main(String[] arguments) throws Exception {
        threadsShareAClient();
        anInterruptEndsAQuestionAndIsKept();
        aWatchIsEndedByAnotherThread();
        noPathThrows();
    }
}
