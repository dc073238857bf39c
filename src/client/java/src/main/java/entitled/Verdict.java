package entitled;

import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * What the caller is entitled to of one product, and why. {@code answer} decides; the rest explains.
 *
 * @param code {@code VALID}, {@code NOT_HELD}, {@code UNDETERMINED}, …; empty when the daemon gave no verdict
 * @param detail for people
 * @param features to be read through {@link #feature}, which looks at {@code answer} too
 * @param error why the daemon gave no verdict
 * @param raw all that the daemon said: {@code expires_at}, {@code trust}, {@code anchor} and others
 */
public record Verdict(String product, Answer answer, String code, String detail, Optional<String> tier,
        Map<String, Object> features, Optional<EntitledException> error, Map<String, Object> raw) {

    private static final List<String> TEXTS = List.of("tier", "publisher", "customer", "wallet", "token", "freshness", "trust",
            "verified_at", "stale_after", "grace_until", "expires_at");
    private static final List<String> COUNTS = List.of("rank", "seats");
    private static final long COUNT_BEYOND = 1L << 32;

    /** Whether the caller is entitled to a feature: its tier names it, and not as false, zero or empty. */
    public Answer has(String feature) {
        if (answer != Answer.YES) {
            return answer;
        }
        Object value = features.get(feature);
        boolean isOff = value == null || value.equals(false) || value.equals("")
                || value instanceof Number it && it.doubleValue() == 0;
        return isOff ? Answer.NO : Answer.YES;
    }

    /** The value of a feature: a Boolean, Long, BigInteger, Double or String. Empty when the caller is not known to be entitled. */
    public Optional<Object> feature(String name) {
        return answer == Answer.YES ? Optional.ofNullable(features.get(name)) : Optional.empty();
    }

    /**
     * What was said to the parameters that were asked. About another product it is no answer, and neither is a yes that is not
     * about the feature and the publisher they name.
     */
    static Verdict read(Object said, Map<String, ?> asked) throws EntitledException {
        Map<String, Object> raw = Json.object(said);
        if (raw.get("product") instanceof String product && raw.get("valid") instanceof Boolean valid
                && raw.get("code") instanceof String code && raw.getOrDefault("detail", "") instanceof String detail
                && raw.getOrDefault("features", Map.of()) instanceof Map<?, ?> features && hasRest(raw)) {
            if (!product.equals(asked.get("product"))) {
                throw new EntitledException.Protocol(EntitledException.OTHER_PRODUCT);
            }
            Answer answer = code.equals("UNDETERMINED") ? Answer.NOT_KNOWN : valid ? Answer.YES : Answer.NO;
            Object feature = asked.get("feature");
            Object value = feature == null ? null : features.get(feature);
            if (answer == Answer.YES && feature != null && (value == null || value.equals(false))) {
                throw new EntitledException.Protocol(EntitledException.OTHER_FEATURE);
            }
            Object publisher = asked.get("publisher");
            if (answer == Answer.YES && publisher != null && !publisher.equals(raw.get("publisher"))) {
                throw new EntitledException.Protocol(EntitledException.OTHER_PUBLISHER);
            }
            return new Verdict(product, answer, code, detail, Optional.ofNullable((String) raw.get("tier")), Json.object(features),
                    Optional.empty(), raw);
        }
        throw new EntitledException.Protocol("a verdict has another shape than expected");
    }

    /** Whether each other member is what it has to be. */
    private static boolean hasRest(Map<String, Object> raw) {
        return TEXTS.stream().allMatch(it -> Json.mayBeText(raw.get(it)))
                && raw.getOrDefault("provisional", false) instanceof Boolean
                && COUNTS.stream().allMatch(it -> raw.get(it) == null || Json.isUnsigned(raw.get(it), COUNT_BEYOND))
                && (raw.get("seconds_until_change") == null || raw.get("seconds_until_change") instanceof Long)
                && (raw.get("anchor") == null || raw.get("anchor") instanceof Map<?, ?> anchor && isAnchor(anchor));
    }

    private static boolean isAnchor(Map<?, ?> it) {
        return it.get("chain") instanceof String && it.get("hash") instanceof String && Json.isUnsigned(it.get("number"))
                && Json.mayBeText(it.get("time")) && Json.mayBeText(it.get("finality"));
    }

    static Verdict notKnown(String product, EntitledException error) {
        return new Verdict(product, Answer.NOT_KNOWN, "", error.getMessage(), Optional.empty(), Map.of(),
                Optional.of(error), Map.of());
    }
}
