# The programs' images, one target each: `docker build --target operator .`
#
# Nothing is fetched while an image is built: `make images` puts the locked wheels of the programs
# into build/wheels first, and uv, which installs them, into build/uv. The base is Docker's, by its digest, or one made of Debian's packages where
# no registry can be reached; both have Python 3.11 as `python3`. To renew the digest, which is that of
# the index of all platforms (Python 3.11.16, September 2026), here and in manifests/demo:
#
#   docker buildx imagetools inspect python:3.11-slim-bookworm --format '{{.Manifest.Digest}}'
#
# Files that decide what a step does are copied and only the wheels, which the lock names, are
# mounted: buildah repeats a step when a copied file changes, but not when a mounted one does.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${PYTHON_IMAGE} AS program
ENV PATH=/opt/evaluation/bin:/usr/local/bin:/usr/bin:/bin VIRTUAL_ENV=/opt/evaluation \
    PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    UV_OFFLINE=1 UV_NO_CACHE=1 UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 UV_PYTHON_DOWNLOADS=never
WORKDIR /tmp

FROM program AS operator
COPY requirements-operator.lock /opt/requirements.lock
RUN --mount=type=bind,source=build/uv,target=/uv \
    --mount=type=bind,source=build/wheels/programs,target=/wheels \
    /uv/uv venv --quiet --python python3 /opt/evaluation \
 && /uv/uv pip install --quiet --no-index --find-links /wheels --require-hashes -r /opt/requirements.lock
COPY build/wheels/project /opt/project
RUN --mount=type=bind,source=build/uv,target=/uv \
    /uv/uv pip install --quiet --no-index --no-deps /opt/project/*.whl
USER 65532:65532
ENTRYPOINT ["evaluation-operator"]

# What reads and writes tables: all of the evaluator, and most of sampler and labeler.
FROM program AS tables
COPY requirements-evaluator.lock /opt/requirements.lock
RUN --mount=type=bind,source=build/uv,target=/uv \
    --mount=type=bind,source=build/wheels/programs,target=/wheels \
    /uv/uv venv --quiet --python python3 /opt/evaluation \
 && /uv/uv pip install --quiet --no-index --find-links /wheels --require-hashes -r /opt/requirements.lock

FROM tables AS evaluator
COPY build/wheels/project /opt/project
RUN --mount=type=bind,source=build/uv,target=/uv \
    /uv/uv pip install --quiet --no-index --no-deps /opt/project/*.whl
USER 65532:65532
ENTRYPOINT ["evaluation-run"]

FROM tables AS sampler
COPY requirements-sampler.lock /opt/requirements.lock
RUN --mount=type=bind,source=build/uv,target=/uv \
    --mount=type=bind,source=build/wheels/programs,target=/wheels \
    /uv/uv pip install --quiet --no-index --find-links /wheels --require-hashes -r /opt/requirements.lock
COPY build/wheels/project /opt/project
RUN --mount=type=bind,source=build/uv,target=/uv \
    /uv/uv pip install --quiet --no-index --no-deps /opt/project/*.whl
USER 65532:65532
ENTRYPOINT ["evaluation-sampler"]

FROM tables AS labeler
COPY requirements-labeler.lock /opt/requirements.lock
RUN --mount=type=bind,source=build/uv,target=/uv \
    --mount=type=bind,source=build/wheels/programs,target=/wheels \
    /uv/uv pip install --quiet --no-index --find-links /wheels --require-hashes -r /opt/requirements.lock
COPY build/wheels/project /opt/project
RUN --mount=type=bind,source=build/uv,target=/uv \
    /uv/uv pip install --quiet --no-index --no-deps /opt/project/*.whl
USER 65532:65532
ENTRYPOINT ["evaluation-labeler"]
