// The log's shape, as the rooms see it; main.ts makes the real one (pino). Rooms take it by argument, so the
// simulation can keep it silent and tests can read it.

export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const nothing = (): void => {};
export const silentLog: Log = { debug: nothing, info: nothing, warn: nothing, error: nothing };
