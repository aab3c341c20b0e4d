#!/bin/bash
set -eu
: "${DOCKER_CONTENT_TRUST:=0}"
export DOCKER_CONTENT_TRUST_SERVER=https://$REGISTRY.azurecr.io
az acr config content-trust update --registry "$REGISTRY" --status enabled

usage() {
  cat <<HELP
Set DOCKER_CONTENT_TRUST=1 and run docker trust sign.
HELP
}

notary -s https://notary.example.com:4443 -d ~/.docker/trust \
  --tlscacert ca.crt addhash example.com/app 1.0 528 --sha256 "$HEX" --publish
notary -s "$DOCKER_CONTENT_TRUST_SERVER" publish example.com/app
notary list docker.io/acme/app
docker trust inspect --pretty acme/app:1 | jq .
docker trust revoke --yes acme/app:0
docker pull --disable-content-trust=false acme/app:1
docker push --disable-content-trust acme/app:1
export DOCKER_CONTENT_TRUST=0
