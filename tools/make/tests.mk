# `make test`: unit tests, each in a process of its own with a time limit, reported as TAP through prove.
##  make test        build and run every fast test

TEST_SUPPORT := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard tests/support/*.c)))
UNIT_SOURCES := $(sort $(wildcard tests/unit/*/test_*.c))
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(O)/%)

$(O)/tests/%.o: tests/%.c $(O)/flags | $(O)/gen/onnx.pb-c.h $(O)/gen/llhttp.h
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itests $(CFLAGS) -UNDEBUG $(WARNINGS) -MMD -MP -c -o $@ $<

$(UNIT_TESTS): %: %.o $(TEST_SUPPORT) $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $< $(TEST_SUPPORT) $(LIBRARY) $(LIBS) -lcmocka

.PRECIOUS: $(O)/tests/%.o

.PHONY: unit
unit: $(UNIT_TESTS)
	prove -e '' $(UNIT_TESTS)

-include $(UNIT_SOURCES:%.c=$(O)/%.d) $(TEST_SUPPORT:.o=.d)

# The server that tests/http/test_*.py drive.
HTTP_SERVER := $(O)/tests/http/test_server
HTTP_OBJECTS := $(patsubst %.c,$(O)/%.o,$(sort $(wildcard tests/http/*.c)))
$(HTTP_SERVER): $(HTTP_OBJECTS) $(LIBRARY)
	$(CC) $(LDFLAGS) -o $@ $(HTTP_OBJECTS) $(LIBRARY) $(LIBS)
build-unit: $(HTTP_SERVER)
-include $(HTTP_OBJECTS:.o=.d)
