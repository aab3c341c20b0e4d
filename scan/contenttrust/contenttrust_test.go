package contenttrust_test

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/boltseal/boltseal/internal/golden"
	"github.com/boltseal/boltseal/scan"
	"github.com/boltseal/boltseal/scan/contenttrust"
)

// brief returns where something is said, and its first words.
func brief(all []scan.Warning) string {
	var lines []string
	for _, w := range all {
		words := strings.Fields(w.Text)
		lines = append(lines, fmt.Sprintf("%d:%d %s", w.At.Line, w.At.Col, strings.Join(words[:min(4, len(words))], " ")))
	}
	return strings.Join(lines, "\n")
}

// What is said begins so, by its kind.
const (
	on      = "DOCKER_CONTENT_TRUST is set: BuildKit"
	off     = "DOCKER_CONTENT_TRUST is switched off,"
	blind   = "nothing is verified here:"
	docker  = "docker 29 has no"
	notary  = "notary is archived since"
	server  = "a notary server, which"
	azure   = "a notary server of"
	hub     = "notary.docker.io ends on 2026-12-08:"
	secret  = "this unlocks keys of"
	image   = "this sets DOCKER_CONTENT_TRUST for"
	flagOn  = "--disable-content-trust=false asks docker to"
	flagOff = "--disable-content-trust means nothing to"
	acr     = "Azure ends Docker Content"
	action  = "this action signs with"
)

