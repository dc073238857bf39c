/*
 * entitled.h - asks the daemon entitled what a program is entitled to.
 *
 * Licence: Apache-2.0 OR MIT.
 *
 * There are three answers and not two: yes, no, and not known. "Not known" is what a program hears when there is no daemon,
 * when the daemon does not answer in time, or when it cannot find out. What a program does then is for its author to decide.
 *
 * The library starts no thread, handles and raises no signal (also no SIGPIPE), and keeps nothing outside of what it hands
 * out. Of the environment it reads where the socket is (ENTITLED_SOCKET, XDG_RUNTIME_DIR), and nothing in a program that is
 * set-user-ID. Every wait has a limit. NULL may be given for every pointer: what cannot be answered then is not known.
 *
 * An entitled may be used by several threads at once, and by the child of a fork: the child connects again by itself. All
 * else is used by one thread at a time.
 */
#ifndef ENTITLED_H
#define ENTITLED_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The answer. Compare it with ENTITLED_YES: as a truth value, a "no" is not zero. */
enum entitled_state {
    ENTITLED_NOT_KNOWN = 0,
    ENTITLED_YES = 1,
    ENTITLED_NO = 2
};

/* Why there is no answer. None of these says that the caller is not entitled. */
enum entitled_error {
    ENTITLED_OK = 0,
    /* The program gave NULL, a structure of a size that cannot be (it ends inside a member), or a text that is not UTF-8. */
    ENTITLED_ARGUMENT = 1,
    /* Nobody answers at the socket, or the connection broke off. */
    ENTITLED_UNREACHABLE = 2,
    /* Somebody answers at the socket who is neither root, nor the caller, nor the owner of its directory. */
    ENTITLED_UNTRUSTED = 3,
    ENTITLED_TIMEOUT = 4,
    /* The daemon understood and declined; entitled_verdict.detail says why. */
    ENTITLED_REFUSED = 5,
    /* What was said is not an answer to what was asked. */
    ENTITLED_PROTOCOL = 6,
    /* Nothing new has arrived: wait for entitled_fd() to be readable. */
    ENTITLED_AGAIN = 7,
    /* The subscription is over: the daemon ended it, or it was made before a fork, by another process. */
    ENTITLED_CLOSED = 8,
    /* A fault of this library. */
    ENTITLED_INTERNAL = 9,
    /* The receipt does not prove what was asked; entitled_verdict.detail says why. */
    ENTITLED_RECEIPT = 10,
    /* The buffer is too small. */
    ENTITLED_SPACE = 11
};

/* Whose word an answer is. */
enum entitled_proof {
    /* The daemon's; or, by accept_maker, that of whoever made a receipt, who may be anybody that answers at the socket. */
    ENTITLED_UNPROVEN = 0,
    /*
     * Nobody's: a receipt proves it, down to a block that the chain's validators signed for. It is of a linked wallet, and may
     * have been copied from another machine.
     */
    ENTITLED_PROVEN = 1,
    /* The same, and the wallet's key, on the machine that made the receipt, has signed it. */
    ENTITLED_PROVEN_BY_KEY = 2,
    /* The same, and the key has signed the nonce of this very question. */
    ENTITLED_PROVEN_NOW = 3
};

/* Who says that a receipt's block is the chain's. */
enum entitled_vouched {
    /* There is no receipt that proves something. */
    ENTITLED_VOUCHED_BY_NOBODY = 0,
    /* Whoever made the receipt, as the product's file allows (trust "single" or "quorum"): it may be a chain of their own. */
    ENTITLED_VOUCHED_BY_MAKER = 1,
    /* The chain's validators, from a checkpoint of the product's. */
    ENTITLED_VOUCHED_BY_VALIDATORS = 2
};

/* Structures have the same layout in every program: this fails to compile where enumerations are shorter. */
typedef char entitled_enum_has_four_bytes[sizeof(enum entitled_state) == 4 ? 1 : -1];

/*
 * How to ask. Begins with its size, so that it can grow: what a program does not know of is at its default. Everything is
 * read, and kept, by entitled_open().
 */
