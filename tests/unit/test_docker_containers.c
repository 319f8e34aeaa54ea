/* What a container engine says, right and wrong, as workloads, pools and events. */
#include "enforcer/sources/docker_containers.h"

#include "enforcer/kernel/host_ends.h"
#include "enforcer/sources/docker_json.h"
#include "enforcer/sources/docker_networks.h"

#include <ringfence/arena.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define RUNS "'State':{'Status':'running','Pid':77}"
#define NET "'NetworkSettings':{'Networks':{'front':{'IPAddress':'10.1.0.2','GlobalIPv6Address':'fd00::2'}}}"
#define HEAD "{'Id':'" ID "','Name':'/web',"
#define LABELS(labels) HEAD RUNS "," NET ",'Config':{'Labels':{" labels "}}}"
#define STATUS(status) HEAD "'State':{'Status':'" status "'}," NET ",'Config':{}}"
#define NETWORKS(settings) HEAD RUNS ",'NetworkSettings':{" settings "},'Config':{}}"
#define MODE(mode) HEAD RUNS "," NET ",'Config':{},'HostConfig':{'NetworkMode':'" mode "'}}"
#define NAME(name) "{'Id':'" ID "','Name':'" name "'," RUNS "," NET ",'Config':{}}"

/* JSON with ' for ". */
static json_t *json_of(const char *text)
{
	char copy[8192];
	assert_true(strlen(text) < sizeof copy);
	strcpy(copy, text);
	for (char *at = copy; *at != 0; at++)
		*at = *at == '\'' ? '"' : *at;
	return docker_json(copy, strlen(copy));
}

