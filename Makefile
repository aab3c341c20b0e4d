# Every target is a step of .ci/run, so that here and in CI the same happens.
.PHONY: ci fmt vet lint test race fuzz build image demo e2e signing bench

ci:
	.ci/run

fmt vet lint test race fuzz image demo e2e signing:
	.ci/run $@

build:
	.ci/run build startup

bench:
	.ci/run startup bench
