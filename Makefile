# charref.  `make help` lists the targets; F=release|debug|asan chooses a
# flavour, each with its own folder build/<F>/.  So do `variants` and `fuzz`.
F ?= release
B := build/$(F)
PREFIX ?= /usr/local
DEPS ?= deploy/deps

# All processors, unless the caller gave -j.  A make that this one starts shares
# its job slots.
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif
# Goals that only compile run in parallel.  The others run in order, because they
# install packages first; each compiles in a make of its own.
ifneq ($(filter-out programs tools units fuzzers build/%,$(or $(MAKECMDGOALS),all)),)
.NOTPARALLEL:
endif

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
LDFLAGS_asan    = $(if $(findstring clang,$(CC)),,-static-libasan -static-libubsan) # a quicker start
CFLAGS_debug   := -O1 -g3
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_asan    := -O1 -g1 $(SANITIZE)
CFLAGS_fuzz    := -O1 -g $(SANITIZE) -fsanitize=fuzzer-no-link
CFLAGS_clang   := -O1
CFLAGS_lto     := -O3 -flto=auto
CFLAGS_uchar   := -O1 -funsigned-char # as char is on arm64
CC := $(if $(filter fuzz clang,$(F)),$(filter ccache,$(CC)) clang,$(CC))
AR := $(if $(filter lto,$(F)),gcc-ar,$(AR))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual \
        -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
        -Wformat=2 -Wvla -Wundef
# A warning is an error for a developer (WERROR=1) and in CI, never for a user,
# whose compiler may know warnings that ours does not.
WERROR ?= $(filter true,$(CI))
VARIANTS := variant-clang variant-lto variant-uchar
check check-fast check-more test unit lint fuzz $(VARIANTS): export WERROR = 1

CPPFLAGS += -D_GNU_SOURCE -Isrc -MMD -MP
CFLAGS   += -std=c11 -fPIE $(WARN) $(if $(WERROR),-Werror) $(CFLAGS_$(F))
LDFLAGS  += -pie -Wl,-z,relro,-z,now,--as-needed $(LDFLAGS_$(F))

# What each program links; charref-sketch alone needs cairo.
LIBS        := -lfcgi -lcurl -ljansson -lexpat -lsqlite3 -lcrypto -luuid
LIBS_sketch := $(LIBS) -lcairo -lfontconfig -lm

