/* Which netlink messages the keeper sends for the process that plans: questions, and nothing that changes a rule. */
#ifndef ENFORCER_KEEPER_RELAYED_H
#define ENFORCER_KEEPER_RELAYED_H

#include "enforcer/keeper/wire.h"

/* Whether the whole of these bytes may go over a channel:
 *   tables: messages that ask nf_tables; an empty transaction, which asks whether the ruleset is still the same; one
 *     that asks for all connections;
 *   log: one message that binds the log group of our rules. */
int relayed_check(enum keeper_channel channel, const void *bytes, size_t length); /* 0, or -EPERM */

#endif
