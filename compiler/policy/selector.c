/* Label selectors and networks: does this match that? */
#include <ringfence/policy.h>

#include <string.h>

static bool requirement_holds(const struct requirement *requirement, const struct labels *labels)
{
	const char *value = NULL;
	for (size_t i = 0; i < labels->count && value == NULL; i++)
		if (strcmp(labels->items[i].key, requirement->key) == 0)
			value = labels->items[i].value;
	bool listed = false;
	for (size_t i = 0; value != NULL && i < requirement->value_count && !listed; i++)
		listed = strcmp(requirement->values[i], value) == 0;
	switch (requirement->kind) {
	case REQUIRE_IN:
		return listed;
	case REQUIRE_NOT_IN:
		return !listed;
	case REQUIRE_EXISTS:
		return value != NULL;
	case REQUIRE_ABSENT:
		return value == NULL;
	}
	return false;
}

bool selector_matches(const struct selector *selector, const struct labels *labels)
{
	for (size_t i = 0; i < selector->count; i++)
		if (!requirement_holds(&selector->items[i], labels))
			return false;
	return true;
}

static bool any_contains(const struct prefix *prefixes, size_t count, const struct address *address)
{
	for (size_t i = 0; i < count; i++)
		if (prefix_contains(&prefixes[i], address))
			return true;
	return false;
}

bool network_contains(const struct network *network, const struct address *address)
{
	return any_contains(network->cidrs, network->cidr_count, address) &&
	       !any_contains(network->except, network->except_count, address);
}
