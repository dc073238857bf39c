import entitled.Answer;
import entitled.Client;
import entitled.EntitledException;
import entitled.Seat;
import entitled.SeatRefused;
import entitled.SeatState;
import entitled.Verdict;
import entitled.Watch;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Plays a client's part in the cases of tests/clients/conformance.json: a line for each thing to do, one line back. */
final class Conformance {
    private static Client client;
    private static Seat seat;

    private static String failure(EntitledException error) {
        if (error instanceof EntitledException.Refused it) {
            return "refused " + it.name().orElse(String.valueOf(it.code()));
        }
        return error.getClass().getSimpleName().toLowerCase();
    }

    private static String word(Answer answer) {
        return answer.name().toLowerCase().replace('_', '-');
    }

    private static String said(Verdict it) {
        return word(it.answer()) + " " + it.error().map(Conformance::failure).orElse(it.code());
    }

    private static String check(List<String> words) {
        Map<String, Object> more = new HashMap<>();
        for (String it : words.subList(1, words.size())) {
            String[] pair = it.split("=", 2);
            more.put(pair[0], pair[0].equals("wait_ms") ? (Object) Long.valueOf(pair[1]) : pair[1]);
        }
        return said(client.check(words.get(0), more));
    }

    private static String call(String method) {
        try {
            client.call(method, null);
            return "ok";
        } catch (EntitledException it) {
            return failure(it);
        }
    }

    private static String watch(String product, int count) {
        List<String> told = new ArrayList<>();
        try (Watch watch = client.watch(product)) {
            while (told.size() < count && watch.hasNext()) {
                told.add(said(watch.next()));
            }
        }
        return String.join(",", told);
    }

    private static String seat(List<String> words) {
        Map<String, Object> more = new HashMap<>();
        Duration wait = Duration.ZERO;
        for (String it : words.subList(1, words.size())) {
            String[] pair = it.split("=", 2);
            if (pair[0].equals("wait_ms")) {
                wait = Duration.ofMillis(Long.parseLong(pair[1]));
            } else {
                more.put(pair[0], pair[1]);
            }
        }
        try {
            seat = client.seat(words.get(0), wait, more);
            return "yes " + seat.id();
        } catch (SeatRefused it) {
            return word(it.answer()) + " " + it.code();
        } catch (EntitledException it) {
            return "not-known " + failure(it);
        }
    }

    private static String held(Duration wait) {
        SeatState it = seat.check(wait);
        String more = it.reason().or(it::endsAt).or(() -> it.error().map(Conformance::failure)).orElse("");
        return (word(it.answer()) + " " + more).trim();
    }

    private static String release() {
        try {
            seat.release();
            return "ok";
        } catch (EntitledException it) {
            return failure(it);
        }
    }

    private static String say(String word, List<String> rest) {
        switch (word) {
            case "open":
                client = new Client(rest.get(0), Duration.ofMillis(Long.parseLong(rest.get(1))));
                return "ok";
            case "close":
                client.close();
                return "ok";
            case "check":
                return check(rest);
            case "has":
                return word(client.check(rest.get(0)).has(rest.get(1)));
            case "value":
                return String.valueOf(client.check(rest.get(0)).feature(rest.get(1)).orElse("none"));
            case "call":
                return call(rest.get(0));
            case "seat":
                return seat(rest);
            case "held":
                return held(Duration.ofMillis(Long.parseLong(rest.get(0))));
            case "release":
                return release();
            default:
                return watch(rest.get(0), Integer.parseInt(rest.get(1)));
        }
    }

    public static void main(String[] arguments) throws IOException {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream output = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        for (String line; (line = input.readLine()) != null;) {
            List<String> words = List.of(line.split("\t"));
            output.println(say(words.get(0), words.subList(1, words.size())));
        }
    }
}
