// Plays a client's part in the cases of tests/clients/conformance.json: a line for each thing to do, one line back. What the
// C library does not offer it cannot do.
#include <entitled.hpp>
#include <iostream>
#include <sstream>
#include <vector>

using entitlement::Answer;
using entitlement::Error;
using entitlement::Verdict;

namespace {

std::string word(Answer answer) {
    return answer == Answer::yes ? "yes" : answer == Answer::no ? "no" : "not-known";
}

std::string failure(Error error) {
    switch (error) {
    case Error::unreachable: return "unreachable";
    case Error::untrusted: return "untrusted";
    case Error::timeout: return "timeout";
    case Error::refused: return "refused";
    case Error::protocol: return "protocol";
    default: return std::string(entitlement::describe(error));
    }
}

std::string said(const Verdict &it) {
    return word(it.answer()) + " " + (it.error() == Error::none ? std::string(it.code()) : failure(it.error()));
}

std::string watch(const entitlement::Client &client, const std::string &product, std::size_t count) {
    std::string told;
    for (const Verdict &it : client.watch(product)) {
        told += (told.empty() ? "" : ",") + said(it);
        if (--count == 0) break;
    }
    return told;
}

std::optional<entitlement::Seat> seat;

std::string stands() {
    if (seat->error() != Error::none) return word(seat->answer()) + " " + failure(seat->error());
    if (seat->answer() != Answer::yes) return word(seat->answer()) + " " + std::string(seat->code());
    if (!seat->ends_at()) return "yes";
    const std::time_t moment = std::chrono::system_clock::to_time_t(*seat->ends_at());
    char text[32];
    std::strftime(text, sizeof text, "yes %Y-%m-%dT%H:%M:%SZ", std::gmtime(&moment));
    return text;
}

std::string take(const entitlement::Client &client, const std::vector<std::string> &words) {
    entitlement::SeatOptions options;
    for (std::size_t at = 2; at < words.size(); at++) {
        const auto cut = words[at].find('=');
        const std::string key = words[at].substr(0, cut), value = words[at].substr(cut + 1);
        if (key == "tier") options.tier = value;
        if (key == "feature") options.feature = value;
        if (key == "wait_ms") options.wait = std::chrono::milliseconds(std::stoll(value));
    }
    seat = client.seat(words[1], options);
    return seat->answer() == Answer::yes ? "yes " + std::string(seat->id()) : stands();
}

// The publisher is named for good, when a client is made.
std::string check(const entitlement::Options &options, const entitlement::Client &client, const std::vector<std::string> &words) {
    constexpr std::string_view publisher = "publisher=";
    if (words.size() == 2) return said(client.check(words[1]));
    if (words.size() != 3 || words[2].compare(0, publisher.size(), publisher) != 0) return "cannot";
    entitlement::Options named = options;
    named.publisher = words[2].substr(publisher.size());
    return said(entitlement::Client(named).check(words[1]));
}

std::string say(std::optional<entitlement::Client> &client, const std::vector<std::string> &words) {
    static entitlement::Options options;
    if (words[0] == "open") {
        options = {};
        options.socket = "unix://" + words[1];
        options.timeout = std::chrono::milliseconds(std::stoll(words[2]));
        client.emplace(options);
        return "ok";
    }
    if (words[0] == "seat") return take(*client, words);
    if (words[0] == "held") {
        static_cast<void>(seat->check(std::chrono::milliseconds(std::stoll(words[1]))));
        return stands();
    }
    if (words[0] == "release") {
        const Error error = seat->release();
        return error == Error::none ? "ok" : failure(error);
    }
    if (words[0] == "close") {
        seat.reset();
        client.reset();
        return "ok";
    }
    if (words[0] == "check") return check(options, *client, words);
    if (words[0] == "has") return word(client->check(words[1]).has(words[2]));
    if (words[0] == "value") return client->check(words[1]).text(words[2]).value_or("none");
    if (words[0] == "watch") return watch(*client, words[1], std::stoul(words[2]));
    return "cannot";
}

} // namespace

int main() {
    std::optional<entitlement::Client> client;
    for (std::string line, word; std::getline(std::cin, line);) {
        std::vector<std::string> words;
        for (std::istringstream rest(line); std::getline(rest, word, '\t');) words.push_back(word);
        std::cout << say(client, words) << std::endl;
    }
}
