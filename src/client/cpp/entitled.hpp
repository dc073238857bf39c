// entitled.hpp - the C library of entitled for C++17: what a program is entitled to, asked of the daemon.
//
// Licence: Apache-2.0 OR MIT.
//
// All is in the namespace entitlement, since C has a type that is called entitled.
//
// There are three answers: yes, no, and not known. `if (verdict)` and `if (verdict.answer())` do not compile. Nothing throws
// but std::bad_alloc: without an answer, answer() is not_known and error() says why. Link with -lentitled.
#ifndef ENTITLED_HPP
#define ENTITLED_HPP

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <entitled.h>
#include <poll.h>

namespace entitlement {

enum class Answer {
    // Nobody answered, the daemon declined, or it cannot say now. Never a no: the program decides what it does then.
    not_known = ENTITLED_NOT_KNOWN,
    yes = ENTITLED_YES,
    no = ENTITLED_NO
};

// Why there is no answer. None of these says that the caller is not entitled.
enum class Error {
    none = ENTITLED_OK,
    argument = ENTITLED_ARGUMENT,
    unreachable = ENTITLED_UNREACHABLE,
    untrusted = ENTITLED_UNTRUSTED,
    timeout = ENTITLED_TIMEOUT,
    refused = ENTITLED_REFUSED,
    protocol = ENTITLED_PROTOCOL,
    again = ENTITLED_AGAIN,
    closed = ENTITLED_CLOSED,
    internal = ENTITLED_INTERNAL,
    receipt = ENTITLED_RECEIPT,
    space = ENTITLED_SPACE
};

// Who says that a receipt's block is the chain's: nobody where there is no receipt that proves something.
enum class Vouched {
    by_nobody = ENTITLED_VOUCHED_BY_NOBODY,
    by_maker = ENTITLED_VOUCHED_BY_MAKER,
    by_validators = ENTITLED_VOUCHED_BY_VALIDATORS
};

// Whose word an answer is; each is worth more than the one before.
enum class Proof {
    unproven = ENTITLED_UNPROVEN,
    proven = ENTITLED_PROVEN,
    proven_by_key = ENTITLED_PROVEN_BY_KEY,
    proven_now = ENTITLED_PROVEN_NOW
};

inline std::string_view describe(Error error) { return entitled_strerror(static_cast<entitled_error>(error)); }

struct ReceiptOptions;

// What the caller is entitled to of one product, and why. answer() decides; the rest explains. A value like an integer.
class Verdict {
  public:
    Answer answer() const { return static_cast<Answer>(said_.state); }
    Error error() const { return static_cast<Error>(said_.error); }
    Proof proof() const { return static_cast<Proof>(said_.proof); }
    Vouched vouched() const { return static_cast<Vouched>(said_.vouched); }
    // Of the product's file in a receipt; 0 where there is none that proves something.
    std::uint32_t version() const { return said_.version; }
    std::string_view product() const { return said_.product; }
    std::string_view code() const { return said_.code; }     // VALID, NOT_HELD, …; empty where the daemon gave no verdict
    std::string_view detail() const { return said_.detail; } // for people
    std::string_view tier() const { return said_.tier; }
    std::string_view trust() const { return said_.trust; }
    std::string_view publisher() const { return said_.publisher; }
    bool is_provisional() const { return said_.provisional != 0; }
    const entitled_verdict &raw() const { return said_; }

    // Whether the caller is entitled to a feature: its tier names it, and not as false, zero or empty.
    Answer has(const std::string &feature) const {
        return static_cast<Answer>(entitled_feature_bool(&said_, feature.c_str()));
    }

    // The value of a feature that is a whole number; none when the caller is not known to be entitled to one.
    std::optional<std::int64_t> integer(const std::string &feature) const {
        std::int64_t value = 0;
        const bool is_there = entitled_feature_int(&said_, feature.c_str(), &value) == ENTITLED_YES;
        return is_there ? std::optional(value) : std::nullopt;
    }

    // The value of any feature, as text.
    std::optional<std::string> text(const std::string &feature) const {
        std::string value(sizeof said_.features, '\0');
        if (entitled_feature_str(&said_, feature.c_str(), value.data(), value.size()) != ENTITLED_YES) return std::nullopt;
        value.resize(value.find('\0'));
        return value;
    }

    explicit operator bool() const = delete;
    bool operator!() const = delete;

