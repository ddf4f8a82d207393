# kd: see README.md, and `make help` for what can be done. Each mode and compiler has its own
# folder under build/.

VERSION := $(shell cat VERSION)
CC      ?= cc
ifeq ($(origin CC),default)
CC := cc
endif
MODE    ?= release
PREFIX  ?= /usr/local
DESTDIR ?=

OUT := build/$(MODE)-$(notdir $(firstword $(CC)))
PACKAGES := openblas libcjson libpng zlib
# Optional: of the library, and of kd-report alone.
HAVE_LIB := $(shell for p in libturbojpeg; do pkg-config --exists $$p && echo $$p; done 2>/dev/null)
# ONNX files are protocol buffers; their description comes with the package libonnx-dev.
ONNX_PROTO := $(firstword $(wildcard /usr/include/onnx/onnx.proto /usr/local/include/onnx/onnx.proto \
    /opt/homebrew/include/onnx/onnx.proto))
HAVE_ONNX := $(shell test -n "$(ONNX_PROTO)" && command -v protoc-c >/dev/null && \
    pkg-config --exists libprotobuf-c && echo onnx)
HAVE := $(shell for p in cairo xlsxwriter; do pkg-config --exists $$p && echo $$p; done 2>/dev/null)
# What a missing package leaves out here is told by the rule `needs`, before anything is compiled.
pkg = $(shell pkg-config $(1) 2>/dev/null)

MACHINE := $(shell $(CC) -dumpmachine 2>/dev/null)
WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
OPT_release := -O2 -g
OPT_debug   := -Og -g3
OPT_asan    := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPT_tsan    := -O1 -g -fsanitize=thread
OPT_leak    := -O1 -g -fsanitize=leak
OPT_coverage := -O0 -g --coverage
OPT_fuzz    := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
ifeq ($(OPT_$(MODE)),)
$(error MODE=$(MODE): expected release, debug, asan, tsan, leak, coverage or fuzz)
endif
# Against mistakes that remain: bounds known to the compiler are checked, stacks are guarded, addresses
# are random, tables of functions are read-only. It costs nothing that could be measured (test/bench).
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
HARDEN_LINK := -pie
ifneq ($(findstring linux,$(MACHINE)),)
HARDEN += -fstack-clash-protection
HARDEN_LINK += -Wl,-z,relro -Wl,-z,now
endif
ifneq ($(MODE),release)
HARDEN :=
HARDEN_LINK :=
endif
# Contraction is off in ordinary code and on in kernels, whatever the compiler's default.
CPPFLAGS_ALL := -Iinclude -I$(OUT)/embedded $(if $(HAVE_ONNX),-I$(OUT)/proto -DKD_HAVE_ONNX) -D_GNU_SOURCE -DKD_VERSION='"$(VERSION)"' \
    $(foreach h,$(HAVE) $(HAVE_LIB),-DKD_HAVE_$(shell echo $(h) | tr a-z A-Z)) $(call pkg,--cflags $(PACKAGES) $(HAVE) $(HAVE_LIB)) $(CPPFLAGS)
CFLAGS_ALL := -std=c11 $(OPT_$(MODE)) $(HARDEN) $(WARN) -fno-math-errno -ffp-contract=off -pthread \
    $(CFLAGS)
CPPFLAGS_ALL += -DKD_BUILD='"$(notdir $(CC)) $(OPT_$(MODE))"'
LDLIBS_ALL := $(call pkg,--libs $(PACKAGES) $(HAVE_LIB)) -ldl -lm
EXPORT_LIBS := $(if $(HAVE_ONNX),$(call pkg,--libs libprotobuf-c))
REPORT_LIBS := $(if $(HAVE),$(call pkg,--libs $(HAVE)))
LDFLAGS_ALL := $(OPT_$(MODE)) $(HARDEN_LINK) -pthread $(LDFLAGS)

