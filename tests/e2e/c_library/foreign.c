/* foreign SOCKET: another user listens at a socket in our directory, and says yes to everything. Run by root. */
#include <entitled.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static const char YES[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"product\":\"p\",\"valid\":true,\"code\":\"VALID\"}}\n";

static int listen_as(unsigned uid, const char *path, int ready) {
    struct sockaddr_un at = {0};
    char asked[4096];
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), heard;
    if (setgid(uid) != 0 || setuid(uid) != 0) return 1;
    at.sun_family = AF_UNIX;
    strncpy(at.sun_path, path, sizeof at.sun_path - 1);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) != 0 || listen(listener, 8) != 0) return 1;
    if (chmod(path, 0666) != 0 || write(ready, "r", 1) != 1) return 1;
    while ((heard = accept(listener, NULL, NULL)) >= 0) {
        if (read(heard, asked, sizeof asked) > 0 && write(heard, YES, sizeof YES - 1) < 0) return 1;
        close(heard);
    }
    return 1;
}

int main(int argc, char **argv) {
    entitled_options options = ENTITLED_OPTIONS_INIT;
    entitled_verdict verdict = ENTITLED_VERDICT_INIT;
    entitled_subscription *changes = NULL;
    enum entitled_error error;
    entitled *daemon;
    int ready[2];
    char byte;
    pid_t other;
    if (argc < 2 || pipe(ready) != 0) return 2;
    other = fork();
    if (other == 0) _exit(listen_as(65534, argv[1], ready[1]));
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) return 3;
    options.socket = argv[1];
    daemon = entitled_open(&options);
    error = entitled_subscribe(daemon, "p", &changes);
    if (entitled_check(daemon, "p", &verdict) == ENTITLED_NOT_KNOWN && error == verdict.error && changes == NULL) {
        puts(entitled_strerror(verdict.error));
    }
    entitled_close(daemon);
    kill(other, SIGKILL);
    waitpid(other, NULL, 0);
    return 0;
}
