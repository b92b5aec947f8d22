# AlphaPulse. `make` builds, `make run` runs it all, `make test` tests it all; see README.md.
# Sources are found by place: common/core and stages/*/[^m]*.c are pure, main.c files tie them to common/io.

CC       ?= gcc
BUILD    ?= build$(if $(SAN),-san)$(if $(filter clang%,$(notdir $(CC))),-clang)
BIN      := $(if $(SAN),$(BUILD)/bin,bin)
WERROR   ?= $(if $(CI),-Werror)
PKGS     := libev hiredis libpq msgpack libconfig libmicrohttpd libwslay yajl libxxhash libzstd zlib
PKGDEB   := tools/packages
JOBS     ?= $(shell nproc)
VERSION  := $(shell cat VERSION 2>/dev/null || echo 0.1.0)

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wformat=2 -Wundef -Wdouble-promotion -Wnull-dereference
ifeq ($(filter clang%,$(notdir $(CC))),)
WARN += -Wlogical-op -Wduplicated-cond -Wjump-misses-init
endif
HARD := -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection -fcf-protection=full
ifdef SAN
HARD := -fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
endif
CPPFLAGS += -D_GNU_SOURCE -DAP_VERSION='"$(VERSION)"' -I. -isystem /usr/include/postgresql
CFLAGS   ?= -O2 -g
# The same sources give the same bytes in any directory: no path of this one in them, and whatever is listed is sorted.
CFLAGS   += '-ffile-prefix-map=$(CURDIR)=.' -std=c11 -fPIE -ffp-contract=off -fno-strict-aliasing -fno-common $(WARN) $(WERROR) $(HARD)
LDFLAGS  += -pie -Wl,-z,relro,-z,now,-z,noexecstack $(if $(SAN),-fsanitize=$(SAN))
PURELIBS := -lmsgpackc -lxxhash -lyajl -lm
IOLIBS   := -lev -lhiredis -lpq -lconfig -lpthread
LIBS_ap-ingest  := -lz -lzstd
LIBS_ap-api     := -lmicrohttpd -lwslay -lz
LIBS_ap-metrics := -lmicrohttpd

