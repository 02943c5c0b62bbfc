# One KMS in one container: docs/one-machine.md, "In a container".
ARG PYTHON=docker.io/library/python:3.13-slim-trixie

FROM ${PYTHON} AS build
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir --disable-pip-version-check uv==0.13.9
WORKDIR /src
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY layers layers
COPY functions functions
COPY tkms tkms
ENV UV_PROJECT_ENVIRONMENT=/opt/tkms UV_PYTHON_DOWNLOADS=never
RUN /uv/bin/uv sync --locked --no-cache --no-default-groups --no-editable --compile-bytecode

FROM ${PYTHON}
COPY --from=build /opt/tkms /opt/tkms
RUN groupadd --gid 10001 tkms \
    && useradd --uid 10001 --gid 10001 --home-dir /data --no-create-home --shell /usr/sbin/nologin tkms \
    && install --directory --mode 0700 --owner 10001 --group 10001 /data
ENV PATH=/opt/tkms/bin:/usr/local/bin:/usr/bin:/bin TKMS_DATA_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8480
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["tkms", "ready"]
ENTRYPOINT ["tkms"]
CMD ["serve", "--host", "0.0.0.0"]
