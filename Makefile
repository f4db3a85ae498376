# charref.  `make help` lists the targets; F=release|debug|asan chooses a
# flavour, each with its own folder build/<F>/.
F ?= release
B := build/$(F)
PREFIX ?= /usr/local

CFLAGS_debug   := -O1 -g3
CFLAGS_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_asan    := -O1 -g3 -fsanitize=address,undefined \
                  -fno-sanitize-recover=all -fno-omit-frame-pointer

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual \
        -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings \
        -Wformat=2 -Wvla -Wundef -Werror

CPPFLAGS += -D_GNU_SOURCE -Isrc -MMD -MP
CFLAGS   += -std=c11 -fPIE $(WARN) $(CFLAGS_$(F))
LDFLAGS  += -pie -Wl,-z,relro,-z,now -Wl,--as-needed

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

unit: check-deps ## the unit tests, in under a minute
	@$(MAKE) --no-print-directory F=debug units
	@tests/check --only unit

check: check-deps all ## every test, plain and sanitized, and the lint
	@$(MAKE) --no-print-directory F=debug programs units
	@$(MAKE) --no-print-directory F=asan programs units
	@tests/check

soak: soak-deps all ## the long tests: kill cycles by the hundred, a clean install
	@$(MAKE) --no-print-directory F=asan programs
	@tests/check --only soak

bench: bench-deps all ## figures beside what others take, as ratios of one run
	@$(MAKE) --no-print-directory F=release build/release/tools/presign_speed \
	    build/release/bench/noop
	@/usr/bin/python3 tests/bench/bench.py

fuzz: check-deps ## run each fuzz target for FUZZ_SECONDS (60) with libFuzzer
	@tests/fuzz/run $(FUZZ_SECONDS)

lint: check-deps all ## layers, lengths, banned calls, format, documents
	@tests/lint/lint

format: check-deps ## lay out the C sources
	clang-format -i src/*/*.[ch] tests/*/*.[ch]

deps: build-deps run-deps s3-deps check-deps ## install every package that is needed
build-deps run-deps s3-deps check-deps bench-deps deb-deps soak-deps:
	@deploy/deps $(@:-deps=)

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
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' \
	    Makefile

programs: $(PROGRAMS:%=$(B)/%)
	@:
units: $(UNIT) $(FAULT) $(FUZZ) $(TOOLS)
	@:

$(B)/lib.a: $(OBJ)
	@rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: src/%.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) -c -o $@ $<

$(B)/charref-sketch: $(B)/bin/charref-sketch.o $(B)/lib.a
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS_sketch)

$(B)/%: $(B)/bin/%.o $(B)/lib.a
	@$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LIBS)

$(B)/unit/%: tests/unit/%.c $(B)/lib.a
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/lib.a -lcmocka $(LIBS_sketch)

# What a test of another language asks our modules with.
$(B)/tools/%: tests/tools/%.c $(B)/lib.a
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/lib.a $(LIBS)

# What the benchmark measures ours beside: libfcgi alone.
$(B)/bench/%: tests/bench/%.c
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< -lfcgi

# A fault test refuses what it wraps: see tests/fault/refuse.h.
WRAP := malloc calloc realloc write fsync syncfs mkdirat renameat2
$(B)/fault/%: tests/fault/%.c $(B)/lib.a
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(B)/lib.a $(LIBS) \
	    $(WRAP:%=-Wl,--wrap=%)

$(B)/fuzz/%: tests/fuzz/%.c tests/fuzz/replay.c $(B)/lib.a
	@mkdir -p $(@D)
	@$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< tests/fuzz/replay.c \
	    $(B)/lib.a $(LIBS)

.PHONY: all run run-s3 unit check soak bench fuzz lint format deps install \
        uninstall deb clean help programs units build-deps run-deps s3-deps \
        check-deps bench-deps deb-deps soak-deps
.SECONDARY:
-include $(wildcard $(B)/*/*.d)