# Kernels are compiled once per instruction set; the table is chosen at start (lib/nn/kernels.c).
V ?= 0
ifeq ($(V),0)
Q = @echo '  $(1) $(2)';
endif

ISA_plain  :=
# Without -fno-trapping-math gcc leaves loops with a choice in them (relu) scalar on AVX2: vectors would
# compute what an element does not ask for. It changes no value.
ISA_ALL    := -O3 -ffp-contract=fast -fno-trapping-math
# What UBSan adds to the unrolled loops keeps clang busy for ten minutes a file; parsers are not among them.
ISA_ALL    += $(if $(filter fuzz,$(MODE)),-fno-sanitize=undefined)
ISA_neon   :=
ISA_avx2   := -mavx2 -mfma -mf16c -mprefer-vector-width=256
ISA_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
ISAS := plain $(if $(filter x86_64%,$(MACHINE)),avx2 avx512) \
        $(if $(filter aarch64% arm64%,$(MACHINE)),neon)

KERNEL_SRC := $(wildcard lib/nn/isa/*.c)
LIB_SRC    := $(filter-out $(KERNEL_SRC), \
                $(wildcard $(foreach s,base run data nn train,lib/$(s)/*.c lib/$(s)/*/*.c)))
EXPORT_SRC := $(wildcard lib/export/*.c lib/export/c/*.c $(if $(HAVE_ONNX),lib/export/onnx/*.c))
REPORT_SRC := $(wildcard lib/report/*.c lib/report/*/*.c)
CMD_SHARED := cmd/main.c cmd/complete.c cmd/inputs.c cmd/pager.c
CMD_SRC    := $(wildcard cmd/kd.c cmd/kd-*.c)
PROGRAMS   := $(patsubst cmd/%.c,bin/%,$(CMD_SRC))
UNIT_SRC   := $(wildcard test/unit/test_*.c)
UNITS      := $(patsubst test/unit/%.c,$(OUT)/unit/%,$(UNIT_SRC))
FUZZ_SRC   := $(filter-out $(if $(HAVE_ONNX),,test/fuzz/fuzz_onnx.c),$(wildcard test/fuzz/fuzz_*.c))
# A library to preload that makes calls fail; sanitizers and other C libraries have their own allocator.
TORTURE    := $(if $(filter release leak coverage,$(MODE)),$(if $(findstring linux-gnu,$(MACHINE)),$(addprefix $(OUT)/torture/,fail.so record.so power)))

LIB_OBJ    := $(LIB_SRC:%.c=$(OUT)/%.o) $(foreach i,$(ISAS),$(KERNEL_SRC:%.c=$(OUT)/$(i)/%.o))
EXPORT_OBJ := $(EXPORT_SRC:%.c=$(OUT)/%.o) $(if $(HAVE_ONNX),$(OUT)/proto/onnx/onnx.pb-c.o)
REPORT_OBJ := $(REPORT_SRC:%.c=$(OUT)/%.o)
SHARED_OBJ := $(CMD_SHARED:%.c=$(OUT)/%.o)
BIN        := $(if $(filter release,$(MODE)),bin,$(OUT)/bin)
BINARIES   := $(patsubst cmd/%.c,$(BIN)/%,$(CMD_SRC))
# MPI is a plugin that programs load when mpirun or srun started them: they link nothing of it.
MPICC      ?= mpicc
MPI_PLUGIN := $(if $(shell $(MPICC) --version 2>/dev/null),$(BIN)/libkdmpi.so)

.PHONY: all units needs setup test test-now test-device bench asan tsan fuzz torture valgrind lint format manual \
    install uninstall clean help FORCE
all: $(BINARIES) $(MPI_PLUGIN)
units: $(UNITS) fuzz-programs $(TORTURE) $(OUT)/bench/bench $(OUT)/device/reference

