# torc itself, without npm's cache and without the pinned Node (an optional dependency: the image has Node).
#   docker build -t torc -f docker/balancer.Dockerfile .
FROM node:26-slim AS modules
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --no-audit --no-fund

FROM node:26-slim
WORKDIR /app
COPY --from=modules /app/node_modules ./node_modules
COPY package.json ./
COPY src ./src
# Also what the replica image is built from, on the engine whose socket is mounted.
COPY docker/start.ts docker/reaper.ts docker/replica.ts docker/replica.Dockerfile ./docker/
# What must outlive a container; the volume takes over that it is the user node's.
# What was compiled is kept for the next start, by the user that torc runs as.
RUN mkdir -p /var/lib/torc node_modules/.cache/torc && chmod 0700 /var/lib/torc && chown node:node /var/lib/torc node_modules/.cache/torc
ENV NODE_ENV=production HOST=0.0.0.0 PORT=5000 TORC_STATE_DIR=/var/lib/torc
# torc.reaper: it may be run beside a torc of this image, to end what that leaves (src/drivers/docker/reaper.ts).
LABEL torc.reaper=true
VOLUME /var/lib/torc
EXPOSE 5000
# Without the token torc answers 401 or 403 here: it is alive, and whether it is ready is not for everybody.
# Failures of the first minute do not count: an image may have to be built before the first replica is there.
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.PORT + '/admin/ready').then(r => process.exit(r.status < 500 ? 0 : 1), () => process.exit(1))"]
# No USER: start.ts becomes the user node itself, with the group of the mounted socket.
CMD ["node", "docker/start.ts"]
