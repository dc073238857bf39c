package entitled;

import java.time.Duration;
import java.util.Iterator;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.function.Supplier;

/**
 * An iterator of verdicts that does not end by itself. When the daemon goes away it gives one that is NOT_KNOWN, and then the
 * present one of the next daemon. {@link #close} ends it, from any thread, and so does an interrupt.
 */
public final class Watch implements Iterator<Verdict>, Iterable<Verdict>, AutoCloseable {
    private final String product;
    private final Supplier<String> path;
    private final Duration timeout;
    private volatile Connection connection;
    private volatile boolean isClosed;
    private Object subscription;
    private long pauseMs;
    private Class<?> failure;
    private Verdict next;

    Watch(String product, Supplier<String> path, Duration timeout) {
        this.product = product;
        this.path = path;
        this.timeout = timeout;
    }

    @Override
    public Iterator<Verdict> iterator() {
        return this;
    }

    /** Waits for the next verdict; false when the watch was closed or the thread was interrupted. */
    @Override
    public boolean hasNext() {
        while (next == null && !isClosed && !Thread.currentThread().isInterrupted()) {
            try {
                next = Verdict.read(told(), Map.of("product", product));
                pauseMs = 0;
                failure = null;
            } catch (EntitledException it) {
                drop();
                pauseMs = Math.min(Math.max(2 * pauseMs, 50), 5000);
                boolean isNews = failure != it.getClass();
                failure = it.getClass();
                next = isNews ? Verdict.notKnown(product, it) : null;
            } catch (RuntimeException it) {
                // A channel or selector that was closed here, while it was waited for.
                if (!isClosed) {
                    throw it;
                }
            }
        }
        return next != null && !isClosed && !Thread.currentThread().isInterrupted();
    }

    @Override
    public Verdict next() {
        if (!hasNext()) {
            throw new NoSuchElementException("the watch was closed");
        }
        Verdict it = next;
        next = null;
        return it;
    }

    private Object told() throws EntitledException {
        if (connection == null) {
            if (pauseMs > 0) {
                new Deadline(null).pause(pauseMs);
            }
            Deadline deadline = new Deadline(timeout);
            Connection fresh = Connection.open(path.get(), deadline);
            connection = fresh;
            if (isClosed) {
                drop();
            }
            subscription = fresh.ask("entitlement_subscribe", Map.of("product", product), deadline);
        }
        return connection.notice(subscription, new Deadline(null));
    }

    private void drop() {
        Connection it = connection;
        connection = null;
        if (it != null) {
            it.close();
        }
    }

    @Override
    public void close() {
        isClosed = true;
        drop();
    }
}