typedef struct entitled_options {
    size_t size; /* sizeof(entitled_options) */
    /* The path of the socket; NULL for the usual place. */
    const char *socket;
    /*
     * The vendor's minisign public key, 56 characters that begin with RW: products that it did not sign are a "no". NULL to
     * take anybody's. Compile it in: a key that a user can set protects nothing.
     */
    const char *publisher;
    /* How long a question may take altogether; 0 for 5,000. */
    int32_t timeout_ms;
    /* Not 0: entitled_prove() takes proofs of linked wallets as well, which may have been copied from another machine. */
    int32_t accept_linked;
    /*
     * The least version of the product's file that entitled_prove() takes; 0 for any. Whatever the vendor signed once can be
     * shown for good: name the version that the program was released with.
     */
    uint32_t min_version;
    /*
     * Not 0: entitled_prove() also takes a receipt whose block no validators signed for, as files with trust "single" or
     * "quorum" allow. That is the word of whoever listens at the socket, and proves nothing against the machine's owner.
     */
    int32_t accept_maker;
} entitled_options;

#define ENTITLED_OPTIONS_INIT { sizeof(entitled_options), NULL, NULL, 0, 0, 0, 0 }

/*
 * An answer. A value like an integer: it may be copied, and nothing has to be freed. Begins with its size, which the program
 * sets (ENTITLED_VERDICT_INIT does); all else is set by the functions that take one. `state` decides; the rest explains. A
 * text that is not known is empty. Moments are seconds since 1970, and 0 where there is none.
 */
typedef struct entitled_verdict {
    size_t size; /* sizeof(entitled_verdict) */
    enum entitled_state state;
    /* Why it is not known; ENTITLED_OK where the daemon itself says so. */
    enum entitled_error error;
    /* When the licence ends. */
    int64_t expires_at;
    /* Until when the answer may be given without the chain. */
    int64_t grace_until;
    /* When it was proven. */
    int64_t verified_at;
    /* When to ask again at the latest, from the answer on; -1 where it changes by no lapse of time. */
    int64_t seconds_until_change;
    /* The higher, the more; -1 where there is no tier. */
    int64_t rank;
    /* How many may use it at a time; 0 where the tier does not say. */
    int64_t seats;
    /* Not 0: seen on the chain, but not yet as settled as the product asks for. */
    int32_t provisional;
    /* How many features found no place in `features`; whether these are on is not known. */
    int32_t features_left_out;
    enum entitled_proof proof;
    enum entitled_vouched vouched;
    /* VALID, GRACE, NOT_HELD and so on; the daemon's manual has them all. Empty where nothing was heard. */
    char code[32];
    char product[72];
    char tier[72];
    char freshness[16]; /* fresh, stale or grace */
    char trust[16];     /* consensus, quorum or single */
    char publisher[64]; /* the key that signed the product's file */
    char wallet[96];    /* CAIP-10 */
    char token[176];    /* CAIP-19 */
    char detail[512];   /* for people; cut where it is longer */
    /* For entitled_feature_bool() and its like. */
    char features[8192];
    /* Of the product's file in a receipt; 0 where there is no receipt that proves something. */
    uint32_t version;
    int32_t reserved;
} entitled_verdict;

#define ENTITLED_VERDICT_INIT \
    { sizeof(entitled_verdict), ENTITLED_NOT_KNOWN, ENTITLED_OK, 0, 0, 0, 0, 0, 0, 0, 0, \
      ENTITLED_UNPROVEN, ENTITLED_VOUCHED_BY_NOBODY, "", "", "", "", "", "", "", "", "", "", 0, 0 }

/*
 * What a receipt has to prove. Begins with its size, as the options do.
 */
typedef struct entitled_question {
    size_t size; /* sizeof(entitled_question) */
    const char *product;
    /* The vendor's minisign public key, compiled in. */
    const char *publisher;
    /*
     * What the receipt was asked for with, at most ENTITLED_NONCE_MAX bytes: random, and never used before. NULL, with a length
     * of 0, for a receipt that was not made for this question, such as one from a file; one of both alone is ENTITLED_ARGUMENT.
     */
    const void *nonce;
    size_t nonce_length;
    /* Seconds since 1970, as far as the program trusts the clock. */
    int64_t now;
    /* Not 0: where there is a nonce, takes the receipt of a linked wallet as well. */
    int32_t accept_linked;
    /* Not 0: takes a receipt whose block no validators signed for; see entitled_options. */
    int32_t accept_maker;
    /* The least version of the product's file that does; 0 for any. See entitled_options. */
    uint32_t min_version;
    int32_t reserved; /* 0 */
} entitled_question;

