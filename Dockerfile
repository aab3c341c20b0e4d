# boltseal with a shell, for GitLab and other systems that run a job's commands
# in an image. It has the program of the release, whose sha256 checksums.txt
# lists; nothing runs while it is built.
#
#     scripts/release.sh --only linux/amd64
#     docker build --build-arg TARGETARCH=amd64 .
#
# What the base has to give: /bin/sh, certificate authorities, a /tmp in which
# anybody may write.
ARG BASE=docker.io/library/alpine:3.22@sha256:14358309a308569c32bdc37e2e0e9694be33a9d99e68afb0f5ff33cc1f695dce
FROM ${BASE}

LABEL org.opencontainers.image.title="boltseal" \
      org.opencontainers.image.description="Verifies who signed the images that a build pulls" \
      org.opencontainers.image.source="https://github.com/boltseal/boltseal" \
      org.opencontainers.image.licenses="Apache-2.0"

# BuildKit and buildah set it to the platform that is built for.
ARG TARGETARCH
COPY --chmod=0755 dist/boltseal_linux_${TARGETARCH} /usr/local/bin/boltseal

# The trust root is kept below it. The user has no home.
ENV XDG_CACHE_HOME=/tmp

# Where a checkout may be mounted, for keys and reports.
WORKDIR /src

# A number, so that Kubernetes can see that it is not root.
USER 65532:65532

# GitLab starts a shell instead: image: {name: …, entrypoint: [""]}.
ENTRYPOINT ["/usr/local/bin/boltseal"]
CMD ["--help"]
