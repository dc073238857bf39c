// What is C++'s own: values that are copied, options that are taken apart, watches that are waited for, moved and given up.
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <entitled.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <type_traits>
#include <unistd.h>
#include <vector>

using entitlement::Answer;
using entitlement::Client;
using entitlement::Error;
using entitlement::Options;
using entitlement::Verdict;
using namespace std::chrono_literals;

namespace {

void check(bool is_right, const char *what) {
    if (!is_right) {
        std::fprintf(stderr, "%s\n", what);
        std::exit(1);
    }
}

Client client_of(const std::string &path) {
    Options options;
    options.socket = path;
    options.timeout = 30s;
    return Client(options);
}

// Answers each line with what `say` makes of it, to one connection after the other.
class Daemon {
  public:
    explicit Daemon(std::string answer) : answer_(std::move(answer)) {
        char pattern[] = "/tmp/entitled-cpp-XXXXXX";
        directory_ = mkdtemp(pattern);
        path = directory_ + "/entitled.sock";
        at_.sun_family = AF_UNIX;
        path.copy(at_.sun_path, sizeof at_.sun_path - 1);
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        check(bind(listener_, reinterpret_cast<sockaddr *>(&at_), sizeof at_) == 0 && listen(listener_, 8) == 0, "no socket");
        thread_ = std::thread([this] {
            for (int peer; (peer = accept(listener_, nullptr, nullptr)) >= 0 && !is_over_; close(peer)) talk(peer);
        });
    }
    ~Daemon() {
        is_over_ = true;
        const int last = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); // wakes who accepts
        static_cast<void>(connect(last, reinterpret_cast<sockaddr *>(&at_), sizeof at_));
        close(last);
        thread_.join();
        close(listener_);
        unlink(path.c_str());
        rmdir(directory_.c_str());
    }
    Daemon(const Daemon &) = delete;
    Daemon &operator=(const Daemon &) = delete;

    std::string path;

  private:
    void talk(int peer) {
        char line[4096];
        for (ssize_t count; (count = recv(peer, line, sizeof line, 0)) > 0;) {
            const std::string asked(line, static_cast<std::size_t>(count));
            const auto at = asked.find("\"id\":") + 5;
            const std::string id = asked.substr(at, asked.find_first_of(",}", at) - at);
            const bool is_watch = asked.find("entitlement_subscribe") != std::string::npos;
            std::string said = "{\"jsonrpc\":\"2.0\",\"id\":" + id + ",\"result\":" + (is_watch ? "7" : answer_) + "}\n";
            if (is_watch) {
                said += "{\"jsonrpc\":\"2.0\",\"method\":\"entitlement_changed\",\"params\":{\"subscription\":7,\"result\":" + answer_ + "}}\n";
            }
            check(send(peer, said.data(), said.size(), MSG_NOSIGNAL) > 0, "nothing sent");
        }
    }

    std::string answer_, directory_;
    sockaddr_un at_{};
    int listener_;
    std::atomic<bool> is_over_{false};
    std::thread thread_;
};

const char *const YES =
    R"({"product":"acme-cad","valid":true,"code":"VALID","tier":"pro","features":{"export":true,"max_projects":50,"edition":"full","off":0}})";

void a_verdict_is_a_value() {
    Verdict verdict;
    check(verdict.answer() == Answer::not_known && verdict.has("export") == Answer::not_known, "a verdict that nobody gave");
    {
        Daemon daemon(YES);
        verdict = client_of(daemon.path).check("acme-cad");
    }
    const Verdict copy = verdict;
    check(copy.answer() == Answer::yes && copy.code() == "VALID" && copy.tier() == "pro", "a copy of a verdict");
    check(copy.has("export") == Answer::yes && copy.has("off") == Answer::no && copy.has("none") == Answer::no, "features");
    check(copy.integer("max_projects") == 50 && !copy.integer("edition") && !copy.integer("none"), "whole numbers");
    check(copy.text("edition") == "full" && !copy.text("none"), "texts");
    static_assert(!std::is_convertible_v<Verdict, bool> && !std::is_constructible_v<bool, Verdict>);
}

void without_a_daemon_it_is_not_known() {
    for (const char *path : {"/nowhere", "unix:///nowhere"}) {
        const Verdict verdict = client_of(path).check("acme-cad");
        check(verdict.answer() == Answer::not_known && verdict.error() == Error::unreachable, path);
        check(!entitlement::describe(verdict.error()).empty(), "an error without words");
    }
    const Verdict forged = entitlement::verify_receipt("no receipt", "acme-cad", "RWQ");
    check(forged.answer() == Answer::not_known && forged.error() != Error::none, "a receipt that is none");
}

void a_watch_is_waited_for_as_long_as_one_likes() {
    Daemon daemon(YES);
    auto watch = client_of(daemon.path).watch("acme-cad"); // the client itself is gone by now
    const auto first = watch.next(30s);
    check(first && first->answer() == Answer::yes, "the present verdict");
    check(!watch.next(0ms) && !watch.next(20ms), "a change where there was none");
    check(watch.fd() >= 0, "nothing to wait for");
    auto moved = std::move(watch);
    check(!moved.next(1ms), "a watch that was moved");
    auto lost = client_of("/nowhere").watch("acme-cad");
    const auto failed = lost.next();
    check(failed && failed->error() == Error::unreachable && !lost.next(120ms), "a failure is told once");
}

} // namespace

int main() {
    a_verdict_is_a_value();
    without_a_daemon_it_is_not_known();
    a_watch_is_waited_for_as_long_as_one_likes();
}
