/* The keeper: a process of its own that holds CAP_NET_ADMIN, and applies plans for the one that reads files, sockets
 * and packets, which holds no capability at all.
 *
 * It is small and knows no policy: it takes plans, each checked anew to speak of our table only, and relays questions
 * to the kernel, whose answers it does not see. Of conntrack it turns connections around, or has them forgotten, each
 * looked up before (turning.h). Whoever takes over the process that plans can change our table, as that may, and do
 * that, and nothing else of the machine. When one of the two ends, so does the other; the table stays. */
#ifndef ENFORCER_KEEPER_KEEPER_H
#define ENFORCER_KEEPER_KEEPER_H

#include "enforcer/keeper/wire.h"
#include "enforcer/sandbox/privileges.h"

struct keeper;
struct kernel;

/* Forks it, as `user`, in the current network namespace; call it before the first thread and the event loop. `*keeper`
 * is the caller's. Returns 0 or a negative errno; what went wrong in the new process it says itself on stderr. */
int keeper_start(struct keeper **keeper, const struct user *user);

/* Opens a socket over which it sends and the caller reads; closed with kernel_close, before keeper_stop. `kernel_apply`
 * of it is done by the keeper. Returns 0 or a negative errno. */
int keeper_open(struct keeper *keeper, enum keeper_channel channel, struct kernel **kernel);

/* Readable when it is gone. */
int keeper_fd(const struct keeper *keeper);

/* Lets it end, and waits for that. NULL is allowed. */
void keeper_stop(struct keeper *keeper);

#endif
