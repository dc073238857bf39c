package entitled;

/** There are three. A {@code switch} that leaves one out does not compile. */
public enum Answer {
    YES,
    NO,
    /** Nobody answered, the daemon declined, or it cannot say now. Never a no: the program decides what it does then. */
    NOT_KNOWN
}
