# The Cut-Out: `make` builds, `make run` shows it, `make help` lists what else there is.

VERSION := 0.1.0

# ---- Rooms and floors -----------------------------------------------------------------------
# src/ is built in floors, lowest first. A room includes only its own headers and those of the
# rooms named here. Two things hold it to that: scripts/lint-layers reads the includes, and the unit
# tests of a room are linked with the archives of these rooms (and of what they stand on) only.
ROOMS     := base loop store sync auth http app tools
MAY_base  :=
MAY_loop  := base
MAY_store := base
MAY_sync  := base loop store
MAY_auth  := base loop store
MAY_http  := base loop sync auth
MAY_app   := base loop store sync auth http
MAY_tools := base loop store auth

# The libraries of a room, as pkg-config knows them.
PACKAGES_base := yajl libcrypto zlib
PACKAGES_loop := libevent libevent_extra libcurl
PACKAGES_auth := cjose
PACKAGES_http := libevent libssl

# ---- Variants -------------------------------------------------------------------------------
# Each way of compiling has its own directory, so that none disturbs another.
VARIANT ?= release
BUILD   := build/$(VARIANT)
BIN     := $(if $(filter release,$(VARIANT)),build,$(BUILD))

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(VARIANT),fuzz)
CC := clang
endif

MACHINE  := $(shell uname -m)
HARDEN   := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong \
            -fstack-clash-protection -fPIE
HARDEN   += $(if $(filter x86_64 i%86,$(MACHINE)),-fcf-protection)
HARDEN   += $(if $(filter aarch64,$(MACHINE)),-mbranch-protection=standard)
WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion \
            -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wundef \
            -Wformat=2 -Wvla -Wimplicit-fallthrough -Werror

OPTIMIZE_release  := -O2 -g $(HARDEN) -ffunction-sections -fdata-sections
OPTIMIZE_sanitize := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
                     -fno-omit-frame-pointer
OPTIMIZE_thread   := -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPTIMIZE_valgrind := -O1 -g
OPTIMIZE_coverage := -O0 -g --coverage -fprofile-update=atomic
OPTIMIZE_fuzz     := -O1 -g -fsanitize=fuzzer-no-link,address,undefined \
                     -fno-sanitize-recover=all -fno-omit-frame-pointer

LINK_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections
ifeq ($(origin OPTIMIZE_$(VARIANT)),undefined)
$(error there is no VARIANT "$(VARIANT)")
endif

# CFLAGS, CPPFLAGS and LDFLAGS are left to whoever packages this; they come last and so win.
COMPILE_FLAGS := -std=gnu11 $(OPTIMIZE_$(VARIANT)) $(WARNINGS) -Isrc -D_GNU_SOURCE
COMPILE = $(CC) $(COMPILE_FLAGS) $(package_cflags) $(CPPFLAGS) $(CFLAGS)
LINK    = $(CC) $(OPTIMIZE_$(VARIANT)) $(LINK_$(VARIANT)) $(CFLAGS) $(LDFLAGS)

# pkg-config is asked once, and only when something is compiled: `make deps` must work without it.
PACKAGES := $(sort $(foreach room,$(ROOMS),$(PACKAGES_$(room))))
MISSING   = some of $(PACKAGES) is not installed: run "make deps"
package_cflags = $(eval package_cflags := $$(if $$(shell pkg-config --exists $(PACKAGES) \
    && echo yes),$$(shell pkg-config --cflags $(PACKAGES)),$$(error $(MISSING))))$(package_cflags)

# What is linked for a room: it, the rooms it may use and theirs; upper floors first.
top_down  = $(if $(1),$(call top_down,$(wordlist 2,99,$(1))) $(firstword $(1)))
below     = $(sort $(MAY_$(1)) $(foreach room,$(MAY_$(1)),$(MAY_$(room))))
closure   = $(filter $(1) $(call below,$(1)),$(call top_down,$(ROOMS)))
archives  = $(patsubst %,$(BUILD)/lib%.a,$(call closure,$(1)))
libraries = $(shell pkg-config --libs $(sort $(foreach room,$(call closure,$(1)),\
            $(PACKAGES_$(room))) $(2))) $(if $(filter loop,$(call closure,$(1))),-lpthread)

