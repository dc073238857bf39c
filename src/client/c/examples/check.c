#include <entitled.h>
#include <stdio.h>

int main(void) {
    entitled *daemon = entitled_open(NULL);
    enum entitled_state state = entitled_check(daemon, "acme-cad", NULL);
    puts(state == ENTITLED_YES ? "entitled" : state == ENTITLED_NO ? "not entitled" : "not known");
    entitled_close(daemon);
    return 0;
}
