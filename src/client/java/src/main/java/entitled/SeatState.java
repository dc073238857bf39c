package entitled;

import java.util.Optional;

/**
 * How a seat stands.
 *
 * @param answer YES: it is held. NO: it has ended, for good. NOT_KNOWN: the daemon is away, or does not know
 * @param reason why it ended: {@code capacity}, {@code revoked} and others; or the code with which it was not given again
 * @param endsAt its pool has lost capacity, and it ends then: RFC 3339 in UTC
 * @param error why it is not known
 */
public record SeatState(Answer answer, Optional<String> reason, Optional<String> endsAt, Optional<EntitledException> error) {

    static SeatState held(Object endsAt) throws EntitledException {
        if (endsAt == null || endsAt instanceof String) {
            return new SeatState(Answer.YES, Optional.empty(), Optional.ofNullable((String) endsAt), Optional.empty());
        }
        throw Seat.wrong();
    }

    static SeatState without(Answer answer, String reason) {
        return new SeatState(answer, Optional.of(reason), Optional.empty(), Optional.empty());
    }

    static SeatState notKnown(EntitledException error) {
        return new SeatState(Answer.NOT_KNOWN, Optional.empty(), Optional.empty(), Optional.of(error));
    }
}
