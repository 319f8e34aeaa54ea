/* Starts the keeper, and asks it: the side of the process that plans. */
#include "enforcer/keeper/keeper.h"

#include "enforcer/keeper/serve.h"
#include "enforcer/kernel/encoding.h"
#include "enforcer/kernel/socket.h"
#include "enforcer/sandbox/landlock.h"
#include "enforcer/sandbox/seccomp.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct channel {
	struct keeper *keeper;
	enum keeper_channel channel;
	struct kernel_agent agent;
};

struct keeper {
	int fd;
	pid_t pid;
	struct channel channels[KEEPER_CHANNELS];
};

/* ---- the new process ---- */

enum { KEEPER_FD = 3 };

static int fail(const char *what, int error)
{
	fprintf(stderr, "ringfenced: the keeper %s: %s\n", what, strerror(-error));
	return EXIT_FAILURE;
}

/* It has nothing but standard error and its end of the socket. It ends when the other side does, so that no signal to
 * both of them makes the one miss the other. */
static int become_keeper(int fd, const struct user *user)
{
	static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE};
	int error;
	for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++)
		signal(ignored[i], SIG_IGN);
	if ((fd != KEEPER_FD && dup2(fd, KEEPER_FD) < 0) || close_range(KEEPER_FD + 1, ~0U, 0) != 0 || chdir("/") != 0)
		return fail("cannot close what is not its own", -errno);
	if ((error = privileges_drop(user, true)) != 0)
		return fail("cannot give up privileges (it needs CAP_NET_ADMIN)", error);
	if ((error = landlock_confine(NULL, 0, NULL, 0)) < 0)
		return fail("cannot shut itself off from files", error);
	if ((error = seccomp_confine(SECCOMP_KEEPER)) != 0)
		return fail("cannot confine itself to its system calls", error);
	if ((error = keeper_serve(KEEPER_FD)) != 0)
		return fail("ends", error);
	return EXIT_SUCCESS;
}

/* ---- asking it ---- */

static int ask(struct keeper *keeper, struct keeper_request request, const struct iovec *pieces, size_t count,
	       struct keeper_reply *reply, int *passed)
{
	struct iovec whole[KEEPER_PIECES_MOST + 1] = {{&request, sizeof request}};
	if (count > KEEPER_PIECES_MOST)
		return -E2BIG;
	for (size_t i = 0; i < count; i++) {
		whole[i + 1] = pieces[i];
		request.length += (uint32_t)pieces[i].iov_len;
	}
	int error = wire_send(keeper->fd, whole, count + 1);
	return error == 0 ? wire_take_reply(keeper->fd, reply, passed) : error;
}

/* The agent of a channel. */

static int open_channel(void *context, int *fd)
{
	struct channel *channel = context;
	struct keeper_reply reply;
	int error =
	    ask(channel->keeper, (struct keeper_request){KEEPER_OPEN, channel->channel, 0}, NULL, 0, &reply, fd);
	if (error == 0)
		error = reply.error != 0 ? reply.error : *fd < 0 ? -EPROTO : 0;
	if (error == 0)
		channel->agent.port = reply.port;
	return error;
}

static int send_over(void *context, const struct iovec *pieces, size_t count)
{
	struct channel *channel = context;
	struct keeper_reply reply;
	int passed;
	int error = ask(channel->keeper, (struct keeper_request){KEEPER_SEND, channel->channel, 0}, pieces, count,
			&reply, &passed);
	return error != 0 ? error : reply.error;
}

static struct answer apply(void *context, const struct plan *plan, int64_t at)
{
	struct channel *channel = context;
	struct encoded bytes = {0};
	struct keeper_reply reply;
	struct answer answer = {0};
	int passed;
	plan_encode(&bytes, plan, at);
	const struct iovec whole = {bytes.bytes, bytes.length};
	answer.error =
	    bytes.length > KEEPER_APPLY_MOST
		? -E2BIG
		: ask(channel->keeper, (struct keeper_request){.kind = KEEPER_APPLY}, &whole, 1, &reply, &passed);
	encoded_finish(&bytes);
	if (answer.error != 0) {
		snprintf(answer.object, sizeof answer.object, "a plan of %zu bytes, before the kernel saw it",
			 whole.iov_len);
		return answer;
	}
	answer.error = reply.error;
	answer.transaction = reply.transaction;
	answer.bytes = reply.bytes;
	snprintf(answer.object, sizeof answer.object, "%s", reply.object);
	return answer;
}

static int turn(void *context, const struct turning *items, size_t count)
{
	struct channel *channel = context;
	struct keeper_reply reply;
	int error = 0, passed;
	for (size_t done = 0; done < count && error == 0;) {
		const size_t some = count - done < TURNINGS_MOST ? count - done : TURNINGS_MOST;
		const struct iovec whole = {(void *)&items[done], some * sizeof *items};
		error = ask(channel->keeper, (struct keeper_request){.kind = KEEPER_TURN}, &whole, 1, &reply, &passed);
		if (error == 0)
			error = reply.error;
		done += some;
	}
	return error;
}

int keeper_open(struct keeper *keeper, enum keeper_channel channel, struct kernel **kernel)
{
	return kernel_open_by(kernel, &keeper->channels[channel].agent);
}

/* ---- its life ---- */

int keeper_start(struct keeper **keeper, const struct user *user)
{
	int ends[2];
	*keeper = NULL;
	struct keeper *made = calloc(1, sizeof *made);
	if (made == NULL)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0 || (made->pid = fork()) < 0) {
		int error = -errno;
		free(made);
		return error;
	}
	if (made->pid == 0)
		_exit(become_keeper(ends[1], user));
	close(ends[1]);
	made->fd = ends[0];
	for (size_t i = 0; i < KEEPER_CHANNELS; i++) {
		struct channel *channel = &made->channels[i];
		*channel =
		    (struct channel){made, (enum keeper_channel)i, {channel, open_channel, send_over, apply, turn, 0}};
	}
	*keeper = made;
	return 0;
}

int keeper_fd(const struct keeper *keeper)
{
	return keeper->fd;
}

void keeper_stop(struct keeper *keeper)
{
	if (keeper == NULL)
		return;
	close(keeper->fd);
	while (waitpid(keeper->pid, NULL, 0) < 0 && errno == EINTR)
		;
	free(keeper);
}