PROGRAMS := charref-fcgi charref charref-pool charref-sketch
MODULES  := $(filter-out src/bin/%,$(wildcard src/*/*.c))
OBJ      := $(MODULES:src/%.c=$(B)/%.o)
UNIT     := $(patsubst tests/unit/%.c,$(B)/unit/%,$(wildcard tests/unit/test_*.c))
FAULT    := $(patsubst tests/fault/%.c,$(B)/fault/%,$(wildcard tests/fault/fault_*.c))
FUZZ     := $(patsubst tests/fuzz/%.c,$(B)/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS    := $(patsubst tests/tools/%.c,$(B)/tools/%,$(wildcard tests/tools/*.c))
FUZZ_SECONDS ?= 60

all: build-deps ## build the release programs into build/
	@$(MAKE) --no-print-directory F=release programs
	@for p in $(PROGRAMS); do cp -lf build/release/$$p build/$$p; done

run: run-deps all ## install what is missing, start everything on PORT (8000)
	@exec deploy/run

run-s3: s3-deps all ## the same with an S3 server of its own, on S3_PORT (PORT+1000)
	@exec deploy/run-s3

unit: check-deps ## the unit and fault tests and the corpora, in under a minute
	@tests/check --only unit
check-fast: check-deps all ## lint, unit tests, integration tests that are quick
	@tests/check --only fast
check: check-deps all ## the lint and every test, in release and with sanitizers
	@tests/check
check-more: check-deps ## other compilers, and each fuzz target for two seconds
	@tests/check --only more
soak: soak-deps all ## the long tests: kill cycles by the hundred, a clean install
	@tests/check --only soak
test: check-deps ## one test: make test T=test_pool.py [F=asan]
	@F=$(F) tests/check --test '$(T)'

bench: bench-deps all ## figures beside what others take, as ratios of one run
	@$(MAKE) --no-print-directory F=release build/release/tools/presign_speed \
	    build/release/bench/noop
	@/usr/bin/python3 tests/bench/bench.py

fuzz: check-deps ## run each fuzz target for FUZZ_SECONDS (60) with libFuzzer
	@tests/fuzz/run $(FUZZ_SECONDS)

variants: $(VARIANTS) ## compile all of it by clang, for LTO, with unsigned char
$(VARIANTS): check-deps
	@$(MAKE) --no-print-directory F=$(@:variant-%=%) programs \
	    $(if $(filter variant-lto,$@),,units)

lint: check-deps all ## layers, lengths, banned calls, format, documents
	@tests/lint/lint

format: check-deps ## lay out the C sources
	clang-format -i src/*/*.[ch] tests/*/*.[ch]

deps: build-deps run-deps s3-deps check-deps ## install every package that is needed
build-deps run-deps s3-deps check-deps bench-deps deb-deps soak-deps:
	@$(DEPS) $(@:-deps=)

PLACES = PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' PROGRAMS='$(PROGRAMS)'
install: all ## install all below PREFIX (/usr/local), in DESTDIR; keep settings
	@$(PLACES) deploy/install

uninstall: ## remove what install brought, but neither settings nor data
	@$(PLACES) deploy/install remove

deb: deb-deps ## build the Debian package, build/charref_VERSION_ARCH.deb
	@deploy/deb

clean: ## remove build/ (never the data)
	rm -rf build

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-10s %s\n", $$1, $$2 }' \
	    Makefile

programs: $(PROGRAMS:%=$(B)/%)
tools: $(TOOLS)
units: $(UNIT) $(FAULT) $(FUZZ) tools
fuzzers: $(FUZZ)
programs tools units fuzzers: ; @:

$(B)/lib.a: $(OBJ)
	@rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: src/%.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

# Prints one line for each program.
LINK = @mkdir -p $(@D) && echo '$(F): $(@:$(B)/%=%)' && \
       $(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@

$(B)/charref-sketch: $(B)/bin/charref-sketch.o $(B)/lib.a
	$(LINK) $^ $(LIBS_sketch)

$(B)/%: $(B)/bin/%.o $(B)/lib.a
	$(LINK) $^ $(LIBS)

$(B)/unit/%: tests/unit/%.c $(B)/lib.a
	$(LINK) $< $(B)/lib.a -lcmocka $(LIBS_sketch)

# Helper programs through which the Python tests call our C modules.
$(B)/tools/%: tests/tools/%.c $(B)/lib.a
	$(LINK) $< $(B)/lib.a $(LIBS)

# What the benchmark measures ours beside: libfcgi alone.
$(B)/bench/%: tests/bench/%.c
	$(LINK) $< -lfcgi

# A fault test refuses what it wraps: see tests/fault/refuse.h.
WRAP := malloc calloc realloc write fsync syncfs mkdirat renameat2 readdir setxattr
$(B)/fault/%: tests/fault/%.c $(B)/lib.a
	$(LINK) $< $(B)/lib.a $(LIBS) $(WRAP:%=-Wl,--wrap=%)

# A fuzz target has libFuzzer's main, or ours, which replays files.
$(B)/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(B)/lib.a
	$(LINK) $< $(if $(filter fuzz,$(F)),-fsanitize=fuzzer,tests/fuzz/replay.c) \
	    $(B)/lib.a $(LIBS)

.PHONY: all run run-s3 unit check-fast check check-more test soak bench fuzz \
        variants $(VARIANTS) lint format deps install uninstall deb clean help \
        programs tools units fuzzers build-deps run-deps s3-deps check-deps \
        bench-deps deb-deps soak-deps
.SECONDARY:
-include $(wildcard $(B)/*/*.d)
