#include <entitled.hpp>
#include <iostream>

int main() {
    switch (entitlement::check("acme-cad").answer()) {
    case entitlement::Answer::yes: std::cout << "entitled\n"; break;
    case entitlement::Answer::no: std::cout << "not entitled\n"; break;
    case entitlement::Answer::not_known: std::cout << "not known\n"; break;
    }
}
