# The service as EKS runs it: `serve`, `worker` and `migrate` from one image.
# Unverified: the digest is taken from the Dockerfile of github.com/molanojustin/smithsonian-mcp, which names it
# python:3.13.15-slim-trixie; no registry was asked. `make pin` writes the present one.
ARG BASE_IMAGE=python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE_IMAGE} AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements/build.txt requirements/image.txt /requirements/
RUN python -m venv --without-pip /opt/user-api \
    && python -m pip install --require-hashes --no-deps -r /requirements/build.txt \
    && python -m pip --python /opt/user-api install \
        --require-hashes --no-deps --only-binary :all: --no-compile -r /requirements/image.txt
COPY pyproject.toml /source/
COPY core /source/core
COPY handler /source/handler
COPY migrations /source/migrations
# Bytecode that is taken without a look at the source (PEP 552): nothing can be written beside it later.
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels /source \
    && python -m pip --python /opt/user-api install --no-deps --no-compile /wheels/*.whl \
    && python -m compileall -q --invalidation-mode unchecked-hash /opt/user-api/lib

FROM ${BASE_IMAGE}
ARG VERSION=0.0.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="user-api" \
    org.opencontainers.image.description="User store and authentication service" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
RUN python -m pip uninstall --yes --quiet --root-user-action ignore pip \
    && groupadd --gid 1001 user-api \
    && useradd --uid 1001 --gid 1001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin user-api
COPY --from=builder /opt/user-api /opt/user-api
ENV PATH=/opt/user-api/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOST=0.0.0.0
USER 1001:1001
WORKDIR /tmp
EXPOSE 3000
# Kubernetes has probes of its own; this is for whoever runs the image alone.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"PORT\", 3000)}/health/live', timeout=2)"]
ENTRYPOINT ["user-api"]
CMD ["serve"]