# ---- Files ----------------------------------------------------------------------------------
PROGRAM_SOURCES := $(wildcard src/main.c src/tools/cutoutctl.c)
ROOM_SOURCES    := $(filter-out $(PROGRAM_SOURCES),$(wildcard $(ROOMS:%=src/%/*.c)))
UNIT_ROOMS      := $(patsubst tests/unit/%/main.c,%,$(wildcard $(ROOMS:%=tests/unit/%/main.c)))
UNIT_SOURCES    := $(wildcard tests/unit/*/*.c)
FUZZ_SOURCES    := $(wildcard tests/fuzz/*.c)
FUZZ_TARGETS    := $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
BENCH_SOURCES   := $(wildcard tests/bench/*.c)
SOURCES         := $(PROGRAM_SOURCES) $(ROOM_SOURCES)
FAULT_SOURCES   := $(wildcard tests/faults/*.c)
TORTURE_SOURCES := $(wildcard tests/torture/*.c)
TEST_SOURCES    := $(UNIT_SOURCES) $(FUZZ_SOURCES) $(BENCH_SOURCES) $(FAULT_SOURCES) \
                   $(TORTURE_SOURCES)
HEADERS         := $(wildcard src/*/*.h)
TEST_HEADERS    := $(wildcard tests/unit/*/*.h tests/fuzz/*.h tests/bench/*.h tests/torture/*.h)
SCRIPTS         := $(wildcard .ci/run deps/install scripts/* tests/lint/run) \
                   $(addprefix tests/bench/,polls reads appends logins)
PROGRAMS        := $(if $(wildcard src/main.c),$(BIN)/cutoutd)
PROGRAMS        += $(if $(wildcard src/tools/cutoutctl.c),$(BIN)/cutoutctl)

objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
room_objects = $(call objects,$(filter src/$(1)/%,$(ROOM_SOURCES)))
unit_objects = $(call objects,$(filter tests/unit/$(1)/%,$(UNIT_SOURCES)))

# ---- How it looks ---------------------------------------------------------------------------
Q   := $(if $(V),,@)
say  = @printf '  %-5s %s\n' '$(1)' '$(2)'

# As many jobs as there are cores, unless you say otherwise. Not where order matters.
ifeq ($(MAKELEVEL),0)
ifeq ($(filter -j% --jobs%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 1)
endif
endif
ifneq ($(filter clean install uninstall,$(MAKECMDGOALS)),)
.NOTPARALLEL:
endif
MAKEFLAGS += --no-builtin-rules --no-print-directory
.DELETE_ON_ERROR:
.SECONDARY:
AGAIN = +$(Q)$(MAKE)

# A changed compile line or a removed source makes old objects wrong. These files hold what things
# were made of; each is written only when that has changed.
remember = $(if $(filter-out $(file <$(1)),$(2))$(filter-out $(2),$(file <$(1))),$(file >$(1),$(2)))

.PHONY: always
$(BUILD)/flags: always | $(BUILD)
	$(call remember,$@,$(CC) $(COMPILE_FLAGS) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) $(VERSION))@:
$(BUILD)/%.list: always | $(BUILD)
	$(call remember,$@,$* $(call $(if $(filter unit-%,$*),unit,room)_objects,$(*:unit-%=%)))@:
$(BUILD):
	@mkdir -p $@

# ---- Building -------------------------------------------------------------------------------
.DEFAULT_GOAL := all

## Build cutoutd and cutoutctl into build/
.PHONY: all
all: $(PROGRAMS) $(ROOMS:%=$(BUILD)/lib%.a)

$(BIN)/cutoutd: $(BUILD)/src/main.o $(call archives,app)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(call libraries,app)

$(BIN)/cutoutctl: $(BUILD)/src/tools/cutoutctl.o $(call archives,tools)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(call libraries,tools)

define room_rules
$(BUILD)/lib$(1).a: $(call room_objects,$(1)) $(BUILD)/$(1).list
	$(call say,AR,$$@)
	$(Q)rm -f $$@ && $(AR) rcs $$@ $$(filter %.o,$$^)

$(BUILD)/unit-$(1): $(call unit_objects,$(1)) $(BUILD)/libsupport.a $(call archives,$(1)) \
                    $(BUILD)/unit-$(1).list
	$(call say,LD,$$@)
	$(Q)$$(LINK) -o $$@ $$(filter %.o %.a,$$^) $$(call libraries,$(1),check)
endef
$(foreach room,$(ROOMS),$(eval $(call room_rules,$(room))))

# What the tests of several rooms share (simulated disk, ...). An archive: each test takes what it
# needs and nothing else.
$(BUILD)/libsupport.a: $(call unit_objects,support) $(BUILD)/unit-support.list
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)

$(BUILD)/src/app/%.o $(BUILD)/src/main.o $(BUILD)/src/tools/%.o: \
    COMPILE += -DCUTOUT_VERSION='"$(VERSION)"'
$(BUILD)/tests/%.o: COMPILE += -Itests/unit

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

-include $(patsubst %.o,%.d,$(call objects,$(SOURCES) $(TEST_SOURCES)))

# ---- Trying it ------------------------------------------------------------------------------
## Install what is missing, build, and start a server with the demo app on 127.0.0.1:8088 (APP=files, APP=todo-classic: others, on 8090)
.PHONY: run
run:
	$(Q)deps/install build
	$(AGAIN) all
	$(Q)exec scripts/run-demo $(APP)

## Install the packages that building, testing and benchmarking need
.PHONY: deps
deps:
	$(Q)deps/install build test bench

.PHONY: test-tools
test-tools:
	$(Q)deps/install build test

# ---- Tests ----------------------------------------------------------------------------------
# The tests learn from the environment which server to start. What takes longer under a sanitizer
# or Valgrind gets more time.
export CUTOUTD          := $(abspath $(BIN)/cutoutd)
export CUTOUTCTL        := $(abspath $(BIN)/cutoutctl)
export ASAN_OPTIONS     := detect_stack_use_after_return=1:strict_string_checks=1
export UBSAN_OPTIONS    := print_stacktrace=1
export TSAN_OPTIONS     := second_deadlock_stack=1
export FAIL_LIBRARY     := $(abspath $(BUILD)/fail.so)
export KILL_ROUNDS      ?= 200
PATIENCE_release        := 1
PATIENCE_valgrind       := 20
export FAULTS FAULT_SEED FAULT_ONLY
export POWER_STATES POWER_RUNS POWER_SEED
export HISTORY_ROUNDS HISTORY_SEED
export TEST_PATIENCE    := $(or $(PATIENCE_$(VARIANT)),5)
export CK_TIMEOUT_MULTIPLIER := $(TEST_PATIENCE)
export CK_DEFAULT_TIMEOUT := 60

NODE_TEST      := node --test --test-reporter=spec
HTTP_TESTS     := $(wildcard tests/http/*.js)
CLIENT_TESTS   := $(wildcard tests/client/*.js)
BROWSER_TESTS  := $(wildcard tests/browser/*.js)
HISTORY_TESTS  := $(wildcard tests/faults/checker.test.js tests/faults/history.test.js)
KILL_TESTS     := $(filter-out $(HISTORY_TESTS),$(wildcard tests/faults/*.test.js))
FAULT_TESTS    := $(wildcard tests/faults/syscalls/*.test.js)
UNIT_RUNS      := $(UNIT_ROOMS:%=run-unit-%)
FUZZ_REPLAYS   := $(FUZZ_TARGETS:%=replay-%)
NODE_MODULES   := tests/node_modules/.package-lock.json
CLIENT_MODULES := client/node_modules/.package-lock.json

## Install what tests need and run all of them (kill -9 tests with fewer rounds)
.PHONY: check
check: test-tools
	$(AGAIN) --output-sync=target all lint-fast check-unit check-fuzz check-client
	$(AGAIN) check-http
	$(AGAIN) check-browser
	$(AGAIN) check-kill KILL_ROUNDS=$(if $(filter file,$(origin KILL_ROUNDS)),20,$(KILL_ROUNDS))
	$(AGAIN) check-history
	$(AGAIN) check-faults
	$(AGAIN) check-power

## Unit tests of all rooms; one room: make run-unit-store
.PHONY: check-unit $(UNIT_RUNS)
check-unit: $(UNIT_RUNS)
$(UNIT_RUNS): run-%: $(BUILD)/%
	$(call say,TEST,$<)
	$(Q)$(RUN_UNDER) $<

## Black-box tests of the server over real sockets (TESTS="tests/http/x.js" for some)
.PHONY: check-http
check-http: $(PROGRAMS) $(NODE_MODULES)
	$(call node_tests,$(or $(TESTS),$(HTTP_TESTS)))

## Tests of the JavaScript client, and whether the committed script is what its sources make
.PHONY: check-client client
check-client: $(PROGRAMS) $(CLIENT_MODULES)
	$(call node_tests,$(CLIENT_TESTS))

## The client and the demo app in headless Chromium
.PHONY: check-browser
check-browser: $(PROGRAMS) $(if $(BROWSER_TESTS),$(NODE_MODULES) $(CLIENT_MODULES))
	$(call node_tests,$(BROWSER_TESTS))

## kill -9 during appends, KILL_ROUNDS times, and of one of several servers SEVERAL_KILLS times
.PHONY: check-kill
check-kill: $(PROGRAMS)
	$(call node_tests,$(KILL_TESTS))

## Random histories of many clients, held against the promises of the protocol (HISTORY_ROUNDS=1)
.PHONY: check-history
check-history: $(PROGRAMS)
	$(call node_tests,$(HISTORY_TESTS))

## Failing system calls, and a full disk: a sample of the first (FAULT_SEED=1, FAULTS=all for all)
.PHONY: check-faults
check-faults: $(PROGRAMS) $(BUILD)/fail.so
	$(call node_tests,$(FAULT_TESTS))

# Never linked with anything. A sanitizer has a malloc of its own.
$(BUILD)/fail.so: tests/faults/fail.c $(BUILD)/flags
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARNINGS) -D_GNU_SOURCE -fPIC -shared \
	    $(if $(filter-out release,$(VARIANT)),-DFAIL_NO_MEMORY) -o $@ $<

## Power cuts at POWER_STATES moments of a recorded run; and that left-out syncs are noticed
.PHONY: check-power
POWER_PARTS := $(patsubst %,$(BUILD)/%.o,$(basename $(filter-out %/record.c,$(TORTURE_SOURCES))))
check-power: $(PROGRAMS) $(BUILD)/torture $(BUILD)/record.so
	$(call say,TEST,power cuts)
	$(Q)TORTURE=$(abspath $(BUILD)/torture) TORTURE_LIBRARY=$(abspath $(BUILD)/record.so) \
	    TORTURE_KEEP=$(abspath $(BUILD)/lost) TORTURE_LINK='$(COMPILE) $(LINK_$(VARIANT))' \
	    TORTURE_PARTS='$(POWER_PARTS) $(call archives,store) $(call libraries,store)' \
	    $(NODE_TEST) tests/torture/power.test.js

$(BUILD)/torture: $(POWER_PARTS) $(call archives,store)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(call libraries,store)

$(BUILD)/record.so: tests/torture/record.c tests/torture/trace.h $(BUILD)/flags
	$(call say,LD,$@)
	$(Q)$(CC) -std=gnu11 -O2 -g $(WARNINGS) -D_GNU_SOURCE -fPIC -shared -o $@ $<

# One state again, and what was on the disk then: TRACE, SEED, STATE, and INTO, a new directory.
.PHONY: power-state
power-state: $(BUILD)/torture
	$< -s $(SEED) -k $(STATE) $(addprefix -o ,$(INTO)) $(TRACE)

## What takes too long for every day
.PHONY: torture torture-faults torture-kills torture-history torture-power torture-crowd
torture: torture-faults torture-kills torture-history torture-power torture-crowd
torture-history: test-tools
	$(AGAIN) check-history HISTORY_ROUNDS=500
torture-kills: test-tools
	$(AGAIN) check-kill KILL_ROUNDS=2000 SEVERAL_KILLS=10000
torture-crowd: all test-tools
	$(Q)node tests/torture/crowd.js
torture-power: test-tools
	$(AGAIN) check-power POWER_RUNS=20 POWER_STATES=5000
torture-faults: test-tools
	$(AGAIN) check-faults FAULTS=all
	$(AGAIN) VARIANT=sanitize check-faults FAULTS=all

## Every input that a fuzzer ever found worth keeping, once more
.PHONY: check-fuzz $(FUZZ_REPLAYS)
check-fuzz: $(FUZZ_REPLAYS)
$(FUZZ_REPLAYS): replay-%: $(BUILD)/replay-%
	$(call say,FUZZ,$*)
	$(Q)$< $(wildcard tests/fuzz/corpus/$*/*)

node_tests = $(if $(1),$(call say,TEST,$(1))$(newline)$(Q)$(NODE_TEST) $(1),@:)
define newline


endef

$(NODE_MODULES) $(CLIENT_MODULES): %/node_modules/.package-lock.json: %/package-lock.json
	$(call say,NPM,$*)
	$(Q)npm ci --prefix $* --no-audit --no-fund --loglevel=error

## Make client/dist from client/src (what the server needs of it is committed)
client: $(CLIENT_MODULES)
	$(call say,BUILD,client/dist)
	$(Q)cd client && node build.js

$(BUILD)/replay-%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(call archives,app)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(call libraries,app)

## Unit, HTTP and kill tests again under AddressSanitizer and UBSan
.PHONY: sanitize
sanitize: test-tools
	$(AGAIN) VARIANT=sanitize --output-sync=target all check-unit check-fuzz
	$(AGAIN) VARIANT=sanitize check-http
	$(AGAIN) VARIANT=sanitize check-kill KILL_ROUNDS=20
	$(AGAIN) VARIANT=sanitize check-history

## Unit tests of the rooms that know of threads under ThreadSanitizer
.PHONY: thread check-threads
thread: test-tools
	$(AGAIN) VARIANT=thread --output-sync=target check-threads
check-threads: $(filter run-unit-base run-unit-loop run-unit-sync run-unit-http run-unit-app,$(UNIT_RUNS))

## Unit tests under Valgrind
.PHONY: valgrind
valgrind: test-tools
	$(AGAIN) VARIANT=valgrind --output-sync=target check-unit RUN_UNDER="valgrind --quiet \
	    --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite"

## Fuzz one parser with libFuzzer: make fuzz TARGET=json_read TIME=60
TIME ?= 60
.PHONY: fuzz
fuzz:
ifeq ($(VARIANT)$(TARGET),$(VARIANT))
	@echo 'say which: make fuzz TARGET=NAME, one of: $(FUZZ_TARGETS)'; false
else ifneq ($(VARIANT),fuzz)
	$(AGAIN) VARIANT=fuzz fuzz
else
fuzz: $(BUILD)/fuzz-$(TARGET)
	@mkdir -p $(BUILD)/found-$(TARGET)
	$(Q)$< -max_total_time=$(TIME) -timeout=10 -artifact_prefix=$(BUILD)/$(TARGET)- \
	    $(addprefix -dict=,$(wildcard tests/fuzz/$(TARGET).dict)) \
	    $(BUILD)/found-$(TARGET) $(wildcard tests/fuzz/corpus/$(TARGET))
endif

$(BUILD)/fuzz-%: $(BUILD)/tests/fuzz/fuzz_%.o $(call archives,app)
	$(call say,LD,$@)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(call libraries,app)

## Which lines the unit and HTTP tests reach: build/coverage/index.html
.PHONY: coverage
coverage:
ifneq ($(VARIANT),coverage)
coverage: test-tools
	$(Q)find build/coverage -name '*.gcda' -delete 2>/dev/null || true
	$(AGAIN) VARIANT=coverage --output-sync=target all check-unit check-fuzz
	$(AGAIN) VARIANT=coverage check-http
	$(AGAIN) VARIANT=coverage coverage
else
	$(Q)gcovr --root . --filter src/ --exclude-throw-branches --sort-percentage \
	    --print-summary --html-details $(BUILD)/index.html $(BUILD)
endif

## Polls beside nginx and a bare evhttp handler, reads beside nginx, appends beside Redis and the disk's own limit
.PHONY: bench
bench:
	$(Q)deps/install build bench
	$(AGAIN) all $(patsubst tests/bench/%.c,$(BUILD)/bench-%,$(BENCH_SOURCES))
	$(Q)BENCH_DIR=$(abspath $(BUILD)) tests/bench/polls
	$(Q)BENCH_DIR=$(abspath $(BUILD)) tests/bench/reads
	$(Q)BENCH_DIR=$(abspath $(BUILD)) tests/bench/appends
	$(Q)BENCH_DIR=$(abspath $(BUILD)) tests/bench/logins

$(BUILD)/bench-%: $(BUILD)/tests/bench/%.o $(call archives,app)
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(call libraries,app)

# ---- Lint -----------------------------------------------------------------------------------
LINT_C      := $(SOURCES) $(TEST_SOURCES)
LINT_FORMAT := $(LINT_C) $(HEADERS) $(TEST_HEADERS)
LINT_TEXT   := $(wildcard *.md docs conf deps scripts client tests/http tests/client tests/browser \
               tests/faults tests/golden tests/torture)
TIDY_STAMPS := $(SOURCES:%.c=$(BUILD)/%.tidy)

## Everything a machine can say about the sources
.PHONY: lint
lint: test-tools
	$(AGAIN) --output-sync=target lint-fast lint-unused lint-docs lint-tidy lint-cppcheck lint-shell

## The part of lint that takes no time: layers, sizes, words, format
.PHONY: lint-fast lint-layers lint-sizes lint-words lint-format lint-self
lint-fast: lint-layers lint-sizes lint-words lint-format lint-self
lint-layers:
	$(call say,LINT,layers)
	$(Q)scripts/lint-layers $(foreach room,$(ROOMS),"$(room): $(MAY_$(room))")
lint-sizes:
	$(call say,LINT,sizes)
	$(Q)scripts/lint-sizes 80 600 $(LINT_FORMAT)
lint-words:
	$(call say,LINT,words)
	$(Q)scripts/lint-words $(LINT_FORMAT) -- $(LINT_TEXT)
lint-format:
	$(call say,LINT,format)
	$(Q)clang-format --dry-run -Werror $(LINT_FORMAT)
lint-self:
	$(call say,LINT,lint)
	$(Q)tests/lint/run

# Public only so that tests can do what no program has to.
FOR_TESTS := clock_hold conf_read_text crc32c_extend_portable probe_find_file_system

.PHONY: lint-unused lint-docs lint-tidy lint-cppcheck lint-shell
lint-unused: all
	$(call say,LINT,unused)
	$(Q)$(if $(strip $(PROGRAMS)),scripts/lint-unused $(BUILD) "$(FOR_TESTS)" $(PROGRAMS))
lint-docs: all
	$(call say,LINT,docs)
	$(Q)$(if $(filter %/cutoutd,$(PROGRAMS)),$(BIN)/cutoutd --print-reference | \
	    diff -u conf/cutout.conf - || { echo 'conf/cutout.conf is stale: make docs'; false; })
lint-tidy: $(TIDY_STAMPS)
lint-cppcheck:
	$(call say,LINT,cppcheck)
	@mkdir -p $(BUILD)/cppcheck
	$(Q)cppcheck --quiet --std=c11 --library=posix,gnu --enable=warning,performance,portability \
	    --inline-suppr --suppress=missingIncludeSystem --suppress=readdirCalled --error-exitcode=1 -D_GNU_SOURCE -Isrc \
	    --cppcheck-build-dir=$(BUILD)/cppcheck src
lint-shell:
	$(call say,LINT,scripts)
	$(Q)shellcheck -x $(SCRIPTS)

# A file is looked at again when its object was made again, for then it or a header has changed.
$(BUILD)/%.tidy: %.c $(BUILD)/%.o .clang-tidy
	$(call say,TIDY,$<)
	$(Q)clang-tidy --quiet $< -- $(COMPILE_FLAGS) $(package_cflags) -DCUTOUT_VERSION='"0"' 2>$@.log || \
	    { cat $@.log; false; }
	@touch $@

## Let clang-format lay out all C files
.PHONY: format
format:
	$(Q)clang-format -i $(LINT_FORMAT)

# ---- Documents and editors ------------------------------------------------------------------
## Print conf/cutout.conf from the table of directives
.PHONY: docs
docs: $(BIN)/cutoutd
	$(Q)$(BIN)/cutoutd --print-reference >$(BUILD)/cutout.conf
	$(Q)mv $(BUILD)/cutout.conf conf/cutout.conf

comma := ,
define compile_command
$(if $(filter $(firstword $(LINT_C)),$(1)),,$(comma)){"directory": "$(CURDIR)", "file": "$(1)",
 "command": "$(CC) $(COMPILE_FLAGS) $(package_cflags) -Itests/unit -DCUTOUT_VERSION=0 -c $(1)"}

endef
## Tell clangd and other tools how each file is compiled
.PHONY: compile_commands.json
compile_commands.json:
	$(file >$@,[$(foreach file,$(LINT_C),$(call compile_command,$(file)))])
	$(call say,GEN,$@)

## An index of names for editors
.PHONY: tags
tags:
	$(Q)ctags -R --languages=C src tests/unit tests/fuzz

# ---- Installing -----------------------------------------------------------------------------
PREFIX     ?= /usr/local
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
PLACE       = $(DESTDIR)$(PREFIX)
MAN_PAGES  := $(wildcard docs/man/*.[1-8])
CLIENT     := $(wildcard client/dist/syncclient.js)

## Install into PREFIX (/usr/local), below DESTDIR; an existing conf is left alone
.PHONY: install
install: all
	install -d $(PLACE)/sbin $(PLACE)/bin $(PLACE)/share/cutout $(DESTDIR)$(SYSCONFDIR)/cutout
	install -m 755 $(BIN)/cutoutd $(PLACE)/sbin/cutoutd
	$(if $(filter %/cutoutctl,$(PROGRAMS)),install -m 755 $(BIN)/cutoutctl $(PLACE)/bin/cutoutctl)
	$(if $(CLIENT),install -m 644 $(CLIENT) $(PLACE)/share/cutout)
	test -e $(DESTDIR)$(SYSCONFDIR)/cutout/cutout.conf || \
	    install -m 644 conf/cutout.conf $(DESTDIR)$(SYSCONFDIR)/cutout/cutout.conf
	$(foreach page,$(MAN_PAGES),install -D -m 644 $(page) \
	    $(PLACE)/share/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page));)

## Remove what install put there, but the conf
.PHONY: uninstall
uninstall:
	rm -f $(PLACE)/sbin/cutoutd $(PLACE)/bin/cutoutctl
	rm -rf $(PLACE)/share/cutout
	rm -f $(foreach page,$(MAN_PAGES),\
	    $(PLACE)/share/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page)))

## Remove what was built
.PHONY: clean
clean:
	rm -rf build compile_commands.json tags

## Show this list
.PHONY: help
help:
	@awk '/^## /{text=substr($$0,4)} /^[a-z_.-]+:/&&text{sub(":.*","");\
	    printf "  %-22s %s\n",$$0,text;text=""}' $(firstword $(MAKEFILE_LIST))
	@echo
	@echo '  V=1 shows the commands; VARIANT=sanitize|thread|valgrind|coverage compiles that way.'
