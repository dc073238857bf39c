package entitled;

import java.util.Map;

/** There is no seat for the caller, or it is not known whether there is one: {@link #answer} says which, NO or NOT_KNOWN. */
public final class SeatRefused extends Exception {
    private static final long serialVersionUID = 1L;
    private final String code;
    private final transient Map<String, Object> raw;

    SeatRefused(String code, Map<String, Object> raw) {
        super(code + ": " + raw.getOrDefault("detail", ""));
        this.code = code;
        this.raw = raw;
    }

    /** {@code SEATS_FULL}, {@code NOT_ENTITLED}, {@code UNDETERMINED}, {@code EXCLUDED} or
     * {@code DRAINING}. */
    public String code() {
        return code;
    }

    public Answer answer() {
        return code.equals("UNDETERMINED") ? Answer.NOT_KNOWN : Answer.NO;
    }

    /** All that the daemon said: {@code holders}, {@code queue}, {@code used}, {@code capacity} and others. */
    public Map<String, Object> raw() {
        return raw;
    }
}
