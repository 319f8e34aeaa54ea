# Builds build/ringfence (the command), build/ringfence-fleet (what of it signs and speaks to the fleet) and
# build/ringfenced (the daemon) from one library.
#
#   make              all programs              make check    every test (the same as tests/run)
#   make conformance  NetworkPolicy cases, by verdict and by packets
#   make agreement    random policies against the kernel, POLICIES=2000 SEED=1
#   make bench        everything measured, under 15 minutes; make bench-quick, about one (tests/bench/run)
#   make atomic       changes under full load, CHANGES=10000 KIND=pool
#   make demo         the demonstration         make install  PREFIX=/usr/local DESTDIR=
#   make SANITIZE=1   with sanitizers, in build/sanitize      make format, make lint, make clean

PREFIX ?= /usr/local
comma := ,
ifeq ($(origin CC),default)
CC := gcc
endif
VERSION := 0.1.0

ifdef SANITIZE
BUILD ?= build/sanitize
SANITIZERS := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
# Tests start thousands of short programs: with the runtimes in the program (clang has them there anyway) one costs two
# thirds of the time, most of which LeakSanitizer looks at the runtimes' own data. At a fixed address, since gcc's data for the
# sanitizers are more than 100,000 pointers that each start of a program would relocate.
LDFLAGS += -no-pie $(if $(findstring clang,$(CC)),,-static-libasan -static-libubsan)
CFLAGS ?= -O1 -g1
endif
BUILD ?= build

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings \
	-Wundef -Wvla -Wformat=2 -Wswitch-enum -Wimplicit-fallthrough
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=c17 -D_GNU_SOURCE -DRINGFENCE_VERSION='"$(VERSION)"' -Iinclude -I. $(WARNINGS) $(SANITIZERS) \
	-fstack-protector-strong -D_FORTIFY_SOURCE=2 $(CFLAGS)
ifdef SANITIZE
ALL_CFLAGS := $(filter-out -D_FORTIFY_SOURCE=2,$(ALL_CFLAGS))
endif

CLI_LIBS := -lyaml -ljansson -lnftnl -lmnl
FLEET_LIBS := $(CLI_LIBS) -lsystemd -lcurl -lsodium
DAEMON_LIBS := $(CLI_LIBS) -lsystemd -lcap -lseccomp -lmicrohttpd -lcurl -lsodium -pthread -lm

