// Says what the library for C++ makes of a receipt: receipts KEY PRODUCT NONCE VERSION MAKER, the receipt on standard input.
#include <entitled.hpp>
#include <iostream>
#include <iterator>

int main(int, char **arguments) {
    const std::string receipt(std::istreambuf_iterator<char>(std::cin), {});
    const std::string nonce = arguments[3];
    entitlement::ReceiptOptions options;
    for (std::size_t at = 0; at < nonce.size(); at += 2) {
        options.nonce += static_cast<char>(std::stoi(nonce.substr(at, 2), nullptr, 16));
    }
    options.min_version = static_cast<std::uint32_t>(std::stoul(arguments[4]));
    options.accept_maker = std::string(arguments[5]) == "yes";
    const auto verdict = entitlement::verify_receipt(receipt, arguments[2], arguments[1], options);
    if (verdict.answer() != entitlement::Answer::yes) {
        std::cout << "not known - " << verdict.detail() << '\n';
        return 0;
    }
    const char *const proofs[] = {"unproven", "proven", "proven by key", "proven now"};
    const char *const vouched[] = {"nobody", "maker", "validators"};
    std::cout << "yes: " << proofs[static_cast<int>(verdict.proof())] << ' ' << vouched[static_cast<int>(verdict.vouched())] << ' '
              << verdict.version() << ' ' << verdict.code() << ' ' << verdict.tier() << '\n';
}
