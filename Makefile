# Thin names for the scripts; each says what it does.
.PHONY: setup demo check test coverage smoke host-test bench host-bench package

NODE = node_modules/.bin/node

setup:
	@scripts/setup

demo: setup
	@bin/banger kernel pull debian
	@bin/banger image pull debian
	@bin/banger vm run --rm -- sh -c 'uname -a; cat /etc/os-release'

check:
	@scripts/setup for-tests
	@scripts/check

test:
	@scripts/test-all

coverage:
	@scripts/setup for-tests
	@scripts/setup-test-data
	@$(NODE) scripts/test.ts --coverage unit integration smoke

smoke:
	@scripts/setup for-tests
	@scripts/setup-test-data
	@$(NODE) scripts/test.ts smoke alone

host-test:
	@scripts/setup for-tests
	@scripts/setup-test-data
	@scripts/setup-host-test
	@scripts/setup-host-test system
	@scripts/make-package
	@scripts/make-next-package
	@BANGER_HOST_TEST=whole $(NODE) scripts/test.ts host system

bench: setup
	@scripts/setup-test-data
	@$(NODE) test/bench/run.ts

host-bench:
	@scripts/setup for-tests
	@scripts/setup-test-data
	@scripts/setup-host-test
	@$(NODE) test/bench/in-host.ts

package: setup
	@scripts/make-package