CLI_SOURCES := $(wildcard compiler/cli/*.c)
# What ringfence-fleet is made of: its subcommands, what they share with those of ringfence, and with the daemon.
FLEET_CLI_SOURCES := $(wildcard enforcer/fleet_cli/*.c)
CLI_SHARED := $(addprefix compiler/cli/,subcommand.c fleet_commands.c options.c input.c git.c output.c)
FLEET_SOURCES := $(wildcard enforcer/fleet/*.c enforcer/etcd/*.c enforcer/http_client/*.c)
# The daemon's own files: what needs libsystemd, libcap, libseccomp, libmicrohttpd, libcurl or libsodium, so that the command does not.
DAEMON_SOURCES := $(wildcard enforcer/service/*.c enforcer/sources/*.c enforcer/keeper/*.c enforcer/sandbox/*.c) \
	$(FLEET_SOURCES)
LIBRARY_SOURCES := $(filter-out $(CLI_SOURCES),$(wildcard compiler/*/*.c)) \
	$(wildcard enforcer/desired/*.c enforcer/kernel/*.c enforcer/reconcile/*.c enforcer/observe/*.c)
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
# What unit tests share.
UNIT_SHARED := $(addprefix tests/unit/,follow.c random_policy.c reading.c interpret.c kernel_model.c worlds.c)
# What the programs of tests/packets and tests/bench share.
PACKETS_SHARED := tests/packets/clock.c tests/packets/commits.c tests/bench/fleet.c tests/bench/generator.c
BENCH_SHARED := $(addprefix tests/bench/,arguments.c node.c record.c workplace.c)
TOOL_SOURCES := $(filter-out $(PACKETS_SHARED) $(BENCH_SHARED),$(wildcard tests/packets/*.c tests/bench/*.c))
# Tests with real packets in one process, and what they share.
LAB_SOURCES := tests/lab/lab.c tests/lab/packet.c tests/lab/load.c
LAB_TEST_SOURCES := tests/lab/test_lab.c tests/lab/commits.c $(wildcard tests/conformance/*.c)
AGREEMENT_SOURCES := $(wildcard tests/agreement/*.c) tests/unit/follow.c
ATOMIC_SOURCES := $(wildcard tests/atomic/*.c) tests/unit/follow.c
# What a packet costs: one program of several files.
PACKETS_SOURCES := $(wildcard tests/bench/packets/*.c)
# A fleet without kernels: the daemon's modules, and in the place of some functions those of left_out.c.
SIMULATION_SOURCES := $(wildcard tests/bench/simulation/*.c)
LEFT_OUT := kernel_read kernel_scan_start kernel_scan_step kernel_scan_finish kernel_apply connections_start \
	connections_step findings_kinds usage_read_denials malloc_trim http_start

# The page of `ringfence graph`: one for all builds, since it is the same in each.
PAGE := build/page
PAGE_SCRIPTS := $(addprefix compiler/page/,model.js layout.js theme.js canvas.js list.js details.js changes.js main.js)

objects = $(patsubst %.c,$(BUILD)/objects/%.o,$(1))
LIBRARY := $(BUILD)/libringfence.a
UNIT_TESTS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(UNIT_SOURCES))
AGREEMENT := $(BUILD)/tests/agreement/agreement
PACKETS := $(BUILD)/tests/bench/packets/packets
SIMULATION := $(BUILD)/tests/bench/simulation/simulation
ATOMIC := $(BUILD)/tests/atomic/atomic
TOOLS := $(patsubst %.c,$(BUILD)/%,$(TOOL_SOURCES) $(LAB_TEST_SOURCES)) $(AGREEMENT) $(ATOMIC) $(PACKETS) $(SIMULATION)
EVERY_SOURCE := $(CLI_SOURCES) $(FLEET_CLI_SOURCES) $(DAEMON_SOURCES) $(LIBRARY_SOURCES) $(UNIT_SOURCES) $(UNIT_SHARED) \
	$(TOOL_SOURCES) $(PACKETS_SHARED) $(BENCH_SHARED) $(LAB_SOURCES) $(LAB_TEST_SOURCES) $(AGREEMENT_SOURCES) $(ATOMIC_SOURCES) \
	$(PACKETS_SOURCES) $(SIMULATION_SOURCES)

.PHONY: all lab tests check conformance agreement atomic bench bench-quick demo install format lint headers clean
.SECONDARY:

all: $(BUILD)/ringfence $(BUILD)/ringfence-fleet $(BUILD)/ringfenced

# What tests/packets/lib.sh needs, for the demo too.
lab: all $(addprefix $(BUILD)/tests/packets/,probe ask)

tests: all $(UNIT_TESTS) $(TOOLS)

$(BUILD)/objects/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# npm runs only where what it would install is not there; it writes that file last.
$(PAGE)/node_modules/.package-lock.json: compiler/page/package.json compiler/page/package-lock.json compiler/page/.npmrc
	@command -v npm >/dev/null || { echo "npm is needed at build time for the graph page; deploy/packages installs it" >&2; exit 1; }
	@mkdir -p $(PAGE)
	@echo "  NPM $(PAGE)"
	@cp $^ $(PAGE)
	@cd $(PAGE) && npm ci --ignore-scripts --loglevel=error
	@touch $@

$(PAGE)/page.html: $(PAGE)/node_modules/.package-lock.json compiler/page/assemble.mjs compiler/page/page.html \
		compiler/page/page.css $(PAGE_SCRIPTS)
	@echo "  GEN $@"
	@node compiler/page/assemble.mjs $(PAGE)/node_modules/cytoscape $(PAGE_SCRIPTS) >$@.new
	@mv $@.new $@

$(BUILD)/objects/compiler/page/page.o: $(PAGE)/page.html

$(LIBRARY): $(call objects,$(LIBRARY_SOURCES))
	@rm -f $@
	@ar rcs $@ $^

$(BUILD)/ringfence: $(call objects,$(CLI_SOURCES)) $(LIBRARY)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

$(BUILD)/ringfence-fleet: $(call objects,$(FLEET_CLI_SOURCES) $(CLI_SHARED) $(FLEET_SOURCES)) $(LIBRARY)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(FLEET_LIBS)

$(BUILD)/ringfenced: $(call objects,$(DAEMON_SOURCES)) $(LIBRARY)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(DAEMON_LIBS)

# The daemon's modules but its main, so that unit tests can call them.
$(BUILD)/tests/%: $(BUILD)/objects/tests/unit/%.o $(call objects,$(UNIT_SHARED) $(filter-out enforcer/service/main.c,$(DAEMON_SOURCES))) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(DAEMON_LIBS)

$(patsubst %.c,$(BUILD)/%,$(LAB_TEST_SOURCES)): $(BUILD)/%: $(BUILD)/objects/%.o $(call objects,$(LAB_SOURCES)) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

$(AGREEMENT): $(call objects,$(AGREEMENT_SOURCES) $(LAB_SOURCES)) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

$(PACKETS): $(call objects,$(PACKETS_SOURCES))
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^

$(SIMULATION): $(call objects,$(SIMULATION_SOURCES) $(BENCH_SHARED) $(PACKETS_SHARED) \
		$(filter-out enforcer/service/main.c,$(DAEMON_SOURCES))) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) $(addprefix -Wl$(comma)--wrap=,$(LEFT_OUT)) -o $@ $^ $(DAEMON_LIBS)

$(ATOMIC): $(call objects,$(ATOMIC_SOURCES) $(LAB_SOURCES)) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

$(BUILD)/tests/packets/%: $(BUILD)/objects/tests/packets/%.o $(call objects,$(PACKETS_SHARED)) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -lnftnl -lmnl

# What scenarios start for each packet and each question, never with sanitizers: these would be most of what a scenario costs.
PLAIN_TOOLS := $(addprefix $(BUILD)/tests/packets/,probe ask)
$(PLAIN_TOOLS): $(BUILD)/tests/packets/%: tests/packets/%.c tests/packets/clock.c tests/packets/commits.c \
		$(wildcard tests/packets/*.h) Makefile
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(filter-out $(SANITIZERS),$(ALL_CFLAGS)) -o $@ $(filter %.c,$^) -lmnl

$(BUILD)/tests/packets/burst: $(call objects,tests/lab/packet.c)

$(BUILD)/tests/bench/%: $(BUILD)/objects/tests/bench/%.o $(call objects,$(BENCH_SHARED) $(PACKETS_SHARED)) $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LD  $@"
	@$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(CLI_LIBS)

check:
	tests/run

# The cases of tests/conformance by the verdict function and by packets; needs root.
conformance: all $(BUILD)/tests/conformance/conformance
	@$(BUILD)/tests/conformance/conformance $(BUILD)/ringfence $(or $(CASES),$(wildcard tests/conformance/*.json))

# The kernel against the verdict function, long: POLICIES=2000 SEED=1.
agreement: $(AGREEMENT)
	RINGFENCE_BUILD=$(BUILD) tests/agreement/run $(or $(POLICIES),2000) $(or $(SEED),1)

# What is measured, and nothing else that `tests` builds.
BENCHES := $(filter $(BUILD)/tests/bench/%,$(TOOLS))
bench: all $(BENCHES)
	RINGFENCE_BUILD=$(BUILD) tests/bench/run $(if $(RESULTS),--results)

bench-quick: all $(BENCHES)
	RINGFENCE_BUILD=$(BUILD) tests/bench/run --quick

# That no packet meets half of a change: so many of each step of each kind, by the library; one in fifty by the daemon.
atomic: all $(ATOMIC)
	RINGFENCE_BUILD=$(BUILD) tests/packets/atomic.sh $(or $(CHANGES),10000) $(or $(KIND),)

demo:
	deploy/demo

install: all
	install -D -m 755 $(BUILD)/ringfence $(DESTDIR)$(PREFIX)/bin/ringfence
	install -D -m 755 $(BUILD)/ringfence-fleet $(DESTDIR)$(PREFIX)/libexec/ringfence/ringfence-fleet
	install -D -m 755 $(BUILD)/ringfenced $(DESTDIR)$(PREFIX)/sbin/ringfenced
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in deploy/systemd/*.service; do \
		sed 's|/usr/local/sbin|$(PREFIX)/sbin|' $$unit >$(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/}; done
	install -D -m 644 deploy/systemd/ringfence.sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/ringfence.conf
	install -D -m 644 $(PAGE)/node_modules/cytoscape/LICENSE $(DESTDIR)$(PREFIX)/share/doc/ringfence/LICENSE.cytoscape

# Each public header compiles alone.
headers:
	@for header in $(wildcard include/ringfence/*.h); do \
		echo "#include \"$$header\"" | $(CC) $(ALL_CFLAGS) -x c -fsyntax-only - || exit 1; done

format:
	clang-format -i $(EVERY_SOURCE) $(wildcard include/ringfence/*.h compiler/*/*.h enforcer/*/*.h tests/*/*.h)

lint:
	clang-tidy --quiet $(EVERY_SOURCE) -- $(ALL_CFLAGS)

clean:
	rm -rf build

-include $(patsubst %.c,$(BUILD)/objects/%.d,$(EVERY_SOURCE))