#define ENTITLED_QUESTION_INIT { sizeof(entitled_question), NULL, NULL, NULL, 0, 0, 0, 0, 0, 0 }

#define ENTITLED_NONCE_MAX 64

/*
 * Which floating seat is asked for. Begins with its size, as the options do.
 */
typedef struct entitled_seat_request {
    size_t size; /* sizeof(entitled_seat_request) */
    const char *product;
    /* A seat of this tier; NULL for the best that there is. */
    const char *tier;
    /* A seat of a tier that includes this feature; NULL for any. */
    const char *feature;
    /* How long to wait in the queue, beside the time that a question may take: at most an hour. */
    int64_t wait_ms;
} entitled_seat_request;

#define ENTITLED_SEAT_REQUEST_INIT { sizeof(entitled_seat_request), NULL, NULL, NULL, 0 }

/*
 * How a seat stands. A value, as a verdict is. ENTITLED_YES: it is held. ENTITLED_NO: there is none, or it has ended, for good.
 */
typedef struct entitled_seat_info {
    size_t size; /* sizeof(entitled_seat_info) */
    enum entitled_state state;
    enum entitled_error error;
    /* Its pool has lost capacity, and it ends then: seconds since 1970; 0 where it does not end. */
    int64_t ends_at;
    /* How many requests wait, where there is no seat. */
    int64_t queue;
    /* GRANTED; or SEATS_FULL, NOT_ENTITLED, UNDETERMINED, EXCLUDED, DRAINING; or why it ended: capacity, revoked and others. */
    char code[32];
    char seat[32];
    char tier[72];
    char detail[512]; /* for people */
} entitled_seat_info;

#define ENTITLED_SEAT_INFO_INIT { sizeof(entitled_seat_info), ENTITLED_NOT_KNOWN, ENTITLED_OK, 0, 0, "", "", "", "" }

typedef struct entitled entitled;
typedef struct entitled_seat entitled_seat;
typedef struct entitled_subscription entitled_subscription;

#if defined(__GNUC__)
#define ENTITLED_ANSWER __attribute__((warn_unused_result))
#else
#define ENTITLED_ANSWER
#endif

/* The version of the library, such as "0.1.0". */
const char *entitled_version(void);

/* What an error means, in English. Never NULL. */
const char *entitled_strerror(enum entitled_error error);

/*
 * Makes ready to ask; options may be NULL. Connects to nobody yet, so it needs no daemon. What is wrong with the options is
 * told by each question. NULL only if options->size cannot be.
 */
entitled *entitled_open(const entitled_options *options);

/* Subscriptions that were made with it go on. */
void entitled_close(entitled *daemon);

/* What the caller is entitled to of a product. `verdict` may be NULL. */
ENTITLED_ANSWER enum entitled_state entitled_check(entitled *daemon, const char *product, entitled_verdict *verdict);

/*
 * The state of entitled_check(), for whoever asks all the time. The first call of a product asks the daemon, as
 * entitled_check() does, and has it write the answer from then on into memory that this program can read: each later call
 * reads there, and costs some nanoseconds. What the daemon comes to know stands there within a millisecond, and before a
 * change that it was asked for is acknowledged. What it writes holds for two seconds: when it is no longer renewed, when the
 * daemon itself has no answer at hand, and where no such memory is to be had, the daemon is asked again.
 *
 * It takes a connection and a page of memory, until entitled_close().
 */
ENTITLED_ANSWER enum entitled_state entitled_valid(entitled *daemon, const char *product);

/*
 * Whether a verdict is a yes, and its tier has a feature that is not false, zero or empty. A verdict that is not known knows
 * of no feature.
 */
ENTITLED_ANSWER enum entitled_state entitled_feature_bool(const entitled_verdict *verdict, const char *feature);

