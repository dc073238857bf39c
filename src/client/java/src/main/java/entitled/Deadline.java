package entitled;

import java.time.Duration;

/** A limit on how long something may take altogether, however many waits it is made of. */
final class Deadline {
    private final Duration limit;
    private final long begun = System.nanoTime();

    /** {@code null} is no limit. */
    Deadline(Duration limit) {
        this.limit = limit;
    }

    /** What is left, in milliseconds; 0 is for ever, as it is to a Selector. */
    long left() throws EntitledException.Timeout {
        if (limit == null) {
            return 0;
        }
        long left = limit.toMillis() - (System.nanoTime() - begun) / 1_000_000;
        if (left <= 0) {
            throw new EntitledException.Timeout("the daemon did not answer within " + limit);
        }
        return left;
    }

    void pause(long milliseconds) throws EntitledException.Timeout {
        try {
            long left = left();
            Thread.sleep(left == 0 ? milliseconds : Math.min(milliseconds, left));
        } catch (InterruptedException it) {
            Thread.currentThread().interrupt();
        }
        checkInterrupted();
    }

    void checkInterrupted() throws EntitledException.Timeout {
        if (Thread.currentThread().isInterrupted()) {
            throw new EntitledException.Timeout("the thread that asked was interrupted");
        }
    }
}
