// A replica that speaks gRPC alone, as a program: torc's process driver starts it with PORT and SERVER_ID.
// It ends as such programs do: SIGTERM finishes what it has begun.

import { serveGrpc } from './grpc.ts';

const { server } = await serveGrpc(process.env.SERVER_ID ?? 'alone', Number(process.env.PORT ?? 0));
process.on('SIGTERM', () => server.tryShutdown(() => process.exit(0)));
