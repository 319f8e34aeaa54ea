/* The keeper's loop. It holds CAP_NET_ADMIN and trusts nobody: each request is bounded, a plan is decoded and checked
 * anew, connections are looked up, and of netlink that others wrote only questions are sent. What is refused is said,
 * since our own process asks for no such thing: somebody has taken it over. */
#include "enforcer/keeper/serve.h"

#include "enforcer/keeper/relayed.h"
#include "enforcer/kernel/encoding.h"
#include "enforcer/kernel/socket.h"

#include <ringfence/arena.h>

#include <errno.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { REFUSALS_TOLD = 16 }; /* whoever asks for such things shall not fill the journal, too */

struct keeper_server {
	int fd;
	unsigned refusals;
	struct kernel *kernel;			  /* that plans are applied over */
	struct kernel *channels[KEEPER_CHANNELS]; /* NULL: not opened */
};

static void refuse(struct keeper_server *server, struct keeper_reply *reply, int error, const char *why)
{
	reply->error = error;
	snprintf(reply->object, sizeof reply->object, "%s", why);
	if (server->refusals++ < REFUSALS_TOLD)
		fprintf(stderr, "ringfenced: the keeper refuses what it is asked for: %s\n", why);
}

static int open_channel(struct keeper_server *server, enum keeper_channel channel, struct keeper_reply *reply)
{
	kernel_close(server->channels[channel]);
	reply->error = kernel_open(&server->channels[channel]);
	return reply->error == 0 ? mnl_socket_get_fd(server->channels[channel]->socket) : -1;
}

static void relay(struct keeper_server *server, enum keeper_channel channel, void *bytes, size_t length,
		  struct keeper_reply *reply)
{
	struct iovec whole = {bytes, length};
	if (server->channels[channel] == NULL)
		refuse(server, reply, -ENOTCONN, "a message over a socket that is not open");
	else if (relayed_check(channel, bytes, length) != 0)
		refuse(server, reply, -EPERM, "a message that is no question");
	else
		reply->error = kernel_send(server->channels[channel], &whole, 1);
}

static void apply(struct keeper_server *server, const void *bytes, size_t length, struct keeper_reply *reply)
{
	struct arena *arena = arena_create();
	struct plan *plan;
	int64_t at;
	char text[sizeof reply->object];
	const char *wrong = plan_decode(arena, bytes, length, &plan, &at);
	if (wrong != NULL) {
		snprintf(text, sizeof text, "a plan: %s", wrong);
		refuse(server, reply, -EPERM, text);
	} else {
		struct answer answer = kernel_apply(server->kernel, plan, at);
		reply->error = answer.error;
		reply->transaction = (uint32_t)answer.transaction;
		reply->bytes = answer.bytes;
		memcpy(reply->object, answer.object, sizeof reply->object);
	}
	arena_free(arena);
}

/* Whether they can be put into messages: what they say of the connections is looked up. */
static bool are_turnings(const struct turning *items, size_t count)
{
	bool good = true;
	for (size_t i = 0; i < count; i++) {
		const struct turning *item = &items[i];
		good = good && (item->kind == TURNING_TURN || item->kind == TURNING_FORGET) &&
		       (item->source.family == 4 || item->source.family == 6) &&
		       item->destination.family == item->source.family &&
		       (item->protocol == PROTOCOL_TCP || item->protocol == PROTOCOL_UDP);
	}
	return good;
}

static void turn(struct keeper_server *server, const void *bytes, size_t length, struct keeper_reply *reply)
{
	const struct turning *items = bytes;
	const size_t count = length / sizeof *items;
	if (length % sizeof *items != 0 || !are_turnings(items, count))
		refuse(server, reply, -EPERM, "connections that cannot be turned around");
	else
		reply->error = connections_turn(server->kernel, items, count);
}

/* Answers one request; -EPROTO where it is none. */
static int answer(struct keeper_server *server, const struct keeper_request *request, void *bytes)
{
	struct keeper_reply reply = {.port = kernel_port(server->kernel)};
	int passed = -1;
	switch ((enum keeper_kind)request->kind) {
	case KEEPER_OPEN:
		passed = open_channel(server, (enum keeper_channel)request->channel, &reply);
		break;
	case KEEPER_SEND:
		relay(server, (enum keeper_channel)request->channel, bytes, request->length, &reply);
		break;
	case KEEPER_APPLY:
		apply(server, bytes, request->length, &reply);
		break;
	case KEEPER_TURN:
		turn(server, bytes, request->length, &reply);
		break;
	case KEEPER_KINDS:
		return -EPROTO;
	}
	return wire_reply(server->fd, &reply, passed);
}

static bool is_request(const struct keeper_request *request)
{
	static const uint32_t most[KEEPER_KINDS] = {[KEEPER_OPEN] = 0,
						    [KEEPER_SEND] = KEEPER_SEND_MOST,
						    [KEEPER_APPLY] = KEEPER_APPLY_MOST,
						    [KEEPER_TURN] = TURNINGS_MOST * sizeof(struct turning)};
	return request->kind < KEEPER_KINDS && request->channel < KEEPER_CHANNELS &&
	       request->length <= most[request->kind];
}

static int serve_one(struct keeper_server *server)
{
	enum { LARGE = 1 << 20 };
	struct keeper_request request;
	int error = wire_receive(server->fd, &request, sizeof request);
	if (error == 0 && !is_request(&request))
		error = -EPROTO;
	if (error != 0)
		return error;
	void *bytes = malloc(request.length + 1);
	if (bytes == NULL)
		return -ENOMEM;
	error = wire_receive(server->fd, bytes, request.length);
	if (error == 0)
		error = answer(server, &request, bytes);
	free(bytes);
	if (request.length > LARGE)
		malloc_trim(0);
	return error;
}

int keeper_serve(int fd)
{
	struct keeper_server server = {.fd = fd};
	int error = kernel_open(&server.kernel);
	while (error == 0)
		error = serve_one(&server);
	for (size_t i = 0; i < KEEPER_CHANNELS; i++)
		kernel_close(server.channels[i]);
	kernel_close(server.kernel);
	return error == -EPIPE || error == -ECONNRESET ? 0 : error;
}