static const struct container_case {
	const char *true_is, *container, *image, *seen; /* image: its labels */
} containers[] = {
    {"all_addresses_are_its", LABELS(""), "", "default/web 10.1.0.2 fd00::2"},
    {"of_all_networks_once",
     NETWORKS("'IPAddress':'10.1.0.2','SecondaryIPAddresses':[{'Addr':'10.1.0.9'}],'Networks':{'a':{'IPAddress':"
	      "'10.1.0.2'},'b':{'IPAddress':'10.2.0.2','GlobalIPv6Address':''}}"),
     "", "default/web 10.1.0.2 10.1.0.9 10.2.0.2"},
    {"a_paused_one_stays", STATUS("paused"), "", "default/web 10.1.0.2 fd00::2"},
    {"one_that_will_start_has_rules", STATUS("created"), "", "default/web 10.1.0.2 fd00::2"},
    {"one_that_is_over_has_none", STATUS("exited"), "", "none"},
    {"one_that_is_dead_has_none", STATUS("dead"), "", "none"},
    {"one_without_network_is_none", NETWORKS("'Networks':{}"), "", "none"},
    {"one_with_empty_addresses_is_none", NETWORKS("'Networks':{'a':{'IPAddress':'','GlobalIPv6Address':null}}"), "",
     "none"},
    {"one_on_the_host_network_is_none", MODE("host"), "", "none"},
    {"one_that_shares_a_network_is_none", MODE("container:abc"), "", "none"},
    {"one_on_a_network_is_its_own", MODE("front"), "", "default/web 10.1.0.2 fd00::2"},
    /* labels */
    {"legal_labels_count", LABELS("'app':'web','tier':'gold'"), "", "default/web 10.1.0.2 fd00::2 app=web tier=gold"},
    {"labels_that_are_no_texts_do_not", LABELS("'app':'not legal','a b':'c','n':1,'m':null"), "",
     "default/web 10.1.0.2 fd00::2"},
    {"ours_goes_before", LABELS("'ringfence.app':'api','app':'web'"), "", "default/web 10.1.0.2 fd00::2 app=api"},
    {"ours_that_is_wrong_closes", LABELS("'ringfence.app':'a b'"), "", "refused"},
    {"ours_without_a_key_closes", LABELS("'ringfence.':'a'"), "", "refused"},
    {"the_namespace_is_a_label", LABELS("'ringfence.namespace':'shop'"), "", "shop/web 10.1.0.2 fd00::2"},
    {"a_namespace_that_is_none_closes", LABELS("'ringfence.namespace':'Shop'"), "", "refused"},
    {"compose_says_namespace_and_app",
     LABELS("'com.docker.compose.project':'My_shop','com.docker.compose.service':'web'"), "",
     "my-shop/web 10.1.0.2 fd00::2 app=web"},
    {"podman_compose_too", LABELS("'io.podman.compose.project':'shop'"), "", "shop/web 10.1.0.2 fd00::2"},
    {"a_project_that_is_no_name_closes", LABELS("'com.docker.compose.project':'_'"), "", "refused"},
    {"a_label_goes_before_compose",
     LABELS("'com.docker.compose.project':'x','ringfence.namespace':'shop','com.docker.compose.service':'y','app':'z'"),
     "", "shop/web 10.1.0.2 fd00::2 app=z"},
    /* images */
    {"labels_of_the_image_do_not_count", LABELS("'app':'db','ringfence.tier':'gold'"),
     "'app':'db','ringfence.tier':'gold'", "default/web 10.1.0.2 fd00::2"},
    {"nor_does_its_namespace", LABELS("'ringfence.namespace':'shop'"), "'ringfence.namespace':'shop'",
     "default/web 10.1.0.2 fd00::2"},
    {"another_value_is_the_container_s", LABELS("'app':'web'"), "'app':'db'", "default/web 10.1.0.2 fd00::2 app=web"},
    {"an_image_is_no_compose", LABELS("'com.docker.compose.project':'shop','com.docker.compose.service':'db'"),
     "'com.docker.compose.project':'shop','com.docker.compose.service':'db'", "default/web 10.1.0.2 fd00::2"},
    {"nor_when_it_has_a_number",
     LABELS("'com.docker.compose.project':'shop','com.docker.compose.container-number':'1'"),
     "'com.docker.compose.project':'shop','com.docker.compose.container-number':'1'", "default/web 10.1.0.2 fd00::2"},
    {"an_image_that_compose_built_is_fine",
     LABELS("'com.docker.compose.project':'shop','com.docker.compose.container-number':'1'"),
     "'com.docker.compose.project':'shop'", "shop/web 10.1.0.2 fd00::2"},
    /* names */
    {"a_name_is_spelled", NAME("/Shop_web.1"), "", "default/shop-web-1 10.1.0.2 fd00::2"},
    {"a_name_that_cannot_be_is_the_id", NAME("/web_"), "", "default/container-0123456789ab 10.1.0.2 fd00::2"},
    {"a_long_name_is_the_id", NAME("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "",
     "default/container-0123456789ab 10.1.0.2 fd00::2"},
    {"63_letters_are_a_name", NAME("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "",
     "default/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 10.1.0.2 fd00::2"},
    {"no_name_closes", "{'Id':'" ID "'," RUNS "," NET ",'Config':{}}", "", "refused"},
    {"an_id_that_is_none_closes", "{'Id':'../images','Name':'/web'," RUNS "," NET ",'Config':{}}", "", "refused"},
    /* hostile */
    {"an_address_that_is_none_closes", NETWORKS("'Networks':{'a':{'IPAddress':'10.1.0'}}"), "", "refused"},
    {"so_does_a_number", NETWORKS("'Networks':{'a':{'IPAddress':167772161}}"), "", "refused"},
    {"so_does_loopback", NETWORKS("'Networks':{'a':{'IPAddress':'127.0.0.1'}}"), "", "refused"},
    {"so_does_a_mapped_address", NETWORKS("'Networks':{'a':{'GlobalIPv6Address':'::ffff:10.1.0.2'}}"), "", "refused"},
    {"so_does_link_local", NETWORKS("'Networks':{'a':{'GlobalIPv6Address':'fe80::1'}}"), "", "refused"},
    {"so_does_multicast", NETWORKS("'Networks':{'a':{'IPAddress':'224.0.0.1'}}"), "", "refused"},
    {"so_does_no_address_at_all", NETWORKS("'Networks':{'a':{'IPAddress':'0.0.0.0'}}"), "", "refused"},
    {"networks_that_are_a_list_are_none", NETWORKS("'Networks':[1,2]"), "", "none"},
    {"no_settings_close", HEAD RUNS ",'Config':{}}", "", "refused"},
    {"no_state_closes", HEAD NET ",'Config':{}}", "", "refused"},
    {"no_configuration_closes", HEAD RUNS "," NET "}", "", "refused"},
    {"a_list_closes", "[]", "", "refused"},
    {"labels_that_are_a_list_are_none", HEAD RUNS "," NET ",'Config':{'Labels':['app=db']}}", "",
     "default/web 10.1.0.2 fd00::2"},
};

static void print_container(char *text, const struct docker_container *container)
{
	char word[ADDRESS_TEXT_SIZE];
	const struct workload *workload = container->workload;
	if (workload == NULL) {
		strcpy(text, container->why != NULL ? "refused" : "none");
		return;
	}
	text += sprintf(text, "%s/%s", workload->name_space, workload->name);
	for (size_t i = 0; i < workload->address_count; i++)
		text += sprintf(text, " %s", address_format(&workload->addresses[i], word));
	for (size_t i = 0; i < workload->labels.count; i++)
		text += sprintf(text, " %s=%s", workload->labels.items[i].key, workload->labels.items[i].value);
}

static void a_container_is_what_it_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof containers / sizeof *containers; i++) {
		const struct container_case *one = &containers[i];
		struct arena *arena = arena_create();
		char image[1024], seen[1024];
		snprintf(image, sizeof image, "{%s}", one->image);
		json_t *json = json_of(one->container), *labels = json_of(image);
		struct docker_container read = docker_container_read(arena, json, labels, "default", "here");
		print_container(seen, &read);
		if (strcmp(seen, one->seen) != 0)
			fail_msg("%s: %s%s%s", one->true_is, seen, read.why != NULL ? ": " : "",
				 read.why != NULL ? read.why : "");
		json_decref(json);
		json_decref(labels);
		arena_free(arena);
	}
}

