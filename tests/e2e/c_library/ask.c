/* ask SOCKET PRODUCT [PUBLISHER [TIMEOUT_MS]]: everything that is heard, one member a line. */
#include <entitled.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const STATES[] = {"not known", "yes", "no"};

int main(int argc, char **argv) {
    entitled_options options = ENTITLED_OPTIONS_INIT;
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    entitled *daemon;
    int64_t most = -1;
    char text[16] = "untouched";
    enum entitled_state state;
    if (argc < 3) return 2;
    options.socket = argv[1];
    options.publisher = argc > 3 && argv[3][0] != '\0' ? argv[3] : NULL;
    options.timeout_ms = argc > 4 ? atoi(argv[4]) : 0;
    daemon = entitled_open(&options);
    /* The second question goes over the connection of the first. */
    state = entitled_check(daemon, argv[2], NULL);
    if (entitled_check(daemon, argv[2], &verdict) != state || verdict.state != state) return 3;
    printf("state: %s\nerror: %s\n", STATES[state], entitled_strerror(verdict.error));
    printf("code: %s\ntier: %s\nrank: %ld\nseats: %ld\n", verdict.code, verdict.tier, (long)verdict.rank, (long)verdict.seats);
    printf("trust: %s\ntoken: %s\npublisher: %s\n", verdict.trust, verdict.token, verdict.publisher);
    printf("proven: %d\nuntil: %d\n", verdict.verified_at > 0, verdict.grace_until > verdict.verified_at);
    printf("export: %s\n", STATES[entitled_feature_bool(&verdict, "export")]);
    state = entitled_feature_int(&verdict, "max_projects", &most);
    printf("max_projects: %s %ld\n", STATES[state], (long)most);
    state = entitled_feature_str(&verdict, "max_projects", text, sizeof text);
    printf("as text: %s %s\n", STATES[state], text);
    printf("detail: %s\n", verdict.detail);
    entitled_close(daemon);
    return 0;
}