  private:
    friend class Client;
    friend class Watch;
    friend Verdict verify_receipt(std::string_view, const std::string &, const std::string &, const ReceiptOptions &);
    entitled_verdict said_ = ENTITLED_VERDICT_INIT;
};

struct Options {
    std::string socket;    // where the daemon listens; where it usually does if empty
    std::string publisher; // the vendor's minisign public key: what it did not sign is a no. Compile it in.
    std::chrono::milliseconds timeout{5000}; // for a question altogether
    bool accept_linked = false; // Client::prove takes proofs of linked wallets as well
    std::uint32_t min_version = 0; // the least version of the product's file that Client::prove takes: whatever the key signed
                                   // once can be shown for good. Name the version that the program was released with
    bool accept_maker = false; // Client::prove also takes the word of whoever listens at the socket for which block is the
                               // chain's, as files with trust "single" or "quorum" allow
};

// An iterator of verdicts that does not end by itself. When the daemon goes away it gives one that is not_known, and then the
// present one of the next daemon. One thread at a time.
class Watch {
  public:
    // Waits for the next verdict, or for `wait`; none when there is nothing new by then.
    std::optional<Verdict> next(std::optional<std::chrono::milliseconds> wait = std::nullopt) {
        const auto begun = Clock::now();
        const auto left = [&] { return wait ? *wait - since(begun) : std::chrono::milliseconds::max(); };
        for (Verdict told;;) {
            const auto rest = std::max(left(), std::chrono::milliseconds::zero());
            if (const auto error = step(told, rest); error == ENTITLED_OK) {
                pause_ = {};
                failure_ = ENTITLED_OK;
                return told;
            } else if (error != ENTITLED_AGAIN && std::exchange(failure_, error) != error) {
                told.said_.state = ENTITLED_NOT_KNOWN;
                told.said_.error = error;
                return told;
            }
            if (rest == std::chrono::milliseconds::zero()) return std::nullopt;
        }
    }

    // What a program's own loop may wait for after next(0ms) gave none; -1 while there is no connection.
    int fd() const { return subscription_ ? entitled_fd(subscription_.get()) : -1; }

    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Verdict;
        using difference_type = std::ptrdiff_t;
        using pointer = const Verdict *;
        using reference = const Verdict &;
        explicit iterator(Watch *watch) : watch_(watch) { ++*this; }
        iterator() = default;
        reference operator*() const { return verdict_; }
        pointer operator->() const { return &verdict_; }
        iterator &operator++() {
            verdict_ = *watch_->next();
            return *this;
        }
        bool operator!=(const iterator &other) const { return watch_ != other.watch_; }

      private:
        Watch *watch_ = nullptr;
        Verdict verdict_;
    };
    iterator begin() { return iterator(this); }
    iterator end() { return {}; }

  private:
    friend class Client;
    using Clock = std::chrono::steady_clock;
    Watch(std::shared_ptr<::entitled> daemon, std::string product) : daemon_(std::move(daemon)), product_(std::move(product)) {}

