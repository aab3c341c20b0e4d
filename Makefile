# Every target is a step of .ci/run, so that here and in CI the same happens.
.PHONY: ci fmt vet lint test race fuzz build demo bench

ci:
	.ci/run

fmt vet lint test race fuzz demo:
	.ci/run $@

build:
	.ci/run build startup cross

bench:
	.ci/run startup bench
