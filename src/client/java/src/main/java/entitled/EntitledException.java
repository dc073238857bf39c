package entitled;

import java.util.Map;
import java.util.Optional;

/** No answer, and why. None of these says that the caller is not entitled. */
public sealed class EntitledException extends Exception {
    static final String OTHER_PRODUCT = "the answer is about another product";
    static final String OTHER_FEATURE = "the answer is not about the feature asked for";
    static final String OTHER_PUBLISHER = "the answer rests on another publisher's word";
    private static final long serialVersionUID = 1L;

    EntitledException(String message, Throwable cause) {
        super(message, cause);
    }

    /** Nobody answers at the socket, or the connection broke off. */
    public static final class Unreachable extends EntitledException {
        private static final long serialVersionUID = 1L;

        /** Whether the question was heard by nobody. */
        final boolean isUnheard;

        Unreachable(Object path, Throwable cause, boolean isUnheard) {
            super("the daemon cannot be reached at " + path + ": " + cause.getMessage(), cause);
            this.isUnheard = isUnheard;
        }
    }

    /** Somebody answers who is neither root, nor the caller, nor the owner of the socket's directory. */
    public static final class Untrusted extends EntitledException {
        private static final long serialVersionUID = 1L;

        Untrusted(String message) {
            super(message, null);
        }
    }

    /** The daemon did not answer in time, or the thread that asked was interrupted. */
    public static final class Timeout extends EntitledException {
        private static final long serialVersionUID = 1L;

        Timeout(String message) {
            super(message, null);
        }
    }

    /** What was said is not JSON-RPC 2.0, or not an answer to what was asked. */
    public static final class Protocol extends EntitledException {
        private static final long serialVersionUID = 1L;

        Protocol(String message) {
            super(message, null);
        }
    }

    /** The daemon understood and declined: it is full, or busy, or does not allow it. */
    public static final class Refused extends EntitledException {
        private static final long serialVersionUID = 1L;
        private final long code;
        private final String name;
        private final String detail;
        private final String help;

        private Refused(long code, String message, Map<?, ?> said) {
            super(message, null);
            this.code = code;
            this.name = said.get("code") instanceof String it ? it : null;
            this.detail = said.get("detail") instanceof String it ? it : null;
            this.help = said.get("help") instanceof String it ? it : null;
        }

        static EntitledException of(Object error) {
            if (error instanceof Map<?, ?> it && it.get("code") instanceof Long code && it.get("message") instanceof String text) {
                return new Refused(code, text, it.get("data") instanceof Map<?, ?> data ? data : Map.of());
            }
            return new Protocol("a refusal has another shape than expected");
        }

        public long code() {
            return code;
        }

        /** Such as {@code LIMIT_EXCEEDED}, where the daemon gave it. */
        public Optional<String> name() {
            return Optional.ofNullable(name);
        }

        public Optional<String> detail() {
            return Optional.ofNullable(detail);
        }

        public Optional<String> help() {
            return Optional.ofNullable(help);
        }
    }
}
