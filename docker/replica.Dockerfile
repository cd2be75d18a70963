# The bundled replica: one file on Node alone. Built by torc itself where the image is missing; by hand:
#   docker build -t torc-replica -f docker/replica.Dockerfile .
FROM node:26-slim
WORKDIR /app
COPY docker/replica.ts ./
USER node
EXPOSE 5000
# For people and other tools: torc asks by itself, and much more often.
HEALTHCHECK --interval=30s --timeout=5s --retries=2 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + (process.env.PORT ?? 5000) + '/heartbeat').then(r => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "replica.ts"]
