package entitled;

import java.io.Closeable;
import java.io.IOException;
import java.net.ConnectException;
import java.net.SocketException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.SocketChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;
import java.nio.file.attribute.UserPrincipal;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import jdk.net.ExtendedSocketOptions;

/** One connection that never blocks beyond its deadline, and lines of JSON-RPC 2.0 on it. */
final class Connection implements Closeable {
    private static final int LINE_MAX = 1024 * 1024;
    private static final int NOTICES_MAX = 64;
    private static final long QUEUE_FULL_PAUSE_MS = 5;
    private static final int AT_SECURE = 23;

    /** Found out before anybody gives up or takes on rights, after which it may not be asked. */
    private static final boolean STARTED_PLAIN = isPlain();

    private final SocketChannel channel;
    private final Selector selector;
    private final Path path;
    private final Deque<Map<String, Object>> notices = new ArrayDeque<>();
    private byte[] received = new byte[0];
    private int length;
    private int searched;
    private long lastId;

    private Connection(SocketChannel channel, Path path) throws IOException {
        this.channel = channel;
        this.path = path;
        this.selector = Selector.open();
        channel.register(selector, 0);
    }

    /**
     * {@code $ENTITLED_SOCKET} (a path, or unix:// and a path); else the machine's socket, if it is there; else the user's, in a
     * directory of the user's alone. Where the process has, or had, rights that its caller has not, the machine's alone.
     */
    static String defaultPath() {
        Path system = Path.of("/run/entitled/entitled.sock");
        if (!STARTED_PLAIN || !isOneUser()) {
            return system.toString();
        }
        String named = Objects.requireNonNullElse(System.getenv("ENTITLED_SOCKET"), "");
        String runtime = Objects.requireNonNullElse(System.getenv("XDG_RUNTIME_DIR"), "");
        if (!named.isEmpty()) {
            return named;
        }
        if (Files.exists(system)) {
            return system.toString();
        }
        Path own = Path.of(runtime, "entitled/entitled.sock");
        if (own.isAbsolute() && isPrivate(Path.of(runtime)) && Files.exists(own)) {
            return own.toString();
        }
        try {
            Path directory = Path.of("/tmp/entitled-" + Files.getAttribute(Path.of("/proc/self"), "unix:uid"));
            Path shared = directory.resolve("entitled.sock");
            return (isPrivate(directory) && Files.exists(shared) ? shared : system).toString();
        } catch (IOException it) {
            return system.toString();
        }
    }

    /**
     * Whether the kernel started this process with no rights that its caller has not (AT_SECURE). What it does not say it does not
     * say so of: a process that may not look has, or has given up, such rights.
     */
    private static boolean isPlain() {
        try {
            ByteBuffer words = ByteBuffer.wrap(Files.readAllBytes(Path.of("/proc/self/auxv"))).order(ByteOrder.nativeOrder());
            boolean isLong = !"32".equals(System.getProperty("sun.arch.data.model"));
            while (words.remaining() >= (isLong ? 16 : 8)) {
                long name = isLong ? words.getLong() : words.getInt();
                long value = isLong ? words.getLong() : words.getInt();
                if (name == AT_SECURE) {
                    return value == 0;
                }
            }
        } catch (IOException it) {
            // As if it had said nothing.
        }
        return false;
    }