/*
 * The same for a feature that is a whole number: ENTITLED_YES if the tier has it, whatever its value, which is written then.
 * Otherwise *value stays as it is; a feature that is no whole number is ENTITLED_NOT_KNOWN.
 */
ENTITLED_ANSWER enum entitled_state entitled_feature_int(const entitled_verdict *verdict, const char *feature, int64_t *value);

/*
 * The same for any feature, as text. One that does not fit into the buffer with its end is ENTITLED_NOT_KNOWN, and the buffer
 * stays as it is.
 */
ENTITLED_ANSWER enum entitled_state entitled_feature_str(const entitled_verdict *verdict, const char *feature, char *buffer,
                                                         size_t size);

/*
 * What a receipt proves, with no word of anybody's taken but by accept_maker: everything is run again, from the publisher's
 * signature to the contract. ENTITLED_YES, or it is not known: no receipt proves a "no". Touches neither a file nor the network, and may take
 * a tenth of a second. `verdict` may be NULL.
 */
ENTITLED_ANSWER enum entitled_state entitled_receipt_verify(const char *receipt, size_t length,
                                                            const entitled_question *question, entitled_verdict *verdict);

/*
 * A receipt from the daemon, to be verified here or elsewhere: text, without an end. *length is how much room there is, and
 * how long the receipt is afterwards, or with ENTITLED_SPACE, how much room it takes. 0 bytes of a nonce are none.
 */
enum entitled_error entitled_receipt(entitled *daemon, const char *product, const void *nonce, size_t nonce_length,
                                     char *receipt, size_t *length);

/*
 * Both at once: asks for a receipt with a nonce of its own, and verifies it by the publisher's key of the options. `now` is
 * as in entitled_question. A yes is worth what the key is worth, and whatever it signed from min_version on, whoever listens
 * at the socket; by accept_maker, no more than entitled_check().
 */
ENTITLED_ANSWER enum entitled_state entitled_prove(entitled *daemon, const char *product, int64_t now,
                                                   entitled_verdict *verdict);

/*
 * Follows the answer about a product, on a connection of its own. Waits for the daemon as long as a question may take.
 * *subscription is NULL unless ENTITLED_OK is returned.
 */
enum entitled_error entitled_subscribe(entitled *daemon, const char *product, entitled_subscription **subscription);

/*
 * What to wait for with poll() or the like, after entitled_next() said ENTITLED_AGAIN and not before: what has arrived may have
 * been read already. -1 after a fork, in the child. Only entitled_next() reads there.
 */
int entitled_fd(const entitled_subscription *subscription);

/*
 * The next answer, without waiting: the present one first, then one for each change. ENTITLED_AGAIN, with *verdict as it was,
 * where nothing new has arrived. With any other error the subscription is
 * over, and *verdict is not known.
 */
enum entitled_error entitled_next(entitled_subscription *subscription, entitled_verdict *verdict);

void entitled_unsubscribe(entitled_subscription *subscription);

/*
 * Takes a floating seat, on a connection of its own. It is held until entitled_seat_release(), or until the process ends: there
 * is nothing to be renewed. *seat is NULL unless ENTITLED_YES is returned. `info` may be NULL.
 */
ENTITLED_ANSWER enum entitled_state entitled_seat_acquire(entitled *daemon, const entitled_seat_request *request,
                                                          entitled_seat **seat, entitled_seat_info *info);

/*
 * Whether a seat is still held: how it stands after its next change, or after wait_ms. A daemon that was restarted is asked for
 * it again, so this is to be called from time to time. In the child of a fork it asks for a seat of the child's own. One thread
 * at a time. `info` may be NULL.
 */
ENTITLED_ANSWER enum entitled_state entitled_seat_check(entitled_seat *seat, int64_t wait_ms, entitled_seat_info *info);

/*
 * Gives a seat back, and frees it in any case. An error says that the daemon could not be told: then the seat ends with the
 * process. In the child of a fork, the parent keeps it.
 */
enum entitled_error entitled_seat_release(entitled_seat *seat);

#ifdef __cplusplus
}
#endif

#endif