static void many_labels_close(void **state)
{
	struct arena *arena = arena_create();
	json_t *json = json_of(LABELS("'app':'web'")), *none = json_object();
	json_t *labels = json_object_get(json_object_get(json, "Config"), "Labels");
	char key[16];
	(void)state;
	for (int i = 0; i < DOCKER_LABELS_MOST; i++) {
		snprintf(key, sizeof key, "k%d", i);
		json_object_set_new(labels, key, json_string("v"));
	}
	assert_non_null(docker_container_read(arena, json, none, "default", "here").why);
	json_decref(json);
	json_decref(none);
	arena_free(arena);
}

static void what_is_told_of_a_wrong_label_is_printable(void **state)
{
	struct arena *arena = arena_create();
	json_t *json = json_of(LABELS("'ringfence.\\u001b[2J\\u202e':'x'")), *none = json_object();
	struct docker_container read = docker_container_read(arena, json, none, "default", "here");
	(void)state;
	assert_non_null(read.why);
	for (const char *at = read.why; *at != 0; at++)
		assert_true(*at >= ' ' && *at <= '~');
	json_decref(json);
	json_decref(none);
	arena_free(arena);
}

static void an_image_is_a_digest(void **state)
{
	static const struct {
		const char *container, *image; /* NULL: not to be told */
	} cases[] = {{"{'Image':'sha256:" ID "'}", "sha256:" ID},
		     {"{'Image':'" ID "'}", ID},
		     {"{'Image':''}", ""},
		     {"{'Image':'../containers/x'}", NULL},
		     {"{'Image':'sha256:x'}", NULL},
		     {"{'Image':null}", NULL},
		     {"{}", NULL}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char image[DOCKER_IMAGE_SIZE];
		json_t *json = json_of(cases[i].container);
		assert_int_equal(docker_image_of(json, image), cases[i].image != NULL);
		if (cases[i].image != NULL)
			assert_string_equal(image, cases[i].image);
		json_decref(json);
	}
}

static void the_labels_of_an_image_are_told_or_not(void **state)
{
	static const struct {
		const char *image;
		int count; /* -1: not to be told */
	} cases[] = {{"{'Config':{'Labels':{'a':'b'}}}", 1},
		     {"{'Config':{'Labels':null}}", 0},
		     {"{'Config':{}}", 0},
		     {"{'Config':null}", 0},
		     {"{'Config':{'Labels':[]}}", -1},
		     {"{'Config':[]}", -1},
		     {"[]", -1}};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *json = json_of(cases[i].image), *labels = docker_image_labels(json);
		assert_int_equal(labels != NULL ? (int)json_object_size(labels) : -1, cases[i].count);
		json_decref(json);
		json_decref(labels);
	}
}

/* ---- networks ---- */

#define NETWORK(driver, config) "{'Name':'n','Driver':'" driver "','IPAM':{'Config':" config "}}"