    /** Whether real and effective user and group are the same now. */
    private static boolean isOneUser() {
        try {
            for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
                // Real, effective, saved, and that of the file system.
                String[] ids = line.split("\\s+");
                if ((line.startsWith("Uid:") || line.startsWith("Gid:")) && !ids[1].equals(ids[2])) {
                    return false;
                }
            }
        } catch (IOException it) {
            // Without /proc nothing of this library works: it does not learn who it is.
        }
        return true;
    }

    /** Whether nobody else can have put anything into a directory. */
    private static boolean isPrivate(Path directory) {
        try {
            PosixFileAttributes it = Files.readAttributes(directory, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
            return it.isDirectory() && it.owner().equals(self())
                    && PosixFilePermissions.toString(it.permissions()).endsWith("------");
        } catch (IOException it) {
            return false;
        }
    }

    /** Connects, and makes sure who answers. */
    static Connection open(String named, Deadline deadline) throws EntitledException {
        String plain = named.startsWith("unix://") ? named.substring("unix://".length()) : named;
        SocketChannel channel = null;
        try {
            Path path = Path.of(plain);
            for (;;) {
                channel = SocketChannel.open(StandardProtocolFamily.UNIX);
                channel.configureBlocking(false);
                if (connects(channel, path)) {
                    verify(channel, path);
                    return new Connection(channel, path);
                }
                channel.close();
                // No poller tells when a queue has room.
                deadline.pause(QUEUE_FULL_PAUSE_MS);
            }
        } catch (IOException | IllegalArgumentException it) {
            closeQuietly(channel);
            throw new EntitledException.Unreachable(plain, it, false);
        } catch (EntitledException it) {
            closeQuietly(channel);
            throw it;
        }
    }

    /** Whether it is open; false when the daemon's queue of connections is full. Java names that error in words only. */
    private static boolean connects(SocketChannel channel, Path path) throws IOException {
        try {
            return channel.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException it) {
            throw it;
        } catch (SocketException it) {
            if (Files.isWritable(path)) {
                return false;
            }
            throw it;
        }
    }

    private static UserPrincipal self() throws IOException {
        return Files.getOwner(Path.of("/proc/self"));
    }

    private static void verify(SocketChannel channel, Path path) throws IOException, EntitledException {
        UserPrincipal server = channel.getOption(ExtendedSocketOptions.SO_PEERCRED).user();
        Path directory = path.toAbsolutePath().getParent();
        for (UserPrincipal it : Arrays.asList(Files.getOwner(Path.of("/proc")), self(), Files.getOwner(directory))) {
            if (it.equals(server)) {
                return;
            }
        }
        throw new EntitledException.Untrusted(path + " is served by " + server.getName()
                + ", who is neither root, nor you, nor the owner of its directory");
    }

    /** Whether it is still there, and nothing unasked for has arrived on it. */
    boolean isQuiet() {
        try {
            return length == 0 && channel.read(ByteBuffer.allocate(1)) == 0;
        } catch (IOException it) {
            return false;
        }
    }

    /** The result of a question. */
    Object ask(String method, Map<String, ?> params, Deadline deadline) throws EntitledException {
        Map<String, Object> request = new LinkedHashMap<>();
        request.put("jsonrpc", "2.0");
        request.put("id", ++lastId);
        request.put("method", method);
        if (params != null) {
            request.put("params", params);
        }
        IOException broken = send(ByteBuffer.wrap((Json.write(request) + "\n").getBytes(StandardCharsets.UTF_8)), deadline);
        if (broken != null && lastId > 1) {
            throw new EntitledException.Unreachable(path, broken, true);
        }
        for (;;) {
            // A daemon that closed a fresh connection before it took a request may have said why.
            Map<String, Object> message = message(deadline);
            Object id = message.get("id");
            Object error = message.get("error");
            boolean isResult = message.containsKey("result");
            if (!Json.mayBeText(message.get("method"))) {
                throw new EntitledException.Protocol("a method has no name");
            } else if (!isResult && error == null) {
                keepNotice(message);
            } else if (isResult && error != null) {
                throw new EntitledException.Protocol("an answer and a refusal at once");
            } else if (id instanceof Long it && it == lastId && isResult) {
                return message.get("result");
            } else if (error != null && (id == null || id.equals(lastId))) {
                throw EntitledException.Refused.of(error);
            } else {
                throw new EntitledException.Protocol("an answer to another question came");
            }
        }
    }

    /** What the next notice of a subscription tells. */
    Object notice(Object subscription, Deadline deadline) throws EntitledException {
        for (;;) {
            Map<String, Object> told = notices.poll();
            if (told == null) {
                Map<String, Object> message = message(deadline);
                if (message.get("error") != null) {
                    throw EntitledException.Refused.of(message.get("error"));
                }
                keepNotice(message);
            } else if (Objects.equals(told.get("subscription"), subscription)) {
                return told.get("result");
            }
        }
    }

    private void keepNotice(Map<String, Object> message) throws EntitledException {
        if (!(message.get("method") instanceof String method) || message.containsKey("result")) {
            throw new EntitledException.Protocol("neither an answer nor a notice");
        }
        if (method.equals("entitlement_changed") || method.equals("seat_changed")) {
            Map<String, Object> told = Json.object(message.get("params"));
            if (!told.containsKey("subscription") || !told.containsKey("result")) {
                throw new EntitledException.Protocol("a notice has another shape than expected");
            }
            notices.add(told);
            if (notices.size() > NOTICES_MAX) {
                throw new EntitledException.Protocol("too many notices before an answer");
            }
        }
    }

    /** Sends; gives what broke the pipe, if it was broken. */
    private IOException send(ByteBuffer bytes, Deadline deadline) throws EntitledException {
        while (bytes.hasRemaining()) {
            try {
                if (channel.write(bytes) == 0) {
                    await(SelectionKey.OP_WRITE, deadline);
                }
            } catch (IOException it) {
                return it;
            }
        }
        return null;
    }

    private Map<String, Object> message(Deadline deadline) throws EntitledException {
        for (;;) {
            while (searched < length && received[searched] != '\n') {
                searched++;
            }
            if (searched > LINE_MAX) {
                throw new EntitledException.Protocol("an answer is longer than 1 MiB");
            } else if (searched < length) {
                String line = text(searched);
                length -= searched + 1;
                System.arraycopy(received, searched + 1, received, 0, length);
                searched = 0;
                if (!Json.isBlank(line)) {
                    return Json.object(Json.read(line));
                }
            } else {
                receive(deadline);
            }
        }
    }

    private String text(int end) throws EntitledException {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(received, 0, end)).toString();
        } catch (CharacterCodingException it) {
            throw new EntitledException.Protocol("what the daemon said is not UTF-8");
        }
    }

    private void receive(Deadline deadline) throws EntitledException {
        if (received.length - length < 8192) {
            received = Arrays.copyOf(received, 2 * received.length + 8192);
        }
        try {
            deadline.left();
            int count = channel.read(ByteBuffer.wrap(received, length, received.length - length));
            if (count < 0) {
                throw new IOException("it closed the connection");
            }
            length += count;
            if (count == 0) {
                await(SelectionKey.OP_READ, deadline);
            }
        } catch (IOException it) {
            throw new EntitledException.Unreachable(path, it, false);
        }
    }

    private void await(int operation, Deadline deadline) throws IOException, EntitledException {
        channel.keyFor(selector).interestOps(operation);
        selector.select(deadline.left());
        selector.selectedKeys().clear();
        deadline.checkInterrupted();
    }

    /** Hangs up, and wakes who waits. */
    @Override
    public void close() {
        closeQuietly(channel);
        closeQuietly(selector);
    }

    private static void closeQuietly(Closeable it) {
        try {
            if (it != null) {
                it.close();
            }
        } catch (IOException failed) {
            // It is of no more use in any case.
        }
    }
}