func TestFind(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, file, text, want string }{
		// How it is switched on.
		{"export", "a.sh", "#!/bin/sh\nexport DOCKER_CONTENT_TRUST=1\n", "2:8 " + on},
		{"no shebang, no end of line", "a.sh", "export DOCKER_CONTENT_TRUST=1", "1:8 " + on},
		{"windows", "a.sh", "\r\nexport DOCKER_CONTENT_TRUST=1\r\n", "2:8 " + on},
		{"one command", "a.sh", "DOCKER_CONTENT_TRUST=1 docker pull alpine", "1:1 " + on},
		{"sudo", "a.sh", "alias docker='sudo DOCKER_CONTENT_TRUST=1 docker'", "1:20 " + on},
		{"quotes", "a.sh", `export DOCKER_CONTENT_TRUST="true"`, "1:8 " + on},
		{"off", "a.sh", "export DOCKER_CONTENT_TRUST=0", "1:8 " + off},
		{"empty is off", "a.sh", "DOCKER_CONTENT_TRUST= docker pull alpine", "1:1 " + off},
		{"false", "a.sh", "export DOCKER_CONTENT_TRUST='False'", "1:8 " + off},
		{"what docker cannot read is on", "a.sh", "export DOCKER_CONTENT_TRUST=no", "1:8 " + on},
		{"exported", "a.sh", "export DOCKER_CONTENT_TRUST", "1:8 " + on},
		{"default", "a.sh", `export DOCKER_CONTENT_TRUST="${DOCKER_CONTENT_TRUST:-1}"`, "1:8 " + on},
		{"container", "a.sh", "docker run -e DOCKER_CONTENT_TRUST=$DOCKER_CONTENT_TRUST x", "1:15 " + on},
		{"container, handed on", "a.sh", "docker run --env DOCKER_CONTENT_TRUST x", "1:18 " + on},
		{"container, glued", "a.sh", "docker run -eDOCKER_CONTENT_TRUST=1 --env=DOCKER_CONTENT_TRUST x", "1:14 " + on},
		{"profile", "a.sh", `echo "export DOCKER_CONTENT_TRUST=1" >> ~/.bashrc`, "1:14 " + on},
		{"tee", "a.sh", `echo "DOCKER_CONTENT_TRUST=1" | sudo tee -a /etc/environment`, "1:7 " + on},
		{"fish", "a.fish", "set -gx DOCKER_CONTENT_TRUST 1", "1:9 " + on},
		{"fish, off", "a.fish", "set -gx DOCKER_CONTENT_TRUST 0", "1:9 " + off},
		{"powershell", "a.ps1", "$env:DOCKER_CONTENT_TRUST = 1", "1:6 " + on},
		{"powershell, for good", "a.ps1", "[Environment]::SetEnvironmentVariable(\"DOCKER_CONTENT_TRUST\",\"1\")\n[System.Environment]::SetEnvironmentVariable('DOCKER_CONTENT_TRUST', '0', 'Machine')\n", "1:40 " + on + "\n2:47 " + off},
		{"powershell, item", "a.ps1", "Set-Item Env:DOCKER_CONTENT_TRUST 1\nnew-item -Path env:\\DOCKER_CONTENT_TRUST -Value '0'\n", "1:14 " + on + "\n2:21 " + off},
		{"powershell, server", "a.ps1", "si Env:DOCKER_CONTENT_TRUST_SERVER https://notary.example.com; [Environment]::SetEnvironmentVariable('DOCKER_CONTENT_TRUST_SERVER', 'https://notary.docker.io', 'User')", "1:8 " + server + "\n1:103 " + hub},
		{"powershell, removed or read", "a.ps1", "Remove-Item Env:DOCKER_CONTENT_TRUST\nTest-Path Env:\\DOCKER_CONTENT_TRUST; ls 1\n[Environment]::SetEnvironmentVariable('DOCKER_CONTENT_TRUST', $null, 'User')\n[Environment]::SetEnvironmentVariable('DOCKER_CONTENT_TRUST', '', 'User')\n[Environment]::GetEnvironmentVariable('DOCKER_CONTENT_TRUST', 'User')\nSet-Item Env:DOCKER_CONTENT_TRUST; ls 1\nSet-Item -Path x; ls Env:DOCKER_CONTENT_TRUST 1", ""},
		{"byte order mark", "a.ps1", "\ufeffdocker trust sign x\r\ndocker trust sign x\r\n", "1:1 " + docker + "\n2:1 " + docker},
		{"byte order mark, yaml", "a.yml", "\ufeffenv:\n  DOCKER_CONTENT_TRUST: 1\nrun: docker build .", "2:3 " + on + "\n3:6 " + blind},
		{"UTF-16", "a.ps1", "\xff\xfed\x00o\x00 \x00t\x00r\x00u\x00s\x00t\x00", ""},
		{"unless it is set", "a.sh", ": ${DOCKER_CONTENT_TRUST:=1}\n: \"${A:=b}\" \"${DOCKER_CONTENT_TRUST=0}\"\nx; : ${DOCKER_CONTENT_TRUST:-1}", "1:5 " + on + "\n2:16 " + off},
		{"bake", "docker-bake.hcl", "variable \"A\" { default = \"1\" }\nvariable \"DOCKER_CONTENT_TRUST\" { default = \"1\" }\nvariable \"DOCKER_CONTENT_TRUST\" {\n  type = string\n  default = 0\n}\nvariable \"B\" {\n  default = 1\n}\n", "2:11 " + on + "\n3:11 " + off},
		{"bake, nothing", "docker-bake.hcl", "variable \"DOCKER_CONTENT_TRUST\" {}\nvariable \"DOCKER_CONTENT_TRUST\" { default = null }\nvariable \"DOCKER_CONTENT_TRUST\" {\n  default = \"\"\n}\ntarget \"default\" {\n  default = 1\n}\n", ""},
		{"cmd", "a.bat", "set DOCKER_CONTENT_TRUST=1", "1:5 " + on},
		{"make", "Makefile", "export DOCKER_CONTENT_TRUST ?= 1\n\npull:\n\tDOCKER_CONTENT_TRUST=0 docker pull x\n", "1:8 " + on + "\n4:2 " + off},
		{"just", "justfile", `export DOCKER_CONTENT_TRUST := "1"`, "1:8 " + on},
		{"dotenv", ".env", "A=b\nDOCKER_CONTENT_TRUST=1 # comment\n", "2:1 " + on},
		{"dockerfile", "Dockerfile", "FROM alpine\nENV A=b \\\n# DOCKER_CONTENT_TRUST=0\n  DOCKER_CONTENT_TRUST=1\n", "4:3 " + image},
		{"dockerfile, old", "Dockerfile", "FROM alpine\nenv DOCKER_CONTENT_TRUST 1\nENV DOCKER_CONTENT_TRUST 0\nARG DOCKER_CONTENT_TRUST\n", "2:5 " + image + "\n3:5 " + off},
		{"dockerfile, run", "Dockerfile", "FROM alpine\nARG DOCKER_CONTENT_TRUST=1\nRUN DOCKER_CONTENT_TRUST=1 docker pull x\n", "2:5 " + image + "\n3:5 " + on},
		{"compose, mapping", "compose.yaml", "services:\n  a:\n    environment:\n      DOCKER_CONTENT_TRUST: \"1\"\n", "4:7 " + on},
		{"compose, list", "compose.yaml", "services:\n  a:\n    environment:\n      - DOCKER_CONTENT_TRUST=1\n      - DOCKER_CONTENT_TRUST\n", "4:9 " + on + "\n5:9 " + on},
		{"json", "docker-bake.json", `{"env": {"DOCKER_CONTENT_TRUST":"1", "x": 1}}`, "1:11 " + on},
		{"pairs", "azure-pipelines.yml", "variables:\n- name: DOCKER_CONTENT_TRUST\n  value: 1\n- name: DOCKER_CONTENT_TRUST\n  value: '0'\n", "2:9 " + on + "\n4:9 " + off},
		{"azure's logging command", "azure-pipelines.yml", "steps:\n- script: echo \"##vso[task.setvariable variable=DOCKER_CONTENT_TRUST]1\"\n", "2:49 " + on},
		{"github's file", ".github/workflows/a.yml", "run: |\n  echo \"DOCKER_CONTENT_TRUST=1\" >> $GITHUB_ENV\n", "2:9 " + on},
		{"github's file, for several", ".github/workflows/a.yml", "run: |\n  {\n    echo \"DOCKER_CONTENT_TRUST=1\"\n    echo A=b\n  } >> \"$GITHUB_ENV\"\n", "3:11 " + on},
		{"expression", ".github/workflows/a.yml", "env:\n  DOCKER_CONTENT_TRUST: ${{ vars.TRUST }}\n", "2:3 " + on},
		{"flow", ".github/workflows/a.yml", "env: {DOCKER_CONTENT_TRUST: '1', A: b}\n", "1:7 " + on},
		{"jenkins", "Jenkinsfile", "environment {\n  DOCKER_CONTENT_TRUST = '1'\n}\n", "2:3 " + on},
		{"jenkins, around", "Jenkinsfile", "withEnv(['DOCKER_CONTENT_TRUST=1', 'A=b']) {}", "1:11 " + on},
		{"jenkins, credentials", "Jenkinsfile", "withCredentials([string(credentialsId: 'x', variable: 'DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE')]) {", "1:56 " + secret},
		{"jenkins, call", "x.groovy", "environmentVariables(DOCKER_CONTENT_TRUST: '1')", "1:22 " + on},

		// Its servers and keys.
		{"server", "a.sh", "export DOCKER_CONTENT_TRUST_SERVER=https://notary.example.com:4443", "1:8 " + server},
		{"server, unknown", "a.yml", "DOCKER_CONTENT_TRUST_SERVER: ${{ vars.NOTARY }}", "1:1 " + server},
		{"server of Azure", "a.sh", "export DOCKER_CONTENT_TRUST_SERVER=https://$ACR.AzureCR.io:443/x", "1:8 " + azure},
		{"server of Docker", "a.sh", "export DOCKER_CONTENT_TRUST_SERVER='https://user:pw@notary.docker.io'", "1:8 " + hub},
		{"server of Docker, anywhere", "a.sh", "curl https://notary.docker.io/v2/", "1:14 " + hub},
		{"passphrases", "a.yml", "env:\n  DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: ${{ secrets.DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE }}\n  NOTARY_DELEGATION_PASSPHRASE: x\n", "2:3 " + secret + "\n3:3 " + secret},
		{"passphrase of a called workflow", "a.yml", "secrets:\n  DOCKER_CONTENT_TRUST_ROOT_PASSPHRASE:\n    required: true\n", "2:3 " + secret},

		// Its commands.
		{"sign", "a.sh", "docker trust sign acme/app:1", "1:1 " + docker},
		{"all of them", "a.sh", "docker trust key load k\ndocker trust signer add a b\ndocker trust inspect --pretty x\ndocker trust revoke x\ndocker trust view x\n", "1:1 " + docker + "\n2:1 " + docker + "\n3:1 " + docker + "\n4:1 " + docker + "\n5:1 " + docker},
		{"flags between", "a.sh", "docker --config d -D trust --help sign", "1:1 " + docker},
		{"two lines", "a.sh", "docker \\\n  trust \\\n  sign x", "1:1 " + docker},
		{"two lines, Windows", "a.ps1", "docker `\n  trust sign x", "1:1 " + docker},
		{"by path", "a.sh", "sudo /usr/bin/docker trust sign x", "1:6 " + docker},
		{"by variable", "Makefile", "sign:\n\t@$(DOCKER) trust sign x\n\t${DOCKER} trust sign x\n", "2:5 " + docker + "\n3:4 " + docker},
		{"substituted", "a.sh", "x=$(docker trust inspect y) && z=`docker trust inspect y`", "1:5 " + docker},
		{"known when it runs", "a.sh", "docker trust $CMD x", "1:1 " + docker},
		{"exec form", "Dockerfile", `CMD ["docker", "trust", "sign", "x"]`, "1:7 " + docker},
		{"step", ".github/workflows/a.yml", "jobs:\n  a:\n    steps:\n      - name: docker trust sign\n        run: docker trust sign x\n", "5:14 " + docker},
		{"jenkins", "Jenkinsfile", `steps { sh "docker trust sign ${image}" }`, "1:13 " + docker},
		{"flag on", "a.sh", "docker pull --disable-content-trust=false x", "1:13 " + flagOn},
		{"flag off", "a.sh", "docker push --disable-content-trust x\ndocker push --disable-content-trust=true x", "1:13 " + flagOff + "\n2:13 " + flagOff},
		{"flag of a task", "azure-pipelines.yml", "steps:\n- task: Docker@2\n  inputs:\n    arguments: '--disable-content-trust=false'\n", "4:17 " + flagOn},
		{"notary", "a.sh", "notary -s https://notary.example.com:4443 -d ~/.docker/trust init acme/app", "1:1 " + notary},
		{"notary, its config", "a.sh", "sudo notary key list && notary publish x", "1:6 " + notary},
		{"notary, once a line", "a.sh", "notary -s https://notary.docker.io list x", "1:1 " + notary},
		{"notary, alias", "a.sh", `alias notary="notary -s https://dtr.example.com -d d"`, "1:15 " + notary},
		{"notary, exec form", "Dockerfile", `ENTRYPOINT ["notary", "list"]`, "1:14 " + notary},
		{"az", "a.sh", "az acr config content-trust update --registry r --status enabled", "1:1 " + acr},
		{"az, shown", "a.sh", "az acr config content-trust show -r r", "1:1 " + acr},
		{"action", ".github/workflows/a.yml", "steps:\n- uses: sudo-bot/action-docker-sign@v1\n- uses: Sudo-Bot/action-docker-sign@v1 # x\n", "2:9 " + action + "\n3:9 " + action},

		// What says nothing.
		{"comment", "a.sh", "# export DOCKER_CONTENT_TRUST=1\nls # docker trust sign\n\t#notary list\n", ""},
		{"comment, c", "Jenkinsfile", "// docker trust sign\n/* DOCKER_CONTENT_TRUST=1\n * docker trust sign\n */ x /* docker trust key load */\n", ""},
		{"comment, windows", "a.cmd", "REM set DOCKER_CONTENT_TRUST=1\n:: docker trust sign\n@rem notary list\n", ""},
		{"comment, powershell", "a.ps1", "<# docker trust sign\nnotary list #>\n", ""},
		{"comment with an apostrophe", "a.sh", "x=\"it's\" # don't docker trust sign", ""},
		{"hash in quotes is none", "a.sh", `x="a #"; docker trust sign x`, "1:10 " + docker},
		{"said", "a.sh", "echo \"docker trust sign; is gone\"\nprintf 'set DOCKER_CONTENT_TRUST=1'\necho DOCKER_CONTENT_TRUST=1 >&2\necho notary.docker.io >/dev/stderr\n", ""},
		{"said, then done", "a.sh", "echo signing; docker trust sign x", "1:15 " + docker},
		{"looked for", "a.sh", "grep -q DOCKER_CONTENT_TRUST=1 ~/.bashrc || x", ""},
		{"usage", "a.sh", "cat <<EOF\nexport DOCKER_CONTENT_TRUST=1\nEOF\ndocker trust sign x\n", "4:1 " + docker},
		{"usage, escaped", "a.sh", "cat <<\\EOF\nnotary list\nEOF\ndocker trust sign x\ncat <<-E\\OF\n\tnotary list\n\tEOF\ndocker trust sign x\n", "4:1 " + docker + "\n8:1 " + docker},
		{"usage, quoted blank", "a.sh", "cat <<EOF\nnotary list\nEOF\ncat <<\"E F\"\nhi\nE F\ndocker trust sign x\n", "7:1 " + docker},
		{"usage without an end", "a.sh", "cat <<EOF\ndocker trust sign x\n", "2:1 " + docker},
		{"written", "a.sh", "cat <<'EOF' > x\nexport DOCKER_CONTENT_TRUST=1\nEOF\ncat >y <<-EOF\n\tdocker trust sign\nEOF", "2:8 " + on + "\n5:2 " + docker},
		{"described", "action.yml", "description: |\n  docker trust sign\n  notary list\nname: docker trust sign x\ninputs:\n  a: {default: 1}\n", ""},
		{"a job of that name", ".github/workflows/a.yml", "jobs:\n  summary:\n    steps:\n    - run: docker trust sign x\n", "4:12 " + docker},
		{"label", "Dockerfile", "LABEL a=\"docker trust sign\" b=DOCKER_CONTENT_TRUST=1", ""},
		{"read", "a.sh", "[ \"$DOCKER_CONTENT_TRUST\" = 1 ] && x ${DOCKER_CONTENT_TRUST:=1}\n[[ -v DOCKER_CONTENT_TRUST ]]\nunset DOCKER_CONTENT_TRUST DOCKER_CONTENT_TRUST_SERVER", ""},
		{"read, make", "Makefile", "ifeq ($(DOCKER_CONTENT_TRUST),1)\nifdef DOCKER_CONTENT_TRUST\n", ""},
		{"read, workflow", ".github/workflows/a.yml", "if: env.DOCKER_CONTENT_TRUST == '1'\nx: ${{ env.DOCKER_CONTENT_TRUST }}\n", ""},
		{"another variable", "a.sh", "export MY_DOCKER_CONTENT_TRUST=1 DOCKER_CONTENT_TRUSTED=1 NOTARY_URL=x NOTARY_PASSPHRASES=1 PASSPHRASE=x", ""},
		{"another command", "a.sh", "boltseal trust inspect x\nnotation sign x\nxcrun notarytool submit x\napt-get install notary\nwhich notary\npodman trust sign\ndocker run trust sign\ndocker trusted\ndocker trust\n./trust sign", ""},
		{"two commands", "a.sh", "docker; trust sign\ndocker | trust sign\nnotary; list", ""},
		{"another host", "a.sh", "curl https://notary.docker.io.example.com my-notary.docker.io xnotary.docker.io notary.docker.iox", ""},
		{"az, as it should be", "a.sh", "az acr config content-trust update --status disabled -r r\naz acr config content-trust update --status=Disabled", ""},
		{"another action", ".github/workflows/a.yml", "- uses: acme/sudo-bot/action-docker-sign@v1\n- uses: sigstore/cosign-installer@v3", ""},
		{"boltseal's own", ".github/workflows/a.yml", "- run: boltseal sign --system dct x\n  env:\n    DOCKER_CONTENT_TRUST_REPOSITORY_PASSPHRASE: x\n", ""},
		{"an input of that name", "action.yml", "inputs:\n  DOCKER_CONTENT_TRUST:\n    default: ''\n", ""},
		{"no text", "a.sh", "export DOCKER_CONTENT_TRUST=1\x00", ""},
		{"nothing", "a.sh", "", ""},

		// What was built in the belief that it was verified.
		{"workflow", ".github/workflows/a.yml", "env:\n  DOCKER_CONTENT_TRUST: 1\njobs:\n  a:\n    steps:\n    - uses: docker/build-push-action@v6\n", "2:3 " + on + "\n6:13 " + blind},
		{"after it", ".github/workflows/a.yml", "jobs:\n  a:\n    steps:\n    - uses: docker/bake-action@v6\nenv:\n  DOCKER_CONTENT_TRUST: 1\n", "4:13 " + blind + "\n6:3 " + on},
		{"another job", ".github/workflows/a.yml", "jobs:\n  a:\n    env:\n      DOCKER_CONTENT_TRUST: 1\n    steps:\n    - run: docker pull x\n  b:\n    steps:\n    - run: docker buildx build .\n", "4:7 " + on},
		{"the same job", ".github/workflows/a.yml", "jobs:\n  b:\n    steps:\n    - run: docker buildx build .\n  a:\n    steps:\n    - run: |\n        docker buildx bake\n    env:\n      DOCKER_CONTENT_TRUST: 1\n", "8:9 " + blind + "\n10:7 " + on},
		{"another step", ".github/workflows/a.yml", "jobs:\n  a:\n    steps:\n    - run: docker pull x\n      env:\n        DOCKER_CONTENT_TRUST: 1\n    - uses: docker/build-push-action@v6\n", "6:9 " + on},
		{"the same step", ".github/workflows/a.yml", "jobs:\n  a:\n    steps:\n    - uses: docker/build-push-action@v6\n      env: {DOCKER_CONTENT_TRUST: 1}\n    - uses: docker/build-push-action@v6\n", "4:13 " + blind + "\n5:13 " + on},
		{"the same step, first key", ".github/workflows/a.yml", "jobs:\n  a:\n    steps:\n    - env:\n        DOCKER_CONTENT_TRUST: 1\n      uses: docker/build-push-action@v6\n    - uses: docker/build-push-action@v6\n", "5:9 " + on + "\n6:13 " + blind},
		{"switched off for one", ".github/workflows/a.yml", "env:\n  DOCKER_CONTENT_TRUST: 1\njobs:\n  a:\n    steps:\n    - uses: docker/build-push-action@v6\n      env:\n        DOCKER_CONTENT_TRUST: 0\n", "2:3 " + on + "\n8:9 " + off},
		{"later steps", ".github/workflows/a.yml", "jobs:\n  a:\n    steps:\n    - uses: docker/build-push-action@v6\n    - run: echo DOCKER_CONTENT_TRUST=1 >> $GITHUB_ENV\n    - uses: docker/build-push-action@v6\n  b:\n    steps:\n    - uses: docker/build-push-action@v6\n", "5:17 " + on + "\n6:13 " + blind},
		{"a step's shell ends", ".github/workflows/a.yml", "jobs:\n  a:\n    steps:\n    - run: |\n        export DOCKER_CONTENT_TRUST=1\n        docker build .\n    - run: docker build .\n    - run: export DOCKER_CONTENT_TRUST=1\n    - run: docker build .\n", "5:16 " + on + "\n6:9 " + blind + "\n8:19 " + on},
		{"gitlab, one shell", ".gitlab-ci.yml", "a:\n  script:\n  - docker build .\n  - export DOCKER_CONTENT_TRUST=1\n  - docker build .\n  stage: b\nb:\n  script: [docker build .]\n", "4:12 " + on + "\n5:5 " + blind},
		{"gitlab, before", ".gitlab-ci.yml", "a:\n  before_script:\n    - export DOCKER_CONTENT_TRUST=1\n  script:\n    - docker build .\nb:\n  script:\n    - docker build .\n", "3:14 " + on + "\n5:7 " + blind},
		{"gitlab, variables", ".gitlab-ci.yml", "variables:\n  DOCKER_CONTENT_TRUST: 1\nbuild:\n  script:\n    - docker buildx build .\n", "2:3 " + on + "\n5:7 " + blind},
		{"azure, variables", "azure-pipelines.yml", "jobs:\n- job: a\n  variables:\n  - name: DOCKER_CONTENT_TRUST\n    value: 1\n  steps:\n  - script: docker build .\n- job: b\n  steps:\n  - script: docker build .\n", "4:11 " + on + "\n7:13 " + blind},
		{"script", "a.sh", "docker build .\nexport DOCKER_CONTENT_TRUST=1\ndocker build .\nunset DOCKER_CONTENT_TRUST\ndocker build .\n", "2:8 " + on + "\n3:1 " + blind},
		{"one command", "a.sh", "DOCKER_CONTENT_TRUST=1 \\\n  docker build .\ndocker build .", "1:1 " + on + "\n2:3 " + blind},
		{"image build, builder build", "a.sh", "export DOCKER_CONTENT_TRUST=1\ndocker image build .\ndocker builder build .\ndocker buildx --builder x build .", "1:8 " + on + "\n2:1 " + blind + "\n3:1 " + blind},
		{"compose", "a.sh", "export DOCKER_CONTENT_TRUST=1\ndocker compose -f x up -d\ndocker-compose pull\ndocker compose ps\n", "1:8 " + on + "\n2:1 " + blind + "\n3:1 " + blind},
		{"the old builder", "a.sh", "export DOCKER_CONTENT_TRUST=1 DOCKER_BUILDKIT=0\ndocker build .\n", "1:8 " + on},
		{"a default is none", "a.sh", "export DOCKER_CONTENT_TRUST=1\n: ${DOCKER_CONTENT_TRUST:=0}\ndocker build .\n", "1:8 " + on + "\n2:5 " + off + "\n3:1 " + blind},
		{"pull", "a.sh", "export DOCKER_CONTENT_TRUST=1\ndocker pull x\ndocker push x\n", "1:8 " + on},
		{"jenkins", "Jenkinsfile", "environment { DOCKER_CONTENT_TRUST = '1' }\nsh 'docker build .'\n", "1:15 " + on + "\n2:5 " + blind},
		{"in a container", "a.sh", "docker run -e DOCKER_CONTENT_TRUST=1 x\ndocker build .\n", "1:15 " + on},
		{"in an image", "Dockerfile", "ENV DOCKER_CONTENT_TRUST=1\nRUN docker build .", "1:5 " + image},
		{"read only", "a.sh", "[ $DOCKER_CONTENT_TRUST = 1 ]\ndocker build .", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := contenttrust.Find(test.file, []byte(test.text))
			if brief(got) != test.want {
				t.Errorf("got\n%s\nwant\n%s", brief(got), test.want)
			}
			for _, w := range got {
				if w.At.File != test.file || w.Kind != "" || w.Written != "" {
					t.Errorf("%+v", w)
				}
			}
		})
	}
}