help:
	@echo 'make                      the programs, in bin/'
	@echo 'make setup                install the packages that kd and its tests need'
	@echo 'make test                 set-up, build, all tests'
	@echo 'make test T=loss          one file of tests: test/unit/test_loss.c or test/cli/loss.bats'
	@echo 'make install              to PREFIX=/usr/local; DESTDIR is for packagers'
	@echo 'make uninstall            remove what install made'
	@echo 'make bench                images a second and memory; BENCH="W1 W5" chooses'
	@echo 'make format               clang-format over all C files'
	@echo 'make manual               OPTIONS of the manual pages, from the option tables'
	@echo 'make lint                 format, clang-tidy and cppcheck: a finding is an error'
	@echo 'make test-device          exported C on other processors, emulated ones too'
	@echo 'make asan, make tsan      the tests under AddressSanitizer and UBSan, ThreadSanitizer'
	@echo 'make valgrind             one small run of each program under valgrind'
	@echo 'make torture              calls that fail, trainings that are killed (KILLS=200)'
	@echo 'make fuzz                 each parser SECONDS=60 under libFuzzer (needs clang)'
	@echo 'make clean                remove bin/ and build/'
	@echo
	@echo 'MODE=debug (-Og -g3), asan, tsan, leak, coverage, fuzz: into build/MODE-CC/bin.'
	@echo 'CC=clang, CFLAGS, CPPFLAGS, LDFLAGS as usual; V=1 shows the commands.'
	@echo 'KD_SETUP=no: set-up installs nothing and only says what is missing.'
setup:
	@scripts/setup.sh
manual: all
	@BIN=$(BIN) scripts/manual.sh
# Nothing is installed here: what is missing is named, with the command that installs it.
needs:
	@scripts/setup.sh --check build

# The flags in force, so that changing them rebuilds.
$(OUT)/flags: FORCE | needs
	@mkdir -p $(@D); echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LDLIBS_ALL) $(ISAS) $(ISA_ALL)' | cmp -s - $@ || \
	echo '$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL) $(LDLIBS_ALL) $(ISAS) $(ISA_ALL)' > $@

$(OUT)/lib/train/loss/%.o: CFLAGS_MORE := $(if $(filter release,$(MODE)),-O3)
$(OUT)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	$(call Q,cc,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_MORE) -MMD -MP -c $< -o $@

define isa_rule
$(OUT)/$(1)/%.o: %.c $(OUT)/flags
	@mkdir -p $$(@D)
	$$(call Q,cc,$$< ($(1)))$(CC) $(CPPFLAGS_ALL) -DKD_ISA=$(1) $(CFLAGS_ALL) $(ISA_ALL) $(ISA_$(1)) -MMD -MP -c $$< -o $$@
endef
$(foreach i,$(ISAS),$(eval $(call isa_rule,$(i))))

# Files that go into a program as they are: each as a list of bytes, for an array in C.
$(OUT)/embedded/%.inc: lib/report/page/%
	@mkdir -p $(@D)
	@od -An -v -tu1 $< | sed 's/\([0-9][0-9]*\)/\1,/g' > $@
$(OUT)/embedded/%.inc: lib/export/c/%
	@mkdir -p $(@D)
	@od -An -v -tu1 $< | sed 's/\([0-9][0-9]*\)/\1,/g' > $@