    static std::chrono::milliseconds since(Clock::time_point begun) {
        return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun);
    }

    // Waits at most `left` for one thing to happen.
    entitled_error step(Verdict &told, std::chrono::milliseconds left) {
        using namespace std::chrono_literals;
        if (!subscription_) {
            const auto pause = std::min(pause_, left);
            std::this_thread::sleep_for(pause);
            if (pause < pause_) return ENTITLED_AGAIN;
            pause_ = std::min(std::max(2 * pause_, 50ms), 5000ms);
            entitled_subscription *made = nullptr;
            const auto error = entitled_subscribe(daemon_.get(), product_.c_str(), &made);
            subscription_.reset(made);
            if (error != ENTITLED_OK) return error;
        }
        const auto error = entitled_next(subscription_.get(), &told.said_);
        if (error == ENTITLED_AGAIN) {
            pollfd ready{fd(), POLLIN, 0};
            poll(&ready, 1, static_cast<int>(std::min(left, 3600'000ms).count()));
        } else if (error != ENTITLED_OK) {
            subscription_.reset();
            return error == ENTITLED_CLOSED ? ENTITLED_UNREACHABLE : error;
        }
        return error;
    }

    struct End {
        void operator()(entitled_subscription *it) const { entitled_unsubscribe(it); }
    };
    std::shared_ptr<::entitled> daemon_;
    std::string product_;
    std::unique_ptr<entitled_subscription, End> subscription_;
    std::chrono::milliseconds pause_{};
    entitled_error failure_ = ENTITLED_OK;
};

// A floating seat, or that there is none, or that it is not known: answer() says which. It is given back at the end of its scope,
// and in any case when the process ends. One thread at a time.
class Seat {
  public:
    Answer answer() const { return static_cast<Answer>(info_.state); }
    Error error() const { return static_cast<Error>(info_.error); }
    // GRANTED; SEATS_FULL and others, without a seat; and why it ended: capacity, revoked, …
    std::string_view code() const { return info_.code; }
    std::string_view detail() const { return info_.detail; } // for people
    std::string_view id() const { return info_.seat; }
    std::string_view tier() const { return info_.tier; }
    const entitled_seat_info &raw() const { return info_; }

    // Its pool has lost capacity, and it ends then.
    std::optional<std::chrono::system_clock::time_point> ends_at() const {
        if (info_.ends_at == 0) return std::nullopt;
        return std::chrono::system_clock::time_point(std::chrono::seconds(info_.ends_at));
    }

    // How it stands after its next change, or after `wait`. A daemon that was restarted is asked for it again, so this is to be
    // called from time to time.
    Answer check(std::chrono::milliseconds wait = {}) {
        if (seat_) info_.state = entitled_seat_check(seat_.get(), wait.count(), &info_);
        return answer();
    }

    // Gives it back. An error says that the daemon could not be told.
    Error release() {
        if (!seat_) return Error::none;
        const bool has_ended = answer() == Answer::no;
        const auto error = static_cast<Error>(entitled_seat_release(seat_.release()));
        if (has_ended) return error;
        info_ = ENTITLED_SEAT_INFO_INIT;
        info_.state = ENTITLED_NO;
        constexpr std::string_view reason = "released";
        reason.copy(info_.code, reason.size());
        return error;
    }

    explicit operator bool() const = delete;
    bool operator!() const = delete;

  private:
    friend class Client;
    struct Release {
        void operator()(entitled_seat *it) const { static_cast<void>(entitled_seat_release(it)); }
    };
    entitled_seat_info info_ = ENTITLED_SEAT_INFO_INIT;
    std::unique_ptr<entitled_seat, Release> seat_;
};

struct SeatOptions {
    std::string tier;    // the best that there is if empty
    std::string feature; // of a tier that includes it
    std::chrono::milliseconds wait{}; // in the queue; an hour at most
};

// Asks the daemon, from any thread. Its connection mends itself when the daemon was restarted.
class Client {
  public:
    explicit Client(const Options &options = {}) {
        entitled_options plain = ENTITLED_OPTIONS_INIT;
        constexpr std::string_view scheme = "unix://";
        const bool has_scheme = std::string_view(options.socket).substr(0, scheme.size()) == scheme;
        const std::string path = options.socket.substr(has_scheme ? scheme.size() : 0);
        if (!path.empty()) plain.socket = path.c_str();
        if (!options.publisher.empty()) plain.publisher = options.publisher.c_str();
        const auto limit = std::clamp<std::chrono::milliseconds::rep>(options.timeout.count(), 1, INT32_MAX);
        plain.timeout_ms = static_cast<std::int32_t>(limit);
        plain.accept_linked = options.accept_linked;
        plain.min_version = options.min_version;
        plain.accept_maker = options.accept_maker;
        daemon_.reset(entitled_open(&plain), entitled_close);
    }

    // What the caller is entitled to of `product`.
    Verdict check(const std::string &product) const {
        Verdict verdict;
        verdict.said_.state = entitled_check(daemon_.get(), product.c_str(), &verdict.said_);
        return verdict;
    }

    // The same, proven by a receipt made for this very question: a yes is worth what the publisher's key is worth, and whatever
    // it signed from min_version on, whoever listens at the socket. `publisher` of the options has to be given.
    Verdict prove(const std::string &product) const {
        Verdict verdict;
        verdict.said_.state = entitled_prove(daemon_.get(), product.c_str(), std::time(nullptr), &verdict.said_);
        return verdict;
    }

    // Follows the verdict about `product`: the present one, then one per change, on a connection of its own.
    Watch watch(std::string product) const { return Watch(daemon_, std::move(product)); }

    // Takes a floating seat, on a connection of its own.
    Seat seat(const std::string &product, const SeatOptions &options = {}) const {
        entitled_seat_request request = ENTITLED_SEAT_REQUEST_INIT;
        request.product = product.c_str();
        if (!options.tier.empty()) request.tier = options.tier.c_str();
        if (!options.feature.empty()) request.feature = options.feature.c_str();
        request.wait_ms = options.wait.count();
        Seat seat;
        entitled_seat *taken = nullptr;
        seat.info_.state = entitled_seat_acquire(daemon_.get(), &request, &taken, &seat.info_);
        seat.seat_.reset(taken);
        return seat;
    }

  private:
    std::shared_ptr<::entitled> daemon_;
};

// Asks once what the caller is entitled to of `product`.
inline Verdict check(const std::string &product) { return Client().check(product); }

// What a receipt has to prove beside a yes.
struct ReceiptOptions {
    std::string nonce; // what it was asked for with; empty for a receipt that was not made for this question
    bool accept_linked = false; // where there is a nonce, the receipt of a linked wallet does as well
    std::uint32_t min_version = 0; // as in Options
    bool accept_maker = false;     // as in Options
};

// What a receipt proves, with no word of anybody's taken but by accept_maker: a yes, or it is not known.
inline Verdict verify_receipt(std::string_view receipt, const std::string &product, const std::string &publisher,
                              const ReceiptOptions &options = {}) {
    entitled_question question = ENTITLED_QUESTION_INIT;
    question.product = product.c_str();
    question.publisher = publisher.c_str();
    question.nonce = options.nonce.empty() ? nullptr : options.nonce.data();
    question.nonce_length = options.nonce.size();
    question.now = std::time(nullptr);
    question.accept_linked = options.accept_linked;
    question.min_version = options.min_version;
    question.accept_maker = options.accept_maker;
    Verdict verdict;
    verdict.said_.state = entitled_receipt_verify(receipt.data(), receipt.size(), &question, &verdict.said_);
    return verdict;
}

} // namespace entitlement

#endif
