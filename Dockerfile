# The kronlens command, with OpenBLAS: worker, coordinator and analyze alike. What the stages do is in docker/.
#   docker build --target cpu .      for processors
#   docker build --target cuda .     on CUDA 12 and cuDNN, with the CUDA provider of ONNX Runtime

FROM node:20-bookworm-slim AS build
WORKDIR /kronlens
COPY . .
RUN docker/build.sh

FROM node:20-bookworm-slim AS cpu
COPY docker/install-system.sh /tmp/
RUN /tmp/install-system.sh
COPY --from=build /kronlens /kronlens
RUN ln -s /kronlens/coordinator/bin/kronlens.js /usr/local/bin/kronlens
USER node
WORKDIR /home/node
# As process 1, node would not get signals; a worker must, to leave in good order.
ENTRYPOINT ["tini", "--", "kronlens"]
CMD ["--help"]

FROM build AS build-cuda
RUN docker/install-cuda.sh

FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu22.04 AS cuda
COPY docker/install-system.sh /tmp/
RUN /tmp/install-system.sh
COPY --from=build-cuda /usr/local/bin/node /usr/local/bin/node
COPY --from=build-cuda /kronlens /kronlens
RUN ln -s /kronlens/coordinator/bin/kronlens.js /usr/local/bin/kronlens \
 && useradd --create-home --uid 1000 node
USER node
WORKDIR /home/node
ENTRYPOINT ["tini", "--", "kronlens"]
CMD ["--help"]