static const struct {
	const char *true_is, *list, *seen;
} networks[] = {
    {"subnets_are_pools_and_gateways_the_node",
     "[" NETWORK("bridge",
		 "[{'Subnet':'10.1.0.0/24','Gateway':'10.1.0.1'},{'Subnet':'fd00::/64','Gateway':'fd00::1'}]") "]",
     "10.1.0.0/24 fd00::/64 @10.1.0.1 @fd00::1"},
    {"others_are_not_ours",
     "[" NETWORK("macvlan", "[{'Subnet':'192.168.1.0/24','Gateway':'192.168.1.1'}]") "," NETWORK(
	 "overlay", "[{'Subnet':'10.9.0.0/16'}]") "," NETWORK("host", "[]") "]",
     ""},
    {"a_gateway_need_not_be", "[" NETWORK("bridge", "[{'Subnet':'10.1.0.0/24'}]") "]", "10.1.0.0/24"},
    {"it_may_be_somebody_else",
     "[{'Name':'n','Driver':'bridge','Options':{'com.docker.network.bridge.inhibit_ipv4':'true'},'IPAM':{'Config':[{"
     "'Subnet':'10.1.0.0/24','Gateway':'10.1.0.1'}]}}]",
     "10.1.0.0/24"},
    {"a_wrong_subnet_is_told", "[" NETWORK("bridge", "[{'Subnet':'10.1.0/24'}]") "]", "!"},
    {"everything_is_no_subnet", "[" NETWORK("bridge", "[{'Subnet':'0.0.0.0/0'}]") "]", "!"},
    {"a_gateway_lies_in_its_network", "[" NETWORK("bridge", "[{'Subnet':'10.1.0.0/24','Gateway':'10.2.0.1'}]") "]",
     "10.1.0.0/24 !"},
    {"one_wrong_network_leaves_the_others",
     "[" NETWORK("bridge", "[{'Subnet':7}]") "," NETWORK("bridge", "[{'Subnet':'10.1.0.0/24'}]") "]", "10.1.0.0/24 !"},
    {"an_empty_list_says_nothing", "[]", NULL},
    {"an_object_is_no_list", "{'message':'no'}", NULL},
};

static void networks_are_pools(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
		struct arena *arena = arena_create();
		struct docker_networks read;
		char seen[512] = "", word[ADDRESS_TEXT_SIZE + 8], *at = seen;
		json_t *json = json_of(networks[i].list);
		bool whole = docker_networks_read(arena, json, "here", &read);
		assert_int_equal(whole, networks[i].seen != NULL);
		const struct node *node = whole ? read.inventory.nodes[0] : NULL;
		for (size_t j = 0; whole && j < node->pool_count; j++)
			at += sprintf(at, "%s%s", at > seen ? " " : "", prefix_format(&node->pools[j], word));
		for (size_t j = 0; whole && j < node->address_count; j++)
			at += sprintf(at, " @%s", address_format(&node->addresses[j], word));
		if (whole && read.why_count > 0)
			sprintf(at, "%s!", at > seen ? " " : "");
		if (whole && strcmp(seen, networks[i].seen) != 0)
			fail_msg("%s: %s", networks[i].true_is, seen);
		json_decref(json);
		arena_free(arena);
	}
}

/* ---- the list, and events ---- */

#define ENTRY(name, state, status) \
	"{'Id':'" ID "','Names':['/" name "'],'State':'" state "','Status':'" status "','Labels':{'a':'b'}}"

static uint64_t mark_of(const char *text)
{
	char id[DOCKER_ID_SIZE];
	uint64_t mark = 0;
	json_t *json = json_of(text);
	assert_true(docker_entry_read(json, id, &mark));
	assert_string_equal(id, ID);
	json_decref(json);
	return mark;
}

static void an_entry_is_marked_by_what_counts(void **state)
{
	char id[DOCKER_ID_SIZE];
	uint64_t mark;
	json_t *wrong = json_of("{'Id':'x/../y'}");
	(void)state;
	assert_true(mark_of(ENTRY("a", "running", "Up 1 second")) == mark_of(ENTRY("a", "running", "Up 2 seconds")));
	assert_true(mark_of(ENTRY("a", "running", "")) != mark_of(ENTRY("b", "running", "")));
	assert_true(mark_of(ENTRY("a", "running", "")) != mark_of(ENTRY("a", "paused", "")));
	assert_false(docker_entry_read(wrong, id, &mark));
	json_decref(wrong);
}

#define EVENT(type, action) "{'Type':'" type "','Action':'" action "','Actor':{'ID':'" ID "'},'timeNano':5}"

