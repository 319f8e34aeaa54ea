/* ringfence confirm, and the other end of it in `ringfence apply --confirm`.
 *
 * Who waits holds a lock on a file beside the control socket, by which the kernel knows him (fcntl(2), F_GETLK): so a
 * file that somebody left behind means nothing. Who confirms sends him a signal, and reads in the file what became of
 * it when the lock is free. */
#include "compiler/cli/cli.h"
#include "compiler/report/control_client.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONFIRM_SIGNAL = SIGUSR1, ANSWER_TRIES = 500, ANSWER_TRY_MS = 10 };

static const char yes[] = "confirmed\n", no[] = "undone\n";

static const char *lock_path(struct arena *arena, const char *socket)
{
	return arena_printf(arena, "%s.apply", socket);
}

/* ---- who waits ---- */

static void signals_of(sigset_t *set)
{
	static const int ending[] = {CONFIRM_SIGNAL, SIGINT, SIGTERM, SIGQUIT};
	sigemptyset(set);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		sigaddset(set, ending[i]);
}

int confirmation_open(struct confirmation *confirmation, struct arena *arena, const char *socket)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	sigset_t set;
	const char *slash = strrchr(socket, '/');
	confirmation->path = lock_path(arena, socket);
	if (slash != NULL && slash != socket)
		mkdir(arena_copy(arena, socket, (size_t)(slash - socket)), 0755);
	confirmation->fd = open(confirmation->path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (confirmation->fd < 0)
		return problem("%s: %s", confirmation->path, strerror(errno));
	if (fcntl(confirmation->fd, F_SETLK, &lock) != 0) {
		close(confirmation->fd);
		return problem("another `apply --confirm` waits; `ringfence confirm` confirms it");
	}
	if (ftruncate(confirmation->fd, 0) != 0)
		return problem("%s: %s", confirmation->path, strerror(errno));
	signals_of(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGHUP, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static double seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_BOOTTIME, &now); /* a machine that sleeps does not confirm */
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

bool confirmation_wait(unsigned seconds)
{
	sigset_t set;
	double until = seconds_now() + seconds;
	signals_of(&set);
	for (double left; (left = until - seconds_now()) > 0;) {
		const struct timespec wait = {.tv_sec = left < 1 ? 0 : 1, .tv_nsec = left < 1 ? (long)(left * 1e9) : 0};
		int got = sigtimedwait(&set, NULL, &wait);
		if (got > 0)
			return got == CONFIRM_SIGNAL;
	}
	return false;
}

void confirmation_close(struct confirmation *confirmation, bool confirmed)
{
	const char *text = confirmed ? yes : no;
	if (pwrite(confirmation->fd, text, strlen(text), 0) < 0)
		problem("%s: %s", confirmation->path, strerror(errno));
	close(confirmation->fd);
}

/* ---- who confirms ---- */

/* Who holds the lock; 0: nobody. */
static pid_t holder(int fd)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	return fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK ? lock.l_pid : 0;
}

static int confirm_apply(const struct arguments *arguments, int fd, pid_t pid)
{
	const struct timespec moment = {.tv_nsec = ANSWER_TRY_MS * 1000000L};
	char text[sizeof yes] = "";
	if (kill(pid, CONFIRM_SIGNAL) != 0)
		return problem("cannot tell `apply --confirm`, process %d: %s", (int)pid, strerror(errno));
	for (int i = 0; i < ANSWER_TRIES && holder(fd) == pid; i++)
		nanosleep(&moment, NULL);
	if (pread(fd, text, sizeof text - 1, 0) < 0 || strcmp(text, yes) != 0)
		return problem("it was too late: what was applied is undone");
	puts(format_is(arguments, "json") ? "{\"version\":1,\"confirmed\":\"apply\"}"
					  : "confirmed: what was applied stays in force");
	return EXIT_YES;
}

static int confirm_policy(const struct arguments *arguments)
{
	char error[512] = "";
	json_t *answer = control_ask(arguments->socket, "confirm", error, sizeof error);
	if (answer == NULL)
		return problem("%s", error);
	const char *revision = json_string_value(json_object_get(answer, "confirmed"));
	if (format_is(arguments, "json")) {
		json_dumpf(answer, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		fputs("confirmed: policy ", stdout);
		escape_print(stdout, revision != NULL ? revision : "", revision != NULL ? strlen(revision) : 0);
		puts(" stays in force");
	}
	json_decref(answer);
	return EXIT_YES;
}

int confirm_run(const struct arguments *arguments)
{
	if (arguments->word_count > 0)
		return problem("confirm takes no arguments");
	struct arena *arena = arena_create();
	int fd = open(lock_path(arena, arguments->socket), O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	pid_t pid = fd >= 0 ? holder(fd) : 0;
	int status = pid > 0 ? confirm_apply(arguments, fd, pid) : confirm_policy(arguments);
	if (fd >= 0)
		close(fd);
	arena_free(arena);
	return status;
}
