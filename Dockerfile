# The programs' images, one target each: `docker build --target operator .`
#
# Nothing is fetched while an image is built: `make images` puts the locked wheels of each program
# into build/wheels first. The base is Docker's, or one of the same name made of Debian's packages
# where no registry can be reached; both have Python 3.11 as `python3`.
ARG PYTHON_IMAGE=docker.io/library/python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS environment
RUN python3 -m venv /opt/evaluation
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INDEX=1 PIP_ROOT_USER_ACTION=ignore

FROM environment AS operator-environment
COPY requirements-operator.lock build/wheels/operator /wheels/
RUN /opt/evaluation/bin/pip install --find-links /wheels --require-hashes -r /wheels/requirements-operator.lock
COPY build/wheels/project /project
RUN /opt/evaluation/bin/pip install --no-deps /project/*.whl \
 && /opt/evaluation/bin/pip uninstall --yes --quiet setuptools pip

FROM environment AS evaluator-environment
COPY requirements-evaluator.lock build/wheels/evaluator /wheels/
RUN /opt/evaluation/bin/pip install --find-links /wheels --require-hashes -r /wheels/requirements-evaluator.lock
COPY build/wheels/project /project
RUN /opt/evaluation/bin/pip install --no-deps /project/*.whl \
 && /opt/evaluation/bin/pip uninstall --yes --quiet setuptools pip

FROM ${PYTHON_IMAGE} AS program
ENV PATH=/opt/evaluation/bin:/usr/local/bin:/usr/bin:/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 65532:65532
WORKDIR /tmp

FROM program AS operator
COPY --from=operator-environment /opt/evaluation /opt/evaluation
ENTRYPOINT ["evaluation-operator"]

FROM program AS evaluator
COPY --from=evaluator-environment /opt/evaluation /opt/evaluation
ENTRYPOINT ["evaluation-run"]
