package entitled;

import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;

/**
 * A floating seat, held on a connection of its own until it is closed or the process ends. One thread at a time.
 *
 * <pre>{@code
 * try (Seat seat = client.seat("acme-cad", Duration.ofMinutes(10))) {
 *     …
 * }
 * }</pre>
 */
public final class Seat implements AutoCloseable {
    /** How long who waits leaves a daemon alone that was away. */
    private static final long AWAY_PAUSE_MS = 1000;

    /** So many changes are taken up at a time: whoever asks how it stands is answered, however many are told. */
    private static final int CHANGES_MAX = 64;

    /** What may be said of a seat, and is a text. */
    private static final List<String> TEXTS = List.of("product", "seat", "tier", "ends_at");

    private final Map<String, Object> params;
    private final Supplier<String> path;
    private final Duration timeout;
    private Connection connection;
    private Object subscription;
    private String id;
    private String tier;
    private Map<String, Object> raw;
    private SeatState state;

    Seat(Map<String, Object> params, Supplier<String> path, Duration timeout, Duration wait)
            throws EntitledException, SeatRefused {
        this.params = params;
        this.path = path;
        this.timeout = timeout;
        take(wait);
    }

    /** What the daemon calls it. */
    public String id() {
        return id;
    }

    public String tier() {
        return tier;
    }

    /** All that the daemon said: {@code fence}, {@code used}, {@code capacity}, {@code over} and others. */
    public Map<String, Object> raw() {
        return raw;
    }

    /**
     * Whether it is still held: how it stands after its next change, or after {@code wait}. A daemon that was restarted is
     * asked for it again, so this is to be called from time to time.
     */
    public SeatState check(Duration wait) {
        if (state.answer() == Answer.NO) {
            return state;
        }
        try {
            if (connection == null && !wait.isZero()) {
                new Deadline(null).pause(Math.min(wait.toMillis(), AWAY_PAUSE_MS));
            }
            if (connection != null && hears(wait)) {
                return state;
            }
            hangUp();
            if (state.answer() != Answer.NO) {
                take(Duration.ZERO);
            }
        } catch (SeatRefused it) {
            state = SeatState.without(it.answer(), it.code());
        } catch (EntitledException it) {
            state = SeatState.notKnown(it);
        }
        return state;
    }

    /** Gives it back; once it has ended, does nothing. */
    public void release() throws EntitledException {
        try {
            if (state.answer() != Answer.NO) {
                state = SeatState.without(Answer.NO, "released");
                giveBack(new Deadline(timeout));
            }
        } finally {
            hangUp();
        }
    }

    /** Gives it back. Where the daemon cannot be told, it ends with the process. */
    @Override
    public void close() {
        try {
            release();
        } catch (EntitledException it) {
            // As said above.
        }
    }

    private void giveBack(Deadline deadline) throws EntitledException {
        if (connection != null && connection.isQuiet()) {
            try {
                connection.ask("seat_release", Map.of("seat", id), deadline);
                return;
            } catch (EntitledException.Unreachable it) {
                if (!it.isUnheard) {
                    throw it;
                }
            }
        }
        hangUp();
        connection = Connection.open(path.get(), deadline);
        connection.ask("seat_release", Map.of("seat", id), deadline);
    }

    /** Whoever holds a seat is given the same. */
    private void take(Duration wait) throws EntitledException, SeatRefused {
        Deadline deadline = new Deadline(timeout.plus(wait));
        Map<String, Object> asked = new LinkedHashMap<>(params);
        if (!wait.isZero()) {
            asked.put("wait_ms", wait.toMillis());
        }
        Connection fresh = Connection.open(path.get(), deadline);
        try {
            takeOver(fresh, asked, deadline);
            connection = fresh;
        } finally {
            if (connection != fresh) {
                fresh.close();
            }
        }
    }

    private void takeOver(Connection fresh, Map<String, Object> asked, Deadline deadline) throws EntitledException, SeatRefused {
        Map<String, Object> said = Json.object(fresh.ask("seat_acquire", asked, deadline));
        if (!(said.get("granted") instanceof Boolean isGranted) || !(said.get("code") instanceof String code) || !hasRest(said)) {
            throw wrong();
        }
        Object about = said.get("product");
        if (about != null && !about.equals(params.get("product"))) {
            throw new EntitledException.Protocol(EntitledException.OTHER_PRODUCT);
        }
        if (!isGranted) {
            throw new SeatRefused(code, said);
        }
        if (!(said.get("seat") instanceof String seat) || !(said.get("tier") instanceof String ofTier)) {
            throw wrong();
        }
        SeatState held = SeatState.held(said.get("ends_at"));
        id = seat;
        tier = ofTier;
        raw = said;
        state = held;
        try {
            subscription = fresh.ask("seat_subscribe", Map.of("product", params.get("product"), "seat", seat), deadline);
        } catch (EntitledException it) {
            connection = fresh; // nobody would hold it: it was granted, and its end cannot be told
            close();
            throw it;
        }
    }

    /** Whether each other member is what it has to be. */
    private static boolean hasRest(Map<String, Object> said) {
        return said.getOrDefault("detail", "") instanceof String && (said.get("queue") == null || Json.isUnsigned(said.get("queue")))
                && TEXTS.stream().allMatch(it -> Json.mayBeText(said.get(it)));
    }

    /** Takes up what is told, waiting for it unless something was; false when it has ended, or the connection has. */
    private boolean hears(Duration wait) throws EntitledException {
        // A read takes what has arrived, and needs a moment that is not over yet.
        Duration limit = wait;
        for (int changes = 0; changes < CHANGES_MAX; changes++) {
            try {
                Duration moment = limit.toMillis() > 0 ? limit : Duration.ofMillis(1);
                Map<String, Object> told = Json.object(connection.notice(subscription, new Deadline(moment)));
                Object reason = told.get("reason");
                if (!(told.get("event") instanceof String event) || !Json.mayBeText(reason)) {
                    throw wrong();
                }
                state = SeatState.held(Json.object(told.get("seat")).get("ends_at"));
                if (event.equals("ended")) {
                    state = SeatState.without(Answer.NO, Objects.requireNonNullElse((String) reason, ""));
                    return false;
                }
                limit = Duration.ZERO;
            } catch (EntitledException.Timeout it) {
                if (Thread.currentThread().isInterrupted()) {
                    throw it;
                }
                return true;
            } catch (EntitledException it) {
                return false;
            }
        }
        return true;
    }

    static EntitledException wrong() {
        return new EntitledException.Protocol("what was said of a seat has another shape than expected");
    }

    private void hangUp() {
        if (connection != null) {
            connection.close();
            connection = null;
        }
    }
}