EMBEDDED := $(patsubst lib/report/page/%,$(OUT)/embedded/%.inc,$(wildcard lib/report/page/page.css lib/report/page/page.js)) \
    $(patsubst lib/export/c/%,$(OUT)/embedded/%.inc,$(wildcard lib/export/c/*.tmpl))
$(OUT)/lib/report/page/page.o $(OUT)/lib/export/c/templates.o: $(EMBEDDED)

# Readers of ONNX's messages, generated; what they are made of warns of itself.
PROTO := $(if $(HAVE_ONNX),$(OUT)/proto/onnx/onnx.pb-c.h)
$(OUT)/proto/onnx/onnx.pb-c.c: $(ONNX_PROTO)
	@mkdir -p $(@D)
	$(call Q,protoc-c,$<)protoc-c --c_out=$(OUT)/proto -I$(ONNX_PROTO:%/onnx/onnx.proto=%) onnx/onnx.proto
$(OUT)/proto/onnx/onnx.pb-c.h: $(OUT)/proto/onnx/onnx.pb-c.c ;
$(OUT)/proto/onnx/onnx.pb-c.o: $(OUT)/proto/onnx/onnx.pb-c.c $(OUT)/flags
	$(call Q,cc,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -w -c $< -o $@
$(EXPORT_SRC:%.c=$(OUT)/%.o) $(OUT)/test/fuzz/fuzz_onnx.o $(OUT)/test/unit/test_onnx.o: | $(PROTO)

$(OUT)/libkd.a: $(LIB_OBJ)
	$(call Q,ar,$@)rm -f $@ && ar rcs $@ $^
$(OUT)/libkdexport.a: $(EXPORT_OBJ)
	$(call Q,ar,$@)rm -f $@ && ar rcs $@ $^
$(OUT)/libkdreport.a: $(REPORT_OBJ)
	$(call Q,ar,$@)rm -f $@ && ar rcs $@ $^

$(BIN)/kd-report: $(OUT)/cmd/kd-report.o $(SHARED_OBJ) $(OUT)/libkdreport.a $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(REPORT_LIBS) $(LDLIBS_ALL)
# The dispatcher has its own main and needs no library: it starts as fast as a process can.
$(BIN)/kd: $(OUT)/cmd/kd.o $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^
$(BIN)/kd-eval: $(OUT)/cmd/evaluation.o $(OUT)/cmd/confusion.o $(OUT)/cmd/predictions.o
$(BIN)/kd-plan: $(OUT)/cmd/plan_steps.o $(OUT)/cmd/plan_forms.o $(OUT)/cmd/plan_slurm.o
$(BIN)/kd-predict: $(OUT)/cmd/predictions.o
$(BIN)/kd-soften: $(OUT)/cmd/soft_show.o
$(BIN)/kd-show: $(OUT)/cmd/show.o $(OUT)/cmd/show_run.o
$(BIN)/kd-train-teacher $(BIN)/kd-train-student: $(OUT)/cmd/training.o $(OUT)/cmd/correction.o $(OUT)/cmd/places.o $(OUT)/cmd/listings.o
$(BIN)/kd-correct: $(OUT)/cmd/correction.o
$(BIN)/kd-export $(BIN)/kd-import: $(BIN)/%: $(OUT)/cmd/%.o $(SHARED_OBJ) $(OUT)/libkdexport.a $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(EXPORT_LIBS) $(LDLIBS_ALL)
$(BIN)/%: $(OUT)/cmd/%.o $(SHARED_OBJ) $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) $(filter %.a,$^) $(LDLIBS_ALL)
$(OUT)/unit/%: $(OUT)/test/unit/%.o $(OUT)/libkdexport.a $(OUT)/libkdreport.a $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ -lcmocka $(REPORT_LIBS) $(EXPORT_LIBS) $(LDLIBS_ALL)
$(BIN)/libkdmpi.so: cmd/mpi/mpi.c include/kd/base/team.h $(OUT)/flags
	@mkdir -p $(@D)
	$(call Q,mpicc,$@)OMPI_CC=$(firstword $(CC)) $(MPICC) $(CPPFLAGS_ALL) -std=c11 -O2 -g $(WARN) -fPIC -shared -o $@ $<
# What kd computes for an exported model: test/device/README.md.
$(OUT)/device/reference: $(OUT)/test/device/reference.o $(OUT)/test/device/trace.o $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(LDLIBS_ALL)
$(OUT)/torture/%.so: test/torture/%.c $(OUT)/flags
	@mkdir -p $(@D)
	$(call Q,cc,$<)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -fno-sanitize=all -fno-builtin -U_FORTIFY_SOURCE -fPIC -shared -o $@ $< -ldl
$(OUT)/torture/power: $(OUT)/test/torture/power.o
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^
.SECONDARY:

# The second make is there because the packages' flags are known only once set-up is done.
# With LINT, lint is one of the tests, passed over where its tools cannot be had.
T ?=
UNIT_NAMES := $(UNIT_SRC:test/unit/test_%.c=%)
test:
	@scripts/setup.sh $(if $(LINT),lint || scripts/setup.sh --check test,test)
	@$(MAKE) --no-print-directory test-now
test-now: all $(if $(T),$(patsubst %,$(OUT)/unit/test_%,$(filter $(UNIT_NAMES),$(T))),units) \
    $(if $(filter-out $(UNIT_NAMES),$(T)),units)
	@MODE=$(MODE) BIN=$(abspath $(BIN)) UNIT_DIR=$(OUT)/unit scripts/test.sh $(T)
# Exported C on other processors, 1,000 images on each emulated one.
test-device: all units
	@DEVICE_IMAGES=1000 DEVICE_EMULATED=1000 MODE=$(MODE) BIN=$(abspath $(BIN)) UNIT_DIR=$(OUT)/unit scripts/test.sh \
	  test/cli/device.bats
# How fast: test/bench/bench.c. BENCH='W1 W2' chooses workloads, and options go there too.
BENCH ?= --threads 1,0
BENCH_OBJ := $(patsubst %.c,$(OUT)/%.o,$(wildcard test/bench/*.c))
bench: $(OUT)/bench/bench $(BINARIES)
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $< --bin $(BIN) -o $(OUT)/bench/bench.jsonl --chart $(OUT)/bench/growth $(BENCH)
$(OUT)/bench/bench: $(BENCH_OBJ) $(OUT)/libkdreport.a $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) -o $@ $^ $(REPORT_LIBS) $(LDLIBS_ALL)
asan:
	$(MAKE) MODE=asan test
# The tests in which threads work: the pool itself, layers cut over it, whole trainings.
tsan:
	$(MAKE) MODE=tsan all units
	MODE=tsan BIN=$(abspath build/tsan-$(notdir $(CC))/bin) UNIT_DIR=build/tsan-$(notdir $(CC))/unit scripts/test.sh \
	  $(foreach t,pool product gradient checkpoint,build/tsan-$(notdir $(CC))/unit/test_$(t))

# make fuzz SECONDS=60: each parser so long under libFuzzer (clang); corpora stay in build/. FUZZ='fuzz_log ...' chooses.
SECONDS ?= 60
FUZZ ?= $(FUZZ_SRC:test/fuzz/%.c=%)
fuzz:
	$(MAKE) MODE=fuzz CC=clang fuzz-programs
	@SECONDS_EACH=$(SECONDS) scripts/fuzz.sh $(FUZZ)
.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_SRC:test/fuzz/%.c=$(OUT)/fuzz/%)
ifeq ($(MODE),fuzz)
$(OUT)/fuzz/fuzz_model $(OUT)/fuzz/fuzz_integers: $(OUT)/test/fuzz/mutate_network.o
endif
# Without a fuzzer they run the inputs of the corpus once, which is a test: test/cli/fuzz.bats.
$(OUT)/fuzz/%: $(OUT)/test/fuzz/%.o $(if $(filter fuzz,$(MODE)),,$(OUT)/test/fuzz/replay.o) \
    $(OUT)/libkdexport.a $(OUT)/libkdreport.a $(OUT)/libkd.a
	@mkdir -p $(@D)
	$(call Q,ld,$@)$(CC) $(LDFLAGS_ALL) $(if $(filter fuzz,$(MODE)),-fsanitize=fuzzer) -o $@ $^ $(REPORT_LIBS) $(EXPORT_LIBS) $(LDLIBS_ALL)

# clang-format of version 14, which Debian 12 has; others break some lines elsewhere.
CLANG_FORMAT ?= clang-format
C_FILES = $(shell find include lib cmd test -name '*.[ch]')
format:
	@$(call wanted,$(CLANG_FORMAT))
	$(CLANG_FORMAT) -i $(C_FILES)
# wanted PROGRAM...: each is there, or the recipe ends and says how to get it.
wanted = for p in $(1); do command -v $$p >/dev/null || { \
    echo "make: $$p is missing" >&2; scripts/setup.sh --check lint; exit 1; }; done

# clang-tidy (.clang-tidy says what for) and cppcheck over the sources. What is clean is not looked
# at again until it, or a header, changes.
LINT_SRC   := $(filter-out $(if $(HAVE_ONNX),,lib/export/onnx/%),$(wildcard lib/*/*.c lib/*/*/*.c cmd/*.c))
LINT_FLAGS := -Iinclude -I$(OUT)/embedded $(if $(HAVE_ONNX),-I$(OUT)/proto -DKD_HAVE_ONNX) -D_GNU_SOURCE '-DKD_VERSION=""' '-DKD_BUILD=""' -DKD_ISA=plain \
    $(foreach h,$(HAVE) $(HAVE_LIB),-DKD_HAVE_$(shell echo $(h) | tr a-z A-Z))
LINT_JOBS  ?= $(shell getconf _NPROCESSORS_ONLN)
# States that the analyzer looks at in a function before it gives up: with its own limit, 225000, lint takes five times as long.
LINT_DEPTH ?= 50000
TIDY_FLAGS := $(LINT_FLAGS) -Xclang -analyzer-config -Xclang max-nodes=$(LINT_DEPTH)
lint: needs
	@$(call wanted,$(CLANG_FORMAT) clang-tidy cppcheck)
	@$(CLANG_FORMAT) --dry-run -Werror $(C_FILES) || { \
	  echo "lint: \`make format\` formats these ($$($(CLANG_FORMAT) --version))" >&2; exit 1; }
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
	  --suppress=preprocessorErrorDirective:$(OUT)/proto/onnx/onnx.pb-c.h --error-exitcode=1 -j $(LINT_JOBS) $(LINT_FLAGS) lib cmd
	@$(MAKE) --no-print-directory -k -j $(LINT_JOBS) $(LINT_SRC:%.c=build/lint/%.clean)
	@echo "lint: no finding"
build/lint/%.clean: %.c .clang-tidy $(EMBEDDED) $(PROTO) $(filter %.h,$(C_FILES))
	@mkdir -p $(@D)
	$(call Q,tidy,$<)clang-tidy --quiet $< -- $(TIDY_FLAGS) $(call pkg,--cflags $(PACKAGES) $(HAVE) $(HAVE_LIB)) -std=c11 >$@.log 2>&1 || \
	  { grep -vE '^[0-9]+ warning|^Suppressed|^Use -header-filter' $@.log; exit 1; }
	@touch $@

# make torture: calls that fail one after another, and trainings killed KILLS times each; figures at the end. Of gcc, because
# its LeakSanitizer is a shared library and comes behind the one that is preloaded.
KILLS ?= 200
torture: all units
	$(MAKE) MODE=leak CC=gcc all units
	@UNIT_DIR=$(abspath $(OUT)/unit) BIN=$(abspath $(BIN)) LEAK_BIN=$(abspath build/leak-gcc/bin) \
	  LEAK_UNIT_DIR=$(abspath build/leak-gcc/unit) scripts/torture.sh $(KILLS)
# make valgrind: one whole small run of each program.
valgrind: all
	@BIN=$(abspath $(BIN)) scripts/valgrind.sh

# What others need to build on libkd: the library, its headers (without those of the report), kd.pc.
INSTALL ?= install
BINDIR := $(DESTDIR)$(PREFIX)/bin
LIBDIR := $(DESTDIR)$(PREFIX)/lib
INCDIR := $(DESTDIR)$(PREFIX)/include
MANDIR := $(DESTDIR)$(PREFIX)/share/man
HEADERS := include/kd/kd.h include/kd/base/err.h
PAGES   := $(wildcard cmd/*.[1357])
# Shells find the completion of a command in a file of its name.
BASHDIR := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHDIR  := $(DESTDIR)$(PREFIX)/share/zsh/site-functions
FISHDIR := $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d
COMPLETED := $(filter-out kd,$(notdir $(BINARIES)))
define KD_PC
prefix=$(PREFIX)
libdir=$${prefix}/lib
includedir=$${prefix}/include

Name: kd
Description: Knowledge distillation: data, networks, training, soft targets
Version: $(VERSION)
Requires: $(PACKAGES) $(HAVE_LIB)
Libs: -L$${libdir} -lkd -lm -pthread
Cflags: -I$${includedir} -pthread
endef
export KD_PC
install: all $(OUT)/libkd.a
	$(INSTALL) -d $(BINDIR) $(LIBDIR)/pkgconfig $(sort $(dir $(HEADERS:include/%=$(INCDIR)/%)))
	$(INSTALL) -m 755 $(BINARIES) $(BINDIR)
	$(if $(MPI_PLUGIN),$(INSTALL) -m 644 $(MPI_PLUGIN) $(LIBDIR))
	$(INSTALL) -m 644 $(OUT)/libkd.a $(LIBDIR)
	for p in $(PAGES); do $(INSTALL) -d $(MANDIR)/man$${p##*.} && \
	  $(INSTALL) -m 644 $$p $(MANDIR)/man$${p##*.} || exit 1; done
	$(INSTALL) -d $(BASHDIR) $(ZSHDIR) $(FISHDIR)
	$(INSTALL) -m 644 cmd/completion/kd.bash $(BASHDIR)/kd
	$(INSTALL) -m 644 cmd/completion/_kd $(ZSHDIR)
	$(INSTALL) -m 644 cmd/completion/kd.fish $(FISHDIR)
	for p in $(COMPLETED); do ln -sf kd $(BASHDIR)/$$p && ln -sf kd.fish $(FISHDIR)/$$p.fish || exit 1; done
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/share/kd/configs
	$(INSTALL) -m 644 $(wildcard configs/*.json) $(DESTDIR)$(PREFIX)/share/kd/configs
	for h in $(HEADERS:include/%=%); do $(INSTALL) -m 644 include/$$h $(INCDIR)/$$h || exit 1; done
	printf '%s\n' "$$KD_PC" > $(LIBDIR)/pkgconfig/kd.pc
uninstall:
	rm -f $(addprefix $(BASHDIR)/,kd $(COMPLETED)) $(ZSHDIR)/_kd $(patsubst %,$(FISHDIR)/%.fish,kd $(COMPLETED))
	rm -f $(BINARIES:$(BIN)/%=$(BINDIR)/%) $(LIBDIR)/libkdmpi.so $(LIBDIR)/libkd.a $(LIBDIR)/pkgconfig/kd.pc
	rm -f $(foreach p,$(notdir $(PAGES)),$(MANDIR)/man$(patsubst .%,%,$(suffix $(p)))/$(p)) $(HEADERS:include/%=$(INCDIR)/%)
	rm -f $(patsubst %,$(DESTDIR)$(PREFIX)/share/kd/%,$(wildcard configs/*.json))
	rmdir $(DESTDIR)$(PREFIX)/share/kd/configs $(DESTDIR)$(PREFIX)/share/kd 2>/dev/null || true
	rmdir $(sort $(dir $(HEADERS:include/%=$(INCDIR)/%))) $(INCDIR)/kd 2>/dev/null || true

clean:
	rm -rf build bin

-include $(shell test -d $(OUT) && find $(OUT) -name '*.d')