static void events_say_what_to_do(void **state)
{
	static const struct {
		const char *event;
		enum docker_event_kind kind;
	} cases[] = {
	    {EVENT("container", "start"), DOCKER_CHANGED},
	    {EVENT("container", "init"), DOCKER_CHANGED},
	    {EVENT("container", "pause"), DOCKER_CHANGED},
	    {EVENT("container", "rename"), DOCKER_CHANGED},
	    {EVENT("container", "create"), DOCKER_CREATED},
	    {EVENT("container", "die"), DOCKER_GONE},
	    {EVENT("container", "destroy"), DOCKER_GONE},
	    {EVENT("container", "exec_create: sh"), DOCKER_OTHER},
	    {EVENT("network", "connect"), DOCKER_CHANGED}, /* Podman: the actor is the container */
	    {"{'Type':'network','Action':'connect','Actor':{'ID':'aaaaaaaaaaaa','Attributes':{'container':'" ID
	     "'}},'timeNano':5}",
	     DOCKER_CHANGED},
	    {"{'Type':'network','Action':'create','Actor':{'ID':'aaaaaaaaaaaa'},'timeNano':5}", DOCKER_NETWORKS},
	    {EVENT("image", "create"), DOCKER_OTHER},
	    {"{'Type':'container','Action':'die','Actor':{'ID':'../../x'}}", DOCKER_OTHER},
	    {"{'Type':'container','Action':'die','Actor':[]}", DOCKER_OTHER},
	    {"{'Type':'container','Action':7}", DOCKER_OTHER},
	    {"[]", DOCKER_OTHER},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *json = json_of(cases[i].event);
		struct docker_event event = docker_event_read(json);
		assert_int_equal(event.kind, cases[i].kind);
		if (event.kind == DOCKER_CHANGED || event.kind == DOCKER_GONE) {
			assert_string_equal(event.id, ID);
			assert_int_equal(event.nanoseconds, 5);
		}
		json_decref(json);
	}
	assert_int_equal(docker_event_read(NULL).kind, DOCKER_OTHER);
}

static void what_is_no_json_is_none(void **state)
{
	static char deep[1 << 20];
	(void)state;
	memset(deep, '[', sizeof deep);
	assert_null(docker_json(deep, sizeof deep));
	assert_null(docker_json("{\"a\":1,\"a\":2}", 13));
	assert_null(docker_json("", 0));
	assert_null(docker_json("{\"a\":\"\xff\"}", 9));
}

/* ---- the host's ends ---- */

static const struct link links[] = {
    {.index = 1, .name = "lo", .space = -1},
    {.index = 2, .name = "br0", .space = -1, .bridge = true},
    {.index = 3, .master = 2, .name = "veth0", .space = 4},
    {.index = 4, .master = 2, .name = "veth1", .space = 5},
    {.index = 5, .name = "veth2", .space = 5},
    {.index = 6, .name = "br1", .space = -1, .bridge = true},
    {.index = 7, .master = 6, .name = "veth3", .space = 4},
    {.index = 8, .master = 6, .name = "eth0", .space = -1},
    {.index = 9, .name = "vrf0", .space = -1},
    {.index = 10, .master = 9, .name = "veth4", .space = 6},
};

static void ends_are(int space, const char *wanted)
{
	struct arena *arena = arena_create();
	struct interfaces found = host_ends_choose(arena, links, sizeof links / sizeof *links, space);
	char text[128] = "";
	for (uint32_t i = 0; i < found.count; i++)
		sprintf(text + strlen(text), "%s%s", i > 0 ? " " : "", found.names[i]);
	assert_string_equal(text, wanted);
	arena_free(arena);
}

static void hooks_see_bridges_and_links(void **state)
{
	(void)state;
	ends_are(5, "br0 veth2"); /* a bridge with nothing but containers, and a link of its own */
	ends_are(4, "br0");	  /* the network outside is behind br1, too */
	ends_are(6, "");
	ends_are(7, "");
	ends_are(-1, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_container_is_what_it_says),
	    cmocka_unit_test(many_labels_close),
	    cmocka_unit_test(what_is_told_of_a_wrong_label_is_printable),
	    cmocka_unit_test(an_image_is_a_digest),
	    cmocka_unit_test(the_labels_of_an_image_are_told_or_not),
	    cmocka_unit_test(networks_are_pools),
	    cmocka_unit_test(an_entry_is_marked_by_what_counts),
	    cmocka_unit_test(events_say_what_to_do),
	    cmocka_unit_test(what_is_no_json_is_none),
	    cmocka_unit_test(hooks_see_bridges_and_links),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
