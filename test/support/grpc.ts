// A gRPC service without a compiler: messages are JSON, the four kinds of calls echo, and metadata says what else is wanted.
// The same definition serves and calls, with @grpc/grpc-js, as a replica's author and its users would have it.

import {
  type ChannelOptions,
  credentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  makeGenericClientConstructor,
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type ServiceError,
  status,
} from '@grpc/grpc-js';

export interface Message {
  readonly text?: string;
  readonly count?: number;
  readonly by?: string;
}

const serialize = (message: Message): Buffer => Buffer.from(JSON.stringify(message));
const deserialize = (bytes: Buffer): Message => JSON.parse(bytes.toString()) as Message;

const method = (
  name: string,
  requestStream: boolean,
  responseStream: boolean,
): MethodDefinition<Message, Message> => ({
  path: `/torc.test.Echo/${name}`,
  requestStream,
  responseStream,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
});

const echo = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  spread: method('Spread', false, true),
  chat: method('Chat', true, true),
} satisfies ServiceDefinition;

const raw = (bytes: Buffer): Buffer => bytes;
const health = {
  check: {
    path: '/grpc.health.v1.Health/Check',
    requestStream: false,
    responseStream: false,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  },
} satisfies ServiceDefinition;

/** Metadata that the service understands: `x-status` (fails so), `x-wait-ms` (answers late), `x-hang` (never). */
export async function serveGrpc(name: string, port: number): Promise<{ server: Server; port: number }> {
  const server = new Server();
  const failure = (metadata: Metadata): Partial<ServiceError> | null => {
    const [code] = metadata.get('x-status');
    if (code === undefined) return null;
    const trailers = new Metadata();
    trailers.set('x-why', 'asked for');
    return { code: Number(code), details: 'as you \u00fcsh', metadata: trailers };
  };
  const unary: handleUnaryCall<Message, Message> = (call, answer) => {
    const [waitMs, hangs] = [call.metadata.get('x-wait-ms')[0], call.metadata.get('x-hang')[0]];
    if (hangs !== undefined) return;
    const head = new Metadata();
    head.set('x-head', name);
    call.sendMetadata(head);
    const send = (): void => {
      const failed = failure(call.metadata);
      if (failed !== null) answer(failed);
      else answer(null, { ...call.request, by: name }, metadata({ 'x-trailer': name }));
    };
    if (waitMs === undefined) send();
    else setTimeout(send, Number(waitMs));
  };
  const collect: handleClientStreamingCall<Message, Message> = (call, answer) => {
    let text = '';
    let count = 0;
    call.on('data', (message: Message) => {
      text += message.text;
      count++;
    });
    call.on('end', () => answer(failure(call.metadata), { text, count, by: name }));
  };
  const spread: handleServerStreamingCall<Message, Message> = call => {
    const { text, count = 0 } = call.request;
    let sent = 0;
    const more = (): void => {
      while (sent < count)
        if (!call.write({ text: `${text}${sent++}`, by: name })) return void call.once('drain', more);
      const failed = failure(call.metadata);
      if (failed === null) call.end();
      else call.emit('error', failed);
    };
    more();
  };
  const chat: handleBidiStreamingCall<Message, Message> = call => {
    const failed = failure(call.metadata);
    call.on('data', (message: Message) => {
      call.write({ text: `re: ${message.text}`, by: name });
      if (message.text === 'enough') call.end();
      else if (failed !== null) call.emit('error', failed);
    });
    call.on('end', () => call.end());
  };
  server.addService(echo, { unary, collect, spread, chat });
  server.addService(health, {
    check: ((_call, answer) => answer(null, Buffer.from([8, 1]))) as handleUnaryCall<Buffer, Buffer>,
  });
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, at) =>
      error === null ? resolve(at) : reject(error),
    ),
  );
  return { server, port: bound };
}

const EchoClient = makeGenericClientConstructor(echo, 'Echo');
export type EchoClient = InstanceType<typeof EchoClient>;

export const echoClient = (port: number, options: ChannelOptions = {}): EchoClient =>
  new EchoClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    // Each client has a connection of its own.
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });

export const metadata = (fields: Record<string, string>): Metadata => {
  const made = new Metadata();
  for (const [name, value] of Object.entries(fields)) made.set(name, value);
  return made;
};

/** A unary call's answer, or its status. */
export const callUnary = (
  client: EchoClient,
  message: Message,
  fields: Record<string, string> = {},
  deadlineMs = 30_000,
): Promise<Message> =>
  new Promise((resolve, reject) => {
    client.unary!(
      message,
      metadata(fields),
      { deadline: Date.now() + deadlineMs },
      (error: ServiceError | null, answer?: Message) => (error === null ? resolve(answer!) : reject(error)),
    );
  });

export { status };