// All that is ever said, in a file of each kind.
func TestReport(t *testing.T) {
	t.Parallel()
	var report strings.Builder
	names, err := filepath.Glob("testdata/in/*")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range contenttrust.Find(path.Base(filepath.ToSlash(name)), text) {
			fmt.Fprintf(&report, "%s:%d:%d: %s\n", w.At.File, w.At.Line, w.At.Col, w.Text)
		}
	}
	golden.Equal(t, "testdata/report.txt", report.String())
}

// More than anybody reads is counted.
func TestBound(t *testing.T) {
	t.Parallel()
	line := "docker trust sign x\n"
	for n, want := range map[int]string{20: "docker 29 has no", 21: "2 more places speak", 1000: "981 more places speak"} {
		got := contenttrust.Find("a.sh", []byte(strings.Repeat(line, n)))
		if len(got) != 20 || !strings.HasPrefix(got[19].Text, want) || got[19].At.Line != 20 {
			t.Errorf("%d: %d, %+v", n, len(got), got[len(got)-1])
		}
	}
}

func TestScript(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"a.sh", "x/A.SH", "a.bash", "a.ps1", "a.bat", "Makefile", "x/makefile", "GNUmakefile", "Makefile.docker", "a.mk", "Jenkinsfile", "ci/Jenkinsfile.release", "x.jenkinsfile", "vars/a.groovy",
		".gitlab-ci.yml", "ci/build.gitlab-ci.yml", ".gitlab/ci/a.yml", "azure-pipelines.yml", "azure-pipelines-release.yaml", ".azure-pipelines/a.yml", "bitbucket-pipelines.yml", ".circleci/config.yml",
		".travis.yml", ".drone.yml", ".woodpecker/a.yaml", ".buildkite/pipeline.yml", "cloudbuild.yaml", "buildspec.yml", "Taskfile.yml", "Taskfile.dist.yaml", "justfile", ".justfile",
		".env", ".env.production", "prod.env", ".env.example", ".envrc", "Earthfile",
		"scripts/build", "bin/release", "hack/sign", ".githooks/pre-push",
	} {
		if !contenttrust.Script(name) {
			t.Errorf("%s is none", name)
		}
	}
	for _, name := range []string{"README.md", "docs/a.md", "Makefile.md", "main.go", "a.py", "values.yaml", ".golangci.yml", "config.yml", "x.json", "LICENSE", "build", "scripts/x.txt", "environment", "sh", "make", "a.shx"} {
		if contenttrust.Script(name) {
			t.Errorf("%s is one", name)
		}
	}
	if !contenttrust.Unnamed("scripts/build") || contenttrust.Unnamed("scripts/build.sh") || contenttrust.Unnamed("Makefile") {
		t.Error("unnamed")
	}
}