CORE    := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard common/core/*.c)))
IO      := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard common/io/*.c)))
STAGES  := $(notdir $(sort $(wildcard stages/ap-*)))
# main*.c of a stage is its shell (may do I/O); everything else is its pure core.
shell_of = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard stages/$(1)/main*.c)))
core_of  = $(patsubst %.c,$(BUILD)/%.o,$(filter-out stages/$(1)/main%,$(sort $(wildcard stages/$(1)/*.c))))
STAGECORE := $(foreach s,$(STAGES),$(call core_of,$(s)))
SUPCORE := $(patsubst %.c,$(BUILD)/%.o,$(filter-out supervisor/main%,$(sort $(wildcard supervisor/*.c))))

PROGS := $(foreach s,$(STAGES),$(if $(wildcard stages/$(s)/main.c),$(BIN)/$(s))) \
	 $(if $(wildcard supervisor/main.c),$(BIN)/ap-supervisor) $(if $(wildcard tools/apctl/main.c),$(BIN)/apctl)

# One short line a file; V=1 shows the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' '$(1)' '$(2)')

.PHONY: all clean
all: $(PROGS)
# Objects that only a pattern names are kept all the same: the next make compiles what changed, no more.
.SECONDARY:
MAKEFLAGS += --no-print-directory

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

# The five everyday indicators are one straight line of scalar arithmetic; pairing it into vectors makes it slower.
$(BUILD)/stages/ap-indicators/ind_step.o: CFLAGS += -fno-tree-slp-vectorize
# Nobody asks errno after sqrt(): without this each one carries a call for arguments below zero. Values stay the same.
$(BUILD)/stages/ap-indicators/%.o: CFLAGS += -fno-math-errno

# The schema travels inside the programs that apply it.
SCHEMA := $(sort $(wildcard schema/[0-9]*.sql))
IO     += $(BUILD)/gen/schema_sql.o
$(BUILD)/gen/schema_sql.c: tools/embed-schema $(SCHEMA)
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)tools/embed-schema $(SCHEMA) >$@.tmp && mv $@.tmp $@
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
# So do the Redis functions.
IO     += $(BUILD)/gen/fn_alphapulse_v1.o
$(BUILD)/gen/fn_%.c: schema/functions/%.lua
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q){ echo "#include <stddef.h>"; echo "extern const unsigned char ap_fn_$*[]; extern const size_t ap_fn_$*_len;"; \
	  echo "const unsigned char ap_fn_$*[] = {"; od -An -v -tx1 $< | sed "s/ \([0-9a-f][0-9a-f]\)/0x\1,/g"; echo "0 };"; \
	  echo "const size_t ap_fn_$*_len = sizeof ap_fn_$* - 1;"; } >$@

# The page: its files and its chart libraries (npm, pinned by web/package-lock.json) built into ap-api. Without npm or a
# network everything else is built all the same, and the page says that its charts are missing.
MORE_ap-api := $(BUILD)/gen/web.o
WEBFILES := $(sort $(wildcard web/*.html web/*.js web/*.css web/*.svg web/*.json web/*.txt))
WEBFILES := $(filter-out web/package.json web/package-lock.json,$(WEBFILES))
WEBMOD   := web/node_modules
WEBLIBS  := /lib/lightweight-charts.js=$(WEBMOD)/lightweight-charts/dist/lightweight-charts.standalone.production.js \
	/lib/uplot.js=$(WEBMOD)/uplot/dist/uPlot.iife.min.js /lib/uplot.css=$(WEBMOD)/uplot/dist/uPlot.min.css \
	/lib/lightweight-charts-license.txt=$(WEBMOD)/lightweight-charts/LICENSE /lib/uplot-license.txt=$(WEBMOD)/uplot/LICENSE
$(WEBMOD)/.package-lock.json: web/package-lock.json
	$(call say,NPM,$(WEBMOD))
	$(Q)cd web && npm ci --ignore-scripts --no-audit --no-fund --silent || \
		echo "make: npm ci failed, the page is built without its charts" >&2
$(BUILD)/tools/embed: tools/embed.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -o $@ $< $(LDFLAGS) -lz -lxxhash
$(BUILD)/gen/web.c: $(BUILD)/tools/embed $(WEBFILES) $(WEBMOD)/.package-lock.json
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)$(BUILD)/tools/embed $@ $(foreach f,$(WEBFILES),/$(notdir $(f))=$(f)) $(addprefix '?,$(addsuffix ',$(WEBLIBS)))
$(BUILD)/gen/web.o: $(BUILD)/gen/web.c
	$(call say,CC,$@)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(BUILD)/libap-core.a: $(CORE)
	$(Q)rm -f $@ && ar rcsD $@ $^
$(BUILD)/libap-io.a: $(IO)
	$(Q)rm -f $@ && ar rcsD $@ $^
# What apctl verify computes is pure too.
VERIFYCORE := $(BUILD)/tools/apctl/verify_candle.o $(BUILD)/tools/apctl/verify_ind.o
# All pure stage cores in one archive, for tests and tools; programs link only their own.
$(BUILD)/libap-stages.a: $(STAGECORE) $(SUPCORE) $(VERIFYCORE)
	$(Q)rm -f $@ && ar rcsD $@ $^
CORELIB := $(BUILD)/libap-core.a
IOLIB   := $(BUILD)/libap-io.a

.SECONDEXPANSION:
$(BIN)/ap-supervisor: $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard supervisor/*.c))) $(IOLIB) $(CORELIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(IOLIBS) $(PURELIBS)
$(BIN)/apctl: $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tools/apctl/*.c))) $(IOLIB) $(CORELIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(IOLIBS) $(PURELIBS)
$(BIN)/ap-%: $$(call shell_of,ap-$$*) $$(call core_of,ap-$$*) $$(MORE_ap-$$*) $(IOLIB) $(CORELIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LIBS_ap-$*) $(IOLIBS) $(PURELIBS)

# --- tests -----------------------------------------------------------------
# Each test/unit/test_*.c, test/laws/test_*.c, test/golden/test_*.c is one program, linked with everything pure.
PURETESTS := $(patsubst %.c,$(BUILD)/%,$(wildcard test/unit/test_*.c test/laws/test_*.c test/golden/test_*.c))
# test/iounit/test_*.c: programs that also link common/io, still without servers.
IOTESTS   := $(patsubst %.c,$(BUILD)/%,$(wildcard test/iounit/test_*.c))
TESTLIB   := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard test/lib/*.c)))

$(PURETESTS): $(BUILD)/%: $(BUILD)/%.o $(TESTLIB) $(BUILD)/libap-stages.a $(CORELIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka -lz $(PURELIBS)
$(IOTESTS): $(BUILD)/%: $(BUILD)/%.o $(TESTLIB) $(BUILD)/libap-stages.a $(IOLIB) $(CORELIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka -lz $(IOLIBS) $(PURELIBS)

BENCHES := $(patsubst %.c,$(BUILD)/%,$(wildcard test/bench/bench_*.c))
$(BENCHES): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libap-stages.a $(CORELIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lz $(PURELIBS)

# Tools that print documents from tables: tools/gen-*.c
GENS := $(patsubst tools/%.c,$(BUILD)/tools/%,$(wildcard tools/gen-*.c))
$(GENS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libap-stages.a $(CORELIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(PURELIBS)

# Small programs that tests of whole processes use: test/tools/*.c
TOOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard test/tools/*.c))
$(TOOLS): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/libap-stages.a $(IOLIB) $(CORELIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(IOLIBS) $(PURELIBS)

# What tests put in front of a library (LD_PRELOAD): test/shim/*.c
SHIMS := $(patsubst %.c,$(BUILD)/%.so,$(wildcard test/shim/*.c))
$(SHIMS): $(BUILD)/%.so: %.c
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CPPFLAGS) $(filter-out -fPIE -fsanitize=%,$(CFLAGS)) -fPIC -shared -o $@ $< -ldl

# Every fuzz target is also an ordinary program that runs its corpus and a fixed number of seeded inputs.
FUZZ     := $(patsubst %.c,%,$(notdir $(wildcard test/fuzz/fuzz_*.c)))
FUZZONCE := $(addprefix $(BUILD)/test/fuzz/,$(FUZZ))
$(FUZZONCE): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/test/fuzz/once.o $(TESTLIB) $(BUILD)/libap-stages.a $(CORELIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka -lz $(PURELIBS)

# Tests of whole processes, against real servers: scripts that print TAP. They find the programs in AP_BIN
# and the small tools in AP_TOOLS.
SCRIPTS := $(sort $(wildcard test/integration/test_*.sh test/e2e/test_*.sh))
# Faults injected into a running pipeline: once each in `make test`, except those that say they are slow; 20 times each in `make faults`.
FAULTS  := $(sort $(wildcard test/faults/f[0-9]*.sh))
FAULTS_ONCE := $(if $(FAULTS),$(sort $(shell grep -L '^\# slow: ' $(FAULTS))))
export AP_BIN = $(abspath $(BIN))
export AP_TOOLS = $(abspath $(BUILD))/test/tools
export AP_BUILD = $(abspath $(BUILD))

# Every C file there is, compiled and not linked: what a compiler has to say of all of them.
OBJECTS := $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard common/*/*.c stages/*/*.c supervisor/*.c tools/*.c tools/*/*.c test/*/*.c)))

.PHONY: unit test-golden test test-programs gens benches objects faults
objects: $(OBJECTS) $(IO)
gens: $(GENS)
benches: $(BENCHES)
unit: $(PURETESTS) $(IOTESTS)
	test/run $(PURETESTS) $(IOTESTS)
test-golden: $(filter $(BUILD)/test/golden/%,$(PURETESTS))
	test/run $^
test-programs: all $(PURETESTS) $(IOTESTS) $(FUZZONCE) $(TOOLS) $(SHIMS) $(GENS)
test:
	tools/deps build run test
	$(MAKE) -j$(JOBS) test-programs
	test/run $(PURETESTS) $(IOTESTS) $(FUZZONCE) $(SCRIPTS) $(FAULTS_ONCE)
faults:
	tools/deps build run test
	$(MAKE) -j$(JOBS) all $(TOOLS)
	test/faults/run $(FAULTS)

# --- fuzzing: make fuzz [FUZZ_S=seconds for each target] [FUZZ=fuzz_wire] ----
FUZZ_S ?= 60
.PHONY: fuzz fuzz-programs
fuzz:
	tools/deps build fuzz test
	$(MAKE) CC=clang SAN=fuzzer-no-link,address,undefined BUILD=build-fuzz fuzz-programs
	for t in $(FUZZ); do mkdir -p build-fuzz/corpus/$$t test/fuzz/corpus/$$t; \
		build-fuzz/$$t -max_total_time=$(FUZZ_S) -max_len=8192 -timeout=10 -print_final_stats=1 \
			build-fuzz/corpus/$$t test/fuzz/corpus/$$t || exit 1; done
fuzz-programs: $(addprefix $(BUILD)/,$(FUZZ))
$(addprefix build-fuzz/,$(FUZZ)): build-fuzz/%: build-fuzz/test/fuzz/%.o $(TESTLIB) $(BUILD)/libap-stages.a $(CORELIB)
	$(call say,LD,$@)
	$(Q)$(CC) -fsanitize=fuzzer,address,undefined -o $@ $^ -lcmocka -lz $(PURELIBS)

# --- running, installing, checking ------------------------------------------
.PHONY: run bench lint install docs
# Documents that are made from tables; a test fails when they are not up to date.
docs: $(GENS)
	$(BUILD)/tools/gen-conf > etc/alphapulse.conf
	$(BUILD)/tools/gen-conf man > etc/alphapulse.conf.5
	if [ -x $(BUILD)/tools/gen-indicators-doc ]; then $(BUILD)/tools/gen-indicators-doc > docs/indicators.md; fi
	if [ -x $(BUILD)/tools/gen-signals-doc ]; then $(BUILD)/tools/gen-signals-doc > docs/signals.md; fi
	test/faults/report > docs/faults.md
run:
	tools/deps build run
	$(MAKE) -j$(JOBS) all
	$(BIN)/ap-supervisor -c etc/demo.conf

bench:
	tools/deps build run
	$(MAKE) -j$(JOBS) all benches $(TOOLS)
	test/bench/run

lint:
	tools/deps build test lint
	tools/lint

# Programs, manual pages, units; schema and samples below share; the configuration, unless there is one. The account the
# services run as must read it: it holds no password, only names of files that do.
PREFIX ?= /usr/local
MAN1   := $(sort $(wildcard stages/*/*.1 supervisor/*.1 tools/apctl/*.1))
SHARE  := $(DESTDIR)$(PREFIX)/share
UNITS  := $(DESTDIR)$(PREFIX)/lib/systemd/system
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/alphapulse $(SHARE)/man/man1 $(SHARE)/man/man5 $(UNITS) $(DESTDIR)/etc/alphapulse
	install -m 755 $(PROGS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(MAN1) $(SHARE)/man/man1
	install -m 644 etc/alphapulse.conf.5 $(SHARE)/man/man5
	for u in etc/systemd/*; do sed 's|/usr/bin/|$(PREFIX)/bin/|' $$u | install -m 644 /dev/stdin $(UNITS)/$${u##*/} || exit 1; done
	cp -R schema etc $(SHARE)/alphapulse
	rm -r $(SHARE)/alphapulse/etc/systemd $(SHARE)/alphapulse/etc/*.5
	sed 's|/usr/bin/|$(PREFIX)/bin/|' etc/supervisord/alphapulse.conf >$(SHARE)/alphapulse/etc/supervisord/alphapulse.conf
	chmod -R u=rwX,go=rX $(SHARE)/alphapulse
	[ -e $(DESTDIR)/etc/alphapulse/alphapulse.conf ] || install -m 644 etc/alphapulse.conf $(DESTDIR)/etc/alphapulse

clean:
	rm -rf build build-* bin

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
