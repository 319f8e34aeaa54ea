/* Who asks for a label: peers and selectors by what a workload must have to be meant, so that not every one of a policy
 * has to be asked. An answer may hold too much, never too little: whoever looks up asks peer_matches then. */
#ifndef COMPILER_POLICY_LABEL_INDEX_H
#define COMPILER_POLICY_LABEL_INDEX_H

#include <ringfence/inventory.h>

struct label_index;

/* Returns an empty index; the caller frees it with label_index_destroy (NULL is allowed). */
struct label_index *label_index_create(void);
void label_index_destroy(struct label_index *index);

/* Adds `user` under what `peer`, or `selector` in a namespace, asks for; removes it again. The texts are not kept. */
void label_index_add(struct label_index *index, const struct peer *peer, const void *user);
void label_index_remove(struct label_index *index, const struct peer *peer, const void *user);
void label_index_add_selector(struct label_index *index, const char *name_space, const struct selector *selector,
			      const void *user);

/* Calls for each user whose peer may mean `workload`, some more than once. */
void label_index_find(const struct label_index *index, const struct workload *workload,
		      void (*call)(void *context, const void *user), void *context);

/* The other way round: adds `user`, who is like `workload`, under what it has, and calls for those whom `peer` may
 * mean. A peer that asks for no label and no namespace means anyone: then it returns false, and calls for nobody. Only
 * labels of which `asked` says that someone asks for them count. */
void label_index_add_workload(struct label_index *index, const struct workload *workload,
			      bool (*asked)(const void *context, const char *key), const void *context,
			      const void *user);
void label_index_remove_workload(struct label_index *index, const struct workload *workload,
				 bool (*asked)(const void *context, const char *key), const void *context,
				 const void *user);
bool label_index_find_peer(const struct label_index *index, const struct peer *peer,
			   void (*call)(void *context, const void *user), void *context);

#endif
