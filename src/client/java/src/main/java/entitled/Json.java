package entitled;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON that no two readers understand otherwise (RFC 7493): nothing is said twice, no number is beyond all doubles, no text has
 * half of a surrogate pair. Map, List, String, Long (or BigInteger, or Double), Boolean and null.
 */
final class Json {
    /** Of objects and lists in each other. */
    private static final int DEPTH_MAX = 127;
    private static final String BLANKS = " \t\r\n";
    private static final BigInteger BEYOND_UNSIGNED = BigInteger.ONE.shiftLeft(64);
    private final String text;
    private int at;

    private Json(String text) {
        this.text = text;
    }

    static Object read(String text) throws EntitledException {
        Json reader = new Json(text);
        Object value = reader.value(1);
        reader.blanks();
        if (reader.at != text.length()) {
            throw reader.wrong();
        }
        return value;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> object(Object value) throws EntitledException {
        if (value instanceof Map<?, ?> it) {
            return Collections.unmodifiableMap((Map<String, Object>) it);
        }
        throw new EntitledException.Protocol("what the daemon said is no JSON object");
    }

    /** Whether it is a whole number from 0 on, below another. */
    static boolean isUnsigned(Object value, long beyond) {
        return value instanceof Long it && it >= 0 && it < beyond;
    }

    /** Whether it is a whole number of 64 bits without a sign. */
    static boolean isUnsigned(Object value) {
        return value instanceof Long it && it >= 0
                || value instanceof BigInteger large && large.signum() > 0 && large.compareTo(BEYOND_UNSIGNED) < 0;
    }

    /** Whether it is a text, or was not said. */
    static boolean mayBeText(Object value) {
        return value == null || value instanceof String;
    }

    static String write(Object value) {
        if (value instanceof String text) {
            StringBuilder out = new StringBuilder("\"");
            for (char it : text.toCharArray()) {
                if (it == '"' || it == '\\') {
                    out.append('\\').append(it);
                } else if (it < ' ' || Character.isSurrogate(it)) {
                    out.append(String.format("\\u%04x", (int) it));
                } else {
                    out.append(it);
                }
            }
            return out.append('"').toString();
        }
        if (value instanceof Map<?, ?> map) {
            List<String> members = new ArrayList<>();
            map.forEach((name, it) -> members.add(write(String.valueOf(name)) + ":" + write(it)));
            return "{" + String.join(",", members) + "}";
        }
        if (value instanceof Iterable<?> list) {
            List<String> items = new ArrayList<>();
            list.forEach(it -> items.add(write(it)));
            return "[" + String.join(",", items) + "]";
        }
        if (value == null || value instanceof Boolean || value instanceof Integer || value instanceof Long) {
            return String.valueOf(value);
        }
        throw new IllegalArgumentException("cannot be written as JSON: " + value.getClass());
    }

    private Object value(int depth) throws EntitledException {
        blanks();
        if (depth > DEPTH_MAX && (peek() == '{' || peek() == '[')) {
            throw wrong();
        }
        switch (peek()) {
            case '{':
                Map<String, Object> members = new LinkedHashMap<>();
                at++;
                for (boolean isFirst = true; !ends('}', isFirst); isFirst = false) {
                    blanks();
                    String name = string();
                    blanks();
                    expect(":");
                    if (members.containsKey(name)) {
                        throw wrong();
                    }
                    members.put(name, value(depth + 1));
                }
                return members;
            case '[':
                List<Object> items = new ArrayList<>();
                at++;
                for (boolean isFirst = true; !ends(']', isFirst); isFirst = false) {
                    items.add(value(depth + 1));
                }
                return items;
            case '"':
                return string();
            case 't':
                expect("true");
                return true;
            case 'f':
                expect("false");
                return false;
            case 'n':
                expect("null");
                return null;
            default:
                return number();
        }
    }

    /** Whether a list or object ends here; otherwise its next part follows, after a comma unless it is the first. */
    private boolean ends(char end, boolean isFirst) throws EntitledException {
        blanks();
        if (peek() == end) {
            at++;
            return true;
        }
        if (!isFirst) {
            expect(",");
        }
        return false;
    }

    private String string() throws EntitledException {
        StringBuilder out = new StringBuilder();
        expect("\"");
        for (char it; (it = next()) != '"';) {
            if (it < ' ') {
                throw wrong();
            }
            if (it != '\\') {
                out.append(it);
                continue;
            }
            char kind = next();
            int plain = "\"\\/bfnrt".indexOf(kind);
            if (kind == 'u') {
                out.append(unicode());
            } else if (plain >= 0) {
                out.append("\"\\/\b\f\n\r\t".charAt(plain));
            } else {
                throw wrong();
            }
        }
        // As code points, halves of surrogate pairs are what has no other half.
        if (out.codePoints().anyMatch(it -> it >= Character.MIN_SURROGATE && it <= Character.MAX_SURROGATE)) {
            throw wrong();
        }
        return out.toString();
    }

    private char unicode() throws EntitledException {
        int code = 0;
        for (int digit = 0; digit < 4; digit++) {
            char it = next();
            if (it > 'f' || Character.digit(it, 16) < 0) {
                throw wrong();
            }
            code = code * 16 + Character.digit(it, 16);
        }
        return (char) code;
    }

    private Number number() throws EntitledException {
        int begin = at;
        while (at < text.length() && "+-.0123456789eE".indexOf(text.charAt(at)) >= 0) {
            at++;
        }
        String number = text.substring(begin, at);
        if (!number.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?")) {
            throw wrong();
        }
        double value = Double.parseDouble(number);
        if (Double.isInfinite(value)) {
            throw wrong();
        }
        if (number.equals("-0") || !number.matches("-?[0-9]+")) {
            return value;
        }
        BigInteger whole = new BigInteger(number);
        return whole.bitLength() < Long.SIZE ? (Number) whole.longValue() : whole;
    }

    static boolean isBlank(String line) {
        return line.chars().allMatch(it -> BLANKS.indexOf(it) >= 0);
    }

    private void blanks() {
        while (at < text.length() && BLANKS.indexOf(text.charAt(at)) >= 0) {
            at++;
        }
    }

    private void expect(String wanted) throws EntitledException {
        if (!text.startsWith(wanted, at)) {
            throw wrong();
        }
        at += wanted.length();
    }

    private char peek() {
        return at < text.length() ? text.charAt(at) : '\0';
    }

    private char next() throws EntitledException {
        if (at == text.length()) {
            throw wrong();
        }
        return text.charAt(at++);
    }

    private EntitledException wrong() {
        return new EntitledException.Protocol("what the daemon said is not JSON");
    }
}
