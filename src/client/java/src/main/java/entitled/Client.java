package entitled;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Asks the daemon, from any thread; one question at a time. Its connection mends itself when the daemon was restarted.
 *
 * <pre>{@code
 * switch (Client.ask("acme-cad").answer()) {
 *     case YES -> …; case NO -> …; case NOT_KNOWN -> …;
 * }
 * }</pre>
 */
public final class Client implements AutoCloseable {
    private final String path;
    private final Duration timeout;
    private final ReentrantLock turn = new ReentrantLock();
    /** Absent after anything went wrong on it: what would still arrive belongs to a question given up. */
    private Connection kept;

    public Client() {
        this(null, Duration.ofSeconds(5));
    }

    /**
     * @param path where the daemon listens; where it usually does if {@code null}
     * @param timeout the limit for each question altogether
     */
    public Client(String path, Duration timeout) {
        this.path = path;
        this.timeout = timeout;
    }

    /** Asks once what the caller is entitled to of {@code product}. */
    public static Verdict ask(String product) {
        try (Client client = new Client()) {
            return client.check(product);
        }
    }

    /** What the caller is entitled to of {@code product}. It throws nothing: without an answer the verdict says NOT_KNOWN. */
    public Verdict check(String product) {
        return check(product, Map.of());
    }

    /** The same with other parameters: {@code feature}, {@code publisher}, {@code wait_ms}. Compile the publisher's key in. */
    public Verdict check(String product, Map<String, ?> more) {
        Map<String, Object> params = new LinkedHashMap<>(more);
        params.put("product", product);
        try {
            return Verdict.read(call("entitlement_check", params), params);
        } catch (EntitledException it) {
            return Verdict.notKnown(product, it);
        }
    }

    /** Asks any method, and gives its result: a Map, List, String, Long, BigInteger, Double, Boolean or null. */
    public Object call(String method, Map<String, ?> params) throws EntitledException {
        Deadline deadline = new Deadline(timeout);
        try {
            if (!turn.tryLock(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
                throw new EntitledException.Timeout("other questions took longer than " + timeout);
            }
        } catch (InterruptedException it) {
            Thread.currentThread().interrupt();
            deadline.checkInterrupted();
        }
        try {
            Connection before = kept;
            kept = null;
            if (before != null && before.isQuiet()) {
                try {
                    return over(before, method, params, deadline);
                } catch (EntitledException.Unreachable it) {
                    if (!it.isUnheard) {
                        throw it;
                    }
                }
            } else if (before != null) {
                before.close();
            }
            return over(Connection.open(path(), deadline), method, params, deadline);
        } finally {
            turn.unlock();
        }
    }

    private Object over(Connection connection, String method, Map<String, ?> params, Deadline deadline)
            throws EntitledException {
        boolean isWhole = false;
        try {
            Object result = connection.ask(method, params, deadline);
            isWhole = true;
            return result;
        } catch (EntitledException.Refused it) {
            isWhole = connection.isQuiet();
            throw it;
        } finally {
            if (isWhole) {
                kept = connection;
            } else {
                connection.close();
            }
        }
    }

    /** Follows the verdict about {@code product}: the present one, then one per change, on a connection of its own. */
    public Watch watch(String product) {
        return new Watch(product, this::path, timeout);
    }

    /** Takes a floating seat, and waits for one in the queue for so long at most. */
    public Seat seat(String product, Duration wait) throws EntitledException, SeatRefused {
        return seat(product, wait, Map.of());
    }

    /** The same with other parameters: {@code tier}, {@code feature}. */
    public Seat seat(String product, Duration wait, Map<String, ?> more) throws EntitledException, SeatRefused {
        Map<String, Object> params = new LinkedHashMap<>(more);
        params.put("product", product);
        return new Seat(params, this::path, timeout, wait);
    }

    private String path() {
        return path == null ? Connection.defaultPath() : path;
    }

    /** Hangs up. The client can still be used; it connects again. */
    @Override
    public void close() {
        turn.lock();
        try {
            if (kept != null) {
                kept.close();
                kept = null;
            }
        } finally {
            turn.unlock();
        }
    }
}
