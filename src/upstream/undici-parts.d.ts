// undici's Pool without its front door, which loads fetch, WebSocket, caches and all else that a worker never uses: 8 MB
// in each. The package has no map of exports, and its version is pinned.

declare module 'undici/lib/dispatcher/pool.js' {
  export { Pool as default } from 'undici';
}
declare module 'undici/lib/dispatcher/dispatcher.js' {
  export { Dispatcher as default } from 'undici';
}
