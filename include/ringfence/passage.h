/* Whether a node's rules let an open connection go on. They are read as the kernel reads them, so that those of another
 * policy, or what somebody made of them, can be asked, too: verdict_of says what the rules ought to do. */
#ifndef RINGFENCE_PASSAGE_H
#define RINGFENCE_PASSAGE_H

#include <ringfence/connections.h>
#include <ringfence/ruleset.h>

enum passage {
	PASSAGE_OPEN,
	PASSAGE_CLOSED,
	PASSAGE_UNSURE, /* it meets a rule that none of ours looks like */
};

/* Takes the next packet of `connection`, from where the source belongs, through `ruleset`, all elements of which are
 * sorted; `index` is that of it. The rules that look at sockets are not asked: conntrack does not say whose one is. A
 * ruleset without chains lets everything pass. */
enum passage passage_of(const struct ruleset *ruleset, const struct ruleset_index *index,
			const struct connection *connection);

#endif