// The same text says the same, and its order is that of the text.
func FuzzFind(f *testing.F) {
	names, err := filepath.Glob("testdata/in/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Base(name), string(text))
	}
	f.Add("a.yml", "- - name: DOCKER_CONTENT_TRUST\n - value: 1\n- {env: {DOCKER_CONTENT_TRUST: 1}}\n \t- 'docker trust sign \\")
	f.Add("Jenkinsfile", "/* */ DOCKER_CONTENT_TRUST=1 /* // docker build")
	f.Add("a.ps1", "`\n`\nexport `\nDOCKER_CONTENT_TRUST")
	f.Fuzz(func(t *testing.T, name, text string) {
		got := contenttrust.Find(name, []byte(text))
		if len(got) > 20 {
			t.Errorf("%d warnings", len(got))
		}
		lines := strings.Split(text, "\n")
		for i, w := range got {
			if w.At.File != name || w.At.Line < 1 || w.At.Line > len(lines) || w.At.Col < 1 || w.At.Col > len(lines[w.At.Line-1]) || w.Text == "" {
				t.Errorf("no place: %+v", w)
			}
			if i > 0 && (w.At.Line < got[i-1].At.Line || w.At.Line == got[i-1].At.Line && w.At.Col < got[i-1].At.Col) {
				t.Errorf("out of order: %+v", got)
			}
		}
		if again := contenttrust.Find(name, []byte(text)); !slices.Equal(again, got) {
			t.Errorf("another answer: %+v, %+v", got, again)
		}
	})
}
