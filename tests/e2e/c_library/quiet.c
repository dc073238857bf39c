/* quiet SOCKET PRODUCT: fails where the library leaves anything behind in the process, a thread, a signal's handler, a file, a
 * page of memory. */
#include <dirent.h>
#include <entitled.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

typedef void (*handler)(int);

/* Whether memory of the daemon's is mapped. */
static int has_page(void) {
    char line[512];
    int found = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (fgets(line, sizeof line, maps) != NULL) found |= strstr(line, "entitled-answers") != NULL;
    fclose(maps);
    return found;
}

static int entries(const char *path) {
    DIR *directory = opendir(path);
    int count = 0;
    while (readdir(directory) != NULL) count++;
    closedir(directory);
    return count;
}

static void note(handler *handlers, sigset_t *blocked) {
    int signal;
    for (signal = 1; signal < 65; signal++) {
        struct sigaction now;
        memset(&now, 0, sizeof now);
        handlers[signal - 1] = sigaction(signal, NULL, &now) == 0 ? now.sa_handler : SIG_DFL;
    }
    sigprocmask(SIG_BLOCK, NULL, blocked);
}

int main(int argc, char **argv) {
    handler before[64], after[64];
    sigset_t blocked_before, blocked_after;
    entitled_options options = ENTITLED_OPTIONS_INIT;
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    entitled_subscription *changes = NULL;
    int files = entries("/proc/self/fd"), round;
    if (argc < 3) return 2;
    note(before, &blocked_before);
    for (round = 0; round < 20; round++) {
        entitled *daemon;
        options.socket = argv[1];
        daemon = entitled_open(&options);
        if (entitled_check(daemon, argv[2], &verdict) != ENTITLED_YES) return 3;
        if (entitled_subscribe(daemon, argv[2], &changes) != ENTITLED_OK) return 4;
        while (entitled_next(changes, &verdict) == ENTITLED_AGAIN) {}
        if (entitled_valid(daemon, argv[2]) != ENTITLED_YES) return 9;
        if (entitled_valid(daemon, argv[2]) != ENTITLED_YES || !has_page()) return 10;
        if (entries("/proc/self/task") != 3) return 5;
        entitled_unsubscribe(changes);
        entitled_close(daemon);
    }
    if (has_page()) return 11;
    note(after, &blocked_after);
    if (entries("/proc/self/fd") != files) return 6;
    if (memcmp(before, after, sizeof before) != 0) return 7;
    for (round = 1; round < 65; round++) {
        if (sigismember(&blocked_before, round) != sigismember(&blocked_after, round)) return 8;
    }
    puts("quiet");
    return 0;
}
